"""Names stand in figures letter by letter, whatever Matplotlib would make of them."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from alignbench.report.figures.canvas import save_figure
from alignbench.report.figures.channels import channels_figure
from alignbench.report.figures.curves import curves_figure
from alignbench.report.figures.readout import ceiling_figure
from alignbench.report.figures.similarity import similarity_figure
from alignbench.report.figures.text import legend_label, plain_text
from alignbench.transforms.learning.folder import read_ceiling
from drawn_curves import tower_curve
from transform_pages import write_learned

NAMES = ["p$x_{$", "$\\frac$ a^$b$_{c} \\$ $ 100 % & #_~"]


def channels() -> pd.DataFrame:
    row = {"layer": "layer_0", "depth": 1.0, "top_channel": 0, "top_share": 0.5, "participation_ratio": 2.0}
    return pd.DataFrame([row | {"quantity": name, "channels": 4} for name in ("mean_square", "mean_difference")])


def ceiling(name: str, folder: Path) -> Figure:
    return ceiling_figure(read_ceiling(write_learned(folder)).assign(model=name))


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_drawn_as_it_is_in_every_figure(name: str, tmp_path: Path) -> None:
    figures = {
        "title": curves_figure([tower_curve(name)]),
        "legend": curves_figure([tower_curve(name), tower_curve("m")]),
        "channels": channels_figure(channels(), name),
        "similarity": similarity_figure(name, {"before": np.eye(3), "after": np.eye(3)}),
        "ceiling": ceiling(name, tmp_path),
    }
    save_figure(figures["title"], tmp_path / "title.svg")
    for which, figure in figures.items():
        assert name in texts(figure), which
        assert not any(text.get_parse_math() for text in figure.findobj(Text) if name in text.get_text()), which


def test_a_setting_of_the_user_that_reads_tex_is_put_aside_and_kept() -> None:
    with matplotlib.rc_context({"text.usetex": True}):
        with plain_text():
            assert not matplotlib.rcParams["text.usetex"]
        assert matplotlib.rcParams["text.usetex"]
    assert matplotlib.rcParams["text.parse_math"]


def test_a_name_that_begins_with_an_underscore_is_in_the_legend() -> None:
    figure = curves_figure([tower_curve("_hidden"), tower_curve("m")])
    [legend] = figure.legends
    assert [text.get_text().strip() for text in legend.get_texts()] == ["_hidden", "m", "chance"]
    assert legend_label("m") == "m"
