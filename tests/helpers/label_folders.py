"""Folders of labels of heads, beside the folder of the picks that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from alignbench.interpret.labelling.head_picks import read_picks
from alignbench.interpret.labelling.labelling import LabelJob, label_heads
from alignbench.interpret.labelling.words import WordLabeller
from span_folders import write_span

PICKED = {(11, 0): ["a red dog", "a cup", "blue"], (12, 1): ["two cups"], (12, 2): ["a blue cup", "red"]}
WORDS = {"colours": ("red", "blue"), "animals": ("dog",)}


def write_labels(root: Path, model: str = "own", examples: Mapping[tuple[int, int], str] | None = None) -> Path:
    """A folder of labels by words, and the folder of its picks: head 1 of layer 12 has no label.

    Args:
        root: The folder of both.
        model: Label of the model.
        examples: Heads that are labelled already.
    """
    span = root / f"{model}__textspan__0"
    picks = read_picks(span if span.is_dir() else write_span(span, PICKED, model=model))
    return label_heads(picks, WordLabeller(WORDS), LabelJob("words", 0, examples=examples or {}))[0]
