"""Figures are drawn in whole numbers, the same everywhere, as geometry has them."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from alignbench.datasets.leaf_drawing import FAMILIES, OUTLINES, SIDE, Figure, draw

INK, PAPER = (200, 40, 90), (10, 120, 240)
DISC = Figure("disc", stripes=0, ink=INK, mark=0, paper=PAPER, radius=640, centre=(1024, 1024))


def shares(outline: str) -> float:
    """The share of the square around a figure that its outline holds, its faces as fine as 1/256 of the radius."""
    u = np.arange(-255, 257)
    return float(OUTLINES[outline](u[None, :], u[:, None]).mean())


@pytest.mark.parametrize(
    ("outline", "area"),  # of the square of twice the radius, by formulas of plane geometry
    [
        ("disc", np.pi * 235**2),
        ("ring", np.pi * (250**2 - 140**2)),
        ("oval", np.pi * 256 * 256 / np.sqrt(3.0)),
        ("square", 410**2),
        ("bar", 512 * 200),
        ("frame", 450**2 - 230**2),
        ("triangle", 446**2 / 2),
        ("spark", 4 * (300 * 75 - 44 * 44 / 3)),  # without the tips, which reach over the square
        ("plus", 2 * 512 * 160 - 160**2),
        ("tee", 480 * 140 + 140 * 320),
        ("aitch", 2 * 140 * 470 + 190 * 120),
    ],
)
def test_outlines_have_the_area_of_geometry(outline: str, area: float) -> None:
    assert shares(outline) == pytest.approx(area / 512**2, abs=0.006)


def test_outlines_differ_and_every_family_has_four() -> None:
    assert [len(outlines) for outlines in FAMILIES.values()] == [4] * 4
    assert len(OUTLINES) == 16
    drawn = {name: draw(replace(DISC, outline=name)) for name in OUTLINES}
    for first in OUTLINES:
        for second in OUTLINES:
            assert first == second or (drawn[first] != drawn[second]).any(axis=2).sum() > 30


def test_a_disc_pixel_by_pixel() -> None:
    """Four points a pixel, each by plain integers: the mark over the disc over the background."""
    figure = replace(DISC, stripes=2, mark=3, radius=500, centre=(900, 1100))
    drawn = draw(figure)
    for row in range(SIDE):
        for column in range(SIDE):
            total = [0, 0, 0]
            for y in (16, 48):
                for x in (16, 48):
                    u, v = ((64 * column + x - 900) * 256 // 500, (64 * row + y - 1100) * 256 // 500)
                    colour = tuple(PAPER)
                    if u * u + v * v <= 235 * 235:
                        colour = tuple(c * 232 // 256 if (column + row) // 2 % 2 else c for c in INK)
                    if (u - 160) ** 2 + (v - 160) ** 2 <= 70 * 70:
                        colour = (15, 15, 15)
                    total = [have + more for have, more in zip(total, colour, strict=True)]
            assert drawn[row, column].tolist() == [each // 4 for each in total]


def test_stripes_are_faint_and_of_four_directions() -> None:
    plain = draw(replace(DISC, outline="square", ink=(160, 160, 160), paper=(160, 160, 160)))
    inside = plain[14:22, 14:22, 0].astype(int)
    assert set(np.unique(inside)) == {160, 145}, "less than a tenth darker"
    assert (inside == inside[:, :1]).all(), "across: a row is of one grey"
    down = draw(replace(DISC, outline="square", stripes=1, ink=(160, 160, 160)))[14:22, 14:22, 0]
    assert (down == down[:1]).all()
    for stripes, shift in ((2, -1), (3, 1)):
        grey = draw(replace(DISC, outline="square", stripes=stripes, ink=(160, 160, 160)))[14:22, 14:22, 0]
        assert (grey[1:, 1:-1] == np.roll(grey, shift, axis=1)[:-1, 1:-1]).all(), "diagonal"


@pytest.mark.parametrize(("mark", "corner"), [(0, (0, 0)), (1, (0, 1)), (2, (1, 0)), (3, (1, 1))])
def test_the_mark_is_in_its_corner(mark: int, corner: tuple[int, int]) -> None:
    dark = np.argwhere((draw(replace(DISC, mark=mark)) == 15).all(axis=2))
    assert ((dark.mean(axis=0) > SIDE / 2 - 0.5).astype(int) == corner).all()


def test_pixels_never_change() -> None:
    """They are whole numbers by whole numbers, so that no processor or library can have a say."""
    digest = hashlib.sha256()
    for number, outline in enumerate(OUTLINES):
        figure = Figure(outline, number % 4, INK, number // 4, PAPER, 400 + 20 * number, (900 + number, 1100 - number))
        digest.update(draw(figure).tobytes())
    assert digest.hexdigest()[:16] == "1a0917316aeffa0e"
