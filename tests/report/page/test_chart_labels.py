"""What a chart says to whoever does not see it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from alignbench.report.page.chart_labels import chart_label
from alignbench.report.panels import Ceiling, Panel, lay_out_panels
from alignbench.report.series import Key
from alignbench.results.layer_curve import LayerCurve
from drawn_curves import baseline_curve, tower_curve

MAIN = "normalized_euclidean"


def panel_of(*curves: LayerCurve, published: tuple[str, ...] = ()) -> Panel:
    return lay_out_panels(curves, None, published)[1][0]


def named(key: Key) -> str:
    return key.line


def test_it_tells_what_is_shown_and_the_main_numbers() -> None:
    tower = tower_curve("clip", distances=(MAIN, "cosine"))
    rows = tower.frame[tower.frame["distance"] == MAIN].set_index("layer")["value"]
    blocks = rows.drop("projection")
    depth = tower.frame.set_index("layer")["depth"][blocks.idxmax()].iloc[0]
    panel = replace(panel_of(tower, baseline_curve("pixels", value=0.3)), ceiling=Ceiling("noise ceiling", (0.8, 0.9)))
    said = chart_label(panel, named, (MAIN,))
    for expected in (
        "Chart of TID2013 (low level)",
        "Spearman correlation over depth",
        "Chance is 0.000.",
        "The noise ceiling is 0.800 to 0.900.",
        f"clip: highest {blocks.max():.3f} at {blocks.idxmax()}, depth {depth:.1f} %, "
        f"{rows['projection']:.3f} at the projection.",
        "pixels: 0.300.",
        "All numbers are in the table of best layers.",
    ):
        assert expected in said
    assert said.count("clip:") == 1, "of the distance that is ticked alone"


def test_of_many_lines_the_highest_are_told_and_the_others_counted() -> None:
    curves = [baseline_curve(f"metric-{index}", value=0.1 * index) for index in range(9)]
    said = chart_label(panel_of(*curves), named, ())
    assert [f"metric-{index}: 0." in said for index in range(9)] == [False] * 3 + [True] * 6
    assert "3 more score lower." in said
    assert "over depth" not in said, "nothing of it has layers"


def test_simulated_observers_published_curves_and_missing_scores_are_said() -> None:
    empty = tower_curve("clip")
    empty = replace(empty, frame=empty.frame.assign(value=np.nan))
    said = chart_label(panel_of(empty, published=("ssim",)), named, (MAIN,))
    assert "clip: no score." in said
    assert "Beside them: published ssim." in said
    shapes = baseline_curve("pixels", dataset="shapes-low")
    assert "Simulated observers, not human data." in chart_label(panel_of(shapes), named, ())
