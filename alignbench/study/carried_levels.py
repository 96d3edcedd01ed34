"""Which heads carry what people see: do those of a label, or consistent ones, score higher than others of their layer?

Late layers score higher, and have other labels: heads are compared inside their layer. With x the mark of a head (1 if
it has the label; or how many of its texts agree with it) and y its score, both less their mean in the layer, a model
says b = sum x y / sum x^2, the difference that the mark makes. Models are the units: the mean of b over models is what
is found, with a t interval over them where there are several. Its p-value comes from permutations of marks within each
layer of each model (max-T over all marks and measures, in both directions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy import stats

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError
from alignbench.results.head_alignment import PLACE
from alignbench.statistics.bootstrap import CONFIDENCE
from alignbench.statistics.permuted import permuted_within

CONSISTENT: Final = "consistent texts"
_HEAD: Final = ["model", "layer", "head"]
COLUMNS: Final = ("mark", *PLACE, "difference", "low", "high", "models", "heads", "p_corrected")


@dataclass(frozen=True, eq=False)
class _Heads:
    """Heads of all models.

    Attributes:
        index: Model, layer and number of each, (heads,).
        scores: (places, heads), without a gap.
        places: What was scored, a row each, with the columns of `PLACE`.
        models: Number of the model of each head, (heads,).
        layers: Number of its layer among all layers of all models, (heads,).
    """

    index: pd.MultiIndex
    scores: Floats
    places: pd.DataFrame
    models: Indices
    layers: Indices

    @classmethod
    def of(cls, scores: pd.DataFrame) -> _Heads:
        wide = scores.pivot(index=_HEAD, columns=list(PLACE), values="value").dropna()
        if wide.empty:
            raise DataError("no head has a score in everything that was scored: nothing can be compared")
        models = wide.index.get_level_values("model")
        places = wide.columns.to_frame(index=False)
        layers = pd.MultiIndex.from_arrays([models, wide.index.get_level_values("layer")])
        values = wide.to_numpy(dtype=np.float64).T
        return cls(wide.index, values, places, pd.factorize(models)[0], pd.factorize(layers)[0])

    def some(self, kept: Indices) -> _Heads:
        """Only some of the heads, (some,)."""
        return _Heads(
            self.index[kept],
            self.scores[:, kept],
            self.places,
            pd.factorize(self.models[kept])[0],
            pd.factorize(self.layers[kept])[0],
        )


def levels_of_labels(labels: pd.DataFrame, scores: pd.DataFrame, draws: int = 4999, seed: int = 0) -> pd.DataFrame:
    """Say which labels' heads score higher, or lower, than others of their layer.

    Args:
        labels: Columns `model`, `layer`, `head` and `label`, a row for each label of a head; an empty label is none.
        scores: Columns `model`, `layer`, `head`, those of `PLACE`, and `value`: each head alone, once at each place.
            Heads that lack a score somewhere are left out.
        draws: Permutations.
        seed: Seed of the permutations.

    Returns:
        A row for each label and place, with `COLUMNS`; `models` and `heads` say how many have the label.

    Raises:
        DataError: If no head of these has scores, or no label differs within a layer.
    """
    heads = _Heads.of(scores)
    said = labels[labels["label"] != ""]
    names = sorted(said["label"].unique())
    place = heads.index.get_indexer(pd.MultiIndex.from_frame(said[_HEAD]))
    marks = np.zeros((len(names), len(heads.index)))
    marks[pd.Categorical(said["label"], names).codes[place >= 0], place[place >= 0]] = 1.0
    return _carried(heads, names, marks, draws, seed)


def levels_of_consistency(labels: pd.DataFrame, scores: pd.DataFrame, draws: int = 4999, seed: int = 0) -> pd.DataFrame:
    """Say whether heads with more texts that agree with their label score higher than others of their layer.

    Args:
        labels: Columns `model`, `layer`, `head` and `consistent`: how many of the first texts agree, a row a head.
        scores: As for `levels_of_labels`.
        draws: Permutations.
        seed: Seed of the permutations.

    Returns:
        A row for each place, with `COLUMNS`; `difference` is for one text more.

    Raises:
        DataError: If no head of these has scores, or consistency does not differ within any layer.
    """
    heads = _Heads.of(scores)
    place = heads.index.get_indexer(pd.MultiIndex.from_frame(labels[_HEAD]))
    kept, which = place[place >= 0], np.flatnonzero(place >= 0)
    mark = labels["consistent"].to_numpy(dtype=np.float64)[which]
    return _carried(heads.some(kept), [CONSISTENT], mark[None], draws, seed)


def _carried(heads: _Heads, names: list[str], marks: Floats, draws: int, seed: int) -> pd.DataFrame:
    if not marks.size:
        raise DataError("no head that was scored has such a mark: nothing can be compared")
    centred = marks - _mean_in(marks, heads.layers)
    models = np.arange(int(heads.models.max(initial=-1)) + 1)
    spread = np.stack([(centred[:, heads.models == model] ** 2).sum(axis=1) for model in models], axis=1)
    known = spread > 0.0  # (marks, models)
    if not known.any():
        raise DataError("no mark of heads differs within a layer: nothing can be compared")
    weights = np.where(known, 1.0 / np.where(known, spread, 1.0), 0.0)
    each = np.stack(
        [(centred[:, heads.models == m] @ heads.scores[:, heads.models == m].T) * weights[:, [m]] for m in models]
    )  # (models, marks, places)
    rows = centred * (weights / np.maximum(known.sum(axis=1), 1)[:, None])[:, heads.models]
    found = permuted_within(np.concatenate([rows, -rows]), heads.scores, heads.layers, draws, seed)
    p = np.fmin(*np.split(found.p, 2, axis=1)).T  # (marks, places)
    table = []
    for mark, name in enumerate(names):
        of_models = each[known[mark], mark]
        having = int(np.count_nonzero(marks[mark]))
        for place, where in enumerate(heads.places.to_dict("records")):
            value, low, high = _over_models(of_models[:, place])
            ends = {"difference": value, "low": low, "high": high}
            counts = {"models": len(of_models), "heads": having}
            table.append({"mark": name, **where, **ends, **counts, "p_corrected": p[mark, place]})
    return pd.DataFrame(table, columns=list(COLUMNS))


def _mean_in(values: Floats, layers: Indices) -> Floats:
    """The mean of the own layer, (marks, heads)."""
    size = np.bincount(layers)
    return np.stack([np.bincount(layers, row) / size for row in values])[:, layers]


def _over_models(values: Floats) -> tuple[float, float, float]:
    """Mean over models, and the ends of its t interval, which are not numbers of fewer than two."""
    if not len(values):
        return np.nan, np.nan, np.nan
    mean = float(values.mean())
    if len(values) < 2:
        return mean, np.nan, np.nan
    reach = float(stats.t.isf(0.5 - CONFIDENCE / 2.0, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - reach, mean + reach
