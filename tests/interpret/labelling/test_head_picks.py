"""Picks of heads as rows of one list of texts, observed and drawn, and folders that are not whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import DataError
from alignbench.interpret.labelling.head_picks import HeadPicks, even, odd, read_picks
from span_folders import write_span

PICKED = {(11, 0): ["a", "b", "c", "d", "e"], (11, 1): [], (12, 0): ["b", "f"]}
DRAWN = [
    {(11, 0): ["a", "z", "c", "d", "e"], (11, 1): [], (12, 0): ["f", "b"]},
    {(11, 0): ["y", "a"], (11, 1): [], (12, 0): ["b"]},
]


def said(picks: HeadPicks, rows: np.ndarray) -> list[list[str]]:
    return [[picks.texts[row] for row in head if row >= 0] for head in rows]


def test_picks_are_read_in_their_order(tmp_path: Path) -> None:
    found = read_picks(write_span(tmp_path / "it", PICKED, DRAWN))
    assert found.places == tuple(PICKED)
    assert said(found, found.picks) == list(PICKED.values())
    assert found.drawn is not None
    assert [said(found, each) for each in found.drawn] == [list(each.values()) for each in DRAWN]
    assert len(set(found.texts)) == len(found.texts)
    assert (found.size, found.images) == (144, 200)
    assert read_picks(write_span(tmp_path / "other", PICKED)).drawn is None


def test_odd_picks_label_and_even_ones_are_judged(tmp_path: Path) -> None:
    found = read_picks(write_span(tmp_path / "it", PICKED))
    assert [(each.layer, each.head, each.texts) for each in found.labelled_by(found.picks)] == [
        *((11, 0, ("a", "c", "e")), (11, 1, ()), (12, 0, ("b",))),
    ]
    assert said(found, even(found.picks)) == [["b", "d"], [], ["f"]]
    assert said(found, odd(found.picks)) == [["a", "c", "e"], [], ["b"]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ranks": []}, "its record names no heads"),
        ({"ranks": [{"layer": 11}]}, "names a head without layer and number"),
        ({"ranks": [{"layer": 11, "head": 0}] * 2}, "names a head twice"),
        ({"ranks": [{"layer": 11, "head": 0}]}, "layer 12, head 0 is not among the heads of its record"),
        ({"blocks": None}, "record.blocks is not a whole number"),
        ({"settings": {"heads": {}}}, "do not say of which heads and by which encoder"),
    ],
)
def test_records_that_do_not_fit_are_refused(change: dict[str, object], words: str, tmp_path: Path) -> None:
    folder = write_span(tmp_path / "it", PICKED)
    record = json.loads((folder / "textspan.json").read_text())
    (folder / "textspan.json").write_text(json.dumps(record | change))
    with pytest.raises(DataError, match=words):
        read_picks(folder)


@pytest.mark.parametrize("texts", [["a", "a"], ["a", " "]])
def test_doubled_and_empty_texts_are_refused(texts: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"of different texts|it has an empty text"):
        read_picks(write_span(tmp_path / "it", {(1, 0): texts}))


def test_draws_of_other_heads_are_refused(tmp_path: Path) -> None:
    folder = write_span(tmp_path / "it", PICKED, DRAWN)
    other = write_span(tmp_path / "other", {(1, 0): ["a"]}, [{(1, 0): ["a"]}])
    (other / "draws.safetensors").rename(folder / "draws.safetensors")
    (other / "drawn.csv").rename(folder / "drawn.csv")
    with pytest.raises(DataError, match="are of 1 heads, and it has 3"):
        read_picks(folder)
