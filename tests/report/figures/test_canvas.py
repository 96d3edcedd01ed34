"""The sheet has the width that is asked for, panels as they fit, and a file whose letters are letters."""

import io
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from alignbench.report.figures.canvas import PAPER, SCREEN, canvas, figure_content, save_figure


@pytest.mark.parametrize(
    ("panels", "width", "columns"),
    [(1, None, 1), (3, None, 3), (4, None, 2), (7, None, 3), (3, 3.25, 1), (3, 6.75, 3), (4, 6.75, 2), (2, 2.0, 1)],
)
def test_panels_stand_side_by_side_as_they_fit(panels: int, width: float | None, columns: int) -> None:
    sheet = canvas(panels, width)
    assert len(sheet.axes) == len(sheet.figure.axes) == panels
    assert sheet.axes[0].get_gridspec().ncols == columns
    assert sheet.letters == (SCREEN if width is None else PAPER)
    assert width is None or sheet.figure.get_figwidth() == width


def test_letters_of_a_paper_can_be_read() -> None:
    assert min(PAPER) >= 7.0


def test_wrapped_text_keeps_its_words() -> None:
    sheet = canvas(3, 6.75)
    text = "published pixels: 0.687 equals the rank correlation of PSNR at native resolution"
    shown = sheet.wrapped(text, 7.0)
    assert shown.count("\n") >= 1
    assert shown.replace("\n", " ") == text


def test_a_legend_has_each_label_once_and_the_last_ones_last() -> None:
    sheet = canvas(2)
    for axis in sheet.axes:
        for label in ("chance", "a", "b"):
            axis.plot([0, 1], [0, 1], label=label)
    before = sheet.figure.get_figheight()
    sheet.add_legend({}, ["chance", "nowhere"])
    [legend] = sheet.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "chance"]
    assert sheet.figure.get_figheight() > before, "panels keep their height"


def test_letters_of_a_pdf_stay_letters(tmp_path: Path) -> None:
    figure = Figure()
    figure.suptitle("quite readable")
    save_figure(figure, tmp_path / "figure.pdf")
    content = (tmp_path / "figure.pdf").read_bytes()
    assert b"/Type0" in content or b"/TrueType" in content
    assert b"/Type3" not in content, "outlines"


def test_a_png_has_the_dots_that_are_asked_for(tmp_path: Path) -> None:
    figure = Figure(figsize=(2, 1))
    with Image.open(io.BytesIO(figure_content(figure, ".PNG", 300))) as image:
        assert image.size == (600, 300)
    save_figure(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert image.size == (300, 150)
