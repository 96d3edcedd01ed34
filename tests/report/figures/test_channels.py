"""The figure of channels shows what the table says: shares, fractions, and whether one channel is on top throughout."""

from pathlib import Path

import numpy as np
import pandas as pd

from alignbench.report.figures.channels import channels_figure, draw_channels
from drawn_curves import DEPTHS


def channels_table() -> pd.DataFrame:
    """Channel 7 is on top at two blocks of three; the projection, too, has a channel 7, which is another."""
    rows = [
        ("layer_0", 2.5, "mean_square", 3, 0.1, 40.0, 80),
        ("layer_1", 7.5, "mean_square", 7, 0.6, 8.0, 80),
        ("layer_2", 97.5, "mean_square", 7, 0.5, 16.0, 80),
        ("projection", 100.0, "mean_square", 7, 0.7, 30.0, 60),
        ("layer_0", 2.5, "mean_difference", 5, 0.2, 20.0, 80),
        ("layer_1", 7.5, "mean_difference", 4, 0.1, 60.0, 80),
        ("layer_2", 97.5, "mean_difference", 5, 0.1, 50.0, 80),
        ("projection", 100.0, "mean_difference", 5, 0.1, 45.0, 60),
    ]
    columns = ["layer", "depth", "quantity", "top_channel", "top_share", "participation_ratio", "channels"]
    return pd.DataFrame(rows, columns=columns).sample(frac=1.0, random_state=0)


def test_channels_are_shown_as_share_and_fraction_over_depth() -> None:
    figure = channels_figure(channels_table(), "m on nights")
    share, fraction = figure.axes
    expected = {
        "mean squared activation (filled: channel 7)": ([0.1, 0.6, 0.5, 0.7], [0.5, 0.1, 0.2, 0.5]),
        "mean squared difference of pairs (filled: channel 5)": ([0.2, 0.1, 0.1, 0.1], [0.25, 0.75, 0.625, 0.75]),
    }
    assert {text.get_text() for text in figure.legends[0].get_texts()} == set(expected)
    assert figure.get_suptitle() == "m on nights"
    for label, (shares, fractions) in expected.items():
        [line] = [each for each in share.get_lines() if each.get_label() == label]
        np.testing.assert_array_equal(line.get_xdata(), DEPTHS)
        np.testing.assert_allclose(line.get_ydata(), shares)
        [other] = [x for x in fraction.get_lines() if x.get_color() == line.get_color() and x.get_linewidth() > 0]
        np.testing.assert_allclose(other.get_ydata(), fractions)
    assert share.get_ylim()[0] == fraction.get_ylim()[0] == 0.0


def test_a_filled_marker_says_that_the_same_channel_is_on_top() -> None:
    for axis in channels_figure(channels_table()).axes:
        hollow = {
            line.get_color(): list(line.get_xdata())
            for line in axis.get_lines()
            if line.get_markerfacecolor() == "white"
        }
        assert hollow == {"#0072b2": [2.5, 100.0], "#d55e00": [7.5, 100.0]}


def test_channels_are_written_as_png_and_svg(tmp_path: Path) -> None:
    draw_channels(channels_table(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"channels.png", "channels.svg"}


def test_the_projection_alone_is_drawn_by_its_own_channels() -> None:
    table = channels_table()
    figure = channels_figure(table[table["layer"] == "projection"])
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {
        "mean squared activation (filled: channel 7)",
        "mean squared difference of pairs (filled: channel 5)",
    }
    for axis in figure.axes:
        hollow = [list(line.get_xdata()) for line in axis.get_lines() if line.get_markerfacecolor() == "white"]
        assert hollow == [[], []]
