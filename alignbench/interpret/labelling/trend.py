"""Whether heads of larger models are more interpretable: scores of several models against their size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from math import factorial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy import stats

from alignbench.arrays import Floats
from alignbench.errors import DataError, UsageError
from alignbench.interpret.labelling.measures import BETTER
from alignbench.results.head_scores import read_scores

TREND: Final = ("association_all", "association_some", "association_mean", "entangled", "ccs_high")
LEVEL: Final = 0.05
_LAST: Final = 4  # layers at most whose heads are kept of a model, where not all are
_EXACT: Final = 40_320  # orders: those of eight models
_DRAWN: Final = 20_000
_ROUNDING: Final = 1e-9
_ALIKE: Final = ("images", "layers")  # of a store: what else differs than the model would be compared too


@dataclass(frozen=True)
class ScoredModel:
    """The scores of one model.

    Attributes:
        folder: Where they are.
        model: Its label.
        size: Heads of the whole model.
        values: Scores by measure.
        record: What they were made by.
    """

    folder: Path
    model: str
    size: int
    values: dict[str, float]
    record: dict[str, Any]


@dataclass(frozen=True)
class Trend:
    """How a score goes with the size of models.

    Attributes:
        measure: The score.
        models: How many have it.
        correlation: Spearman's rank correlation of size and score; not a number where either is the same for all.
        p: Share of orders of the models, their own among them, in which larger models are better by as much or more.
        least: The smallest p that these sizes could give.
        is_exact: Whether all orders were looked at; else some were drawn.
    """

    measure: str
    models: int
    correlation: float
    p: float
    least: float
    is_exact: bool


def read_models(folders: Sequence[Path]) -> list[ScoredModel]:
    """Read the scores of several models that were made alike.

    Args:
        folders: Folders of scores.

    Raises:
        UsageError: If there are fewer than three, or two are of one model.
        DataError: If one cannot be read, or they were made by different labellers, judges, texts, picks or pictures.
    """
    if len(folders) < 3:
        raise UsageError(f"--compare names {len(folders)} folders: give those of three models at least")
    models = []
    for folder in folders:
        record, table = read_scores(folder)
        values = dict(zip(table["measure"], table["value"].astype(float), strict=True))
        models.append(ScoredModel(folder, record["model"], record["size"], values, record))
    for one in models[1:]:
        for what, of_one, of_first in zip(*_made_by(one), _made_by(models[0])[1], strict=True):
            if of_one != of_first:
                raise DataError(
                    f"{one.folder} and {models[0].folder} differ in {what} and cannot be compared: score both alike"
                )
    names = [each.model for each in models]
    doubled = [name for number, name in enumerate(names) if name in names[:number]]
    if doubled:
        raise UsageError(f"--compare names {doubled[0]} twice: give one folder of each model")
    return models


def _made_by(model: ScoredModel) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """What scores that are compared must have alike, in words and as recorded."""
    try:
        settings = model.record["settings"]
        labels = settings["labels"]
        span = labels["span"]
        picked = {key: span.get(key) for key in ("texts", "picks", "rank")}
        kept = "all" if len(span["heads"]["layers"]) > _LAST else "the last"
        names = ("labeller", "judge", "texts or picks", "images", "the layers whose heads are scored")
        return names, (labels["labeller"], settings["judge"], picked, span["heads"].get("images"), kept)
    except (LookupError, TypeError, AttributeError) as error:
        raise DataError(
            f"{model.folder} does not say how its scores were made: remove the folder, and make it "
            "again by `alignbench interpret score`"
        ) from error


def trends(models: Sequence[ScoredModel], seed: int = 0) -> list[Trend]:
    """Test for each of `TREND` whether larger models are better: over all orders of the models, one-sided.

    Args:
        models: The models.
        seed: Seed of the orders, where there are too many of them.
    """
    found = []
    for measure in TREND:
        known = [each for each in models if np.isfinite(each.values.get(measure, np.nan))]
        sizes = np.array([each.size for each in known], dtype=np.float64)
        values = np.array([each.values[measure] for each in known]) * BETTER[measure]
        found.append(trend(measure, sizes, values, seed))
    return found


def trend(measure: str, sizes: Floats, values: Floats, seed: int = 0) -> Trend:
    """Test whether a score rises with size.

    Args:
        measure: What the score is called; one of which less is better comes with its sign turned.
        sizes: Size of each model.
        values: Score of each.
        seed: Seed of the orders, where there are too many of them.
    """
    count = len(sizes)
    is_exact = count < 9
    x = stats.rankdata(sizes) - (count + 1) / 2.0
    y = stats.rankdata(values) - (count + 1) / 2.0
    norm = float(np.sqrt((x @ x) * (y @ y)))
    if count < 3 or not norm:
        return Trend(measure, count, np.nan, np.nan, np.nan, is_exact)
    if is_exact:
        assert factorial(count) <= _EXACT
        orders = np.array(list(permutations(range(count))))
    else:
        rng = np.random.default_rng(seed)
        orders = np.stack([np.arange(count), *(rng.permutation(count) for _ in range(_DRAWN))])
    sums = y[orders] @ x
    p = float((sums >= x @ y - _ROUNDING).mean())
    least = float((y[orders] @ x >= np.sort(x) @ np.sort(y) - _ROUNDING).mean()) if is_exact else 1.0 / len(orders)
    sign = BETTER.get(measure, 1) or 1
    return Trend(measure, count, sign * float(x @ y) / norm, p, least, is_exact)


def verdict(found: Sequence[Trend]) -> str:
    """Say what trends decide about the claim that larger models are more interpretable."""
    known = [each for each in found if np.isfinite(each.p)]
    if not known:
        return "larger models more interpretable? Nothing can be said: sizes or scores are the same for all models"
    least = max(each.least for each in known)
    count = max(each.models for each in known)
    said = f"{count} models of these sizes give no p below {least:.3g}, whatever their scores"
    if min(each.least for each in known) > LEVEL:
        return f"larger models more interpretable? {count} models cannot decide it at 5 %: {said}"
    bound = LEVEL / len(known)
    shown = [each.measure for each in known if each.p <= bound]
    answer = f"yes, by {', '.join(shown)}" if shown else "not shown"
    rule = f"p at most {bound:.3g}, which is 5 % over {len(known)} scores"
    return f"larger models more interpretable? {answer} ({rule}); {said}"


def trend_table(found: Sequence[Trend]) -> pd.DataFrame:
    """A row for each score: measure, models, correlation (with size), p, least (the smallest p), exact."""
    return pd.DataFrame(
        [(each.measure, each.models, each.correlation, each.p, each.least, each.is_exact) for each in found],
        columns=["measure", "models", "correlation", "p", "least", "exact"],
    )
