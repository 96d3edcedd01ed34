"""The fields of the page: what each is called there, which analysis takes which, and what is wrong with one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from alignbench.errors import UsageError, shortened, unknown

if TYPE_CHECKING:
    from alignbench.interpret.browser.questions import SearchQuestion

FIELDS: Final[Mapping[str, str]] = {  # by their names in addresses
    "heads": "Chosen heads",
    "picture": "Picture",
    "upload": "Upload a picture",
    "text": "Text",
    "against": "Against",
    "measure": "Measure",
    "count": "How many",
    "dataset": "Judgments",
    "other": "Compared with",
    "other_heads": "Heads there",
    "together": "Heads",
    "colouring": "Coloured by",
    "like": "Search by name",
}
TITLES: Final[Mapping[str, str]] = {
    "property": "Property",
    "picture": "Picture",
    "text": "Text",
    "topic": "Topic map",
    "contrast": "Contrast",
    "attention": "Attention",
    "people": "People",
    "difference": "Difference",
}
_PICTURE: Final = frozenset({"picture", "upload"})
_NEAR: Final = frozenset({"measure", "count"})
_TAKES: Final[Mapping[str, frozenset[str]]] = {
    "property": _PICTURE | _NEAR,
    "picture": _PICTURE | _NEAR,
    "text": _NEAR | {"text"},
    "topic": _PICTURE | {"measure", "text"},
    "contrast": _PICTURE | {"measure", "text", "against"},
    "attention": _PICTURE,
    "people": _PICTURE | _NEAR | {"dataset"},
    "difference": _PICTURE | _NEAR | {"other", "other_heads", "together"},
}
_NEEDS: Final = ("text", "against")  # wherever an analysis takes them; so is a picture, but for people
_ANYWHERE: Final = frozenset({"analysis", "heads", "format", "neighbour"})
_EXPLAINED: Final = ("property", "picture", "text")
_OPTIONS: Final[Mapping[str, str]] = {  # of `interpret search`; those of the command that serves stay as they are
    "text": "Text",
    "against": "Against",
    "picture": "Picture",
    "group": "Chosen heads",
    "than-group": "Heads there",
    "measure": "Measure",
    "count": "How many",
    "together": "all together",
}
_OPTION: Final = re.compile(rf"(?<![\w-])--({'|'.join(_OPTIONS)})(?![\w-])")


def named(field: str) -> str:
    """Name a field as the page does, and as addresses do.

    Args:
        field: Its name in addresses.
    """
    return f"“{FIELDS[field]}” ({field})" if field in FIELDS else field


def in_page_words(text: str) -> str:
    """Name options of the search as the page does, which has no command line: “Text”, where an error says `--text`."""
    return _OPTION.sub(lambda found: f"“{_OPTIONS[found[1]]}”", text)


def fault_line(fault: Mapping[str, Any]) -> str:
    """Say what is wrong with a request in a line that quotes no more than a name.

    Args:
        fault: What Pydantic says of it.
    """
    name = named(shortened(fault["loc"][-1] if fault["loc"] else "the question", 40))
    if fault["type"] == "extra_forbidden":
        return f"{name} is nothing that can be asked: leave it out"
    if fault["type"] == "missing":
        return f"{name} is missing: give it"
    return f"{name} {fault['msg'].removeprefix('Value error, ')}"


def check_fields(question: SearchQuestion, asks_why: bool = False) -> None:
    """Check that an analysis is asked with what it takes, and nothing else.

    Args:
        question: What is asked.
        asks_why: Whether it is asked why a picture is a neighbour.

    Raises:
        UsageError: If something is missing, or has no place in it; names the field.
    """
    analysis = question.analysis
    if analysis not in TITLES:
        raise unknown("analysis", analysis, TITLES)
    title, takes = TITLES[analysis], _TAKES[analysis]
    if asks_why and analysis not in _EXPLAINED:
        raise UsageError(f"{title} finds no neighbours that texts explain: ask why of {_listed(_EXPLAINED)}")
    if asks_why and analysis != "property" and len(question.asked_heads) != 1:
        raise UsageError(f"{title} finds neighbours by each head: name one by {named('heads')}, such as 5.3")
    for name in sorted(question.model_fields_set - _ANYWHERE - takes):
        raise UsageError(f"{title} takes no {named(name)}: leave it out")
    for name in _NEEDS:
        if name in takes and getattr(question, name) is None:
            raise UsageError(f"{title} needs {named(name)}: give it")
    given = [name for name in ("picture", "upload") if getattr(question, name) is not None]
    if len(given) > 1:
        raise UsageError(f"{named('picture')} and {named('upload')} are two pictures: give one of them")
    if "picture" in takes and not given and analysis != "people":
        raise UsageError(f"{title} needs {named('picture')}: choose one, or upload one")


def _listed(analyses: Iterable[str]) -> str:
    return ", ".join(TITLES[each] for each in analyses)
