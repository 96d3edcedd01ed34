"""What can be measured, by name: models with a card, baselines, and families of other models."""

from __future__ import annotations

from fnmatch import fnmatchcase

from alignbench.errors import UsageError, unknown
from alignbench.models.cards import cards
from alignbench.models.families import FAMILIES
from alignbench.models.family import ModelFamily, as_family
from alignbench.models.pair_metrics import METRICS


def known_models() -> list[dict[str, object]]:
    """List what is known by name: a row for each model, baseline and family.

    Returns:
        Rows with `name` and `kind` (`model`, `baseline` or `family`); of models also their `family` and the factors of
        their cards, of the others `package`, the plug-in that they come from, if they do. Plug-ins that cannot be used
        are left out with a warning.
    """
    rows: list[dict[str, object]] = [
        {"name": card.name, "kind": "model", "family": card.family, **card.factors} for card in cards().values()
    ]
    for kind, registry in (("baseline", METRICS), ("family", FAMILIES)):
        rows += [{"name": name, "kind": kind, "package": registry.plug_in(name) or None} for name in registry.usable()]
    return rows


def can_list(family: str) -> bool:
    """Say whether a family lists its models, without having them listed, which may take a while.

    Args:
        family: Name of a family that can be used.
    """
    return type(as_family(family, FAMILIES.load(family))).names is not ModelFamily.names


def names_of_family(family: str, pattern: str) -> list[str]:
    """List the models of a family; no model is built, and nothing is downloaded.

    Args:
        family: Name of the family.
        pattern: What a name must match, with or without the family's prefix: `*` is any text, `?` any letter.

    Raises:
        UsageError: If there is no such family, it cannot list its models, or none matches.
    """
    if family not in FAMILIES:
        raise unknown("model family", family, filter(can_list, FAMILIES.usable()))
    known = as_family(family, FAMILIES.load(family)).names()
    if not known:
        raise UsageError(
            f"the models of {family} cannot be listed here: see its own list; those of "
            f"{' and '.join(filter(can_list, FAMILIES.usable()))} can"
        )
    found = [name for name in known if any(fnmatchcase(each, pattern) for each in (name, name.partition(":")[2]))]
    if not found:
        raise UsageError(
            f"no model of {family} matches '{pattern}': * is any text, as in '*resnet*'; or leave the filter out"
        )
    return found
