"""The triplets of each step, with the pixels of their pictures: what step comes next is known from its number alone."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_bool
from dataclasses import dataclass
from functools import partial
from multiprocessing.sharedctypes import RawValue
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.training.stopping import ENDINGS
from alignbench.alignet.triplet_order import TripletOrder
from alignbench.arrays import Indices
from alignbench.errors import DataError
from alignbench.extraction.loader import Loading, OrderedImages, default_workers

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Share:
    """Which part of each step this process takes, and which steps.

    Attributes:
        rank: Number of the process.
        ranks: How many there are.
        accumulate: Parts in which it takes its share.
        first: The first step.
        steps: The step at which training ends.
    """

    rank: int = 0
    ranks: int = 1
    accumulate: int = 1
    first: int = 0
    steps: int = 1


class StudentBatches(Dataset[Batch | DataError]):
    """Batches of triplets in the order of steps, from one on.

    Args:
        pictures: The pictures, prepared, by the numbers that triplets have for them.
        triplets: The triplets, with numbers of those pictures.
        order: Which triplets a step sees.
        share: Which part of them is read here.
    """

    def __init__(
        self, pictures: OrderedImages[Tensor], triplets: LabelledTriplets, order: TripletOrder, share: Share
    ) -> None:
        self.pictures, self.triplets, self.order, self.share = pictures, triplets, order, share

    def __len__(self) -> int:
        return (self.share.steps - self.share.first) * self.share.accumulate

    def __getitem__(self, number: int) -> Batch | DataError:
        """Pixels (b, 3, 3, H, W) uint8 and the teacher's similarities (b, 3); or the error of a picture."""
        share = self.share
        step, part = divmod(number, share.accumulate)
        rows = self.order.rows(share.first + step, part * share.ranks + share.rank, share.ranks * share.accumulate)
        return _read(self.pictures, self.triplets, rows)


class RowBatches(Dataset[Batch | DataError]):
    """Batches of some triplets in their order, each once.

    Args:
        pictures: The pictures, prepared, by the numbers that triplets have for them.
        triplets: The triplets, with numbers of those pictures.
        rows: Which triplets.
        size: Triplets a batch; the last may have fewer.
    """

    def __init__(self, pictures: OrderedImages[Tensor], triplets: LabelledTriplets, rows: Indices, size: int) -> None:
        self.pictures, self.triplets, self.rows, self.size = pictures, triplets, rows, size

    def __len__(self) -> int:
        return math.ceil(len(self.rows) / self.size)

    def __getitem__(self, number: int) -> Batch | DataError:
        """See `StudentBatches`."""
        return _read(self.pictures, self.triplets, self.rows[number * self.size : (number + 1) * self.size])


def _read(pictures: OrderedImages[Tensor], triplets: LabelledTriplets, rows: Indices) -> Batch | DataError:
    """Pixels and similarities of some triplets, or the error of a picture."""
    read = []
    for picture in triplets.triplets[rows].ravel():
        item = pictures[int(picture)]
        if isinstance(item, DataError):
            return item
        read.append(item[0])
    similarities = torch.from_numpy(np.array(triplets.similarities[rows], dtype=np.float32))
    return torch.stack(read).unflatten(0, (-1, 3)), similarities


@contextmanager
def batch_loader(batches: StudentBatches | RowBatches, loading: Loading) -> Iterator[DataLoader[Batch | DataError]]:
    """A loader that hands out batches in their order, with any number of processes.

    A scheduler signals all processes of a job. Those of the loader pass over it until the block is left, so that the
    step that is under way gets its pictures.

    Args:
        batches: The batches.
        loading: How they are read; its batch size is not looked at.
    """
    workers = default_workers(len(batches.pictures), loading.sharers) if loading.workers is None else loading.workers
    needed = RawValue(c_bool, True)
    try:
        yield _SignalLoader(
            batches,
            batch_size=None,
            shuffle=False,
            num_workers=workers,
            pin_memory=loading.pin_memory,
            worker_init_fn=partial(_outlive_signals, needed),
        )
    finally:
        needed.value = False


class _SignalLoader(DataLoader[Batch | DataError]):
    """A loader whose processes hear of no signal before they know what to do about it."""

    def __iter__(self) -> Any:
        """Start the processes with signals held back, which `_outlive_signals` lets through in each of them."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
        try:
            return super().__iter__()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outlive_signals(needed: Any, worker: int) -> None:
    """Have a loader's process end by a signal only once it is not needed any more."""

    def hear(number: int, frame: object) -> None:
        if not needed.value:
            os._exit(0)

    for number in ENDINGS:
        signal.signal(number, hear)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
