"""A curve says in a line and in a table what it comes to, and draws itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

import alignbench
from alignbench.api.curves import MeasuredCurve
from alignbench.errors import UsageError
from made_curves import curve_of
from notebook_html import check_html

LAYERS = {"layer": ["layer_0", "layer_1", "projection"], "depth": [2.5, 50.0, 100.0], "value": [0.4, 0.55, 0.5]}


def curve(**columns: object) -> MeasuredCurve:
    return MeasuredCurve.of(replace(curve_of(**(LAYERS | columns)), limit=10, kind="choice"))


def test_a_curve_keeps_everything_that_it_was_made_of() -> None:
    plain = replace(curve_of(), limit=7, kind="rating", checkpoint="a/b")
    made = MeasuredCurve.of(plain)
    assert (made.limit, made.kind, made.checkpoint) == (7, "rating", "a/b")
    assert made.frame is plain.frame
    assert isinstance(made, alignbench.LayerCurve)


def test_a_curve_is_said_in_a_line() -> None:
    assert repr(curve()) == (
        "<MeasuredCurve m on NIGHTS (10 of 20,019 triplets): projection 0.500, best layer_1 0.550 (cosine)>"
    )
    simulated = repr(curve(dataset="shapes-middle", subset="test"))
    assert simulated.startswith(
        "<MeasuredCurve m on shapes-middle (10 of 600 test triplets; simulated observers, not human data):"
    )
    whole = repr(curve(dataset="shapes-middle", subset="test", n=600))
    assert whole.startswith("<MeasuredCurve m on shapes-middle (simulated observers, not human data): ")
    alone = curve_of(layer="image", depth=0.0, distance="ssim")
    assert ": best image 0.500 (ssim)>" in repr(MeasuredCurve.of(alone))
    nothing = curve_of(layer="image", value=float("nan"))
    assert ": no score (cosine)>" in repr(MeasuredCurve.of(nothing))


def test_a_notebook_shows_scores_with_intervals_chance_and_how_much_was_measured() -> None:
    shown = check_html(curve()._repr_html_())
    assert "m on NIGHTS (10 of 20,019 triplets)" in shown.text
    for text in ("best layer (selected)", "layer_1 0.550 (0.400 to 0.600)", "0.500 (0.400 to 0.600)", "chance"):
        assert text in shown.text
    assert shown.count("tr") == 2


def test_whatever_a_label_holds_is_text() -> None:
    name = '<script>alert("1")</script> & <b>'
    text = curve(model=name, subset="<i>")._repr_html_()
    assert "<script>" not in text
    assert name in check_html(text).text


def test_a_curve_draws_itself_and_writes_a_figure(tmp_path: Path) -> None:
    figure = curve().plot()
    assert isinstance(figure, Figure)
    [axis] = figure.axes
    [line] = [each for each in axis.get_lines() if str(each.get_label()) == "m"]
    assert list(line.get_ydata()) == LAYERS["value"]
    figure.savefig(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_a_name_that_is_not_there_is_refused_in_pythons_words() -> None:
    with pytest.raises(UsageError, match=r"^unknown distance of these runs 'cosin': did you mean cosine\?$"):
        curve().plot(distance="cosin")
    with pytest.raises(UsageError, match=r"^unknown subset 'al': did you mean all\?$"):
        curve().plot(subset="al")
    with pytest.raises(UsageError, match=r"^unknown published model"):
        curve().plot(published="nobody")


def test_the_table_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = curve()
    first = made.table
    monkeypatch.setattr("alignbench.api.tables.curve_table", lambda curves: pd.DataFrame())
    assert made.table is first
