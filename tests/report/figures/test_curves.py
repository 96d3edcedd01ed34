"""What the figure shows is what the curves say: panels, lines, bands, baselines, published curves, names."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

from alignbench import LayerCurve
from alignbench.errors import UsageError
from alignbench.report.figures.canvas import save_figure
from alignbench.report.figures.curves import CHANCE, curves_figure, draw_curve, draw_into
from alignbench.results.extent import data_set_title
from alignbench.results.layer_curve import COLUMNS
from alignbench.results.published import PAPER_SUBSETS, published_curves
from drawn_curves import DEPTHS, LEVELS, baseline_curve, row, tower_curve


def lines(axis: Axes) -> dict[str, Line2D]:
    """The lines of a panel that are in the legend, by label."""
    named = {str(line.get_label()): line for line in axis.get_lines()}
    return {label: line for label, line in named.items() if not label.startswith("_") and label != CHANCE}


def own_lines(axis: Axes) -> list[Line2D]:
    """All lines of a panel but that of chance."""
    return [line for line in axis.get_lines() if line.get_label() != CHANCE]


def published_lines(axis: Axes) -> list[Line2D]:
    """The plainly dashed lines of a panel."""
    return [line for line in axis.get_lines() if line.get_linestyle() == "--"]


def bands(axis: Axes) -> dict[str, FillBetweenPolyCollection]:
    """The shaded regions of a panel that are in the legend, by label."""
    found = {str(band.get_label()): band for band in axis.collections if isinstance(band, FillBetweenPolyCollection)}
    return {label: band for label, band in found.items() if not label.startswith("_")}


def whiskers(axis: Axes) -> list[np.ndarray]:
    """The lower and upper ends of each series of whiskers, (layers, 2)."""
    found = [artist for artist in axis.collections if isinstance(artist, LineCollection)]
    return [np.array([segment[:, 1] for segment in series.get_segments()]) for series in found]


def extent(band: PolyCollection, depth: float) -> tuple[float, float]:
    """The lower and upper edge of a shaded region at a depth."""
    corners = band.get_paths()[0].vertices
    heights = corners[np.isclose(corners[:, 0], depth), 1]
    return float(heights.min()), float(heights.max())


def legend(figure: Figure) -> list[str]:
    """What the legend says but chance, which comes last and once."""
    [found] = figure.legends
    texts = [text.get_text() for text in found.get_texts()]
    assert texts.count(CHANCE) == any(line.get_label() == CHANCE for axis in figure.axes for line in axis.get_lines())
    return texts[:-1] if texts[-1] == CHANCE else texts


def scores(curve: LayerCurve, distance: str = "normalized_euclidean") -> pd.DataFrame:
    return curve.primary()[curve.primary()["distance"] == distance]


def test_a_line_goes_through_the_scores_of_its_layers() -> None:
    curve = tower_curve("m")
    [axis] = curves_figure([curve]).axes
    [line] = own_lines(axis)
    np.testing.assert_array_equal(line.get_xdata(), DEPTHS)
    np.testing.assert_array_equal(line.get_ydata(), scores(curve)["value"])


def test_a_line_follows_depth_whatever_the_order_of_rows() -> None:
    curve = tower_curve("m")
    [axis] = curves_figure([LayerCurve(curve.frame.iloc[[2, 0, 3, 1]].reset_index(drop=True))]).axes
    np.testing.assert_array_equal(own_lines(axis)[0].get_ydata(), scores(curve)["value"])


def test_the_interval_is_drawn_around_the_line() -> None:
    curve = tower_curve("m")
    [axis] = curves_figure([curve]).axes
    [band] = [artist for artist in axis.collections if isinstance(artist, PolyCollection)]
    for depth, low, high in scores(curve)[["depth", "ci_low", "ci_high"]].to_numpy():
        assert extent(band, depth) == (low, high)


def test_a_baseline_is_a_horizontal_line_with_its_interval() -> None:
    [axis] = curves_figure([tower_curve("m"), baseline_curve("pixels", value=0.4)]).axes
    line = lines(axis)["pixels"]
    np.testing.assert_array_equal(line.get_ydata(), [0.4, 0.4])
    np.testing.assert_array_equal(line.get_xdata(), [0, 1])
    assert line.get_transform() == axis.get_yaxis_transform(), "from edge to edge, whatever the depths"
    [band] = [artist for artist in axis.patches if isinstance(artist, Rectangle)]
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.3, 0.45))


def test_a_baseline_alone_is_drawn() -> None:
    figure = curves_figure([baseline_curve("vmaf")])
    [axis] = figure.axes
    assert list(lines(axis)) == ["vmaf"]
    assert legend(figure) == ["vmaf"]
    assert axis.get_xlabel() == ""
    assert axis.get_xticks().size == 0, "without a tower there is no depth"


def test_panels_go_from_low_to_high_and_each_holds_its_own_curves() -> None:
    curves = {dataset: tower_curve("m", dataset) for dataset in ("things", "tid2013", "nights")}
    axes = curves_figure(list(curves.values())).axes
    assert [axis.get_title() for axis in axes] == [
        "TID2013 (low level)\n100 of 3,000 ratings",
        "NIGHTS (middle level)\n100 of 20,019 triplets",
        "THINGS (high level)",
    ]
    for axis, dataset in zip(axes, LEVELS, strict=True):
        [line] = own_lines(axis)
        np.testing.assert_array_equal(line.get_ydata(), scores(curves[dataset])["value"])
    assert "Spearman" in axes[0].get_ylabel()
    assert "choices" in axes[1].get_ylabel()
    assert all("depth" in axis.get_xlabel() for axis in axes)


def test_subsets_have_panels_of_their_own() -> None:
    both = [tower_curve("m", "nights", subset=subset) for subset in ("test", "train")]
    curve = LayerCurve(pd.concat([curve.frame for curve in both], ignore_index=True))
    axes = curves_figure([curve]).axes
    titles = [axis.get_title().partition("\n")[0] for axis in axes]
    assert titles == ["NIGHTS, test (middle level)", "NIGHTS, train (middle level)"]
    for axis, part in zip(axes, both, strict=True):
        np.testing.assert_array_equal(own_lines(axis)[0].get_ydata(), scores(part)["value"])


def test_only_the_metric_that_counts_is_drawn() -> None:
    curve = tower_curve("m")
    others = [curve.frame.assign(metric=metric, value=-0.9) for metric in ("pearson", "kendall")]
    [axis] = curves_figure([LayerCurve(pd.concat([*others, curve.frame], ignore_index=True))]).axes
    [line] = own_lines(axis)
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
    figure = curves_figure([tower_curve("a", distances=("euclidean", "cosine")), baseline_curve("vmaf")])
    assert legend(figure) == ["Euclidean", "cosine", "vmaf"]


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
    looks = {(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in own_lines(axis)}
    assert len(looks) == 20
    assert not published_lines(axis), "plain dashes are those of the published curves"


def test_simulated_observers_are_named_in_the_panel() -> None:
    simulated, human = curves_figure([tower_curve("m", "shapes-low"), tower_curve("m")]).axes
    assert "simulated observers, not human data" in simulated.get_title()
    assert "simulated" not in human.get_title()


def test_scores_that_are_missing_leave_a_gap() -> None:
    curve = tower_curve("m")
    curve.frame.loc[1, ["value", "ci_low", "ci_high"]] = np.nan
    [axis] = curves_figure([curve]).axes
    assert np.isnan(own_lines(axis)[0].get_ydata()).tolist() == [False, True, False, False]


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


# --- Published curves -----------------------------------------------------------------------------------------------

BASE_16, BASE_32 = "openai/clip-vit-base-patch16", "openai/clip-vit-base-patch32"
BIOMED = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
WHOLE = {"tid2013": 3000, "nights": 20_019, "things": 15_640}


def theirs(model: str, dataset: str, distance: str = "normalized_euclidean") -> pd.DataFrame:
    frame = published_curves()
    frame = frame[(frame["model"] == model) & (frame["dataset"] == dataset) & (frame["distance"] == distance)]
    return frame[frame["metric"].isin(["spearman", "accuracy"])]


def curve_like(model: str, dataset: str, label: str = "", shift: float = 0.05) -> LayerCurve:
    """A curve of a published model's layers and distances, `shift` above the published one."""
    subset = "testset1" if dataset == "things" else "all"
    frame = published_curves()
    frame = frame[(frame["model"] == model) & (frame["dataset"] == dataset) & (frame["metric"] != "pearson")]
    rows = [
        row(label or model, dataset, subset, line.distance, line.layer, line.depth, line.value + shift)
        for line in frame.itertuples()
    ]
    return LayerCurve(pd.DataFrame(rows)[list(COLUMNS)].assign(n=WHOLE[dataset]))


