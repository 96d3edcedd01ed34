"""Analyses without a folder: what they find is what the plain sums say, and what cannot be asked is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import UsageError
from alignbench.interpret.searching.analysis import HeatMap, SearchJob, analyse, unit_of
from alignbench.interpret.searching.asked import DecomposedPicture, StoredPicture
from alignbench.interpret.searching.similarity import MEASURES
from alignbench.interpret.store import HeadStore, StoreShape
from head_stores import fill_store, random_contributions, write_store

SHAPE = StoreShape(pictures=12, blocks=2, layers=(2,), heads=2, width=4, dtype="fp32")
VALUES = random_contributions(12, 5, 4).astype(float)  # heads 2.0, 2.1 and others
RNG = np.random.default_rng(5)
STORED = StoredPicture("7.png", 7)


def drawn(patches: np.ndarray, side: int) -> DecomposedPicture:
    """A decomposed picture of these patches, (L, patches, H, d')."""
    pixels = np.zeros((3, side, side), dtype=np.uint8)
    attention = np.full((len(patches), patches.shape[2], patches.shape[1]), 1 / (patches.shape[1] + 1))
    return DecomposedPicture("it.png", "sha", pixels, patches, patches.sum(axis=1), attention)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> HeadStore:
    return write_store(tmp_path_factory.mktemp("it") / "heads/own__heads__00000000", SHAPE)


def test_neighbours_are_typed(store: HeadStore) -> None:
    found = analyse(store, SearchJob("property"), STORED)
    assert not isinstance(found, HeatMap)
    products = VALUES[:, :2] @ VALUES[7, :2].T  # of both heads with both
    mean = np.mean([products[:, head, head] for head in (0, 1)], axis=0)
    order = [number for number in np.argsort(-mean) if number != 7][:4]
    assert [each.heads for each in found] == [((2, 0), (2, 1))]
    assert found[0].pictures.tolist() == order
    np.testing.assert_allclose(found[0].values, mean[order], rtol=1e-5)


def test_planted_heads_find_what_shares_exactly_their_attribute(tmp_path: Path) -> None:
    """Head 2.0 says the colour of nine pictures, head 2.1 their shape, each with a little of its own."""
    colours, shapes = np.divmod(np.arange(9), 3)
    values = np.zeros((9, 5, 4), dtype=np.float32)
    values[np.arange(9), 0, colours] = values[np.arange(9), 1, shapes] = 1.0
    values += 0.01 * np.random.default_rng(1).normal(size=values.shape).astype(np.float32)
    shape = StoreShape(pictures=9, blocks=2, layers=(2,), heads=2, width=4, dtype="fp32")
    planted = fill_store(tmp_path / "store", shape, values, [f"{number}.png" for number in range(9)])
    for head, attribute in (((2, 0), colours), ((2, 1), shapes)):
        for measure in MEASURES:
            for number in range(9):
                job = SearchJob("property", (head,), measure=measure, count=2)
                found = analyse(planted, job, StoredPicture(f"{number}.png", number))
                assert not isinstance(found, HeatMap)
                wanted = set(np.flatnonzero(attribute == attribute[number])) - {number}
                assert set(found[0].pictures) == wanted


def test_a_topic_map_is_high_exactly_in_the_planted_box(store: HeadStore) -> None:
    text = np.array([0.0, 1.0, 0.0, 0.0])
    box = np.zeros((6, 6), dtype=bool)
    box[1:4, 2:6] = True
    patches = 0.05 * RNG.normal(size=(2, 36, 2, 4))
    patches[1, :, 1] += np.where(box.reshape(-1, 1), text, [1.0, 0.0, 0.0, 0.0])  # elsewhere it says another thing
    for heads in ((), ((2, 1),)):
        for measure in MEASURES:
            found = analyse(store, SearchJob("topic", heads, ("it",), measure), drawn(patches, 24), [text])
            assert isinstance(found, HeatMap)
            assert found.unit == unit_of(measure)
            high = found.grid > (found.grid.min() + found.grid.max()) / 2
            assert (high & box).sum() / (high | box).sum() == 1.0  # the intersection over the union
    flat = analyse(
        store, SearchJob("topic", ((2, 0),), ("it",)), drawn(patches, 24), [text]
    )  # which says no such thing
    assert isinstance(flat, HeatMap)
    assert np.abs(flat.grid).max() < 0.5


@pytest.mark.parametrize("measure", MEASURES)
def test_a_contrast_is_antisymmetric_in_its_texts(measure: str, store: HeadStore) -> None:
    picture = drawn(RNG.normal(size=(2, 6, 2, 4)), 24)
    picture = DecomposedPicture(
        "it.png", "sha", np.zeros((3, 20, 30), np.uint8), picture.patches, picture.heads, picture.attention
    )
    one, other = RNG.normal(size=(2, 4))
    job = SearchJob("contrast", (), ("one", "other"), measure)
    first, second, same = (analyse(store, job, picture, texts) for texts in ((one, other), (other, one), (one, one)))
    assert isinstance(first, HeatMap)
    assert isinstance(second, HeatMap)
    assert isinstance(same, HeatMap)
    np.testing.assert_array_equal(first.grid, -second.grid)
    assert np.abs(first.grid).max() > 0
    assert not same.grid.any()
    assert first.unit == f"difference in {unit_of(measure)}"


def test_units_are_said_for_people() -> None:
    assert [unit_of(measure) for measure in MEASURES] == [
        "dot product",
        "cosine",
        "cosine of centred contributions",
    ]
    with pytest.raises(UsageError, match="unknown --measure 'cosin': did you mean cosine"):
        unit_of("cosin")


def test_texts_without_embeddings_are_refused(store: HeadStore) -> None:
    with pytest.raises(UsageError, match="0 embeddings are given of 1 texts: give one of each"):
        analyse(store, SearchJob("text", texts=("it",)))


def test_attention_is_the_mean_over_heads_and_takes_no_measure(store: HeadStore) -> None:
    attention = np.random.default_rng(2).dirichlet(np.ones(5), size=(2, 2))[:, :, 1:]
    picture = replace(drawn(np.zeros((2, 4, 2, 4)), 8), attention=attention)
    found = analyse(store, SearchJob("attention"), picture)
    assert isinstance(found, HeatMap)
    assert (found.heads, found.unit) == (((2, 0), (2, 1)), "share of attention")
    np.testing.assert_allclose(found.grid, attention[1].mean(axis=0).reshape(2, 2))
    with pytest.raises(UsageError, match="attention is no similarity: leave out --measure"):
        analyse(store, SearchJob("attention", measure="cosine"), picture)
    with pytest.raises(UsageError, match="attention takes no text: leave out --text"):
        analyse(store, SearchJob("attention", texts=("a",)), picture)
    with pytest.raises(UsageError, match="attention finds no neighbours: leave out --count"):
        analyse(store, SearchJob("attention", count=2), picture)
    with pytest.raises(UsageError, match="a map is of the tokens of a picture: give its file by --picture"):
        analyse(store, SearchJob("attention"), STORED)


@pytest.mark.parametrize("measure", MEASURES)
def test_what_is_asked_again_is_found_again_and_of_files_that_changed_anew(measure: str, tmp_path: Path) -> None:
    store = write_store(tmp_path / "it", SHAPE)

    def found(of: HeadStore) -> list[float]:
        both = [analyse(of, SearchJob("picture", measure=measure), StoredPicture(f"{n}.png", n)) for n in (7, 3)]
        return [float(value) for result in both for each in result for value in each.values]

    before = found(store)
    assert found(store) == before
    other = write_store(tmp_path / "other", SHAPE, seed=1)
    for file in tmp_path.glob("other/layer_*.safetensors"):
        file.rename(tmp_path / "it" / file.name)
    wanted = write_store(tmp_path / "wanted", SHAPE, seed=1)
    assert other.names == store.names
    assert found(store) == found(wanted) != before
