"""What Slurm gives each cell, as the options say it."""

from __future__ import annotations

import pytest

from alignbench.cli.slurm_options import read_resources
from alignbench.errors import UsageError
from alignbench.sweeps.slurm_jobs import Resources

NAMES = ("--partition", "--gpus-per-cell", "--cpus-per-cell", "--time", "--array-parallelism")


def given(**options: str | int) -> dict[str, str | int | None]:
    return {name: options.get(name.removeprefix("--").replace("-", "_")) for name in NAMES}


def test_resources_are_read() -> None:
    assert read_resources(given(), slurm=False) is None
    assert read_resources(given(), slurm=True) == Resources("", 0, 4, 60, None)
    options = given(partition="gpu", gpus_per_cell=1, cpus_per_cell=8, time="1-00:00:00", array_parallelism=5)
    assert read_resources(options, slurm=True) == Resources("gpu", 1, 8, 1440, 5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (given(gpus_per_cell=-1), "--gpus-per-cell -1 is below 0"),
        (given(cpus_per_cell=0), "--cpus-per-cell 0 is below 1: give 1 or more"),
        (given(array_parallelism=0), "--array-parallelism 0 is below 1: give 1 or more"),
        (given(time="0"), "--time '0' is no time"),
    ],
)
def test_values_that_cannot_be_are_refused(options: dict[str, str | int | None], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_resources(options, slurm=True)


@pytest.mark.parametrize("name", NAMES)
def test_each_option_is_refused_without_slurm(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} is for jobs of Slurm: give --slurm too, or leave it out"):
        read_resources({**given(), name: 1}, slurm=False)
