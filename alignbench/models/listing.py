"""What can be measured, by name: models with a card, baselines, and families of other models."""

from __future__ import annotations

from alignbench.models.cards import cards
from alignbench.models.families import FAMILIES
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
