"""The texts of a whole store: against `textspan` head by head, and what is recorded of them."""

from __future__ import annotations

import json
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from alignbench.errors import DataError, UsageError
from alignbench.interpret.pick_stability import image_draws, stability_of_heads
from alignbench.interpret.spanning import SpanJob, span_store
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.interpret.text_encoders.encoder import TextEncoder, Tokens
from alignbench.interpret.text_span import textspan
from alignbench.results.head_texts import heads_of, is_span, read_span
from head_stores import write_store

TEXTS = tuple(f"text {number}, with a comma" if number % 2 else f'"{number}"' for number in range(30))
SHAPE = StoreShape(pictures=40, blocks=3, layers=(2, 3), heads=2, width=8, dtype="fp32")


def encoder(width: int = 8, fingerprint: str = "f") -> TextEncoder:
    """Random embeddings of texts, longer and shorter than 1."""

    def tokens(texts: object) -> Tokens:
        numbers = [TEXTS.index(text) for text in texts]  # type: ignore[attr-defined]
        return Tokens(torch.tensor(numbers)[:, None], None, (1,) * len(numbers))

    tokenizer = mock.Mock(side_effect=tokens, context=4)
    return TextEncoder("m", tokenizer, lambda rows: torch.from_numpy(ROWS[rows.ids[:, 0]]), 30, width, fingerprint)


ROWS = (3 * np.random.default_rng(9).normal(size=(30, 8))).astype(np.float32)
UNIT = ROWS / np.linalg.norm(ROWS.astype(np.float64), axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Path) -> HeadStore:
    return write_store(tmp_path / "heads/own__heads__00000000", SHAPE)


def test_every_head_has_the_picks_of_textspan(store: HeadStore) -> None:
    told: list[tuple[int, int]] = []
    folder, is_finished = span_store(store, encoder(), TEXTS, SpanJob(5, 6), lambda *done: told.append(done))
    assert not is_finished
    assert folder.parent == store.folder.parent
    assert folder.name.startswith("own__textspan__")
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    record, table = read_span(folder)
    assert [(layer, head) for layer, head, _ in heads_of(table)] == [(2, 0), (2, 1), (3, 0), (3, 1)]
    for layer, head, rows in heads_of(table):
        found = textspan(store.head(layer, head), UNIT, 5, 6)
        assert rows["pick"].tolist() == [1, 2, 3, 4, 5]
        assert rows["index"].tolist() == found.indices.tolist()
        assert rows["text"].tolist() == [TEXTS[index] for index in found.indices]
        np.testing.assert_allclose(rows["deviation"], found.deviations, rtol=1e-6)
        np.testing.assert_allclose(rows["explained_variance"], found.explained_variance, rtol=1e-6)
        np.testing.assert_allclose(rows["margin"], found.margins, rtol=1e-5, atol=1e-9)
    assert record["store"] == store.folder.name
    assert record["ranks"][0] == {"layer": 2, "head": 0, "rank": 6}
    assert record["settings"]["heads"] == store.record["settings"]
    assert "seed" not in record["settings"]


def test_resamples_say_which_picks_come_again(store: HeadStore) -> None:
    folder, _ = span_store(store, encoder(), TEXTS, SpanJob(3, None, resamples=12, seed=5, workers=2))
    _, table = read_span(folder)
    draws = image_draws(40, 12, 5)
    for layer, head, rows in heads_of(table):
        x = store.head(layer, head)
        (expected,) = stability_of_heads([(x, textspan(x, UNIT, 3))], UNIT, draws)
        np.testing.assert_allclose(rows["again"], expected.again)
        np.testing.assert_allclose(rows["in_place"], expected.in_place)


