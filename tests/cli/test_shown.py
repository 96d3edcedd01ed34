"""What an option says of distances and of the width of a figure."""

from dataclasses import replace

import pytest

from alignbench.cli.shown import named_distances, parse_width, shown_distances
from alignbench.errors import UsageError
from drawn_curves import baseline_curve, tower_curve

BOTH = ("normalized_euclidean", "cosine")


def test_distances_are_named_or_all() -> None:
    curves = [tower_curve(name, distances=BOTH) for name in "ab"]
    assert named_distances("", curves) is None
    assert named_distances("all", curves) is None
    assert named_distances("cosine, normalized_euclidean,cosine", curves) == ("cosine", "normalized_euclidean")
    with pytest.raises(UsageError, match="did you mean cosine"):
        named_distances("cosin", curves)
    with pytest.raises(UsageError, match="leave it out"):
        named_distances("cosine", [])


def test_of_several_models_one_distance_is_usual() -> None:
    curves = [tower_curve(name, distances=BOTH) for name in "ab"]
    assert shown_distances("", curves) == ("normalized_euclidean",)
    assert shown_distances("all", curves) is None
    assert shown_distances("cosine", curves) == ("cosine",)
    assert shown_distances("", [curves[0], baseline_curve("ssim")]) is None


@pytest.mark.parametrize(("text", "inches"), [("column", 3.25), ("page", 6.75), ("5.5", 5.5), ("30", 30.0)])
def test_a_width_is_a_name_or_a_number_of_inches(text: str, inches: float) -> None:
    assert parse_width(text) == inches


@pytest.mark.parametrize("text", ["wide", "0", "-3", "1.9", "31", "nan", "inf", ""])
def test_other_widths_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--width .*: use column, page, or 2 to 30 inches"):
        parse_width(text)


def test_runs_that_lack_the_usual_distance_are_named_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    further = tower_curve("b", distances=("cosine",))
    further = replace(further, frame=further.frame.replace({"tokens": {"all": "cls"}}))
    curves = [*(tower_curve(name, distances=BOTH) for name in "ab"), further]
    assert shown_distances("", curves) == ("normalized_euclidean",)
    told = capsys.readouterr()
    expected = "left out, since they lack normalised Euclidean: b on TID2013 (cls tokens); --distance all shows them\n"
    assert (told.out, told.err) == ("", expected)
    shown_distances("cosine", curves)
    assert capsys.readouterr().err == ""
