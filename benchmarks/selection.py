"""How often conclusions about chosen layers and whole curves are wrong, on curves whose truth is known.

    python benchmarks/selection.py [--draws 1000] [--only NAME] [--figure docs/images/inference.png]

Two models are scored on the same judgments. A world (`selection_worlds.py`) says what their layers are truly worth, how
their errors go together, and how many clusters there are; in each draw the models are compared by
`statistics.selection`, `bands` and `cross_fit`. Worlds marked `new` were drawn up after the formulas were fixed, and no
formula was changed for them.

Columns: shares of draws in which the best layers are called different, if the highest are chosen anew in each
resample, and by simultaneous bounds; in which their interval holds the truth; in which the set of layers near the best
holds all that are the best, and its mean size; in which the bands of the first curve and of the difference hold
everywhere; the bias of the cross-fitted score in its standard deviations, and the root mean square of its standard
error over its standard deviation.

It fails if, beyond two standard errors, equal best layers are called different in more than 6 % of draws, or a set, an
interval or a band holds in fewer than 94 % (bands of rank correlations over 25 references: 92 %, which is known).
"""

from __future__ import annotations

import argparse
import sys
import zlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from scipy import stats

from alignbench.arrays import Floats
from alignbench.statistics.bands import Band, band, difference_band
from alignbench.statistics.bootstrap import IntervalKind, interval
from alignbench.statistics.cross_fit import cross_fitted, cross_fitted_by_objects
from alignbench.statistics.joint import TwoCurves
from alignbench.statistics.selection import best_layers, near_best
from selection_worlds import CLUSTERS, Rng, World, worlds

MOST_CALLED = 0.06  # share of draws in which equal best layers may be called different
LEAST = 0.94  # share in which sets, intervals and bands have to hold
_EQUAL = 1e-12


@dataclass(frozen=True)
class Row:
    """What was found in a world: shares of draws, see the first lines; not a number where it does not apply."""

    anew: float
    called: float
    interval: float
    near: float
    size: float
    band: float
    difference_band: float
    bias: float
    error: float


# ---------------------------------------------------------------------------------------------------- row


def row(world: World, draws: int) -> Row:
    """What `draws` samples of a world give; their seeds are fixed."""
    depths = tuple(100.0 * np.arange(1, 1 + len(each)) / len(each) for each in (world.first, world.second))
    truths = _true_differences(world, depths)
    found, chosen = np.zeros((draws, 7)), np.full((draws, 3), np.nan)
    best = np.isclose(world.first, world.first.max(), rtol=0.0, atol=1e-12)
    for number in range(draws):
        rng = np.random.default_rng((zlib.crc32(world.name.encode()), number))
        curves = world.draw(rng)
        compared, near = best_layers(curves), near_best(curves.first)
        found[number] = [
            _called_anew(curves, rng),
            compared.separable,
            compared.low <= world.difference <= compared.high,
            near.near[best].all(),
            near.near.sum(),
            _holds(band(curves.first, depths[0]), world.first),
            _holds(difference_band(curves, depths), truths),
        ]
        if curves.first.influences is not None:
            fitted = cross_fitted(curves.first)
            chosen[number] = fitted.value, fitted.error, _target(world, rng)
    return Row(*found.mean(axis=0), *_bias_and_error(chosen))


def objects_row(draws: int) -> tuple[float, float]:
    """Bias and error, as in `Row`, of cross-fitting by objects: 60 objects, 3,000 triplets, seven equal layers."""
    chosen = np.empty((draws, 3))
    for number in range(draws):
        rng = np.random.default_rng((5, number))
        objects = np.argsort(rng.random((3_000, 60)), axis=1)[:, :3]
        own = rng.normal(0.0, 0.2, 60) + rng.normal(0.0, 0.1, (7, 60))
        threshold = 0.25 + own[:, objects].sum(axis=2)
        right = rng.standard_normal(3_000) < threshold
        fitted = cross_fitted_by_objects(right, objects)
        chosen[number] = fitted.value, fitted.error, stats.norm.cdf(0.25 / np.sqrt(1.0 + 3 * (0.2**2 + 0.1**2)))
    return _bias_and_error(chosen)


