"""What is scored of a model's heads, and how: nothing heavy is imported to find out that it is impossible."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from alignbench.distances.protocols import PROTOCOLS
from alignbench.errors import UsageError, unknown
from alignbench.interpret.store_job import STAGE as STORES
from alignbench.interpret.store_job import StoreJob
from alignbench.measurement.cell import Cell

CENTRED: Final = "centred_cosine"
HEAD_DISTANCES: Final = (CENTRED, "cosine", "euclidean")
_MOST: Final = 1_000_000
FEWEST_DRAWS: Final = 19  # with fewer nothing is below 0.05
DEFAULT_SETS: Final = ("tid2013", "nights", "things")  # low, middle and high level


@dataclass(frozen=True)
class Nulls:
    """What scores are held against.

    Attributes:
        draws: Permutations of people's answers, and random subspaces of each layer; 0 for neither.
        twins: Models of random weights; 0 for none.
        splits: Halvings of the judgments, on one half of which heads are chosen and summed; 0 for no sums.
    """

    draws: int = 999
    twins: int = 1
    splits: int = 20

    def checked(self) -> Nulls:
        """Check that everything in it is possible, and return it.

        Raises:
            UsageError: If it is not; names the option.
        """
        for option, number in (("--draws", self.draws), ("--twins", self.twins), ("--splits", self.splits)):
            if not 0 <= number <= _MOST:
                raise UsageError(f"{option} {number}: give from 0 to {_MOST:,}")
        if 0 < self.draws < FEWEST_DRAWS:
            raise UsageError(f"--draws {self.draws}: give 0, or {FEWEST_DRAWS} or more")
        return self


@dataclass(frozen=True)
class AlignJob:
    """What is scored on one data set, and where it goes.

    Attributes:
        cell: Which model on which data set, and how pictures are read. Its protocol and its distances are not looked
            at; its batch size is a number or `auto`.
        protocols: Names of the protocols by which it is scored.
        distance: `centred_cosine`, `cosine` or `euclidean`.
        dtype: What contributions are kept in, see `StoreJob`.
        devices: Processes of this machine that share the pictures.
        output: Folder of the stores, and of the results beside them.
        nulls: What scores are held against.
    """

    cell: Cell
    protocols: tuple[str, ...] = ("paper", "corrected")
    distance: str = CENTRED
    dtype: str = "fp32"
    devices: int = 1
    output: Path = Path(STORES)
    nulls: Nulls = Nulls()

    def checked(self) -> AlignJob:
        """Check that everything in it is possible, and return it with `Cell.checked` done.

        Raises:
            UsageError: If it is not; names the option.
        """
        for name in self.protocols:
            if name not in PROTOCOLS:
                raise unknown("protocol", name, PROTOCOLS)
        if not self.protocols:
            raise UsageError(f"no protocol to score by: give --protocol {','.join(PROTOCOLS)}")
        if self.distance not in HEAD_DISTANCES:
            raise unknown("distance", self.distance, HEAD_DISTANCES)
        self.store_job.checked()
        self.nulls.checked()
        cell = replace(self.cell, distances=("cosine",)).checked()  # which is normalised by nothing
        if cell.is_metric or cell.features is not None:
            raise UsageError(f"{cell.model} has no heads: name a model (see `alignbench models`)")
        if cell.random_init and self.nulls.twins:
            raise UsageError(f"{cell.name} is a twin of random weights itself: give --twins 0")
        return replace(self, cell=cell)

    @property
    def store_job(self) -> StoreJob:
        """What is decomposed."""
        return StoreJob("all", self.dtype, self.output, self.devices)
