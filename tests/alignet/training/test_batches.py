"""Batches of triplets: the pictures and similarities of the rows that a step sees, whoever reads them."""

from __future__ import annotations

import os
import signal
from multiprocessing.sharedctypes import RawValue
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data._utils import signal_handling

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.training.batches import Share, StudentBatches, _outlive_signals, batch_loader
from alignbench.alignet.triplet_order import TripletOrder
from alignbench.datasets.images import FileImages
from alignbench.errors import DataError
from alignbench.extraction.loader import Loading, OrderedImages


def _pixels(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _batches(inputs: Path, share: Share) -> StudentBatches:
    labels = LabelledTriplets.open(inputs / "labels")
    pictures = FileImages(inputs / "pictures", labels.names)
    ordered = OrderedImages(pictures, np.arange(len(labels.names)), _pixels)
    return StudentBatches(ordered, labels, TripletOrder(len(labels.triplets), 12, 3), share)


def test_a_batch_holds_the_pictures_of_its_rows(inputs: Path) -> None:
    batches = _batches(inputs, Share(first=4, steps=9))
    labels, rows = batches.triplets, batches.order.rows(6)
    found = batches[2]
    assert not isinstance(found, DataError)
    pixels, similarities = found
    assert (tuple(pixels.shape), pixels.dtype) == ((12, 3, 3, 24, 24), torch.uint8)
    assert np.array_equal(similarities.numpy(), labels.similarities[rows])
    for row, three in zip(rows, pixels, strict=True):
        for picture, seen in zip(labels.triplets[row], three, strict=True):
            file = inputs / "pictures" / labels.names[picture]
            assert np.array_equal(seen.permute(1, 2, 0).numpy(), np.asarray(Image.open(file)))


def test_ranks_and_parts_share_a_step(inputs: Path) -> None:
    whole = _batches(inputs, Share(steps=2))[1]
    shares = [_batches(inputs, Share(rank, 2, 3, steps=2)) for rank in (0, 1)]
    assert [len(each) for each in shares] == [6, 6]
    parts = [share[number] for share in shares for number in (3, 4, 5)]
    assert not isinstance(whole, DataError)
    seen = np.concatenate([part[1].numpy() for part in parts if not isinstance(part, DataError)])
    assert sorted(map(tuple, seen)) == sorted(map(tuple, whole[1].numpy()))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_keeps_the_order(inputs: Path, workers: int) -> None:
    batches = _batches(inputs, Share(first=1, steps=6))
    with batch_loader(batches, Loading(0, workers)) as loader:
        found = [batch[1] for batch in loader if not isinstance(batch, DataError)]
    wanted = [batches.triplets.similarities[batches.order.rows(step)] for step in range(1, 6)]
    assert np.array_equal(torch.stack(found).numpy(), np.stack(wanted))


def test_a_process_of_the_loader_ends_by_a_signal_once_it_is_not_needed() -> None:
    needed = RawValue("b", 1)
    child = os.fork()
    if not child:
        _outlive_signals(needed, 0)
        os.kill(os.getpid(), signal.SIGTERM)
        needed.value = 0  # it is still here
        os.kill(os.getpid(), signal.SIGTERM)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    other = os.fork()
    if not other:
        needed.value = 1
        _outlive_signals(needed, 0)
        os.kill(os.getpid(), signal.SIGINT)
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 7


def test_a_signal_that_comes_while_the_loader_starts_ends_none_of_its_processes(
    inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck() -> None:
        set_handlers()  # of torch, by which this process would end
        os.kill(os.getpid(), signal.SIGTERM)

    set_handlers = signal_handling._set_worker_signal_handlers
    monkeypatch.setattr(signal_handling, "_set_worker_signal_handlers", struck)
    with batch_loader(_batches(inputs, Share(steps=3)), Loading(0, 2)) as loader:
        assert len([*loader]) == 3
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