def test_the_published_curve_is_dashed_in_our_colour() -> None:
    figure = curves_figure([curve_like(BASE_32, "nights")])
    [axis] = figure.axes
    [dashed] = published_lines(axis)
    np.testing.assert_array_equal(dashed.get_ydata(), theirs(BASE_32, "nights")["value"])
    np.testing.assert_array_equal(dashed.get_xdata(), theirs(BASE_32, "nights")["depth"])
    assert dashed.get_marker() == "None"
    assert dashed.get_color() == lines(axis)[BASE_32].get_color()
    assert legend(figure) == [BASE_32, "published"]


def test_every_distance_gets_its_own_published_curve() -> None:
    [axis] = curves_figure([curve_like(BASE_16, "tid2013")]).axes
    ours = {line.get_color(): label for label, line in lines(axis).items()}
    drawn = {ours[line.get_color()]: line.get_ydata() for line in published_lines(axis)}
    assert set(drawn) == {"cosine", "Euclidean", "normalised Euclidean"}
    names = {"cosine": "cosine", "Euclidean": "euclidean", "normalised Euclidean": "normalized_euclidean"}
    for label, values in drawn.items():
        np.testing.assert_array_equal(values, theirs(BASE_16, "tid2013", names[label])["value"])


def test_only_the_published_curves_of_distances_that_are_asked_for() -> None:
    [axis] = curves_figure([curve_like(BASE_16, "tid2013")], ["cosine"]).axes
    [dashed] = published_lines(axis)
    np.testing.assert_array_equal(dashed.get_ydata(), theirs(BASE_16, "tid2013", "cosine")["value"])


