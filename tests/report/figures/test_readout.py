"""The ceiling curve shows zero-shot and aligned accuracy with their intervals, chance and the noise ceiling."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.report.figures.readout import ceiling_figure
from alignbench.transforms.learning.folder import read_ceiling
from transform_pages import DEPTHS, write_learned


@pytest.mark.parametrize("layers", [list(DEPTHS), ["projection"]])
def test_the_figure_shows_intervals_of_several_layers_and_of_one(tmp_path: Path, layers: list[str]) -> None:
    frame = read_ceiling(write_learned(tmp_path, layers=layers))
    (axis,) = (figure := ceiling_figure(frame)).axes
    (before, after), extents = axis.lines[:2], [found.get_datalim(axis.transData) for found in axis.collections]
    np.testing.assert_allclose(before.get_ydata(), frame["before"])
    np.testing.assert_allclose(after.get_ydata(), frame["after"])
    np.testing.assert_allclose([(e.y0, e.y1) for e in extents], [
        (frame[f"{name}_low"].min(), frame[f"{name}_high"].max()) for name in ("before", "after")
    ])  # fmt: skip
    assert axis.get_xlim() == (-2.0, 103.0)
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 4
