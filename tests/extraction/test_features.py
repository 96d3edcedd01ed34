"""Features of pictures at chosen layers: the model's own numbers, row by row, and what is refused."""

import numpy as np
import pytest

from alignbench.arrays import Floats
from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.extraction.features import (
    FeatureExtractor,
    FeatureRows,
    Reading,
    extract_features,
)
from damaged_scenery import DamagedScenery
from pixel_tower import PixelTower, colours_of
from scenery import Scenery

PICTURES = Scenery(5)


def extractor(view: str = "cls", tower: PixelTower | None = None) -> FeatureExtractor:
    tower = tower or PixelTower()
    return FeatureExtractor(tower, tower.layers, Reading(view, batch_size=2, workers=0))


def expected() -> Floats:
    """Mean colours of the pictures, (pictures, all / left / right, colours)."""
    return np.stack([colours_of(PICTURES.open(index)) for index in range(5)])


@pytest.mark.parametrize("view", ["cls", "mean", "all"])
def test_a_view_takes_its_tokens_of_each_layer_and_all_of_the_projection(view: str) -> None:
    colours = expected()
    wanted = {"cls": colours[:, 0], "mean": colours[:, 1:].mean(axis=1), "all": colours}[view]
    found = extract_features(extractor(view), PICTURES)
    assert list(found) == ["layer_0", "projection"]
    np.testing.assert_allclose(found["layer_0"], wanted, rtol=1e-5)
    np.testing.assert_allclose(found["projection"], 2 * colours[:, 0], rtol=1e-5)


def test_rows_that_are_there_stay_and_only_the_rest_is_embedded() -> None:
    there = {name: np.full((5, 3), -7.0, dtype=np.float32) for name in ("layer_0", "projection")}
    heard: list[tuple[int, float]] = []
    extract_features(
        extractor(),
        PICTURES,
        FeatureRows(there, done=2),
        advanced=lambda images: heard.append((images, there["projection"][4, 0])),
    )
    for name, factor in (("layer_0", 1), ("projection", 2)):
        assert (there[name][:2] == -7.0).all()
        np.testing.assert_allclose(there[name][2:], factor * expected()[2:, 0], rtol=1e-5)
    last = float(there["projection"][4, 0])
    assert heard == [(2, -7.0), (1, last)], "it is told of a batch after its rows are written"


def test_nothing_is_left_to_embed_where_all_rows_are_there() -> None:
    there = {name: np.ones((5, 3), dtype=np.float32) for name in ("layer_0", "projection")}
    found = extract_features(extractor(), PICTURES, FeatureRows(there, done=5))
    assert all((array == 1.0).all() for array in found.values())


def test_the_picture_and_the_layer_that_are_not_finite_are_named() -> None:
    pictures = Scenery(5, first=5)
    reds = [int(np.asarray(pictures.open(index).resize((8, 8), 3))[0, 0, 0]) for index in range(5)]
    assert np.argsort(reds)[-1] == 3, "the second picture of the second batch"
    with pytest.raises(AlignbenchError, match=r"^projection gave numbers that are not finite for scene 8: the checkp"):
        extract_features(extractor(tower=PixelTower(broken=max(reds))), pictures)


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(DataError, match=r"^scene 3 cannot be decoded$"):
        extract_features(extractor(), DamagedScenery(5, damaged=3))
    blind = PixelTower()
    blind.has_class_token = False
    with pytest.raises(UsageError, match=r"the token view 'cls' needs a class token"):
        extract_features(extractor(tower=blind), DamagedScenery(5))  # before any picture is opened
