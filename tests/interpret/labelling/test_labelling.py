"""The stage of labels: what is asked of a labeller, what is kept, and folders that are damaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignbench.errors import DataError, UsageError
from alignbench.interpret.labelling.head_picks import read_picks
from alignbench.interpret.labelling.labeller import Agreement, HeadLabel, HeadTexts
from alignbench.interpret.labelling.labelling import LabelJob, label_heads, read_labels
from span_folders import write_span

PICKED = {(11, 0): ["red a", "x", "red b"], (11, 1): ["dog a", "y", "dog b"], (12, 0): ["cup", "z"], (12, 1): []}
DRAWN = [dict(zip(PICKED, [list(PICKED[place]) for place in order], strict=True)) for order in (
    [(11, 1), (11, 0), (12, 0), (12, 1)], [(12, 0), (11, 1), (11, 0), (12, 1)],
)]  # fmt: skip


class FirstWord:
    """Labels by the first word of the first text, if that has two; counts what it is asked."""

    def __init__(self, asks: bool = False, name: str = "first") -> None:
        self.asks, self.identities = asks, frozenset({name})
        self.settings: dict[str, Any] = {"name of it": name}
        self.asked: list[HeadTexts] = []

    def label(self, heads: Sequence[HeadTexts]) -> list[HeadLabel]:
        self.asked += heads
        return [HeadLabel(*named(head.texts)) for head in heads]

    def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Agreement:
        return np.array([[text.startswith(label) for label in labels] for text in texts]).reshape(len(texts), -1)


def named(texts: Sequence[str]) -> tuple[str, float]:
    words = texts[0].split() if texts else []
    return (words[0], 0.5) if len(words) == 2 else ("", float("nan"))


def test_heads_draws_and_permutations_are_labelled_by_odd_picks(tmp_path: Path) -> None:
    picks, labeller = read_picks(write_span(tmp_path / "own__textspan__0", PICKED, DRAWN)), FirstWord()
    folder, is_finished = label_heads(picks, labeller, LabelJob("first", 20, 3))
    assert not is_finished
    assert folder.name.startswith("own__labels__")
    found = read_labels(folder)
    assert found.table["label"].tolist() == ["red", "dog", "", ""]
    assert found.table["margin"].tolist()[:2] == [0.5, 0.5]
    assert found.names == ("dog", "red")
    assert labeller.asked[0] == HeadTexts(11, 0, ("red a", "red b"))
    assert len(labeller.asked) == 4 * (1 + 2 + 20)
    assert found.drawn is not None
    assert found.drawn.tolist() == [[0, 1, -1, -1], [-1, 0, 1, -1]]
    assert found.dealt is not None
    assert found.dealt_labels is not None
    assert found.dealt.shape == (20, 4, 3)
    flat = [text for texts in PICKED.values() for text in [*texts, *[""] * (3 - len(texts))]]
    for deal, labels in zip(found.dealt, found.dealt_labels, strict=True):
        texts = [[flat[pick] for pick in head if pick >= 0] for head in deal]
        assert sorted(text for head in texts for text in head) == sorted(filter(None, flat))
        assert [len(head) for head in texts] == [3, 3, 2, 0]
        expected = [named(head)[0] for head in texts]
        assert [found.names[label] if label >= 0 else "" for label in labels] == expected
    assert found.record["identities"] == ["first"]
    assert found.record["picks"] == "own__textspan__0"


def test_a_chat_model_is_asked_about_draws_only_when_wanted(tmp_path: Path) -> None:
    picks = read_picks(write_span(tmp_path / "own__textspan__0", PICKED, DRAWN))
    labeller = FirstWord(asks=True)
    folder, _ = label_heads(picks, labeller, LabelJob("first", 20))
    found = read_labels(folder)
    assert len(labeller.asked) == 4
    assert found.drawn is found.dealt is found.dealt_labels is None
    assert not found.record["settings"]["anew"]
    asked = FirstWord(asks=True)
    other, _ = label_heads(picks, asked, LabelJob("first", 20, anew=True))
    assert other != folder
    assert len(asked.asked) == 4 * 23
    assert read_labels(other).drawn is not None


def test_examples_are_recorded_and_not_labelled(tmp_path: Path) -> None:
    picks, labeller = read_picks(write_span(tmp_path / "own__textspan__0", PICKED, DRAWN)), FirstWord()
    folder, _ = label_heads(picks, labeller, LabelJob("first", 5, examples={(11, 1): "animals"}))
    found = read_labels(folder)
    assert found.table["label"].tolist() == ["red", "animals", "", ""]
    assert found.table["source"].tolist() == ["labelled", "example", "labelled", "labelled"]
    assert found.record["settings"]["examples"] == [[11, 1, "animals"]]
    assert all((head.layer, head.head) != (11, 1) for head in labeller.asked)
    assert found.dealt is not None
    assert (found.dealt[:, 1] == -1).all(), "its picks are not dealt to others"
    assert not np.isin(found.dealt, [3, 4, 5]).any()
    with pytest.raises(UsageError, match="all heads are examples, and none is left to label"):
        label_heads(picks, labeller, LabelJob("first", examples=dict.fromkeys(PICKED, "a")))


def test_only_what_changes_a_label_makes_another_folder(tmp_path: Path) -> None:
    picks = read_picks(write_span(tmp_path / "own__textspan__0", PICKED, DRAWN))
    folder, _ = label_heads(picks, FirstWord(), LabelJob("first", 5))
    assert label_heads(picks, FirstWord(), LabelJob("first", 5, anew=True)) == (folder, True), "it asks nobody"
    without = read_picks(write_span(tmp_path / "own__textspan__1", PICKED))
    others = {
        folder,
        label_heads(picks, FirstWord(name="other"), LabelJob("first", 5))[0],
        label_heads(picks, FirstWord(), LabelJob("first", 6))[0],
        label_heads(picks, FirstWord(), LabelJob("first", 5, 1))[0],
        label_heads(picks, FirstWord(), LabelJob("second", 5))[0],
        label_heads(without, FirstWord(), LabelJob("first", 5))[0],
    }
    assert len(others) == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record, table: record.pop("names"), "names is not there"),
        (lambda record, table: record["settings"].pop("span"), "its settings are not whole"),
        (lambda record, table: record["settings"].update(permutations=10**9), "more permutations than anyone makes"),
        (lambda record, table: record["settings"].update(labeller={}), "its labeller is not a text"),
        (lambda record, table: record.update(names=["red", "red", "dog"]), "it has a name twice"),
        (lambda record, table: record.update(names=["red"]), "a label that is not among its names"),
        (lambda record, table: table.pop("source"), "source is not there"),
        (lambda record, table: table.update({"source": ["guessed"] * 4}), "a source that is none"),
        (lambda record, table: table.update({"head": [0] * 4}), "it labels a head twice"),
        (lambda record, table: table.__init__(table.iloc[:3]), "holds no labels of 3 heads"),
    ],
)
def test_damaged_folders_are_refused(change: Any, said: str, tmp_path: Path) -> None:
    picks = read_picks(write_span(tmp_path / "own__textspan__0", PICKED, DRAWN))
    folder, _ = label_heads(picks, FirstWord(), LabelJob("first", 5))
    record = json.loads((folder / "labels.json").read_text())
    table = pd.read_csv(folder / "labels.csv", keep_default_na=False, na_values={"margin": ""})
    change(record, table)
    (folder / "labels.json").write_text(json.dumps(record))
    table.to_csv(folder / "labels.csv", index=False)
    with pytest.raises(DataError, match=said):
        read_labels(folder)


def test_other_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no labels.json and labels.csv: make it by"):
        read_labels(tmp_path)
    with pytest.raises(DataError, match=r"\(these are picks: label them first\)"):
        read_labels(write_span(tmp_path / "it", PICKED))
