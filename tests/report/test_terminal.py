"""Curves as text: what stands where is what the numbers say, in letters that the output has, and in 80 columns."""

import numpy as np
import pytest

from alignbench import LayerCurve
from alignbench.report.terminal import ASCII, BRAILLE, COLUMNS, alphabet_for, terminal_plot
from drawn_curves import DEPTHS, baseline_curve, tower_curve

LEFT = 8  # columns of the vertical axis


def curve_of(*values: float) -> LayerCurve:
    curve = tower_curve("clip", "nights")
    frame = curve.frame.assign(value=values, ci_low=np.array(values) - 0.1, ci_high=np.array(values) + 0.05)
    return LayerCurve(frame)


def drawn(text: str) -> list[str]:
    """What stands between the axes, row by row."""
    return [line[LEFT:] for line in text.splitlines() if line[LEFT - 1 : LEFT] in ("│", "┤", "|")]


def places(text: str, letter: str) -> list[tuple[int, int]]:
    """Rows and columns of a letter, from left to right."""
    found = [
        (row, column) for row, line in enumerate(drawn(text)) for column, each in enumerate(line) if each == letter
    ]
    return sorted(found, key=lambda place: place[1])


def test_markers_stand_at_the_depth_and_the_height_of_their_layers() -> None:
    marks = places(terminal_plot([curve_of(0.5, 0.6, 0.9, 0.7)]), "●")
    rows, columns = np.array(marks).T
    assert np.interp(DEPTHS, (0, 100), (0, 68)) == pytest.approx(columns, abs=0.5)
    # the panel spans 0.4 to 0.95 with 4 % of room above and below, in 15 rows of four dots
    room = 0.04 * 0.55
    expected = (0.95 + room - np.array([0.5, 0.6, 0.9, 0.7])) / (0.55 + 2 * room) * 59 / 4
    assert expected == pytest.approx(rows + 0.5, abs=0.75)


def test_a_whisker_spans_the_interval_and_no_more() -> None:
    text = terminal_plot([curve_of(0.5, 0.5, 0.5, 0.9)])
    last = [row for row, column in places(text, "│") + places(text, "●") if column == 68]
    per_row = (0.95 - 0.4) * 1.08 / 15
    assert len(last) == pytest.approx(0.15 / per_row, abs=1.5)
    assert min(last) == 0


def test_a_layer_without_a_score_has_no_marker_and_one_without_an_interval_no_whisker() -> None:
    curve = curve_of(0.5, 0.6, 0.9, 0.7)
    frame = curve.frame.copy()
    frame.loc[1, ["value", "ci_low", "ci_high"]] = float("nan")
    frame.loc[2, ["ci_low", "ci_high"]] = float("nan")
    text = terminal_plot([LayerCurve(frame)])
    assert [column for _, column in places(text, "●")] == [2, 66, 68]
    assert {column for _, column in places(text, "│")} == {2, 68}


def test_chance_is_a_line_with_its_number_and_a_baseline_one_with_its_name() -> None:
    text = terminal_plot(
        [LayerCurve(curve_of(0.7, 0.7, 0.7, 0.7).frame, None, "choice"), baseline_curve("pixels", "nights", 0.6)],
        ["normalized_euclidean"],
    )
    (chance,) = [line for line in text.splitlines() if line.endswith("┄" * 50)]
    assert chance.strip().startswith("0.50 ┤")
    assert any(line.count("─") > 50 for line in drawn(text))
    assert "── pixels" in text
    assert "┄┄ chance" in text


def test_a_steep_line_has_no_gaps() -> None:
    rows = {row for row, line in enumerate(drawn(terminal_plot([curve_of(0.1, 0.1, 0.1, 0.9)]))) if line[66:69].strip()}
    assert len(rows) >= 13


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp1252"])
def test_it_fits_80_columns_and_the_encoding(encoding: str) -> None:
    curves = [tower_curve(name, data) for name in ("clip", "a" * 90, "modèle") for data in ("tid2013", "things")]
    text = terminal_plot(curves, ["normalized_euclidean"], encoding)
    assert max(map(len, text.splitlines())) <= COLUMNS
    text.encode(encoding)
    assert text.count("depth (% of the network; 100 = projection)") == 2
    assert "Spearman correlation" in text
    assert ("●" in text) == (encoding == "utf-8")
    assert all(each in text for each in ("o clip", "95 % interval")) or encoding == "utf-8"


def test_ascii_takes_the_place_of_letters_that_an_encoding_lacks() -> None:
    assert alphabet_for("utf-8") is BRAILLE
    assert alphabet_for("ascii") is alphabet_for("cp437") is alphabet_for("no such encoding") is ASCII


def test_simulated_observers_say_that_they_are() -> None:
    frame = curve_of(0.5, 0.6, 0.9, 0.7).frame.assign(dataset="shapes-middle")
    assert "simulated observers, not human data" in terminal_plot([LayerCurve(frame)])


def test_a_baseline_alone_has_no_depth() -> None:
    text = terminal_plot([baseline_curve("pixels")])
    assert "depth" not in text
    assert "95 % interval" not in text
