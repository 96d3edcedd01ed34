"""Directions of the texts that were picked of heads: against a plain Gram-Schmidt, and only of the same store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import DataError, UsageError
from alignbench.interpret.searching.picked_texts import PickedTexts
from alignbench.interpret.spanning import SpanJob, span_store
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.interpret.text_encoders.encoder import TextEncoder
from head_stores import write_store
from row_encoders import row_encoder

SHAPE = StoreShape(pictures=15, blocks=2, layers=(1, 2), heads=2, width=6, dtype="fp32")
TEXTS = {f"text {number}": row for number, row in enumerate(np.random.default_rng(8).normal(size=(12, 6)))}


@pytest.fixture
def encoder() -> TextEncoder:
    return row_encoder(TEXTS)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeadStore:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    return write_store(tmp_path / "heads/own__heads__00000000", SHAPE)


@pytest.mark.parametrize("rank", [3, 80, None])
def test_directions_are_those_of_a_plain_gram_schmidt(rank: int | None, store: HeadStore, encoder: TextEncoder) -> None:
    folder, _ = span_store(store, encoder, list(TEXTS), SpanJob(picks=5, rank=rank))
    found = PickedTexts.read(folder, store, encoder).of([(2, 1), (1, 0), (2, 1)])
    assert list(found) == [(2, 1), (1, 0)]
    for head, said in found.items():
        assert len(said.texts) == min(5, rank or 6)
        rows = store.head(*head).astype(np.float64)
        values, vectors = np.linalg.eigh(rows.T @ rows)
        kept = vectors[:, np.argsort(-values)[: rank or 6]]
        plain: list[np.ndarray] = []
        for text in said.texts:
            unit = np.array(TEXTS[text], dtype=np.float32).astype(np.float64)
            unit = kept @ (kept.T @ (unit / np.sqrt(sum(unit**2))))
            for before in plain:
                unit = unit - sum(before * unit) * before
            plain.append(unit / np.sqrt(sum(unit**2)))
        np.testing.assert_allclose(said.directions, np.array(plain), rtol=0, atol=1e-9)


def test_directions_take_up_the_variance_that_the_folder_says(store: HeadStore, encoder: TextEncoder) -> None:
    """Shares of variance of `textspan` come of its own directions, and those are these."""
    folder, _ = span_store(store, encoder, list(TEXTS), SpanJob(picks=4, rank=4))
    import pandas as pd

    table = pd.read_csv(folder / "texts.csv")
    for head, said in PickedTexts.read(folder, store, encoder).of([(1, 1), (2, 0)]).items():
        rows = table[(table["layer"] == head[0]) & (table["head"] == head[1])].sort_values("pick")
        assert tuple(rows["text"]) == said.texts
        centred = store.head(*head).astype(np.float64)
        centred = centred - centred.mean(axis=0)
        shares = ((centred @ said.directions.T) ** 2).sum(axis=0) / (centred**2).sum()
        np.testing.assert_allclose(shares, rows["explained_variance"], rtol=1e-9)


def test_texts_of_something_else_are_refused(store: HeadStore, encoder: TextEncoder, tmp_path: Path) -> None:
    folder, _ = span_store(store, encoder, list(TEXTS), SpanJob(picks=2))
    other = write_store(tmp_path / "other", SHAPE, images="1")
    with pytest.raises(DataError, match=r"has texts of heads of other contributions than .*other: span those heads"):
        PickedTexts.read(folder, other, encoder)
    with pytest.raises(DataError, match="has texts by another encoder than m: make it again with that model"):
        PickedTexts.read(folder, store, row_encoder(TEXTS, "another"))
    with pytest.raises(UsageError, match=r"has no texts of head 3\.0"):
        PickedTexts.read(folder, store, encoder).of([(3, 0)])


@pytest.mark.parametrize("rank", ["none", None, 1])
def test_a_folder_that_does_not_fit_its_heads_is_refused(rank: object, store: HeadStore, encoder: TextEncoder) -> None:
    folder, _ = span_store(store, encoder, list(TEXTS), SpanJob(picks=3))
    path = folder / "textspan.json"
    record = json.loads(path.read_text())
    record["ranks"][0].pop("rank")
    record["ranks"][0] |= {} if rank is None else {"rank": rank}
    path.write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"does not fit head 1\.0 .*make it again by `alignbench interpret textspan`"):
        PickedTexts.read(folder, store, encoder).of([(1, 0)])
