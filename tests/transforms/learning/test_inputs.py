"""The pictures that learning needs: which they are, their features, and which layers can be learned from."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest

from alignbench.datasets import DATASETS
from alignbench.datasets.image_folder import image_folder
from alignbench.errors import AlignbenchWarning, DataError
from alignbench.extraction.features import FeatureExtractor, Reading
from alignbench.transforms.learning.inputs import digest_of_images, embed_pictures, local_pictures, varying_layers
from cached_pictures import CountedFiles, write_pictures
from pixel_tower import PixelTower, colours_of
from scenery import Scenery

LAYERS = PixelTower().layers


def test_each_picture_is_decoded_once_and_then_comes_from_the_cache(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "pictures")
    objects, local = CountedFiles(tmp_path / "pictures", names[:5]), CountedFiles(tmp_path / "pictures", names[5:])
    extractor = FeatureExtractor(PixelTower(), LAYERS, Reading(batch_size=2, workers=0))
    heard: list[int] = []
    for decoded in (1, 1):  # all in the first round, none in the second
        found = embed_pictures(extractor, objects, local, str(tmp_path / "cache"), heard.append)
        assert objects.opened == dict.fromkeys(range(5), decoded)
        assert local.opened == dict.fromkeys(range(3), decoded)
        for features, images in zip(found, (objects, local), strict=True):
            wanted = np.stack([colours_of(images.open(index)) for index in range(len(images.names))])
            images.opened.subtract(range(len(images.names)))  # those that were opened to compare
            np.testing.assert_allclose(features["layer_0"], wanted[:, 0], rtol=1e-5)
            np.testing.assert_allclose(features["projection"], 2 * wanted[:, 0], rtol=1e-5)
    assert heard == [2, 2, 1, 2, 1] * 2


def test_without_a_local_term_there_are_no_features_of_it_and_no_cache_for_drawn_pictures(tmp_path: Path) -> None:
    extractor = FeatureExtractor(PixelTower(), LAYERS[:1], Reading(workers=0))
    objects, local = embed_pictures(extractor, Scenery(2), None, str(tmp_path / "cache"), lambda images: None)
    assert list(objects) == ["layer_0"]
    assert local == {}
    assert not (tmp_path / "cache").exists()


def test_a_layer_that_is_the_same_for_all_pictures_is_left_out_with_a_warning() -> None:
    alike, apart = np.ones((4, 3), dtype=np.float32), np.ones((4, 3), dtype=np.float32)
    apart[2, 1] = np.nextafter(np.float32(1), np.float32(2))  # one number of one picture
    with pytest.warns(AlignbenchWarning, match=r"^layer_0 is the same for all pictures in the view cls, and is left"):
        found = varying_layers(LAYERS, {"layer_0": alike, "projection": apart}, "cls")
    assert found == [LAYERS[1]]
    with pytest.raises(DataError, match=r"^layer_0, projection is the same for all pictures in the view mean: name"):
        varying_layers(LAYERS, {"layer_0": alike, "projection": alike}, "mean")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert varying_layers(LAYERS, {"layer_0": apart, "projection": apart}, "cls") == list(LAYERS)


def test_the_local_pictures_are_those_named_or_the_packaged_ones(tmp_path: Path) -> None:
    packaged, things = DATASETS.load("shapes-high"), DATASETS.load("things")
    middle = DATASETS.load("shapes-middle").read(None, ("trainset",)).images
    assert local_pictures(None, packaged).identities() == middle.identities()
    assert local_pictures("shapes-middle", things).identities() == middle.identities()
    names = write_pictures(tmp_path / "bücher")
    assert list(local_pictures(str(tmp_path / "bücher"), packaged).names) == sorted(names)


def test_the_digest_is_of_the_pictures_in_their_order_whatever_they_are_called(tmp_path: Path) -> None:
    assert digest_of_images(Scenery(3)) == hashlib.sha256(b"scene 0\nscene 1\nscene 2").hexdigest()
    names = write_pictures(tmp_path / "pictures")
    images = image_folder(tmp_path / "pictures")
    assert digest_of_images(images.select(np.array([1, 0]))) != digest_of_images(images.select(np.array([0, 1])))
    before = digest_of_images(images)
    (tmp_path / "pictures" / names[0]).rename(tmp_path / "pictures" / f"0-{names[0]}")
    assert digest_of_images(image_folder(tmp_path / "pictures")) == before