def test_published_is_in_the_legend_once_whatever_the_number_of_curves() -> None:
    figure = curves_figure([curve_like(model, data) for model in (BASE_16, BASE_32) for data in ("nights", "things")])
    assert legend(figure).count("published") == 1
    for axis, dataset in zip(figure.axes, ("nights", "things"), strict=True):
        expected = [theirs(model, dataset)["value"].tolist() for model in (BASE_16, BASE_32)]
        found = [line.get_ydata().tolist() for line in published_lines(axis)]
        assert all(values in found for values in expected)
        assert {line.get_color() for line in published_lines(axis)} == {x.get_color() for x in lines(axis).values()}


def test_a_published_baseline_is_a_dashed_horizontal_line_if_the_baseline_is_there() -> None:
    curve = curve_like("lpips", "nights", label="lpips-alex", shift=0.02)
    [axis] = curves_figure([curve_like(BASE_32, "nights"), curve]).axes
    across = [line for line in published_lines(axis) if line.get_transform() == axis.get_yaxis_transform()]
    assert [line.get_ydata()[0] for line in across] == [0.681]
    assert across[0].get_color() == lines(axis)["lpips-alex"].get_color()
    assert "published lpips: of an unknown variant" in axis.get_xlabel()


@pytest.mark.parametrize("changed", [{"protocol": "corrected"}, {"tokens": "cls"}, {"model": f"{BASE_32}@random-0"}])
def test_what_is_not_comparable_has_no_published_curve(changed: dict[str, str]) -> None:
    figure = curves_figure([LayerCurve(curve_like(BASE_32, "nights").frame.assign(**changed))])
    assert not published_lines(figure.axes[0])
    assert "published" not in legend(figure)


def test_odd_published_values_are_said_below_their_panel() -> None:
    things, tid2013 = (curve_like(BIOMED, dataset) for dataset in ("things", "tid2013"))
    low, high = curves_figure([things, tid2013]).axes
    assert "published projection: 0.49201 cannot come from the released script" in high.get_xlabel().replace("\n", " ")
    assert "published" not in low.get_xlabel()


def test_a_part_of_the_judgments_is_said_beside_the_published_curve() -> None:
    part = LayerCurve(curve_like(BASE_32, "nights").frame.assign(n=100))
    [axis] = curves_figure([part]).axes
    assert axis.get_xlabel().endswith("ours of 100 judgments, published of 20,019")


# --- Untrained twins ------------------------------------------------------------------------------------------------


