"""The runs of a study: read from their folders, in the order of the paper, with what must not be averaged said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.results import LayerCurve


@dataclass(frozen=True)
class StudyRun:
    """One run of a study.

    Attributes:
        folder: Where it is.
        curve: Its scores.
        record: `run.json`.
    """

    folder: Path
    curve: LayerCurve
    record: dict[str, Any]

    @property
    def label(self) -> str:
        """What the model is called."""
        return self.curve.label

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return str(self.curve.frame["dataset"].iloc[0])

    @property
    def level(self) -> str:
        """Level of abstraction: `low`, `middle` or `high`."""
        return str(self.curve.frame["level"].iloc[0])

    @property
    def protocol(self) -> str:
        """`paper` or `corrected`."""
        return str(self.curve.frame["protocol"].iloc[0])

    @property
    def factors(self) -> dict[str, Any]:
        """The factors of the model's card; empty without one."""
        return dict(self.record.get("factors") or {})

    @property
    def is_baseline(self) -> bool:
        """Whether it has one score for whole images, and no layers."""
        return bool((self.curve.frame["layer"] == "image").all())


@dataclass(frozen=True)
class Study:
    """The runs of a study.

    Attributes:
        runs: Each run once: by level, then models before baselines.
        remarks: What differs between runs of one data set and is therefore not put together, a line each.
    """

    runs: tuple[StudyRun, ...]
    remarks: tuple[str, ...]


def read_study(places: Sequence[Path]) -> tuple[Study, tuple[str, ...]]:
    """Read run folders.

    Args:
        places: Run folders, or folders of them.

    Returns:
        The study, and a line for each folder that is no whole run and was left out.

    Raises:
        DataError: If a place holds no run folder.
    """
    raise NotImplementedError
