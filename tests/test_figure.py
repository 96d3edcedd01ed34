"""What the figure shows is what the curves say: panels, lines, intervals, baselines and names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from alignbench import LayerCurve
from alignbench.report.figure import curves_figure, draw_curve, save_figure
from alignbench.results import COLUMNS

LAYERS = ("layer_0", "layer_1", "layer_2", "projection")
DEPTHS = (2.5, 7.5, 97.5, 100.0)
LEVELS = {"tid2013": ("low", "spearman"), "nights": ("middle", "accuracy"), "things": ("high", "accuracy")}


def row(
    model: str, dataset: str, subset: str, distance: str, layer: str, depth: float, value: float
) -> dict[str, object]:
    level, metric = LEVELS.get(dataset, ("low", "spearman"))
    return {
        **{"model": model, "dataset": dataset, "subset": subset, "level": level, "protocol": "paper"},
        **{"tokens": "" if layer in ("projection", "image") else "all", "distance": distance, "layer": layer},
        **{"depth": depth, "metric": metric, "value": value, "ci_low": value - 0.1, "ci_high": value + 0.05},
        **{"n": 100, "n_clusters": 10},
    }


def tower_curve(
    model: str, dataset: str = "tid2013", distances: tuple[str, ...] = ("normalized_euclidean",), subset: str = "all"
) -> LayerCurve:
    """A curve of four layers whose values differ between models, distances and data sets."""
    rng = np.random.default_rng([*model.encode(), *dataset.encode(), *subset.encode()])
    rows = [
        row(model, dataset, subset, distance, layer, depth, float(rng.uniform(0.2, 0.8)))
        for distance in distances
        for layer, depth in zip(LAYERS, DEPTHS, strict=True)
    ]
    return LayerCurve(pd.DataFrame(rows)[list(COLUMNS)])


def baseline_curve(model: str, dataset: str = "tid2013", value: float = 0.4) -> LayerCurve:
    return LayerCurve(pd.DataFrame([row(model, dataset, "all", "euclidean", "image", 0.0, value)])[list(COLUMNS)])


def lines(axis: Axes) -> dict[str, Line2D]:
    """The lines of a panel by label."""
    return {str(line.get_label()): line for line in axis.get_lines()}


def legend(figure: Figure) -> list[str]:
    [found] = figure.legends
    return [text.get_text() for text in found.get_texts()]


def scores(curve: LayerCurve, distance: str = "normalized_euclidean") -> pd.DataFrame:
    return curve.primary()[curve.primary()["distance"] == distance]


def test_a_line_goes_through_the_scores_of_its_layers() -> None:
    curve = tower_curve("m")
    [axis] = curves_figure([curve]).axes
    [line] = axis.get_lines()
    np.testing.assert_array_equal(line.get_xdata(), DEPTHS)
    np.testing.assert_array_equal(line.get_ydata(), scores(curve)["value"])


def test_a_line_follows_depth_whatever_the_order_of_rows() -> None:
    curve = tower_curve("m")
    [axis] = curves_figure([LayerCurve(curve.frame.iloc[[2, 0, 3, 1]].reset_index(drop=True))]).axes
    np.testing.assert_array_equal(axis.get_lines()[0].get_ydata(), scores(curve)["value"])


def test_the_interval_is_drawn_around_the_line() -> None:
    curve = tower_curve("m")
    [axis] = curves_figure([curve]).axes
    [band] = [artist for artist in axis.collections if isinstance(artist, PolyCollection)]
    corners = band.get_paths()[0].vertices
    for depth, low, high in scores(curve)[["depth", "ci_low", "ci_high"]].to_numpy():
        heights = corners[corners[:, 0] == depth, 1]
        assert (heights.min(), heights.max()) == (low, high)


def test_a_baseline_is_a_horizontal_line_with_its_interval() -> None:
    [axis] = curves_figure([tower_curve("m"), baseline_curve("pixels", value=0.4)]).axes
    line = lines(axis)["pixels"]
    np.testing.assert_array_equal(line.get_ydata(), [0.4, 0.4])
    np.testing.assert_array_equal(line.get_xdata(), [0, 1])
    assert line.get_transform() == axis.get_yaxis_transform(), "from edge to edge, whatever the depths"
    [band] = [artist for artist in axis.patches if isinstance(artist, Rectangle)]
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.3, 0.45))


def test_a_baseline_alone_is_drawn() -> None:
    figure = curves_figure([baseline_curve("pixels")])
    assert list(lines(figure.axes[0])) == ["pixels"]
    assert legend(figure) == ["pixels"]


def test_panels_go_from_low_to_high_and_each_holds_its_own_curves() -> None:
    curves = {dataset: tower_curve("m", dataset) for dataset in ("things", "tid2013", "nights")}
    axes = curves_figure(list(curves.values())).axes
    assert [axis.get_title() for axis in axes] == [
        "tid2013 (low level)",
        "nights (middle level)",
        "things (high level)",
    ]
    for axis, dataset in zip(axes, LEVELS, strict=True):
        [line] = axis.get_lines()
        np.testing.assert_array_equal(line.get_ydata(), scores(curves[dataset])["value"])
    assert "Spearman" in axes[0].get_ylabel()
    assert "choices" in axes[1].get_ylabel()
    assert all("depth" in axis.get_xlabel() for axis in axes)


def test_subsets_have_panels_of_their_own() -> None:
    both = [tower_curve("m", "nights", subset=subset) for subset in ("test", "train")]
    curve = LayerCurve(pd.concat([curve.frame for curve in both], ignore_index=True))
    axes = curves_figure([curve]).axes
    assert [axis.get_title() for axis in axes] == ["nights (middle level)", "nights, train (middle level)"]
    for axis, part in zip(axes, both, strict=True):
        np.testing.assert_array_equal(axis.get_lines()[0].get_ydata(), scores(part)["value"])


def test_only_the_metric_that_counts_is_drawn() -> None:
    curve = tower_curve("m")
    others = [curve.frame.assign(metric=metric, value=-0.9) for metric in ("pearson", "kendall")]
    [axis] = curves_figure([LayerCurve(pd.concat([*others, curve.frame], ignore_index=True))]).axes
    [line] = axis.get_lines()
    np.testing.assert_array_equal(line.get_ydata(), scores(curve)["value"])


@pytest.mark.parametrize(
    ("models", "distances", "expected"),
    [
        (("a", "b"), ("cosine",), ["a", "b"]),
        (("a",), ("normalized_euclidean", "cosine"), ["normalised Euclidean", "cosine"]),
        (("a", "b"), ("euclidean", "cosine"), ["a, Euclidean", "a, cosine", "b, Euclidean", "b, cosine"]),
    ],
)
def test_labels_say_what_tells_the_lines_apart(
    models: tuple[str, ...], distances: tuple[str, ...], expected: list[str]
) -> None:
    figure = curves_figure([tower_curve(model, distances=distances) for model in models])
    assert legend(figure) == expected
    assert list(lines(figure.axes[0])) == expected


def test_a_baseline_is_called_by_its_name_beside_several_distances() -> None:
    figure = curves_figure([tower_curve("a", distances=("euclidean", "cosine")), baseline_curve("pixels")])
    assert legend(figure) == ["Euclidean", "cosine", "pixels"]


def test_a_model_has_the_same_look_in_every_panel_and_one_entry_in_the_legend() -> None:
    figure = curves_figure([tower_curve(model, dataset) for dataset in ("tid2013", "nights") for model in ("a", "b")])
    assert legend(figure) == ["a", "b"]
    looks = [
        {label: (line.get_color(), line.get_marker(), line.get_linestyle()) for label, line in lines(axis).items()}
        for axis in figure.axes
    ]
    assert looks[0] == looks[1]
    assert looks[0]["a"] != looks[0]["b"]


def test_only_the_distances_that_are_asked_for_but_every_baseline() -> None:
    curve = tower_curve("m", distances=("normalized_euclidean", "cosine"))
    [axis] = curves_figure([curve, baseline_curve("pixels")], ["cosine"]).axes
    assert set(lines(axis)) == {"m", "pixels"}
    np.testing.assert_array_equal(lines(axis)["m"].get_ydata(), scores(curve, "cosine")["value"])


def test_twenty_lines_look_different() -> None:
    [axis] = curves_figure([tower_curve(f"model {number}") for number in range(20)]).axes
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in axis.get_lines()}
    assert len(looks) == 20


def test_simulated_observers_are_named_in_the_panel() -> None:
    simulated, human = curves_figure([tower_curve("m", "shapes-low"), tower_curve("m")]).axes
    assert "simulated observers, not human data" in simulated.get_title()
    assert "simulated" not in human.get_title()


def test_scores_that_are_missing_leave_a_gap() -> None:
    curve = tower_curve("m")
    curve.frame.loc[1, ["value", "ci_low", "ci_high"]] = np.nan
    [axis] = curves_figure([curve]).axes
    assert np.isnan(axis.get_lines()[0].get_ydata()).tolist() == [False, True, False, False]


def test_drawing_leaves_the_curve_alone() -> None:
    curve = tower_curve("m")
    before = curve.frame.copy()
    curves_figure([curve, baseline_curve("pixels")], ["cosine"])
    pd.testing.assert_frame_equal(curve.frame, before)


def test_a_curve_is_written_as_png_and_svg(tmp_path: Path) -> None:
    draw_curve(tower_curve("m"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"curve.png", "curve.svg"}
    with Image.open(tmp_path / "curve.png") as image:
        assert min(image.size) > 500
        assert len(np.unique(np.asarray(image.convert("L")))) > 50
    assert (tmp_path / "curve.svg").read_text().count("<path") > 10


def test_the_ending_says_the_format(tmp_path: Path) -> None:
    save_figure(curves_figure([tower_curve("m")]), tmp_path / "figure.pdf")
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