def test_untrained_twins_are_one_band_from_least_to_greatest() -> None:
    twins = [tower_curve(f"m@random-{seed}") for seed in (0, 3, 11)]
    trained = tower_curve("m")
    figure = curves_figure([trained, *twins])
    [axis] = figure.axes
    values = np.array([scores(twin)["value"] for twin in twins])
    band = bands(axis)["m, 3 untrained twins"]
    for place, depth in enumerate(DEPTHS):
        assert extent(band, depth) == pytest.approx((values[:, place].min(), values[:, place].max()), abs=1e-12)
    [mean] = [line for line in own_lines(axis) if line.get_label() != "m"]
    np.testing.assert_allclose(mean.get_ydata(), values.mean(axis=0))
    assert mean.get_color() == lines(axis)["m"].get_color()
    assert legend(figure) == ["m", "m, 3 untrained twins"]


def test_a_single_twin_is_a_line() -> None:
    figure = curves_figure([tower_curve("m"), tower_curve("m@random-0")])
    [axis] = figure.axes
    assert legend(figure) == ["m", "m@random-0"]
    np.testing.assert_array_equal(lines(axis)["m@random-0"].get_ydata(), scores(tower_curve("m@random-0"))["value"])
    assert not bands(axis)


def test_twins_make_bands_by_distance_and_panel() -> None:
    both = ("cosine", "euclidean")
    twins = [tower_curve(f"a@random-{seed}", distances=both) for seed in (0, 1)]
    lonely = tower_curve("a@random-0", "nights", distances=("cosine",))
    low, middle = curves_figure([*twins, lonely]).axes
    assert list(bands(low)) == [f"a, {distance}, 2 untrained twins" for distance in ("cosine", "Euclidean")]
    assert not bands(middle)
    assert list(lines(middle)) == ["a@random-0, cosine"]
    values = [scores(tower_curve(f"a@random-{seed}", distances=both), "euclidean")["value"] for seed in (0, 1)]
    expected = (np.min(values, axis=0)[2], np.max(values, axis=0)[2])
    assert extent(bands(low)["a, Euclidean, 2 untrained twins"], DEPTHS[2]) == pytest.approx(expected)


def test_many_bands_of_twins_do_not_merge_but_stand_aside_as_whiskers() -> None:
    twins = {name: [tower_curve(f"{name}@random-{seed}") for seed in range(3)] for name in "ab"}
    figure = curves_figure([tower_curve("a"), tower_curve("b"), *twins["a"], *twins["b"]])
    [axis] = figure.axes
    assert not bands(axis)
    dotted = lines(axis)["b, 3 untrained twins"]
    assert dotted.get_color() == lines(axis)["b"].get_color()
    assert dotted.get_linestyle() == ":"
    values = np.array([scores(twin)["value"] for twin in twins["b"]])
    np.testing.assert_allclose(dotted.get_ydata(), values.mean(axis=0))
    ends = np.stack([values.min(axis=0), values.max(axis=0)], axis=1)
    assert any(np.allclose(found, ends) for found in whiskers(axis))


def test_bands_without_a_trained_model_have_colours_of_their_own() -> None:
    [axis] = curves_figure([tower_curve(f"{name}@random-{seed}") for name in "ab" for seed in (0, 1)]).axes
    first, second = bands(axis).values()
    assert first.get_facecolor().tolist() != second.get_facecolor().tolist()


def test_twins_of_different_protocols_are_not_one_band() -> None:
    paper, corrected = tower_curve("m@random-0"), tower_curve("m@random-1")
    corrected.frame["protocol"] = "corrected"
    [axis] = curves_figure([paper, corrected]).axes
    assert not bands(axis)
    assert list(lines(axis)) == ["m@random-0", "m@random-1, corrected"]


# --- What must not become one line ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "label"),
    [
        ({"protocol": "corrected"}, "m, corrected"),
        ({"tokens": "cls"}, "m, cls tokens"),
        ({"protocol": "corrected", "tokens": "mean"}, "m, corrected, mean tokens"),
        ({"n": 100}, "m, run 2"),
    ],
)
def test_runs_that_differ_are_lines_of_their_own(changed: dict[str, object], label: str) -> None:
    plain, other = tower_curve("m"), tower_curve("m", "nights")
    different = LayerCurve(other.frame.assign(dataset="tid2013", level="low", metric="spearman", **changed))
    different.frame["tokens"] = different.frame["tokens"].where(different.frame["layer"] != "projection", "")
    for curves in ([plain, different], [different, plain]):
        if label == "m, run 2" and curves[0] is different:
            continue  # which of two equal runs is the second is a matter of order
        [axis] = curves_figure(curves).axes
        assert set(lines(axis)) == {"m", label}
        np.testing.assert_array_equal(lines(axis)["m"].get_ydata(), scores(plain)["value"])
        np.testing.assert_array_equal(lines(axis)[label].get_ydata(), scores(different)["value"])


