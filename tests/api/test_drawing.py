"""Figures from Python: which distances and subsets are drawn, and axes that are somebody's own."""

from __future__ import annotations

from typing import Any

import matplotlib
import pytest
from matplotlib.figure import Figure

from alignbench.api.drawing import draw
from alignbench.errors import AlignbenchWarning, UsageError
from alignbench.report.figures.canvas import ShownFigure
from alignbench.results.layer_curve import LayerCurve
from drawn_curves import baseline_curve, tower_curve

THREE = ("normalized_euclidean", "euclidean", "cosine")


def labels(figure: Figure) -> list[str]:
    """What the lines with a name are called."""
    found = [str(line.get_label()) for axis in figure.axes for line in axis.get_lines()]
    return [label for label in found if not label.startswith("_") and label != "chance"]


def several(model: str, distances: tuple[str, ...] = THREE) -> LayerCurve:
    return tower_curve(model, distances=distances)


def test_of_one_model_all_distances_are_drawn_and_of_several_one() -> None:
    assert len(labels(draw([several("a")]))) == 3
    two = draw([several("a"), several("b")])
    assert len(labels(two)) == 2
    assert len(labels(draw([several("a"), several("b")], distance="all"))) == 6
    assert len(labels(draw([several("a"), several("b")], distance=["cosine", "euclidean"]))) == 4
    assert len(labels(draw([several("a"), baseline_curve("ssim")]))) == 4, "a baseline is no further model"


def test_the_one_is_one_that_all_have() -> None:
    figure = draw([several("a"), several("b", ("cosine", "euclidean"))])
    assert len(labels(figure)) == 2
    apart = draw([several("a", ("cosine",)), several("b", ("euclidean",))])
    assert len(labels(apart)) == 2, "none is common, so that all are drawn"


def test_axes_of_ones_own_are_drawn_into_and_named() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert draw([several("a")], ax=left) is figure
    assert left.get_title().startswith("a\n")
    assert left.get_legend() is not None
    assert not right.get_lines()


def test_several_subsets_need_several_axes() -> None:
    both = [tower_curve("a", subset="one"), tower_curve("a", subset="two")]
    axis = Figure().subplots()
    with pytest.raises(UsageError, match=r"one data set and subset"):
        draw(both, ax=axis)
    assert draw(both, subset="two", ax=axis) is axis.figure
    assert len(draw(both).axes) == 2
    assert len(draw(both, subset="one").axes) == 1


def test_a_distance_that_none_has_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^unknown distance of these runs 'euclidian': did you mean"):
        draw([several("a")], distance="euclidian")


def test_a_notebook_shows_the_figure_and_pyplot_keeps_none() -> None:
    figure = draw([several("a")])
    assert isinstance(figure, ShownFigure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert matplotlib._pylab_helpers.Gcf.get_all_fig_managers() == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ax": 3}, "3 is no axes: give `ax`"),
        ({"distance": 3}, "3 is no name: give `distance` a text, or a list of texts"),
        ({"distance": [3]}, "is no name: give `distance`"),
        ({"published": 3}, "3 is no name: give `published`"),
    ],
)
def test_what_is_no_name_and_no_axes_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        draw([several("a")], **options)
    assert said in str(refused.value)


def test_whoever_lacks_the_one_distance_is_named() -> None:
    curves = [several("a"), several("b"), several("b", ("cosine",))]
    with pytest.warns(
        AlignbenchWarning, match=r"^left out, since they lack normalised Euclidean: b on TID2013; "
    ) as told:
        figure = draw(curves)
    assert str(told[0].message).endswith('; `distance="all"` shows them')
    assert len(labels(figure)) == 2
