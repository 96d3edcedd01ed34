"""What has to be known to read a comparison: how its runs were measured, and what its rows do and do not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from alignbench.results.extent import data_set_title
from alignbench.study.run_pairs import RunPair, unlike
from alignbench.study.shared_judgments import fitted_apart
from alignbench.transforms.published import caution_told


def without_objects(datasets: Sequence[str]) -> Iterator[str]:
    """Yield which data sets are left out since their judgments name no objects, if any are.

    Args:
        datasets: Names of the data sets.
    """
    if datasets:
        titles = " and ".join(map(data_set_title, datasets))
        yield f"left out: {titles}, whose judgments name no objects, which intervals are to be over."


def remarks(pairs: Sequence[RunPair], table: pd.DataFrame, names: tuple[str, str]) -> Iterator[str]:
    """Yield what has to be known of the runs and of the rows.

    Args:
        pairs: The runs.
        table: The rows, see `Comparison`.
        names: What the two are called.
    """
    for pair in pairs:
        title = data_set_title(pair.dataset)
        if pair.chosen:
            yield f"{title}: of several runs, {pair.first.folder} and {pair.second.folder} are compared."
        differing = [f"{name} ({one}; {other})" for name, one, other in unlike(pair.first, pair.second)]
        if differing:
            yield f"{title}: {names[0]} and {names[1]} were measured differently: {', '.join(differing)}."
        for run in (pair.first, pair.second):
            if run.record.trained_on:
                yield f"{title}: {run.label}, {run.record.trained_on}."
        if fitted_apart(pair.first, pair.second):
            yield f"{title}, normalised Euclidean: the channel means of the two runs were fitted on different pairs."
    records = [run.record.transform for pair in pairs for run in (pair.first, pair.second)]
    for caution in dict.fromkeys(filter(None, map(caution_told, records))):
        yield f"{caution}."
    yield from _of_rows(table)


def _of_rows(table: pd.DataFrame) -> Iterator[str]:
    count, kinds = int(table["questions"].iloc[0]), ", ".join(dict.fromkeys(table["interval"]))
    together = f" that hold for all {count} questions together" if count > 1 else ""
    yield f"95 % intervals of paired differences{together}: {kinds}."
    if (table["question"] == "best").any():
        yield (
            "best layer: selected on these judgments, so that its scores are too high; its interval and p hold for the "
            "best layers whichever they are."
        )
    if (table["question"] == "curve").any():
        yield "layers and depths: each interval holds at all depths of its curve at once; p is of its row alone."
    shares = dict.fromkeys(f"{100 * share:.0f} %" for share in table["share_used"].dropna())
    if shares:
        yield (
            "cross-fitted: the score of the layer that the data choose, chosen on some clusters (or objects) and "
            f"scored on others, {' or '.join(shares)} of the judgments at a time; an estimate, not a test."
        )
    if (~table["separable"] & table["corrected_smallest"].notna()).any():
        yield "what could be seen is the smallest true difference whose interval would exclude 0 in 80 % of studies."
    floored = int(table["floored"].sum())
    if floored:
        yield (
            f"{floored} intervals may be too narrow: what triplets with a common object share came out below chance, "
            "and distinct triplets are counted instead."
        )