def test_what_all_lines_share_is_said_above_them() -> None:
    curve = LayerCurve(tower_curve("m", distances=("euclidean", "cosine")).frame.assign(protocol="corrected"))
    figure = curves_figure([curve])
    assert figure.get_suptitle() == "m, corrected"
    assert legend(figure) == ["Euclidean", "cosine"]


def test_a_run_that_is_given_twice_is_drawn_once() -> None:
    figure = curves_figure([tower_curve("m"), tower_curve("m")])
    assert legend(figure) == ["m"]


def test_breakdowns_have_no_panels() -> None:
    frame = tower_curve("m").frame
    parts = [frame.assign(subset=name) for name in ("all", "distortion_07", "level_3", "votes_06")]
    [axis] = curves_figure([LayerCurve(pd.concat(parts, ignore_index=True))]).axes
    assert axis.get_title() == "TID2013 (low level)\n100 of 3,000 ratings"
    [alone] = curves_figure([LayerCurve(parts[1])]).axes
    title = "TID2013, distortion_07 (low level)\n100 of 3,000 ratings"
    assert alone.get_title() == title, "there is nothing else to draw"


def test_six_panels_stand_in_two_rows() -> None:
    subsets = ("all", "train", "val", "test", "test-imagenet", "test-no-imagenet")
    figure = curves_figure([tower_curve("m", "nights", subset=subset) for subset in subsets])
    assert len(figure.axes) == 6
    figure.draw_without_rendering()
    assert len({round(axis.get_position().y0, 3) for axis in figure.axes}) == 2


# --- The noise ceiling ----------------------------------------------------------------------------------------------


def with_ceilings(curve: LayerCurve, **ceilings: float) -> LayerCurve:
    nothing = {"ci_low": np.nan, "ci_high": np.nan}
    extra = [curve.frame.assign(metric=name, value=value, **nothing) for name, value in ceilings.items()]
    return LayerCurve(pd.concat([curve.frame, *extra], ignore_index=True))


def test_the_noise_ceiling_is_a_band_between_its_two_estimates() -> None:
    curve = with_ceilings(tower_curve("m", "things", subset="testset1"), ceiling_loo=0.64, ceiling_max_share=0.68)
    figure = curves_figure([curve, tower_curve("m", "nights")])
    middle, high = figure.axes
    [band] = [artist for artist in high.patches if artist.get_label() == "noise ceiling"]
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx((0.64, 0.68))
    red, green, blue, _ = band.get_facecolor()
    assert red == green == blue > 0.8, "light grey"
    assert not middle.patches
    assert legend(figure) == ["m", "noise ceiling"]
    np.testing.assert_array_equal(lines(high)["m"].get_ydata(), scores(curve)["value"])


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("ceiling_max_share", "noise ceiling"),
        ("ceiling_loo", "noise ceiling"),
        ("ceiling_published", "noise ceiling, published"),
        ("ceiling_attainable", "best attainable"),
    ],
)
def test_a_single_ceiling_is_a_line(metric: str, label: str) -> None:
    [axis] = curves_figure([with_ceilings(tower_curve("m", "things"), **{metric: 0.6767})]).axes
    assert list(lines(axis)[label].get_ydata()) == [0.6767, 0.6767]
    assert not axis.patches


def test_the_ceiling_is_that_of_most_judgments() -> None:
    part = tower_curve("a", "things")
    part = with_ceilings(LayerCurve(part.frame.assign(n=20)), ceiling_max_share=0.9)
    whole = with_ceilings(tower_curve("b", "things"), ceiling_max_share=0.68)
    [axis] = curves_figure([part, whole]).axes
    assert list(lines(axis)["noise ceiling"].get_ydata()) == [0.68, 0.68]


# --- Chance, many series, and references ----------------------------------------------------------------------------


