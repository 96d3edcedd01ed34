"""YAML of others: its size is known before it is expanded, as aliases multiply, and it has no key twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from alignbench.errors import DataError, one_line, shortened

_MOST: Final = 20_000  # values with every alias written out: more than any file of ours has
_DEEPEST: Final = 50
_MERGE: Final = "tag:yaml.org,2002:merge"


def load_yaml(text: str) -> Any:
    """Load plain YAML: no types but those of JSON, and dates.

    Raises:
        DataError: If it is no YAML, nested deeply, of more values than anyone writes, or has a key twice.
    """
    import yaml

    try:
        _check_size(yaml.parse(text, yaml.SafeLoader))
        _check_keys(yaml.compose(text, yaml.SafeLoader))  # as they are written: nothing is merged yet
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # the latter for a date that is none, or a number of many digits
        raise DataError(f"is not YAML ({one_line(error)})") from error


def _check_keys(root: Any) -> None:
    """Check that each mapping has each key once; what is merged into one (`<<`) may be given there anew.

    Raises:
        DataError: If one has a key twice, of which YAML's own loader takes the last without a word.
    """
    import yaml

    constructor = yaml.constructor.SafeConstructor()
    for mapping in _mappings(root):
        lines: dict[Any, int] = {}
        for key in (key for key, _ in mapping.value if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE):
            name, line = constructor.construct_object(key), key.start_mark.line + 1
            if name in lines:
                shown = f"{shortened(key.value)} twice, in line {lines[name]} and in line {line}"
                raise DataError(f"has the key {shown}: leave one out")
            lines[name] = line


def _mappings(root: Any) -> Iterable[Any]:
    """Go through the mappings at and below a node, each once, however many aliases name it."""
    import yaml

    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield node
            waiting += [inner for member in node.value for inner in member]
        else:
            waiting += node.value


def _check_size(events: Iterable[Any]) -> None:
    """Count values, those of an alias as often as it stands there, without making any.

    Raises:
        DataError: If there are too many, or an alias stands within what it names.
    """
    import yaml

    sizes: dict[str, int] = {}  # of what an anchor names
    open_nodes: list[tuple[str | None, int]] = []  # anchor of each collection that has begun, and the count before it
    count = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = count - before
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor in [anchor for anchor, _ in open_nodes]:
                raise DataError(f"has an alias within what it names, in line {event.start_mark.line + 1}: write it out")
            count += sizes.get(event.anchor, 1)
        if count > _MOST:
            raise DataError(
                f"has more than {_MOST:,} values by line {event.start_mark.line + 1}: leave out its aliases"
            )
        if len(open_nodes) > _DEEPEST:
            raise DataError(f"is nested more than {_DEEPEST} deep in line {event.start_mark.line + 1}: flatten it")
