"""Heads grouped by the labels of a folder, and labels of other heads."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import DataError, UsageError
from alignbench.interpret.label_groups import label_groups
from alignbench.interpret.labelling.head_picks import read_picks
from alignbench.interpret.labelling.labelling import LabelJob, label_heads
from alignbench.interpret.labelling.words import WordLabeller
from alignbench.interpret.store import HeadStore, StoreShape
from head_stores import write_store
from span_folders import write_span

SHAPE = StoreShape(pictures=3, blocks=2, layers=(1, 2), heads=2, width=4, dtype="fp32")
WORDS = {"colours": ("red", "blue"), "animals": ("dog",), "unused": ("house",)}
PICKED = {(1, 0): ["a red thing"], (1, 1): ["a dog"], (2, 0): ["a thing"], (2, 1): ["a blue thing"]}


def labelled(tmp_path: Path, store: HeadStore, picked: dict[tuple[int, int], list[str]] = PICKED) -> Path:
    span = write_span(tmp_path / "own__textspan__0", picked, heads=store.record["settings"])
    return label_heads(read_picks(span), WordLabeller(WORDS), LabelJob("words", 0))[0]


def test_heads_of_a_label_are_a_group(tmp_path: Path) -> None:
    store = write_store(tmp_path / "own__heads__00000000", SHAPE)
    folder = labelled(tmp_path, store)
    assert label_groups(folder, store) == {"animals": ((1, 1),), "colours": ((1, 0), (2, 1))}
    assert label_groups(folder, store, "colours") == {"colours": ((1, 0), (2, 1))}
    with pytest.raises(UsageError, match="unknown --label 'colour': did you mean colours"):
        label_groups(folder, store, "colour")


def test_labels_of_other_heads_are_refused(tmp_path: Path) -> None:
    store = write_store(tmp_path / "own__heads__00000000", SHAPE)
    other = write_store(tmp_path / "other__heads__00000000", SHAPE, label="other")
    with pytest.raises(DataError, match="has labels of heads of other contributions than"):
        label_groups(labelled(tmp_path, other), store)


def test_labels_that_name_no_head_make_no_group(tmp_path: Path) -> None:
    store = write_store(tmp_path / "own__heads__00000000", SHAPE)
    folder = labelled(tmp_path, store, {place: [f"a thing {place[1]}"] for place in PICKED})
    with pytest.raises(DataError, match="labels no head: give heads by --group"):
        label_groups(folder, store)