@pytest.mark.parametrize(("dataset", "kind", "value"), [("tid2013", "rating", 0.0), ("things", "choice", 1 / 3)])
def test_chance_is_a_dotted_line_that_the_axis_shows(dataset: str, kind: str, value: float) -> None:
    curve = LayerCurve(tower_curve("m", dataset).frame.assign(value=0.9, ci_low=0.85, ci_high=0.95), kind=kind)
    figure = curves_figure([curve, tower_curve("m", "nights")])
    axis = next(axis for axis in figure.axes if axis.get_title().startswith(data_set_title(dataset)))
    [line] = [line for line in axis.get_lines() if line.get_label() == CHANCE]
    assert list(line.get_ydata()) == pytest.approx([value, value])
    assert line.get_linestyle() == ":"
    low, high = axis.get_ylim()
    assert low < value < 0.95 < high
    [nights] = [axis for axis in figure.axes if axis.get_title().startswith("NIGHTS")]
    assert CHANCE not in [line.get_label() for line in nights.get_lines()], "nobody knows what its judgments are"
    assert [text.get_text() for text in figure.legends[0].get_texts()].count(CHANCE) == 1


def test_three_series_have_bands_and_of_four_each_point_has_a_whisker_aside() -> None:
    curves = [tower_curve(name) for name in "abcd"]
    [few] = curves_figure(curves[:3]).axes
    assert len([artist for artist in few.collections if isinstance(artist, PolyCollection)]) == 3
    assert not whiskers(few)
    figure = curves_figure(curves)
    [many] = figure.axes
    assert not [artist for artist in many.collections if isinstance(artist, PolyCollection)]
    for curve, found in zip(curves, whiskers(many), strict=True):
        np.testing.assert_array_equal(found, scores(curve)[["ci_low", "ci_high"]])
    figure.draw_without_rendering()
    series = [artist for artist in many.collections if isinstance(artist, LineCollection)]
    places = [artist.get_transform().transform((50.0, 0.5))[0] for artist in series]
    assert all(0 < places[each + 1] - places[each] < 6 for each in range(3)), "in dots: beside each other, and near"
    for line, place in zip(own_lines(many), places, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), DEPTHS)
        assert line.get_transform().transform((50.0, 0.5))[0] == place, "the marker goes with its whisker"


def test_of_many_series_a_baseline_has_its_whisker_left_of_all_layers() -> None:
    flat = [baseline_curve(name, value=value) for name, value in (("pixels", 0.4), ("ssim", 0.42))]
    [axis] = curves_figure([*(tower_curve(name) for name in "abc"), *flat]).axes
    found = [artist for artist in axis.collections if isinstance(artist, LineCollection)][3:]
    segments = [artist.get_segments()[0] for artist in found]
    assert [segment[:, 1].tolist() for segment in segments] == [pytest.approx([0.3, 0.45]), pytest.approx([0.32, 0.47])]
    left = [segment[0, 0] for segment in segments]
    assert axis.get_xlim()[0] < min(left) < max(left) < 0.0
    assert left[0] != left[1]
    assert not [artist for artist in axis.patches if isinstance(artist, Rectangle)]


def test_a_models_distances_share_its_colour_and_differ_in_dashes_and_markers() -> None:
    distances = ("normalized_euclidean", "euclidean", "cosine")
    [axis] = curves_figure([tower_curve(name, distances=distances) for name in "ab"]).axes
    found = lines(axis)
    assert len({line.get_color() for line in found.values()}) == 2
    for name in "ab":
        own = [line for label, line in found.items() if label.startswith(f"{name}, ")]
        assert len({line.get_color() for line in own}) == 1
        assert len({str(line.get_linestyle()) for line in own}) == 3
        assert len({line.get_fillstyle() for line in own}) == 3
    [alone] = curves_figure([tower_curve("a", distances=distances)]).axes
    assert len({line.get_color() for line in own_lines(alone)}) == 3, "of one model, distances have the colours"


def test_twenty_series_have_twenty_colours() -> None:
    curves = [tower_curve(f"model {number}") for number in range(17)]
    curves += [baseline_curve(name) for name in ("pixels", "ssim", "lpips-alex")]
    [axis] = curves_figure(curves).axes
    assert len({line.get_color() for line in lines(axis).values()}) == 20


