"""The predict loop: who is told of batches, what a damaged picture does, and in which precision a tower runs."""

import numpy as np
import pytest
import torch

from alignbench.datasets.images import ImageSource
from alignbench.errors import DataError
from alignbench.extraction.distributed import make_trainer, quietly
from alignbench.extraction.loader import Loading, OrderedImages, ordered_loader, stack
from alignbench.extraction.predict import Batch, Feed, PixelLoop, unpack_batch
from alignbench.models.preparation import Sized
from damaged_scenery import DamagedScenery
from scenery import Scenery


class Noting(PixelLoop):
    """Notes which pictures came, and the sum of the pixels of each."""

    def __init__(self) -> None:
        super().__init__("fp32")
        self.seen: list[tuple[int, int]] = []

    def predict_step(self, batch: Batch | DataError, batch_idx: int) -> None:
        pixels, indices = unpack_batch(batch)
        sums = pixels.long().sum(dim=(1, 2, 3))
        self.seen += list(zip(indices.tolist(), sums.tolist(), strict=True))


def predict(module: PixelLoop, images: ImageSource, order: list[int]) -> list[int]:
    """Runs the loop in batches of two, and gives what a listener heard."""
    heard: list[int] = []
    loader = ordered_loader(OrderedImages(images, np.array(order), Sized(8)), stack, Loading(2, workers=0))
    with quietly():
        try:
            make_trainer("cpu", 1, 1, [Feed(heard.append)]).predict(module, loader, return_predictions=False)
        except DataError as error:
            raise DataError(f"{error} after {heard}") from error
    return heard


def test_every_picture_comes_with_its_number_and_every_batch_is_told() -> None:
    module, order = Noting(), [4, 0, 3, 1, 2]
    assert predict(module, Scenery(5), order) == [2, 2, 1]
    sums = [int(np.asarray(Scenery(5).open(index).resize((8, 8), 3)).sum()) for index in range(5)]
    assert module.seen == [(index, sums[index]) for index in order]


def test_a_damaged_picture_ends_the_loop_with_its_own_error() -> None:
    module = Noting()
    with pytest.raises(DataError, match=r"^scene 3 cannot be decoded after \[2\]$"):
        predict(module, DamagedScenery(5, damaged=3), [0, 1, 2, 3, 4])
    assert [index for index, _ in module.seen] == [0, 1]


def test_a_low_precision_rounds_the_towers_products_and_float32_does_not() -> None:
    nearly_one = torch.tensor([[1.0 + 2.0**-10]])  # bfloat16 has 8 binary digits
    with PixelLoop("bf16").autocast():
        assert float(nearly_one @ torch.ones(1, 1)) == 1.0
    with PixelLoop("fp32").autocast():
        assert float(nearly_one @ torch.ones(1, 1)) == float(nearly_one)
