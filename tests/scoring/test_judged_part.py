"""Judgments as what is scored together: the subsets first, then the breakdowns, each with its own rows."""

from dataclasses import replace

import numpy as np

from alignbench.scoring.judged_part import parts_of
from made_judgments import with_everything


def test_subsets_come_first_and_breakdowns_are_marked() -> None:
    judgments = with_everything()
    found = list(parts_of(judgments))
    whole = [(subset, False) for subset in judgments.subsets] + [(part, True) for part in judgments.parts]
    assert [(part.name, part.breakdown) for part in found] == [(each.name, breakdown) for each, breakdown in whole]
    for part, (subset, _) in zip(found, whole, strict=True):
        assert part.kind == "choice"
        np.testing.assert_array_equal(part.options, judgments.judged[subset.rows])
        np.testing.assert_array_equal(part.human, judgments.human[subset.rows])
        np.testing.assert_array_equal(part.clusters, subset.clusters)


def test_standard_errors_stay_with_their_ratings() -> None:
    judgments = with_everything()
    assert all(part.errors is None for part in parts_of(judgments))
    errors = np.arange(float(len(judgments.human)))
    for part, subset in zip(
        parts_of(replace(judgments, rating_errors=errors)), (*judgments.subsets, *judgments.parts), strict=True
    ):
        assert part.errors is not None
        assert part.errors.tolist() == subset.rows.tolist()