def test_published_curves_that_are_asked_for_are_grey_and_named() -> None:
    figure = curves_figure([tower_curve("mine", "nights"), tower_curve("mine")], None, [BASE_32, "ssim"])
    assert legend(figure) == ["mine", "published clip-vit-base-patch32", "published ssim"]
    for axis, dataset in zip(figure.axes, ("tid2013", "nights"), strict=True):
        tower, flat = (lines(axis)[f"published {name}"] for name in ("clip-vit-base-patch32", "ssim"))
        np.testing.assert_array_equal(tower.get_ydata(), theirs(BASE_32, dataset)["value"])
        assert list(flat.get_ydata()) == [0.554, 0.554]
        for line in (tower, flat):
            red, green, blue = to_rgb(line.get_color())
            assert red == green == blue
        low, high = axis.get_ylim()
        assert low < min(tower.get_ydata())
        assert max(tower.get_ydata()) < high


def test_one_panel_can_be_drawn_into_axes_of_another_figure() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    curve = tower_curve("m")
    assert draw_into(right, [curve, tower_curve("k")]) is figure
    np.testing.assert_array_equal(lines(right)["m"].get_ydata(), scores(curve)["value"])
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["m", "k", CHANCE]
    assert not left.get_lines()
    with pytest.raises(UsageError, match=r"there are 2 \(TID2013 \(low level\), NIGHTS"):
        draw_into(left, [curve, tower_curve("m", "nights")])


# --- Room -----------------------------------------------------------------------------------------------------------


def texts(figure: Figure) -> list[Text]:
    """All text that is seen."""
    found = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    ticks = {
        id(label)
        for axis in figure.axes
        for which in (axis.xaxis, axis.yaxis)
        for tick in which.get_major_ticks()
        for label in (tick.label1, tick.label2)
        if not which.get_view_interval()[0] <= tick.get_loc() <= which.get_view_interval()[1]
    }
    return [text for text in found if id(text) not in ticks]


@pytest.mark.parametrize(("series", "panels", "width"), [(1, 1, 3.25), (9, 3, 6.75), (20, 3, 3.25), (3, 3, None)])
def test_no_text_lies_on_another_or_outside_or_is_too_small_to_read(
    series: int, panels: int, width: float | None
) -> None:
    models = [BIOMED, *(f"somebody/a-model-with-quite-a-long-name-{number:02}" for number in range(series - 1))]
    curves = [curve_like(model, data) for model in models[:1] for data in list(WHOLE)[-panels:]]
    curves += [
        tower_curve(model, data, subset=PAPER_SUBSETS[data]) for model in models[1:] for data in list(WHOLE)[-panels:]
    ]
    curves = [*curves, *([baseline_curve("ssim", "nights")] if series > 1 else [])]
    figure = curves_figure(curves, None, ["ssim"], width)
    figure.draw_without_rendering()
    assert width is None or figure.get_figwidth() == width
    found = texts(figure)
    assert min(text.get_fontsize() for text in found) >= 7.0
    boxes = {text.get_text(): text.get_window_extent() for text in found}
    whole = figure.bbox.padded(0.5)
    for one, box in boxes.items():
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1, one
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1, one
    places = [(text.get_text(), text.get_window_extent().padded(-0.5)) for text in found]
    clashes = [(one, other) for (one, box), (other, second) in combinations(places, 2) if box.overlaps(second)]
    assert not clashes
    for axis in figure.axes:
        room = axis.get_window_extent()
        assert room.width > 0.55 * (figure.bbox.width / (1 if width == 3.25 else panels))
        assert room.height > 120


@pytest.mark.parametrize("panels", [1, 3])
def test_nothing_lies_outside_the_figure_or_on_the_legend(panels: int) -> None:
    """Long names, every published model, twins, notes and a ceiling."""
    models = published_curves()["model"].unique()
    datasets = list(WHOLE)[-panels:]
    curves = [curve_like(model, dataset) for model in models for dataset in datasets]
    curves += [curve_like(BIOMED, data, f"{BIOMED}@random-{seed}", -0.2) for data in datasets for seed in range(3)]
    figure = curves_figure([*curves, with_ceilings(curve_like(BASE_16, "things"), ceiling_loo=0.66)])
    figure.draw_without_rendering()
    [box] = [found.get_window_extent() for found in figure.legends]
    whole = figure.bbox
    assert box.x0 >= whole.x0
    assert box.x1 <= whole.x1
    for axis in figure.axes:
        room = axis.get_tightbbox()
        assert room.x0 >= whole.x0
        assert room.x1 <= whole.x1
        assert room.y0 >= box.y1
        assert axis.get_window_extent().height > 250, "at 100 dots an inch the curves keep their room"