def _true_differences(world: World, depths: tuple[Floats, ...]) -> Floats:
    first, second = (np.asarray(each) for each in depths)
    if len(first) > len(second):
        return np.interp(second, first, world.first) - world.second
    return world.first - world.second


def _called_anew(curves: TwoCurves, rng: Rng) -> bool:
    """Whether the highest layers differ if they are chosen anew in each resample, or without each cluster."""
    value, influences = curves.both.value, curves.both.influences
    if influences is None:
        replicates = rng.multivariate_normal(value, curves.both.covariance, 1000).T
    else:
        replicates = value[:, None] - CLUSTERS / (CLUSTERS - 1) * influences
    every = np.column_stack([value, replicates])
    above = every[: curves.first_layers].max(axis=0) - every[curves.first_layers :].max(axis=0)
    kind: IntervalKind = "percentile cluster bootstrap" if influences is None else "cluster jackknife t"
    low, high = interval(above[:1], above[None, 1:], kind)
    return bool(low[0] > 0.0 or high[0] < 0.0)


def _holds(found: Band, truth: Floats) -> bool:
    return bool(((found.low <= truth) & (truth <= found.high)).all())


def _target(world: World, rng: Rng) -> float:
    """The true score of the layer that other data choose, four fifths as many."""
    first = world.draw(rng).first
    assert first.influences is not None
    some = rng.permutation(CLUSTERS)[: CLUSTERS * 4 // 5]
    pseudo = first.value[:, None] + CLUSTERS * first.influences
    return float(world.first[pseudo[:, some].mean(axis=1).argmax()])


def _bias_and_error(chosen: Floats) -> tuple[float, float]:
    value, error, target = chosen.T
    return float((value.mean() - target.mean()) / value.std()), float(np.sqrt((error**2).mean()) / value.std())


def verdicts(world: World, found: Row, draws: int) -> list[str]:
    """What is worse than it may be."""
    limits = {"interval": LEAST, "near": LEAST, "band": world.band, "difference_band": world.band}
    most = MOST_CALLED + 2.0 * np.sqrt(MOST_CALLED * (1.0 - MOST_CALLED) / draws)
    wrong = [
        name
        for name, least in limits.items()
        if getattr(found, name) < least - 2.0 * np.sqrt(least * (1.0 - least) / draws)
    ]
    return wrong + (["called"] if abs(world.difference) < _EQUAL and found.called > most else [])


def draw_figure(rows: dict[str, Row], path: Path) -> None:
    """Shares of draws in which equal best layers are called different, by either way, a line a world."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 0.8 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(rows))[::-1]
    for name, label, marker in (
        ("anew", "best layer chosen anew in each resample", "s"),
        ("called", "bounds of all pairs of layers", "o"),
    ):
        axes.plot([100.0 * getattr(row, name) for row in rows.values()], places, marker, label=label)
    axes.axvline(5.0, color="0.4", linestyle="--", linewidth=1.0, label="5 %, what a test is meant to give")
    axes.set_yticks(places, list(rows))
    axes.set_xlim(left=-0.5)
    axes.set_xlabel("equal best layers called different (% of draws)")
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=160)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--only", default="", help="worlds whose name contains this")
    parser.add_argument("--figure", type=Path, help="also draw the false calls here")
    options = parser.parse_args(arguments)
    wrong, equal = 0, {}
    columns = [each.name for each in fields(Row)]
    print(f"| {options.draws:,} draws | {' | '.join(columns)} |\n{'|---' * (1 + len(columns))}|", flush=True)
    for world in worlds(options.only):
        found = row(world, options.draws)
        failing = verdicts(world, found, options.draws)
        if abs(world.difference) < _EQUAL:
            equal[world.name] = found
        wrong += len(failing)
        cells = " | ".join(f"{getattr(found, name):.3f}" + " !" * (name in failing) for name in columns)
        print(f"| {world.name} | {cells} |", flush=True)
    if options.only in "objects":
        bias, error = objects_row(options.draws)
        print(f"| objects, 7 equal | {'- | ' * 7}{bias:.3f} | {error:.3f} |", flush=True)
    if options.figure is not None:
        draw_figure(equal, options.figure)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
