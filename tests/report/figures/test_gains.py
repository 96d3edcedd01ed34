"""The figure of gains: each score where it belongs, with its interval, and what is said of a row."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from alignbench.report.figures.gains import draw_gains, gains_figure
from alignbench.results.gains import Gains
from gain_folders import CEILING, CURVES, ROWS

FRAME = Gains(ROWS, CURVES).frame


def bars(axis: Axes, colour: tuple[float, ...]) -> np.ndarray:
    """Horizontal and vertical lines of a colour, as their ends, (lines, 4)."""
    found: list[list[float]] = []
    for lines in axis.collections:
        if np.allclose(lines.get_colors()[0][:3], colour, atol=0.01):  # type: ignore[attr-defined]
            found += [np.asarray(segment).ravel().tolist() for segment in lines.get_segments()]  # type: ignore[attr-defined]
    return np.array(found)


def test_scores_stand_by_task_with_their_intervals() -> None:
    figure = gains_figure(FRAME, "student against base")
    scores, gains = figure.axes[0], figure.axes[1]
    titles = [axis.get_title(loc="left") for axis in figure.axes[::2]]
    assert titles == list(dict.fromkeys(FRAME["task"]))
    assert [text.get_text() for text in scores.get_yticklabels()] == [
        "Levels coarse: accuracy",
        "shapes-high (simulated) test: accuracy *",
    ]
    points = {line.get_label(): line.get_xdata().tolist() for line in scores.lines}  # type: ignore[union-attr]
    assert (points["before"], points["after"]) == ([0.4, 0.4], [0.5, 0.5])
    blue, grey = (0.0, 0x72 / 255, 0xB2 / 255), (0.55,) * 3
    np.testing.assert_allclose(bars(scores, blue), [[0.35, -0.13, 0.45, -0.13], [0.35, 0.87, 0.45, 0.87]])
    np.testing.assert_allclose(bars(scores, grey)[:, 0], CEILING)
    np.testing.assert_allclose(bars(gains, (0.1,) * 3), [[0.02, 0.0, 0.18, 0.0], [0.02, 1.0, 0.18, 1.0]])
    few_shot = figure.axes[2 * titles.index("few-shot") + 1]
    np.testing.assert_allclose(
        bars(few_shot, (0.6,) * 3), [[-0.02, 0.0, 0.18, 0.0]], err_msg="grey where 0 is among it"
    )
    unknown = figure.axes[2 * titles.index("human uncertainty")]
    assert [text.get_text() for text in unknown.texts] == ["no score", "no score before"]
    drawn = {line.get_label(): line.get_xdata().tolist() for line in unknown.lines}  # type: ignore[union-attr]
    np.testing.assert_equal((drawn["before"], drawn["after"]), ([np.nan, np.nan], [np.nan, 0.3]))
    agreement = figure.axes[2 * titles.index("agreement with the teacher")]
    assert [text.get_text() for text in agreement.get_yticklabels()] == ["border"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["before", "after", "ceiling", "* probably too optimistic"]


def test_numbers_below_an_axis_stand_apart() -> None:
    for low, high in ((-0.60, 0.64), (-0.094, 0.149), (-0.109, 0.183), (-0.0101, 0.0029)):
        figure = gains_figure(FRAME.assign(corrected_low=low, corrected_high=high))
        figure.draw_without_rendering()
        for axis in figure.axes:
            boxes = [text.get_window_extent() for text in axis.get_xticklabels() if text.get_text()]
            seen = sorted((box.x0, box.x1) for box in boxes)
            assert all(end < start for (_, end), (start, _) in pairwise(seen)), (low, seen)


def test_nothing_is_said_of_what_is_not_there() -> None:
    plain = FRAME[FRAME["task"] == "relative distance"].assign(ceiling=np.nan)
    assert [text.get_text() for text in gains_figure(plain).legends[0].get_texts()] == ["before", "after"]


def test_both_files_are_written(tmp_path: Path) -> None:
    draw_gains(FRAME, tmp_path, "student against base")
    assert (tmp_path / "gains.png").read_bytes()[:4] == b"\x89PNG"
    assert "student against base" in (tmp_path / "gains.svg").read_text()
