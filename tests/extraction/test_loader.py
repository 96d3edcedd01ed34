"""Pictures that other processes open and prepare give the same distances; what they refuse has a name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.arrays import Floats
from alignbench.datasets.images import FileImages
from alignbench.datasets.judgments import Judgments
from alignbench.errors import DataError
from alignbench.extraction.cached_pixels import CachedPixels, SettledPreparation, probe
from alignbench.extraction.loader import Loading, OrderedImages, ordered_loader, stack
from alignbench.models.families import preparation
from alignbench.models.preparation import Described
from alignbench.models.towers import Tower
from features import check_close
from measured_cells import distances_of


def test_loader_processes_do_not_matter(tower: Tower, things: Judgments, plain: dict[str, Floats]) -> None:
    check_close(distances_of(tower, things.images, things.pairs, things.multiplicity(), workers=2), plain)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("cached", [False, True])
def test_a_picture_that_cannot_be_prepared_is_named(tmp_path: Path, workers: int, cached: bool) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    Image.new("RGB", (60_000, 1)).save(tmp_path / "thin.png")
    images, prepare = FileImages(tmp_path, ("a.png", "thin.png")), preparation("openai/clip-vit-base-patch32")
    assert isinstance(prepare, Described)
    tried = probe(prepare)
    assert tried is not None
    assert prepare.recipe is not None
    kept = CachedPixels(str(tmp_path / "cache"), images, SettledPreparation(prepare, prepare.recipe, tried), 2)
    dataset = OrderedImages(images, np.array([0, 1]), prepare, kept if cached else None)
    first, second = ordered_loader(dataset, stack, Loading(1, workers))
    assert not isinstance(first, DataError)
    assert type(second) is DataError
    assert str(second) == (
        f"{tmp_path / 'thin.png'}: a picture of 60000 x 1 pixels cannot be prepared (resized for the model it would "
        "have 13440000 x 224): leave it out, or crop it"
    )
