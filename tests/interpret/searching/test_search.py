"""Analyses of a store of given numbers: what is found, what makes another folder, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import DataError, UsageError
from alignbench.interpret.searching.analysis import SearchJob
from alignbench.interpret.searching.asked import DecomposedPicture, StoredPicture
from alignbench.interpret.searching.search import is_search, read_search, search_store
from alignbench.interpret.store import HeadStore, StoreShape
from head_stores import random_contributions, write_store
from row_encoders import row_encoder

SHAPE = StoreShape(pictures=12, blocks=3, layers=(2, 3), heads=2, width=4, dtype="fp32")
VALUES = random_contributions(12, 8, 4).astype(float)  # heads 2.0, 2.1, 3.0, 3.1 and others
TEXTS = {"one": [2.0, 0.0, 0.0, 0.0], "two": [0.0, 3.0, 0.0, 0.0]}
RNG = np.random.default_rng(5)
PATCHES = RNG.normal(size=(3, 6, 2, 4))
FILE = DecomposedPicture(
    "it.png",
    "sha",
    RNG.integers(0, 256, (3, 20, 30), dtype=np.uint8),
    PATCHES,
    RNG.normal(size=(3, 2, 4)),
    RNG.dirichlet(np.ones(7), size=(3, 2))[:, :, 1:],
)
STORED = StoredPicture("7.png", 7)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> HeadStore:
    return write_store(tmp_path_factory.mktemp("it") / "heads/own__heads__00000000", SHAPE)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))


def test_neighbours_of_a_picture_by_several_heads_together(store: HeadStore) -> None:
    folder, was_there = search_store(store, SearchJob("property", ((2, 1), (3, 0))), STORED)
    assert not was_there
    assert (folder.parent, folder.name[:13]) == (store.folder.parent, "own__search__")
    record, table = read_search(folder)
    assert record["settings"]["among"] == "2.1,3.0"
    products = np.mean([VALUES[:, place] @ VALUES[7, place] for place in (1, 2)], axis=0)
    order = [number for number in np.argsort(-products) if number != 7][:4]
    assert table["heads"].tolist() == ["2.1,3.0"] * 4
    assert table["place"].tolist() == [1, 2, 3, 4]
    assert table["picture"].tolist() == [f"{number}.png" for number in order]
    np.testing.assert_allclose(table["value"], products[order], rtol=1e-5)


@pytest.mark.parametrize("is_file", [True, False])
def test_neighbours_of_a_picture_by_each_head(is_file: bool, store: HeadStore) -> None:
    _, table = read_search(search_store(store, SearchJob("picture"), FILE if is_file else STORED)[0])
    assert table["heads"].unique().tolist() == ["2.0", "2.1", "3.0", "3.1"]
    for place, (name, rows) in enumerate(table.groupby("heads", sort=False)):
        layer, head = map(int, str(name).split("."))
        query = FILE.heads[layer - 1, head] if is_file else VALUES[7, place]
        products = VALUES[:, place] @ query
        order = [number for number in np.argsort(-products) if is_file or number != 7][:8]
        assert rows["picture"].tolist() == [f"{number}.png" for number in order]


def test_pictures_of_a_text_by_each_head(store: HeadStore) -> None:
    job = SearchJob("text", ((3, 1),), ("two",), "centred", 5)
    _, table = read_search(search_store(store, job, None, row_encoder(TEXTS))[0])
    rows = VALUES[:, 3] - VALUES[:, 3].mean(axis=0)
    cosines = rows[:, 1] / np.linalg.norm(rows, axis=1)
    order = np.argsort(-cosines)[:5]
    assert table["picture"].tolist() == [f"{number}.png" for number in order]
    np.testing.assert_allclose(table["value"], cosines[order], rtol=1e-5)


@pytest.mark.parametrize(("analysis", "texts"), [("topic", ("one",)), ("contrast", ("one", "two"))])
def test_maps_are_of_the_patches_of_the_heads(analysis: str, texts: tuple[str, ...], store: HeadStore) -> None:
    job = SearchJob(analysis, ((2, 0), (3, 1)), texts)
    folder, _ = search_store(store, job, FILE, row_encoder(TEXTS))
    assert {path.name for path in folder.iterdir()} == {"search.json", "search.csv", "map.png"}
    _, table = read_search(folder)
    summed = PATCHES[1, :, 0] + PATCHES[2, :, 1]
    wanted = summed[:, 0] - (summed[:, 1] if analysis == "contrast" else 0.0)
    assert table["row"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["column"].tolist() == [0, 1, 2, 0, 1, 2]
    np.testing.assert_allclose(table["value"], wanted)
    _, all_heads = read_search(search_store(store, replace(job, heads=()), FILE, row_encoder(TEXTS))[0])
    summed = PATCHES[1:].sum(axis=(0, 2))
    np.testing.assert_allclose(all_heads["value"], summed[:, 0] - (summed[:, 1] if analysis == "contrast" else 0.0))


def test_only_what_changes_a_number_makes_another_folder(store: HeadStore) -> None:
    job, encoder = SearchJob("text", (), ("one",)), row_encoder(TEXTS)
    first, _ = search_store(store, job, None, encoder)
    assert search_store(store, replace(job, count=3), None, encoder) == (first, True)
    others = [
        search_store(store, each, None, encoder)[0]
        for each in (
            replace(job, count=4),
            replace(job, measure="cosine"),
            replace(job, texts=("two",)),
            replace(job, heads=((2, 0),)),
        )
    ]
    pictures = [FILE, replace(FILE, identity="other"), replace(FILE, name="other.png"), STORED]
    others += [search_store(store, SearchJob("picture"), each)[0] for each in pictures]
    assert len({first, *others}) == 9
    assert all(is_search(folder) for folder in others)


@pytest.mark.parametrize(
    ("job", "picture", "said"),
    [
        (SearchJob("topics", (), ("one",)), FILE, "unknown analysis 'topics': did you mean topic"),
        (SearchJob("picture", measure="l2"), STORED, "unknown --measure 'l2'"),
        (SearchJob("picture", texts=("one",)), STORED, "picture takes no text: leave out --text"),
        (SearchJob("text"), None, "text takes a text: give --text"),
        (SearchJob("contrast", texts=("one",)), FILE, "contrast takes two: give --text, --against"),
        (SearchJob("picture", count=0), STORED, "--count 0: give 1 or more"),
        (SearchJob("topic", texts=("one",), count=2), FILE, "topic finds no neighbours: leave out --count"),
        (SearchJob("picture"), None, "picture is asked about one: give --picture"),
        (SearchJob("text", texts=("one",)), STORED, "text is asked about all pictures: leave out --picture"),
        (SearchJob("topic", texts=("one",)), STORED, "a map is of the tokens of a picture: give its file"),
        (SearchJob("picture", ((1, 0),)), STORED, "holds no heads of layer 1: it has those of 2, 3"),
    ],
)
def test_bad_input_is_named(
    job: SearchJob, picture: StoredPicture | DecomposedPicture | None, said: str, store: HeadStore
) -> None:
    with pytest.raises(UsageError, match=said):
        search_store(store, job, picture, row_encoder(TEXTS))


def test_a_folder_that_is_no_analysis_is_refused(store: HeadStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no search.json and search.csv: make it by"):
        read_search(tmp_path)
    folder, _ = search_store(store, SearchJob("picture", count=1), STORED)
    (folder / "search.json").write_text(json.dumps({"settings": {}, "store": "x", "analysis": "topic"}))
    with pytest.raises(DataError, match=r"cannot be read .*row is not there"):
        read_search(folder)


def test_attention_is_kept_without_a_measure(store: HeadStore) -> None:
    folder, _ = search_store(store, SearchJob("attention", ((2, 1), (3, 0))), FILE)
    record, table = read_search(folder)
    assert "measure" not in record["settings"]
    assert {"map.png", "search.csv", "search.json"} == {each.name for each in folder.iterdir()}
    wanted = (FILE.attention[1, 1] + FILE.attention[2, 0]) / 2
    np.testing.assert_allclose(table["value"], wanted, rtol=1e-12)
    assert table[["row", "column"]].to_numpy().tolist() == [[row, column] for row in range(2) for column in range(3)]
