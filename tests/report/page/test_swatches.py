"""How lines look in the script's terms, whatever matplotlib calls it."""

from __future__ import annotations

import pytest

from alignbench.report.page.swatches import MARKERS, Swatch, draw_swatch
from alignbench.report.series import COLOURS, Look, looks, rows_to_draw
from drawn_curves import tower_curve


@pytest.mark.parametrize(
    ("dashes", "dash"),
    [("-", "solid"), ("-.", "8px,3px,2px,3px"), (":", "2px,3px"), ((0, (4, 1, 1, 1)), "8px,2px,2px,2px")],
)
def test_dashes_have_plotlys_lengths(dashes: object, dash: str) -> None:
    assert draw_swatch(Look("#0072b2", "o", dashes), "tower") == Swatch("#0072b2", "circle", dash, "tower")


def test_only_what_has_points_has_a_symbol() -> None:
    look = Look("#0072b2", "D", "-")
    kinds = ("tower", "aligned", "baseline", "twins", "published", "reference")
    assert [draw_swatch(look, kind).symbol for kind in kinds] == ["diamond", "star", "", "", "", ""]
    assert draw_swatch(look, "published").dash == "5px,3px", "whatever the dashes of its model"
    assert draw_swatch(Look("#555555", "", (0, (5, 2))), "reference") == Swatch("#555555", "", "10px,4px", "reference")


def test_each_of_many_lines_can_be_drawn_in_the_legend() -> None:
    frame = rows_to_draw([tower_curve(f"m{index}") for index in range(40)], None)
    found = [draw_swatch(look, "tower") for look in looks(frame).values()]
    assert {swatch.symbol for swatch in found} == set(MARKERS)
    assert {swatch.colour for swatch in found} == set(COLOURS)
    assert len(set(found)) == 40
