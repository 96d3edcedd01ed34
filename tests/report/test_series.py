"""Which rows of which runs make one line, what tells lines apart, how each looks and what it is called."""

import pytest

from alignbench import LayerCurve
from alignbench.report.series import COLOURS, Key, Names, by_key, looks, model_looks, published_rows, rows_to_draw
from drawn_curves import baseline_curve, tower_curve

BOTH = ("normalized_euclidean", "cosine")


def key(line: str, distance: str = BOTH[0], protocol: str = "paper", copy: int = 0) -> Key:
    return Key(line, distance, protocol, "all", copy)


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
