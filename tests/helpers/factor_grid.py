"""Made-up runs of which the factors of a study are made, and these by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from alignbench.study.factors import Factor, compare_factors
from alignbench.study.study import Study, read_study
from studies import SMALL, Made, as_published, write_made

MAIN = ("normalized_euclidean",)
LAION = "open_clip:ViT-B-16/laion2b_s34b_b88k"


def made(model: str, dataset: str = "tid2013", level: str = "low", **changes: Any) -> Made:
    return replace(Made(model, dataset, SMALL[level], as_published, distances=MAIN), **changes)


def study_of(root: Path, *runs: Made) -> Study:
    for run in runs:
        write_made(run, root)
    return read_study([root])[0]


def by_name(study: Study) -> dict[str, Factor]:
    factors = compare_factors(study)
    assert len({factor.name for factor in factors}) == len(factors)
    return {factor.name: factor for factor in factors}