def test_only_what_changes_a_number_makes_another_folder(store: HeadStore, tmp_path: Path) -> None:
    first, _ = span_store(store, encoder(), TEXTS, SpanJob(3, 6))
    written = (first / "texts.csv").stat().st_mtime_ns
    for same in (SpanJob(3, 6, seed=4), SpanJob(3, 6, workers=2)):
        assert span_store(store, encoder(), TEXTS, same) == (first, True)
    assert (first / "texts.csv").stat().st_mtime_ns == written
    other = write_store(tmp_path / "heads/own__heads__00000001", SHAPE, label="other")
    folders = {
        first,
        span_store(store, encoder(), TEXTS, SpanJob(4, 6))[0],
        span_store(store, encoder(), TEXTS, SpanJob(3, 5))[0],
        span_store(store, encoder(), TEXTS, SpanJob(3, None))[0],
        span_store(store, encoder(), TEXTS[1:], SpanJob(3, 6))[0],
        span_store(store, encoder(fingerprint="g"), TEXTS, SpanJob(3, 6))[0],
        span_store(store, encoder(), TEXTS, SpanJob(3, 6, resamples=2))[0],
        span_store(store, encoder(), TEXTS, SpanJob(3, 6, resamples=2, seed=1))[0],
        span_store(other, encoder(), TEXTS, SpanJob(3, 6))[0],
    }
    assert len(folders) == 9
    assert all(is_span(folder) for folder in folders)


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16"])
def test_rounding_in_the_type_of_a_store_is_no_rank(dtype: str, tmp_path: Path) -> None:
    shape = StoreShape(pictures=60, blocks=1, layers=(1,), heads=1, width=8, dtype=dtype)
    store = write_store(tmp_path / "heads/own__heads__00000002", shape)
    rng = np.random.default_rng(2)
    values = torch.from_numpy(rng.normal(size=(60, 3)) @ rng.normal(size=(3, 8)))
    with shape.layer_shard(store.folder, 1).mapped() as tensors:
        tensors["head_0"][:] = values
    folder, _ = span_store(HeadStore.open(store.folder), encoder(), TEXTS, SpanJob(8, None))
    record, table = read_span(folder)
    assert record["ranks"] == [{"layer": 1, "head": 0, "rank": 3}]
    assert len(table) == 3


def test_a_head_without_variance_has_no_rows(tmp_path: Path) -> None:
    shape = StoreShape(pictures=1, blocks=1, layers=(1,), heads=1, width=8, dtype="fp32")
    folder, _ = span_store(write_store(tmp_path / "heads/own__heads__00000003", shape), encoder(), TEXTS, SpanJob())
    record, table = read_span(folder)
    assert len(table) == 0
    assert record["ranks"] == [{"layer": 1, "head": 0, "rank": 1}]


def test_bad_input_is_named(store: HeadStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"m encodes texts in 7 numbers, and .* has contributions of 8: give"):
        span_store(store, encoder(width=7), TEXTS, SpanJob())
    for job, said in (
        (SpanJob(picks=0), "--picks 0: give 1 or more"),
        (SpanJob(rank=0), "--rank 0: give 1 or more"),
        (SpanJob(resamples=-1), "--resamples -1: give 0 or more"),
        (SpanJob(resamples=10**9), "--resamples 1000000000: give up to 10,000"),
        (SpanJob(seed=-1), "--seed -1: give 0 or more"),
    ):
        with pytest.raises(UsageError, match=said):
            span_store(store, encoder(), TEXTS, job)
    with pytest.raises(DataError, match=r"holds no textspan.json and texts.csv: make it by"):
        read_span(tmp_path)
    folder, _ = span_store(store, encoder(), TEXTS, SpanJob())
    (folder / "textspan.json").write_text(json.dumps({"store": "x"}))
    with pytest.raises(DataError, match=r"cannot be read .*settings is not there"):
        read_span(folder)
    (folder / "texts.csv").write_text("layer,head\n1,x\n")
    with pytest.raises(DataError, match=r"cannot be read .*column 'head' holds what is no number"):
        read_span(folder)
