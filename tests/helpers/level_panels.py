"""Curves and panels of findings that are made by hand, with resamples that are noise of the layer's own."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from alignbench.study.levels import LevelPanel, Scored

NORMALISED, EUCLIDEAN, COSINE = "normalized_euclidean", "euclidean", "cosine"
LEVELS = ("low", "middle", "high")
DEPTHS: NDArray[np.float64] = np.array([2.5, 25.0, 50.0, 75.0, 97.5, 100.0])  # the last is the projection


def curve(*values: float, spread: float = 0.001, seed: int = 0) -> Scored:
    """Scores at `DEPTHS`, in resamples that differ from them by noise of the layer's own."""
    noise = np.random.default_rng([seed, *np.round(1e4 * np.array(values)).astype(int)]).normal(
        size=(len(values), 1000)
    )
    scores = np.concatenate([np.zeros((len(values), 1)), spread * noise], axis=1) + np.array(values)[:, None]
    return Scored(DEPTHS[: len(values)], len(values) == len(DEPTHS), scores)


def flat(value: float, spread: float = 0.001, projection: float | None = None) -> Scored:
    """A curve with one best layer, in the middle."""
    ends = value - 0.1
    return curve(ends, ends, value, ends, ends, ends if projection is None else projection, spread=spread)


def panel(
    level: str,
    curves: Mapping[tuple[str, str], Scored],
    baselines: Mapping[str, float] | None = None,
    shares: Mapping[str, NDArray[np.float64]] | None = None,
) -> LevelPanel:
    chance = {"low": 0.0, "middle": 0.5, "high": 1 / 3}[level]
    noise = 0.001 * np.random.default_rng(9).normal(size=1000)
    scores = {name: np.concatenate([[value], value + noise]) for name, value in (baselines or {}).items()}
    dataset = {"low": "tid2013", "middle": "nights", "high": "things"}[level]
    kind = "percentile cluster bootstrap"
    return LevelPanel(dataset, "paper", "people", chance, kind, curves, scores, shares=shares or {})


def everywhere(best: Mapping[str, float | tuple[float, float, float]], spread: float = 0.001) -> dict[str, LevelPanel]:
    """Panels at all levels, from the best score of each model, the same at all levels or one for each."""
    levels = {model: value if isinstance(value, tuple) else (value,) * 3 for model, value in best.items()}
    return {
        level: panel(level, {(model, NORMALISED): flat(value[at], spread) for model, value in levels.items()})
        for at, level in enumerate(LEVELS)
    }
