"""Which rows of which runs make one line, what tells lines apart, how each looks and what it is called."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from alignbench import LayerCurve
from alignbench.report.series import (
    COLOURS,
    Key,
    Names,
    by_key,
    looks,
    main_distances,
    model_looks,
    published_rows,
    rows_to_draw,
    without_distances,
)
from drawn_curves import baseline_curve, tower_curve

BOTH = ("normalized_euclidean", "cosine")


def key(line: str, distance: str = BOTH[0], protocol: str = "paper", copy: int = 0) -> Key:
    return Key(line, distance, protocol, "all", copy)


def luminance(colour: str) -> float:
    """Relative luminance as the accessibility guidelines (WCAG 2.2) define it."""
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in to_rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def seen(colour: str, eye: str) -> np.ndarray:
    """CIELAB of a colour as an eye sees it: `usual`, without long (`protan`) or without middle cones (`deutan`).

    The two are simulated after Vienot, Brettel and Mollon (1999), in linear light.
    """
    linear = np.array([each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in to_rgb(colour)])
    to_cones = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    lost = {
        "usual": np.eye(3),
        "protan": np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]]),
        "deutan": np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]),
    }[eye]
    light = np.clip(np.linalg.inv(to_cones) @ lost @ to_cones @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = to_xyz @ light / (to_xyz @ np.ones(3))
    bent = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * bent[1] - 16, 500 * (bent[0] - bent[1]), 200 * (bent[1] - bent[2])])


@pytest.mark.parametrize(("eye", "least"), [("usual", 10.0), ("protan", 4.0), ("deutan", 4.0)])
def test_colours_are_told_apart_by_every_eye(eye: str, least: float) -> None:
    """A difference of 2.3 in CIELAB can just be noticed."""
    found = {colour: seen(colour, eye) for colour in COLOURS}
    assert len(found) == len(COLOURS) == 24
    assert min(np.linalg.norm(found[one] - found[other]) for one, other in combinations(found, 2)) > least


@pytest.mark.parametrize("page", ["#ffffff", "#1e1e1e"])
def test_colours_stand_out_from_a_light_page_and_a_dark_one(page: str) -> None:
    for colour in COLOURS:
        darker, lighter = sorted([luminance(colour), luminance(page)])
        assert (lighter + 0.05) / (darker + 0.05) >= 3.0, colour


def test_no_two_of_24_lines_have_one_colour_and_none_of_90_one_look() -> None:
    found = looks(rows_to_draw([tower_curve(f"m{number}") for number in range(90)], None))
    shown = list(found.values())
    assert len({look.colour for look in shown[:24]}) == 24
    assert len({str(look) for look in shown}) == 90


def test_of_runs_alike_that_of_most_judgments_is_the_first() -> None:
    few, many = tower_curve("m"), tower_curve("m", "nights")
    few, many = (
        LayerCurve(curve.frame.assign(dataset="tid2013", level="low", metric="spearman", n=n))
        for curve, n in ((few, 40), (many, 100))
    )
    lines = by_key(rows_to_draw([few, many], None))
    assert {found.copy: int(rows["n"].iloc[0]) for found, rows in lines.items()} == {0: 100, 1: 40}


def test_two_twins_share_a_band_and_one_does_not() -> None:
    frame = rows_to_draw([tower_curve("m@random-0"), tower_curve("m@random-7"), tower_curve("k@random-0")], None)
    assert {line: bool(rows["band"].all()) for line, rows in frame.groupby("line")} == {
        "m@random": True,
        "k@random-0": False,
    }


def test_distances_that_are_not_asked_for_are_left_out_but_baselines_stay() -> None:
    frame = rows_to_draw([tower_curve("m", distances=BOTH), baseline_curve("pixels")], ["cosine"])
    assert set(zip(frame["line"], frame["distance"], strict=True)) == {("m", "cosine"), ("pixels", "euclidean")}


def test_rows_of_a_line_are_in_the_order_of_depth() -> None:
    shuffled = LayerCurve(tower_curve("m").frame.iloc[[3, 1, 0, 2]])
    [rows] = by_key(rows_to_draw([shuffled], None)).values()
    assert rows["depth"].is_monotonic_increasing
    assert rows["layer"].iloc[-1] == "projection"


def test_a_band_has_the_colour_of_its_trained_model_and_no_colour_is_spent_on_it() -> None:
    curves = [tower_curve(name) for name in ("m", "m@random-0", "m@random-1", "k")]
    found = looks(rows_to_draw(curves, None))
    assert found[key("m@random")] == found[key("m")]
    assert [found[key(name)].colour for name in ("m", "k")] == list(COLOURS[:2])


def test_where_models_have_colours_their_distances_differ_in_dashes_alone() -> None:
    frame = rows_to_draw([tower_curve(name, distances=BOTH) for name in "mk"], None)
    found = model_looks(frame)
    for name in "mk":
        first, second = (found[key(name, distance)] for distance in BOTH)
        assert (first.colour, first.marker) == (second.colour, second.marker)
        assert first.dashes != second.dashes
    assert found[key("m")].colour != found[key("k")].colour


def test_distances_differ_in_dashes_for_the_ninth_model_too() -> None:
    distances = ("normalized_euclidean", "euclidean", "cosine")
    found = model_looks(rows_to_draw([tower_curve(f"m{number}", distances=distances) for number in range(12)], None))
    for number in range(12):
        assert len({str(found[key(f"m{number}", distance)].dashes) for distance in distances}) == 3, number


@pytest.mark.parametrize(
    ("changed", "name", "title"),
    [({}, "Euclidean", "m"), ({"protocol": "corrected"}, "Euclidean", "m, corrected")],
)
def test_what_all_share_is_in_the_title_and_not_in_the_names(changed: dict[str, str], name: str, title: str) -> None:
    curve = LayerCurve(tower_curve("m", distances=("euclidean", "cosine")).frame.assign(**changed))
    frame = rows_to_draw([curve], None)
    names = Names(frame)
    assert names.title == title
    assert [names.of(*line) for line in by_key(frame).items()] == [name, "cosine"]


def test_nothing_published_is_no_row() -> None:
    assert published_rows([tower_curve("m")], None).empty


def test_whole_and_partial_twins_share_no_band() -> None:
    whole = [LayerCurve(tower_curve(f"m@random-{seed}").frame.assign(n=3_000)) for seed in range(2)]
    parts = [LayerCurve(tower_curve(f"m@random-{seed}").frame.assign(n=40)) for seed in range(3)]
    frame = rows_to_draw([*parts, *whole], None)
    names = {found: Names(frame).of(found, rows) for found, rows in by_key(frame).items()}
    assert sorted(names.values()) == ["m, 2 untrained twins", "m, 40 of 3,000 ratings, 3 untrained twins"]
    assert frame["band"].all()


def test_a_part_beside_a_whole_curve_is_named() -> None:
    whole = LayerCurve(tower_curve("whole").frame.assign(n=3_000))
    frame = rows_to_draw([whole, tower_curve("part")], None)
    shown = {Names(frame).of(found, rows) for found, rows in by_key(frame).items()}
    assert shown == {"whole", "part, 100 of 3,000 ratings"}


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([("cosine", "normalized_euclidean")], None),
        ([("cosine", "normalized_euclidean"), ("normalized_euclidean",)], ("normalized_euclidean",)),
        ([("cosine", "euclidean"), ("euclidean", "cosine", "normalized_euclidean")], ("euclidean",)),
        ([("cosine",), ("euclidean",)], None),
    ],
)
def test_of_several_models_one_distance_is_shown_that_all_have(
    held: list[tuple[str, ...]], expected: tuple[str, ...] | None
) -> None:
    curves = [tower_curve(f"m{number}", distances=names) for number, names in enumerate(held)]
    assert main_distances([*curves, baseline_curve("ssim")]) == expected
    assert main_distances([baseline_curve("ssim"), baseline_curve("pixels")]) is None


def test_a_further_run_by_another_distance_changes_nothing() -> None:
    """What all models have in one of their runs is shown; and on each data set what its models have."""
    both = [tower_curve(name) for name in "ab"]
    assert main_distances([*both, tower_curve("b", distances=("cosine",))]) == ("normalized_euclidean",)
    elsewhere = [tower_curve(name, dataset="nights", distances=("cosine",)) for name in "ab"]
    assert main_distances([*both, *elsewhere]) == ("normalized_euclidean", "cosine")


def test_curves_without_the_shown_distances_are_named() -> None:
    curves = [tower_curve("a"), tower_curve("b", distances=("cosine",)), baseline_curve("ssim")]
    assert without_distances(curves, None) == ""
    assert without_distances(curves[::2], ("normalized_euclidean",)) == ""
    assert "lack normalised Euclidean: b on TID2013;" in without_distances(curves, ("normalized_euclidean",))
