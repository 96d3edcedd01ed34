"""The picture that is asked about, in a store and as a file, against what the store holds of it."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.cli.main import main
from alignbench.datasets.image_folder import image_folder
from alignbench.errors import AlignbenchWarning, DataError, UsageError
from alignbench.interpret import decompose
from alignbench.interpret.searching.asked import DecomposedPicture, StoredPicture, asked_picture, decomposed_picture
from alignbench.interpret.store import HeadStore
from alignbench.models.families import load_tower
from extracted import NAMES, write_scenes
from orientations import UPRIGHT, write_turned


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def store(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> HeadStore:
    return made(pictures, tmp_path_factory.mktemp("heads"))


def made(pictures: Path, output: Path, *further: str) -> HeadStore:
    order = ["interpret", "decompose", "--model", "shapes-clip", "--images", str(pictures), "--output", str(output)]
    assert main([*order, "--loader-workers", "0", *further]) == 0
    return HeadStore.open(next(output.iterdir()))


def test_a_name_is_a_row_of_the_store(store: HeadStore) -> None:
    found = asked_picture(store, "b.png")
    assert isinstance(found, StoredPicture)
    assert store.names[found.number] == "b.png"


def test_a_file_is_decomposed_as_the_store_was(store: HeadStore, pictures: Path) -> None:
    number = store.names.index("a/x.png")
    found = asked_picture(store, str(pictures / "a/x.png"))
    assert isinstance(found, DecomposedPicture)
    assert (found.name, found.pixels.shape) == ("x.png", (3, 64, 64))
    for layer in store.layers:
        for head in range(store.heads):
            np.testing.assert_allclose(found.heads[layer - 1, head], store.head(layer, head)[number], atol=1e-5)
    tower = load_tower("shapes-clip")
    pixels = tower.prepare(image_folder(pictures).open(number))
    whole = decompose(tower, pixels[None], tokens=True)
    by_token, weights = whole.attention[0], whole.weights
    assert found.patches.shape == (6, 64, 4, 64)  # 8 x 8 patches
    assert weights is not None
    assert found.attention.shape == (6, 4, 64)
    np.testing.assert_allclose(found.attention, weights[0, :, :, 1:], atol=1e-6)
    np.testing.assert_allclose(found.attention.sum(axis=2), 1 - weights[0, :, :, 0], atol=1e-6)
    np.testing.assert_allclose(found.patches, by_token[:, 1:], atol=1e-6)
    np.testing.assert_allclose(found.heads, by_token.sum(dim=1), atol=1e-6)


def test_a_file_is_resized_as_the_store_was(pictures: Path, tmp_path: Path) -> None:
    wide = tmp_path / "wide"
    wide.mkdir()
    with Image.open(pictures / NAMES[0]) as picture:
        picture.resize((120, 60)).save(wide / "it.png")
    store = made(wide, tmp_path / "heads", "--resize", "squash")
    found = decomposed_picture(store, wide / "it.png")
    np.testing.assert_allclose(found.heads[5, 1], store.head(6, 1)[0], atol=1e-5)


def test_the_content_of_a_file_is_told(store: HeadStore, pictures: Path, tmp_path: Path) -> None:
    shutil.copy(pictures / "b.png", tmp_path / "same.png")
    same, first, other = (
        decomposed_picture(store, path).identity
        for path in (tmp_path / "same.png", pictures / "b.png", pictures / "c.png")
    )
    assert same == first != other


def test_what_is_no_picture_is_refused(store: HeadStore, tmp_path: Path) -> None:
    (tmp_path / "it.png").write_text("no picture")
    with pytest.raises(DataError, match=r"it\.png"):
        asked_picture(store, str(tmp_path / "it.png"))
    with pytest.raises(
        DataError, match=r"nowhere is neither a picture of .* nor a file: name one of them by --picture"
    ):
        asked_picture(store, "nowhere")
    with pytest.raises(DataError, match=r"b\.png is not a file: a map takes the file of a picture"):
        decomposed_picture(store, Path("b.png"))


def test_a_store_of_random_weights_decomposes_nothing(store: HeadStore, pictures: Path) -> None:
    untrained = store.record["settings"] | {"model": "shapes-clip@random-0"}
    with pytest.raises(UsageError, match="is of weights at random"):
        decomposed_picture(replace(store, record=store.record | {"settings": untrained}), pictures / "b.png")


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_file_is_turned_as_its_exif_orientation_says_and_that_is_said(
    orientation: int, store: HeadStore, pictures: Path, tmp_path: Path
) -> None:
    with Image.open(pictures / "b.png") as picture:
        wide = picture.convert("RGB").resize((90, 70))
    path = write_turned(tmp_path / "it.png", wide, orientation)
    upright = Image.fromarray(np.ascontiguousarray(UPRIGHT[orientation](np.asarray(wide))))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = decomposed_picture(store, path)
    assert np.array_equal(found.pixels, load_tower("shapes-clip").prepare(upright).numpy())
    told = [str(each.message) for each in said if issubclass(each.category, AlignbenchWarning)]
    line = f"{path} is turned upright as its EXIF data say; pictures of a store are taken as they are stored"
    assert told == ([line] if orientation != 1 else [])
    assert found.identity.endswith("/upright") == (orientation != 1), "what was found of it as it is stored is another"


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_picture_of_the_store_is_taken_as_the_model_has_seen_it(is_whole: bool, tmp_path: Path) -> None:
    """By what is in all files: in a folder that lacks some it is a file like any other, and turned."""
    pictures = write_scenes(tmp_path / "pictures")
    with Image.open(pictures / "b.png") as picture:
        path = write_turned(pictures / "inner.png", picture.convert("RGB").resize((90, 70)), 6)
    store = made(pictures, tmp_path / "heads")
    if not is_whole:
        (pictures / "b.png").unlink()
    said = "is taken as it is stored, as the model" if is_whole else "is turned upright as its EXIF data say"
    with pytest.warns(AlignbenchWarning, match=said):
        found = decomposed_picture(store, path)
    number = store.names.index("inner.png")
    wanted = np.stack([store.head(layer, 0)[number] for layer in store.layers])
    assert np.allclose(found.heads[np.array(store.layers) - 1, 0], wanted, atol=1e-5) == is_whole
    assert found.identity.endswith("/upright") != is_whole
