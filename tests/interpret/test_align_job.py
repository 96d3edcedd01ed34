"""What can be scored of heads, and what is refused before anything heavy is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alignbench import Cell
from alignbench.errors import UsageError
from alignbench.interpret.align_job import AlignJob, Nulls

JOB = AlignJob(Cell("shapes-clip", "shapes-high"))


def test_all_heads_are_decomposed_for_it() -> None:
    job = replace(JOB, dtype="fp16", output=Path("there"), devices=2).checked()
    assert (job.store_job.layers, job.store_job.dtype) == ("all", "fp16")
    assert (job.store_job.output, job.store_job.devices) == (Path("there"), 2)
    assert job.cell.distances == ("cosine",)


def test_random_weights_by_their_prefix_are_known() -> None:
    cell = Cell("random:shapes-clip", "shapes-high", seed=3)
    assert AlignJob(cell, nulls=Nulls(twins=0)).checked().cell.checkpoint == "shapes-clip@random-3"


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (replace(JOB, protocols=("pape",)), r"'pape'.*paper"),
        (replace(JOB, protocols=()), "no protocol to score by: give --protocol paper,corrected"),
        (replace(JOB, distance="cosin"), r"'cosin'.*cosine"),
        (replace(JOB, dtype="fp8"), "--dtype"),
        (replace(JOB, devices=0), "--devices 0: give 1 or more"),
        (replace(JOB, nulls=Nulls(draws=-1)), "--draws -1: give from 0 to 1,000,000"),
        (replace(JOB, nulls=Nulls(draws=5)), "--draws 5: give 0, or 19 or more"),
        (replace(JOB, nulls=Nulls(draws=10**11)), "--draws 100000000000: give from 0 to 1,000,000"),
        (replace(JOB, nulls=Nulls(twins=-1)), "--twins -1: give from 0 to 1,000,000"),
        (replace(JOB, nulls=Nulls(splits=-2)), "--splits -2: give from 0 to 1,000,000"),
        (replace(JOB, cell=Cell("pixels", "shapes-high")), "pixels has no heads"),
        (replace(JOB, cell=Cell("features:x.npz", "shapes-high")), r"features:x\.npz has no heads"),
        (replace(JOB, cell=Cell("random:shapes-clip", "shapes-high")), "is a twin of random weights itself"),
    ],
)
def test_what_is_impossible_is_refused(job: AlignJob, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        job.checked()
