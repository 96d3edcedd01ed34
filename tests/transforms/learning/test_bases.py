"""What a transform is learned on top of: from a model and from its own features the same comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.datasets import DATASETS
from alignbench.errors import AlignbenchError
from alignbench.extraction.feature_files import FeatureFile, write_features
from alignbench.extraction.features import Reading, ReadyTower
from alignbench.extraction.stored_features import open_features
from alignbench.transforms import AffineTransform
from alignbench.transforms.learning.bases import LearningBase, Pictures, StoredBase, TowerBase
from alignbench.transforms.learning.folder import Destination, read_record
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.run import LearningConfig, learn_transforms
from learned_jobs import draw
from pixel_tower import PixelTower

ORIGIN = {"model": "pixels", "model_fingerprint": "pixels", "tokens": "cls", "precision": "fp32"}


def tower_base() -> TowerBase:
    return TowerBase(ReadyTower(PixelTower(), "pixels", Reading(batch_size=4, workers=0)))


def stored(place: Path, root: Path, origin: dict[str, Any] = ORIGIN, **arrays: np.ndarray) -> StoredBase:
    """The features of the small THINGS' trainset by the tower of mean colours, in another order, with one row more."""
    images = DATASETS.load("things").read(root, ("trainset",)).images
    base = tower_base()
    found, _ = base.features(base.layers(["all"]), Pictures(images, pixel_cache="off"), lambda count: None)
    order = np.random.default_rng(0).permutation(len(images.names))
    names = (*(images.names[row] for row in order), "another.jpg")
    rows = {
        name: np.concatenate([each[order], np.ones((1, each.shape[1]), np.float32)]) for name, each in found.items()
    }
    write_features(place, FeatureFile({**rows, **arrays}, names, origin=origin))
    return StoredBase(open_features(place))


def job(root: Path, layers: Sequence[str] = ("projection",)) -> LearningConfig:
    recipe = Recipe("global", epochs=2, fewest_epochs=1, triplets=16)
    return LearningConfig("things", root, layers=tuple(layers), recipe=recipe, folds=2, pixel_cache="off")


def learned(base: LearningBase, root: Path, output: Path) -> Path:
    return learn_transforms(job(root, ("layer_0", "projection")), base, Destination(output, draw))[0]


def test_a_models_own_features_learn_what_the_model_does(things_root: Path, tmp_path: Path) -> None:
    of_model = learned(tower_base(), things_root, tmp_path / "model")
    of_file = learned(stored(tmp_path / "f.safetensors", things_root), things_root, tmp_path / "file")
    for name in ("projection", "layer_0"):
        one, other = (AffineTransform.load(folder / f"{name}.safetensors") for folder in (of_model, of_file))
        np.testing.assert_allclose(other.weights, one.weights, atol=1e-6)
        assert (other.mean, other.std) == pytest.approx((one.mean, one.std), rel=1e-6)
        assert dict(other.provenance) == {**one.provenance, "held_out_loss": other.provenance["held_out_loss"]}
    settings = [read_record(folder)["settings"] for folder in (of_model, of_file)]
    digest = settings[1].pop("features")
    assert settings[0] == settings[1]
    assert digest == open_features(tmp_path / "f.safetensors").fingerprint()
    assert of_model.name != of_file.name


def test_features_of_no_known_model_are_called_after_their_file(things_root: Path, tmp_path: Path) -> None:
    base = stored(tmp_path / "mine.npz", things_root, {})
    assert (base.told.model, base.told.fingerprint, base.told.precision) == ("features:mine.npz", None, "fp32")


def test_without_a_name_the_projection_is_learned_or_the_only_layer(things_root: Path, tmp_path: Path) -> None:
    base = stored(tmp_path / "f.safetensors", things_root)
    assert base.usual_layers() == tower_base().usual_layers() == ("projection",)
    assert replace(base, stored=base.stored.only(["layer_0"])).usual_layers() == ("layer_0",)
    names = base.stored.names
    write_features(tmp_path / "two.npz", FeatureFile({"a": np.ones((len(names), 2)), "b": np.eye(len(names))}, names))
    with pytest.raises(AlignbenchError, match=r"two.npz holds features of several layers \(a, b\): name one"):
        StoredBase(open_features(tmp_path / "two.npz")).usual_layers()


@pytest.mark.parametrize(
    ("origin", "array", "message"),
    [
        ({"normalized": True}, None, "projection is normalized, and a transform is learned on raw features"),
        ({"transforms": {"projection": "turn"}}, None, "projection is transformed by turn, and a transform"),
        ({}, np.ones((11, 4, 3), np.float32), "layer_9 has 4 tokens, and a transform takes one vector a picture"),
    ],
)
def test_what_a_transform_cannot_be_learned_on_is_refused(
    things_root: Path, tmp_path: Path, origin: dict[str, Any], array: np.ndarray | None, message: str
) -> None:
    arrays = {} if array is None else {"layer_9": array}
    base = stored(tmp_path / "f.safetensors", things_root, origin, **arrays)
    with pytest.raises(AlignbenchError, match=message):
        base.layers(["layer_9" if arrays else "projection"])
    with pytest.raises(AlignbenchError, match="unknown layer 'projectio': did you mean projection"):
        base.layers(["projectio"])


def test_pictures_without_rows_and_numbers_that_are_not_finite_are_named(things_root: Path, tmp_path: Path) -> None:
    base = stored(tmp_path / "f.safetensors", things_root)
    names, rows = base.stored.names, np.ones((len(base.stored.names), 2), np.float32)
    images = DATASETS.load("things").read(things_root, ("trainset",)).images
    write_features(tmp_path / "few.safetensors", FeatureFile({"projection": rows[1:]}, names[1:]))
    few = StoredBase(open_features(tmp_path / "few.safetensors"))
    with pytest.raises(AlignbenchError, match=r"has no row for 1 of the 10 pictures"):
        few.features(few.layers(["projection"]), Pictures(images), lambda count: None)
    rows[3, 1] = np.inf
    write_features(tmp_path / "bad.safetensors", FeatureFile({"projection": rows}, names))
    bad = StoredBase(open_features(tmp_path / "bad.safetensors"))
    for ask in (
        lambda: bad.told,
        lambda: bad.features(bad.layers(["projection"]), Pictures(images), lambda count: None),
    ):
        with pytest.raises(AlignbenchError, match=rf"projection .*{names[3]}"):
            ask()


def test_several_vectors_a_picture_are_refused_of_a_model_too() -> None:
    base = TowerBase(ReadyTower(PixelTower(), "pixels", Reading("all", workers=0)))
    with pytest.raises(AlignbenchError, match=r"^a transform takes one vector a picture: use --tokens cls or mean"):
        base.layers(["layer_0"])
    assert [layer.name for layer in base.layers(["projection"])] == ["projection"]
