"""Rules about OpenAI's four sizes: which is best and which worst, and the curve of base-32."""

from __future__ import annotations

from typing import Any

from alignbench.arrays import Floats
from alignbench.datasets.judgments import LEVELS
from alignbench.study.contrasts import best_difference, depth_of, difference, highest, peak
from alignbench.study.evidence import Expectation, Outcome, judge
from alignbench.study.levels import BASE_16, BASE_32, LARGE_14, LARGE_336, NORMALISED, LevelPanel, LevelPanels
from alignbench.study.rules.needs import MARGIN, missing

PEAK = (55.0, 80.0)  # percent of the network that count as around 70 %
SIZES = (BASE_16, BASE_32, LARGE_14, LARGE_336)


def base_32_is_best(panels: LevelPanels) -> Outcome:
    """Among OpenAI's four sizes, base-32 has the highest best layer at every level."""
    others = (BASE_16, LARGE_14, LARGE_336)
    return missing(panels, SIZES, LEVELS) or judge(
        [better(panels[level], level, BASE_32, other) for level in LEVELS for other in others], ("level", "other")
    )


def large_336_is_worst(panels: LevelPanels) -> Outcome:
    """Among the four, large-14-336 has the lowest best layer before the projection at every level."""
    others = (BASE_16, BASE_32, LARGE_14)
    return missing(panels, SIZES, LEVELS) or judge(
        [better(panels[level], level, other, LARGE_336) for level in LEVELS for other in others], ("level", "model")
    )


def large_336_is_not_worst_at_the_projection(panels: LevelPanels) -> Outcome:
    """At the projection, large-14-336 is above the lowest of the other three."""
    lacking = missing(panels, SIZES, LEVELS)
    if lacking:
        return lacking
    comparisons = []
    for level in LEVELS:
        panel = panels[level]
        own, *others = (_scores(panel, name)[-1] for name in (LARGE_336, BASE_16, BASE_32, LARGE_14))
        row = {"level": level, "dataset": panel.dataset, "model": LARGE_336, "projection": own[0]}
        row["lowest_of_others"] = min(each[0] for each in others)
        comparisons.append(Expectation(row, *highest(panel, own - others)))
    return judge(comparisons, ("level", "model"))


def base_32_peaks_at_70(panels: LevelPanels) -> Outcome:
    """The best layer of base-32 is around 70 % of the network at middle and high."""
    lacking = missing(panels, (BASE_32,), ("middle", "high"))
    if lacking:
        return lacking
    comparisons = []
    for level in ("middle", "high"):
        panel = panels[level]
        found = depth_of(peak(panel, panel.curves[BASE_32, NORMALISED]))
        row = {"level": level, "dataset": panel.dataset, "what": "depth of the peak"}
        comparisons += [
            Expectation(row, *found, below, bound) for below, bound in zip((False, True), PEAK, strict=True)
        ]
    return judge(comparisons, ("what", "level"))


def base_32_falls_and_rises(panels: LevelPanels) -> Outcome:
    """At middle and high, base-32 falls from its peak to its last block, and rises at the projection."""
    lacking = missing(panels, (BASE_32,), ("middle", "high"))
    if lacking:
        return lacking
    comparisons = []
    for level in ("middle", "high"):
        panel, row, blocks, projection = _ends_of_base_32(panels, level)
        comparisons += [
            Expectation(row | {"what": "peak minus last block"}, *highest(panel, blocks[:-1] - blocks[-1])),
            Expectation(row | {"what": "projection minus last block"}, *difference(panel, projection, blocks[-1])),
        ]
    return judge(comparisons, ("what", "level"))


def base_32_is_flat_and_falls_at_low(panels: LevelPanels) -> Outcome:
    """At low, base-32's last block is close to its peak, and the projection is below it."""
    lacking = missing(panels, (BASE_32,), ("low",))
    if lacking:
        return lacking
    panel, row, blocks, projection = _ends_of_base_32(panels, "low")
    fall = highest(panel, blocks[:-1] - blocks[-1])
    comparisons = [
        Expectation(row | {"what": "peak minus last block"}, *fall, below=True, bound=MARGIN),
        Expectation(
            row | {"what": "projection minus last block"}, *difference(panel, projection, blocks[-1]), below=True
        ),
    ]
    return judge(comparisons, ("what", "level"))


def _ends_of_base_32(panels: LevelPanels, level: str) -> tuple[LevelPanel, dict[str, Any], Floats, Floats]:
    """The panel, a row with the peak, the last block and the projection, and scores of the blocks and projection."""
    panel = panels[level]
    curve = panel.curves[BASE_32, NORMALISED]
    row: dict[str, Any] = {"level": level, "dataset": panel.dataset, "peak": curve.best}
    row |= {"last_block": curve.blocks[-1, 0], "projection": curve.scores[-1, 0]}
    return panel, row, curve.blocks, curve.scores[-1]


def _scores(panel: LevelPanel, model: str) -> Floats:
    return panel.curves[model, NORMALISED].scores


def better(panel: LevelPanel, level: str, model: str, other: str, below: bool = False) -> Expectation:
    """The best layer of a model before the projection minus that of another, expected above 0."""
    one, two = (panel.curves[name, NORMALISED] for name in (model, other))
    row: dict[str, Any] = {"level": level, "dataset": panel.dataset, "model": model, "other": other}
    row |= {"best": one.best, "best_of_other": two.best}
    return Expectation(row, *best_difference(panel, one.blocks, two.blocks), below)
