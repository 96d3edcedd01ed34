"""The tables of a folder of scores: a row for each measure, for each head, and for each text that was judged."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from alignbench.arrays import Floats, Indices
from alignbench.interpret.labelling.head_picks import HeadPicks, even
from alignbench.interpret.labelling.labelling import LabelledHeads
from alignbench.interpret.labelling.measures import BETTER, JudgedHeads
from alignbench.results.head_labels import EXAMPLE
from alignbench.results.head_scores import HEAD_COLUMNS, JUDGED_COLUMNS, SCORE_COLUMNS
from alignbench.statistics.bootstrap import CONFIDENCE

_TAILS: Final = (0.5 - CONFIDENCE / 2.0, 0.5 + CONFIDENCE / 2.0)
_ROUNDING: Final = 1e-9  # of a score of a permutation that is equal to ours


def score_rows(ours: dict[str, float], drawn: pd.DataFrame, dealt: pd.DataFrame) -> pd.DataFrame:
    """Put scores together with their intervals and their baseline; columns are `SCORE_COLUMNS`.

    The interval goes from the lower to the higher ends of two: where the middle 95 % of the draws' scores are, and the
    same mirrored at the score (the percentile and the basic bootstrap). Each end is moved out by how far the mean of
    the draws is from the score, their bias. Less misses too often (`benchmarks/head_labels.py`): picks of draws are
    less sure than those of all images, and scores that count them jump. The p-value is one-sided: the share of
    permutations, ours counted among them, that are as good or better.

    Args:
        ours: The scores.
        drawn: Scores in draws of the images, see `measured`.
        dealt: Scores of permutations.
    """
    rows = []
    for name, better in BETTER.items():
        low, high = _interval(ours[name], drawn[name].to_numpy(), most=np.inf if name == "entropy" else 1.0)
        baseline = dealt[name].to_numpy()
        known = baseline[np.isfinite(baseline)]
        mean = float(known.mean()) if len(known) else np.nan
        rows.append((name, ours[name], low, high, mean, *_range(baseline), _p(ours[name], known, better)))
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def _interval(value: float, drawn: Floats, most: float) -> tuple[float, float]:
    """The interval of a score, within what it can be."""
    low, high = _range(drawn)
    if not np.isfinite([value, low]).all():
        return np.nan, np.nan
    bias = abs(value - float(drawn[np.isfinite(drawn)].mean()))
    return max(0.0, min(low, 2.0 * value - high) - bias), min(most, max(high, 2.0 * value - low) + bias)


def _range(values: Floats) -> tuple[float, float]:
    """Where the middle 95 % of values lie."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, _TAILS)
    return float(low), float(high)


def _p(value: float, dealt: Floats, better: int) -> float:
    """Share of permutations, ours counted among them, that are as good or better."""
    if not better or not len(dealt) or not np.isfinite(value):
        return np.nan
    return float((1 + (better * dealt >= better * value - _ROUNDING).sum()) / (1 + len(dealt)))


def head_rows(labelled: LabelledHeads, picks: HeadPicks, heads: Indices, ours: JudgedHeads) -> pd.DataFrame:
    """Make a row for each head; examples have no scores. Columns are `HEAD_COLUMNS`.

    Args:
        labelled: The labels.
        picks: The picks.
        heads: Which of them are scored, (scored heads,).
        ours: What the judge says of these.
    """
    table = labelled.table.copy()
    unknown = np.full(len(table), np.nan)
    for name, values in (
        ("judged", ours.counted.sum(axis=1)),
        ("agreeing", ours.agreeing.sum(axis=1)),
        ("share", ours.shares),
        ("first_agreeing", ours.consistency),
        ("others", ours.others),
    ):
        column = unknown.copy()
        column[heads] = values
        table[name] = column
    table["label_again"] = label_stability(labelled)
    table["picks_again"] = _pick_stability(picks)
    table["texts"] = ["; ".join(picks.texts[row] for row in rows if row >= 0) for rows in picks.picks]
    return table[list(HEAD_COLUMNS)]


def label_stability(labelled: LabelledHeads) -> Floats:
    """Return in which share of the draws of the images each head has its label, or none, again, (heads,).

    It is not a number for examples, and where draws were not labelled.

    Args:
        labelled: The labels.
    """
    if labelled.drawn is None:
        return np.full(len(labelled.table), np.nan)
    number = {name: row for row, name in enumerate(labelled.names)} | {"": -1}
    is_example = (labelled.table["source"] == EXAMPLE).to_numpy()
    own = np.array([number.get(label, -1) for label in labelled.table["label"]])
    return np.where(is_example, np.nan, (labelled.drawn == own).mean(axis=0))


def _pick_stability(picks: HeadPicks) -> Floats:
    """Share of the draws in which a head's picks come again, averaged over them, (heads,)."""
    if picks.drawn is None:
        return np.full(len(picks.places), np.nan)
    found = [
        np.isin(own[own >= 0], each).mean() if (own >= 0).any() else np.nan
        for draw in picks.drawn
        for own, each in zip(picks.picks, draw, strict=True)
    ]
    return np.asarray(np.reshape(found, (len(picks.drawn), len(picks.places))).mean(axis=0))


def judged_rows(labelled: LabelledHeads, picks: HeadPicks, heads: Indices, ours: JudgedHeads) -> pd.DataFrame:
    """Make a row for each text that was judged; columns are `JUDGED_COLUMNS`. Arguments are those of `head_rows`."""
    rows = []
    for head, is_there, agreeing in zip(heads, ours.counted, ours.agreeing, strict=True):
        label = labelled.table["label"].iloc[head]
        for place in np.flatnonzero(is_there):
            text = picks.texts[even(picks.picks)[head, place]]
            rows.append((*picks.places[head], 2 * place + 2, text, label, int(agreeing[place])))
    return pd.DataFrame(rows, columns=list(JUDGED_COLUMNS))
