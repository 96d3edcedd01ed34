"""The findings of the paper as rules, and whether the runs of a study bear them out."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from alignbench.study.runs import Study


@dataclass(frozen=True)
class Finding:
    """One statement of the paper, and how it stands.

    Attributes:
        claim: The statement.
        rule: How it is judged here.
        verdict: `borne out`, `borne out, not separable`, `not borne out` or `not testable`.
        evidence: The numbers that the verdict rests on; may be empty.
        why: One sentence: what the numbers say, or what is missing.
        published: The verdict of the same rule on the published values, which have no intervals.
    """

    claim: str
    rule: str
    verdict: str
    evidence: pd.DataFrame
    why: str
    published: str


def findings_of(study: Study) -> tuple[Finding, ...]:
    """The findings, in the order of the paper."""
    raise NotImplementedError
