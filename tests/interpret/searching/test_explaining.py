"""Why a neighbour of a store is near: its folder, and that shares add up to what `interpret search` says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import DataError, UsageError
from alignbench.interpret.searching.analysis import Picture, SearchJob
from alignbench.interpret.searching.asked import DecomposedPicture, StoredPicture
from alignbench.interpret.searching.explaining import explain, explain_store
from alignbench.interpret.searching.picked_texts import PickedTexts
from alignbench.interpret.searching.search import read_search, search_store
from alignbench.interpret.searching.similarity import MEASURES
from alignbench.interpret.spanning import SpanJob, span_store
from alignbench.interpret.store import StoreShape
from head_stores import fill_store, write_store
from row_encoders import row_encoder

SHAPE = StoreShape(pictures=12, blocks=3, layers=(2, 3), heads=2, width=4, dtype="fp32")
RNG = np.random.default_rng(5)
TEXTS = {f"text {number}": row for number, row in enumerate(RNG.normal(size=(9, 4)))}
PATCHES = RNG.normal(size=(3, 6, 2, 4))
FILE = DecomposedPicture(
    "it.png", "sha", np.zeros((3, 20, 30), np.uint8), PATCHES, RNG.normal(size=(3, 2, 4)), np.full((3, 2, 6), 0.125)
)
STORED = StoredPicture("7.png", 7)
HEADS = ((2, 1), (3, 0))


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PickedTexts:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    store, encoder = write_store(tmp_path / "heads/own__heads__00000000", SHAPE), row_encoder(TEXTS)
    return PickedTexts.read(span_store(store, encoder, list(TEXTS), SpanJob(picks=2))[0], store, encoder)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("job", "picture"),
    [
        (SearchJob("property", HEADS), STORED),
        (SearchJob("property"), FILE),
        (SearchJob("picture", HEADS[:1]), STORED),
        (SearchJob("picture", HEADS[1:]), FILE),
        (SearchJob("text", HEADS[:1], ("text 3",)), None),
    ],
)
def test_shares_add_up_to_what_a_search_finds(
    job: SearchJob, picture: Picture | None, measure: str, texts: PickedTexts
) -> None:
    job = replace(job, measure=measure)
    _, found = read_search(search_store(texts.store, job, picture, texts.encoder)[0])
    for row in found.itertuples():
        folder, was_there = explain_store(texts, job, row.picture, picture)
        assert not was_there
        assert {path.name for path in folder.iterdir()} == {"search.json", "search.csv"}
        record, table = read_search(folder)
        assert record["analysis"] == job.analysis
        assert record["why"]["picture"] == row.picture
        assert record["why"]["value"] == pytest.approx(row.value, abs=1e-12)
        assert table["value"].sum() == pytest.approx(row.value, abs=1e-12)
        assert table["value"].iloc[-1] == record["why"]["rest"]
        assert table["pick"].tolist()[-1] == 0
        assert sorted(table["pick"][:-1]) == sorted([1, 2] * (len(job.heads) or 4))
        assert explain_store(texts, job, row.picture, picture) == (folder, True)


def test_a_planted_head_says_why_by_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Head 1.0 says how red a picture is, and little else; two red pictures are near by `red`."""
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    shape = StoreShape(pictures=20, blocks=1, layers=(1,), heads=1, width=4, dtype="fp32")
    rng = np.random.default_rng(2)
    red = rng.normal(size=20)
    red[[3, 8]] = 4.0
    values = 0.05 * rng.normal(size=(20, 3, 4))
    values[:, 0, 1] += red
    encoder = row_encoder({"round": [1, 0, 0, 0], "red": [0, 1, 0, 0], "far": [0, 0, 1, 0.5]})
    store = fill_store(tmp_path / "s", shape, values.astype(np.float32), [f"{number}.png" for number in range(20)])
    folder, _ = span_store(store, encoder, ["round", "red", "far"], SpanJob(picks=3, rank=4))
    texts = PickedTexts.read(folder, store, encoder)
    said = explain(texts, SearchJob("property", ((1, 0),)), 8, StoredPicture("3.png", 3))
    assert (said.shares[0].text, said.shares[0].pick) == ("red", 1)
    assert said.shares[0].value == pytest.approx(16.0, rel=0.05)
    assert abs(said.value - said.shares[0].value) < 0.05


def test_only_what_changes_a_number_makes_another_folder(texts: PickedTexts) -> None:
    job = SearchJob("property", HEADS)
    folders = {
        explain_store(texts, *each)[0]
        for each in (
            (job, "3.png", STORED),
            (job, "4.png", STORED),
            (replace(job, measure="cosine"), "3.png", STORED),
            (replace(job, heads=HEADS[:1]), "3.png", STORED),
            (job, "3.png", FILE),
        )
    }
    assert len(folders) == 5
    more, _ = span_store(texts.store, texts.encoder, list(TEXTS), SpanJob(picks=3))
    other, was_there = explain_store(PickedTexts.read(more, texts.store, texts.encoder), job, "3.png", STORED)
    assert not was_there
    assert "count" not in read_search(other)[0]["settings"]
    assert search_store(texts.store, job, STORED)[0] not in folders


@pytest.mark.parametrize(
    ("job", "neighbour", "picture", "said"),
    [
        (
            SearchJob("topic", texts=("text 1",)),
            "3.png",
            FILE,
            "topic finds no neighbours: leave out --why",
        ),
        (SearchJob("property", count=2), "3.png", STORED, "--why is of one neighbour: leave out --count"),
        (
            SearchJob("picture"),
            "3.png",
            STORED,
            "picture finds neighbours by each head, .* by --group, such as 2.0",
        ),
        (SearchJob("property"), "3.jpg", STORED, "--why 3.jpg is no picture of .*: name one that was found there"),
        (SearchJob("property"), "3.png", None, "property is asked about one: give --picture"),
        (SearchJob("property", ((1, 0),)), "3.png", STORED, "holds no heads of layer 1"),
    ],
)
def test_bad_input_is_named(
    job: SearchJob, neighbour: str, picture: Picture | None, said: str, texts: PickedTexts
) -> None:
    with pytest.raises(UsageError, match=said):
        explain_store(texts, job, neighbour, picture)


def test_a_text_without_its_embedding_is_refused(texts: PickedTexts) -> None:
    with pytest.raises(UsageError, match="0 embeddings are given of 1 texts"):
        explain(texts, SearchJob("text", HEADS[:1], ("text 1",)), 3)


def test_a_folder_without_what_it_is_made_of_is_refused(texts: PickedTexts) -> None:
    folder, _ = explain_store(texts, SearchJob("property"), "3.png", STORED)
    record = json.loads((folder / "search.json").read_text())
    for why, said in (
        ({"picture": "3.png", "value": 1.0}, "rest is not there"),
        ({"value": "1"}, "value"),
        ([], "why"),
    ):
        (folder / "search.json").write_text(json.dumps({**record, "why": why}))
        with pytest.raises(DataError, match=f"cannot be read .*{said}"):
            read_search(folder)
