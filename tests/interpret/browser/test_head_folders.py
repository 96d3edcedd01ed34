"""Only the folders of a store's own heads are read; of every other one it is said why not."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from alignbench.errors import DataError
from alignbench.interpret.browser.head_folders import head_folders
from browsed_folders import (
    browse_alignment,
    browse_difference,
    browse_labels,
    browse_scores,
    browse_span,
    browsed_store,
)
from head_folders import alignment_table

KINDS = ("alignments", "differences", "spans", "labels", "scores")


def test_each_kind_of_folder_beside_a_store_is_read(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    made = {
        "alignments": browse_alignment(tmp_path, store),
        "differences": browse_difference(tmp_path / "own__against__0", store, [(0.0, 0.2)]),
        "spans": browse_span(tmp_path / "own__textspan__0", store),
        "labels": browse_labels(tmp_path / "own__labels__0", store),
        "scores": browse_scores(tmp_path / "own__scores__0", store),
    }
    found = head_folders(store)
    assert found.notes == ()
    for kind in KINDS:
        assert [each.name for each in getattr(found, kind)] == [made[kind].name]
    places = [made["spans"], made["labels"], made["spans"]]
    some = head_folders(store, places)  # one that is named twice is read once
    assert [len(getattr(some, kind)) for kind in KINDS] == [0, 0, 1, 1, 0]
    assert some.notes == ()


@pytest.mark.parametrize(
    ("images", "fingerprint", "said"),
    [("j", "m", "it is of other contributions than this store"), ("i", "n", "it is of another model than this store")],
)
def test_folders_of_other_heads_are_left_out_by_name(images: str, fingerprint: str, said: str, tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    other = browsed_store(tmp_path, images, fingerprint)
    browse_span(tmp_path / "own__textspan__0", other)
    browse_labels(tmp_path / "own__labels__0", other)
    browse_scores(tmp_path / "own__scores__0", other)
    browse_alignment(tmp_path, other)
    browse_difference(tmp_path / "own__against__0", other, [(0.0, 0.2)])
    found = head_folders(store)
    of_pictures = ("own__textspan__0", "own__labels__0", "own__scores__0")
    of_model = ("own__align__0", "own__against__0") if fingerprint != "m" else ()
    assert sorted(found.notes) == sorted(f"{name} is left out: {said}" for name in (*of_pictures, *of_model))
    assert (len(found.alignments), len(found.differences)) == ((1, 1) if fingerprint == "m" else (0, 0))
    assert (found.spans, found.labels, found.scores) == ((), (), ())


def test_a_copy_is_read_once_and_two_that_differ_twice(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_labels(tmp_path / "a__labels__0", store)
    browse_labels(tmp_path / "b__labels__0", store)
    browse_labels(tmp_path / "c__labels__0", store, "hand")
    found = head_folders(store)
    assert [each.name for each in found.labels] == ["a__labels__0", "c__labels__0"]
    assert found.notes == ("b__labels__0 is left out: it has the settings of a__labels__0",)


def _edited(path: Path, column: str, value: object) -> None:
    table = pd.read_csv(path)
    table[column] = table[column].astype(object)
    table.loc[0, column] = value
    table.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("file", "column", "value", "said"),
    [
        ("own__textspan__0/texts.csv", "layer", 7, "it has a head that the model has not"),
        ("own__textspan__0/texts.csv", "head", -1, "it has a head that the model has not"),
        ("own__textspan__0/texts.csv", "head", 0.5, "layer, head, pick hold what is no whole number"),
        ("own__textspan__0/texts.csv", "pick", 2, "it has a head twice"),
        ("own__textspan__0/texts.csv", "explained_variance", -0.1, "explained_variance holds a number below 0"),
        ("own__textspan__0/texts.csv", "deviation", "x", "column 'deviation' holds what is no number"),
        ("own__labels__0/labels.csv", "head", 9, "it has a head that the model has not"),
        ("own__labels__0/labels.csv", "label", "plants", "it has a label that is not among its names"),
        ("own__scores__0/heads.csv", "head", 1, "it has a head twice"),
        ("own__scores__0/heads.csv", "first_agreeing", 6, "first_agreeing holds a number that is none of five texts"),
        ("own__scores__0/judged.csv", "layer", 0, "it has a head that the model has not"),
        ("own__against__0/differences.csv", "layer", 99, "it has a head that the model has not"),
        ("own__align__0/alignment.csv", "kind", "neuron", "does not hold scores of components"),
    ],
)
def test_a_damaged_folder_is_left_out_with_a_line_without_its_place(
    file: str, column: str, value: object, said: str, tmp_path: Path
) -> None:
    store = browsed_store(tmp_path)
    browse_span(tmp_path / "own__textspan__0", store)
    browse_labels(tmp_path / "own__labels__0", store)
    browse_scores(tmp_path / "own__scores__0", store)
    browse_difference(tmp_path / "own__against__0", store, [(0.0, 0.2)])
    browse_alignment(tmp_path, store)
    _edited(tmp_path / file, column, value)
    found = head_folders(store)
    (note,) = found.notes
    assert note.startswith(f"{file.partition('/')[0]} is left out: ")
    assert said in note
    assert str(tmp_path) not in note
    assert sum(len(getattr(found, kind)) for kind in KINDS) == 4


def test_an_alignment_of_heads_that_the_model_has_not_is_left_out(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    table = alignment_table()
    table.loc[table["head"] == 3, "head"] = 30
    browse_alignment(tmp_path, store, table=table)
    assert head_folders(store).notes == ("own__align__0 is left out: it has a head that the model has not",)


def test_a_difference_that_does_not_say_of_what_is_left_out(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    folder = browse_difference(tmp_path / "own__against__0", store, [(0.0, 0.2)])
    (folder / "against.json").write_text(json.dumps({"settings": {"first": 1}, "first": "a", "second": "b"}))
    assert head_folders(store).notes == ("own__against__0 is left out: its settings do not say what its first is",)


def test_a_place_that_is_none_is_refused(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    with pytest.raises(DataError, match=r"nowhere is no folder: name folders that `alignbench interpret` has left"):
        head_folders(store, [tmp_path / "nowhere"])
