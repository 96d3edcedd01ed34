"""What differs between models beside the factor they are compared for, as far as their cards say."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from alignbench.models.cards import Card
from alignbench.study.study_run import StudyRun

_NAMES = {"clip": "CLIP", "chinese_clip": "Chinese-CLIP", "siglip": "SigLIP"}
_VISION = {
    "hidden_size": "channels",
    "num_hidden_layers": "blocks",
    "num_attention_heads": "heads",
    "projection_dim": "channels of the projection",
}
_UNKNOWN = "-"


def spoken(run: StudyRun, key: str) -> str:
    """What a model is called as an option: its architecture, or its name and the value of the factor.

    Args:
        run: A run of it that has factors.
        key: The factor.
    """
    value = str(run.factors[key])
    return value if key == "architecture" else f"{_name(run)} ({value})"


def _name(run: StudyRun) -> str:
    card = run.card
    if card is not None and card.family in _NAMES:
        return _NAMES[card.family]
    return run.label if ":" in run.label else run.label.rpartition("/")[2].partition("-")[0]


def differing(runs: Sequence[StudyRun], names: Sequence[str], key: str) -> pd.DataFrame:
    """What else differs.

    Args:
        runs: A run of each model.
        names: What the models are called.
        key: The factor for which they are compared, which has no row.

    Returns:
        A row for each thing that is known to differ, with the columns `factor` and `names`; `-` where a card does not
        say.
    """
    facts = [_facts(run) for run in runs]
    rows = []
    for fact in dict.fromkeys(fact for known in facts for fact in known):
        values = [known.get(fact, _UNKNOWN) for known in facts]
        if fact != key.replace("_", " ") and len(set(values) - {_UNKNOWN}) > 1:
            rows.append({"factor": fact, **dict(zip(names, values, strict=True))})
    return pd.DataFrame(rows, columns=["factor", *names])


def _facts(run: StudyRun) -> dict[str, str]:
    known = {name.replace("_", " "): str(value) for name, value in run.factors.items()}
    card = run.card
    if card is None:
        return known
    known |= {spoken: str(card.vision[name]) for name, spoken in _VISION.items() if name in card.vision}
    return {"family": card.family} | known | {"pictures": _pictures(run, card)} | _feed(run, card)


def _pictures(run: StudyRun, card: Card) -> str:
    """How pictures become the tower's square."""
    if run.settings.resize == "published":
        return "as for its published transform"
    whole = "height" in card.processor.get("size", {}) or run.settings.resize == "squash"
    return "whole, squashed to the square" if whole else "short side resized, centre cropped"


def _feed(run: StudyRun, card: Card) -> dict[str, str]:
    """Class token and projection, as `models.huggingface` and `models.openclip` read them."""
    if card.family not in (*_NAMES, "open_clip"):
        return {}  # each family pools in its own way, which `run.json` tells
    if card.patch_size is None:
        return {"class token": "none", "projection": "attention pooling, as it is"}
    normed = "divided by its norm" if run.protocol == "paper" else "as it is"
    if card.family == "siglip":
        return {"class token": "none", "projection": f"attention pooling, {normed}"}
    if card.family == "chinese_clip":
        return {"class token": "yes", "projection": f"linear, {normed}"}
    if card.family == "open_clip" and "timm_model_name" in card.open_clip.get("vision_cfg", {}):
        bare = "left out, with the position embedding and the norms" if run.protocol == "paper" else "yes"
        return {"class token": bare, "projection": "linear, as it is"}
    return {"class token": "yes", "projection": "linear, as it is"}
