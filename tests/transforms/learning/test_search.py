"""The search for hyper-parameters, with a made-up loss."""

from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.search import Journal, Trial, search


def valley(recipe: Recipe) -> float:
    """Lowest at lambda 0.01 with SGD."""
    return abs(np.log10(recipe.lam) + 2.0) + (recipe.optimiser == "adam")


def test_it_begins_with_the_base_and_goes_on_where_it_was(tmp_path: Path) -> None:
    journal, base, asked = tmp_path / "search.journal", Recipe("global", lam=0.5).checked(), []

    def judge(recipe: Recipe) -> float:
        asked.append(recipe)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return valley(recipe)

    with pytest.raises(KeyboardInterrupt):
        search(base, judge, 12, Journal(journal, "projection"))
    assert asked[0] == base
    best, tried = search(base, judge, 12, Journal(journal, "projection"))
    assert [one.loss for one in tried] == [valley(recipe) for recipe in (*asked[:2], *asked[3:])]
    assert len(tried) == 12  # two were there, and the one that was stopped does not count
    assert valley(best) == pytest.approx(min(one.loss for one in tried if one.loss is not None))
    assert valley(best) < valley(base)
    before = len(asked)
    assert search(base, judge, 12, Journal(journal, "projection"))[0] == best
    assert len(asked) == before
    search(base, judge, 1, Journal(journal, "layer_3"))  # another layer has a study of its own
    assert asked[-1] == base


def test_a_search_in_two_parts_is_the_search_in_one(tmp_path: Path) -> None:
    base, asked = Recipe("global").checked(), []

    def judge(recipe: Recipe) -> float:
        asked.append(recipe)
        return valley(recipe)

    search(base, judge, 3, Journal(tmp_path / "parts", "projection"))
    best, tried = search(base, judge, 5, Journal(tmp_path / "parts", "projection"))
    assert len(asked) == 5
    assert len(set(asked)) == 5  # nothing is tried twice
    assert search(base, valley, 5, Journal(tmp_path / "whole", "projection")) == (best, tried)


@pytest.mark.parametrize(("torn", "end"), [(1, b""), (25, b""), (25, b"\0" * 25), (1, b"\0" * 4096 + b"\n")])
def test_a_search_goes_on_from_a_torn_line(tmp_path: Path, torn: int, end: bytes) -> None:
    journal, base = Journal(tmp_path / "j", "projection"), Recipe("global").checked()
    search(base, valley, 3, journal)
    journal.path.write_bytes(journal.path.read_bytes()[:-torn] + end)  # the last trial's end is lost with its line
    best, tried = search(base, valley, 5, journal)
    whole = search(base, valley, 5, Journal(tmp_path / "whole", "projection"))
    assert best == whole[0]
    assert [(one.parameters, one.loss) for one in tried] == [(one.parameters, one.loss) for one in whole[1]]
    assert search(base, valley, 5, journal) == (best, tried), "later lines are not glued to the torn one"


def test_a_torn_first_line_is_a_search_to_begin(tmp_path: Path) -> None:
    (tmp_path / "j").write_text('{"op_code":0,"wor')
    assert len(search(Recipe("global").checked(), valley, 1, Journal(tmp_path / "j", "projection"))[1]) == 1


@pytest.mark.parametrize(
    ("ours", "odd"),
    [
        ('"values":[', '"values":["x",'),
        ('"values":[', '"values":[NaN,'),
        ('"op_code":6', '"op_code":"6"'),
        ('"state":1', '"state":[]'),
        ('"param_value_internal":', '"param_value_internal":[],"x":'),
        ('"study_name":"projection"', '"study_name":' + "[" * 3000 + "]" * 3000),
    ],
    ids=range(6),
)
def test_an_odd_journal_is_named(tmp_path: Path, ours: str, odd: str) -> None:
    journal, base = Journal(tmp_path / "j", "projection"), Recipe("global").checked()
    search(base, valley, 2, journal)
    text = journal.path.read_text()
    assert ours in text
    journal.path.write_text(text.replace(ours, odd))
    with pytest.raises(DataError, match=r"/j cannot be read as a journal of Optuna: remove it to search anew"):
        search(base, valley, 3, journal)


def test_a_base_that_was_stopped_is_tried_again(tmp_path: Path) -> None:
    base, asked = Recipe("global", lam=0.5).checked(), []

    def judge(recipe: Recipe) -> float:
        asked.append(recipe)
        if len(asked) == 1:
            raise KeyboardInterrupt
        return valley(recipe)

    with pytest.raises(KeyboardInterrupt):
        search(base, judge, 2, Journal(tmp_path / "j", "projection"))
    tried = search(base, judge, 2, Journal(tmp_path / "j", "projection"))[1]
    assert asked[0] == asked[1] == base
    assert [one.loss for one in tried] == [valley(recipe) for recipe in asked[1:]]
    assert len(tried) == 2


def test_a_trial_that_fails_is_not_the_best(tmp_path: Path) -> None:
    def judge(recipe: Recipe) -> float:
        if recipe.optimiser == "sgd":
            raise AlignbenchError("no finite loss")
        return valley(recipe)

    heard: list[Trial] = []
    best, tried = search(Recipe("global").checked(), judge, 8, Journal(tmp_path / "j", "projection"), heard.append)
    assert heard == tried
    assert {one.loss is None for one in tried if one.parameters["optimiser"] == "sgd"} == {True}
    assert best.optimiser == "adam"
    assert valley(best) == min(one.loss for one in tried if one.loss is not None)


def test_glocal_searches_its_own_as_well(tmp_path: Path) -> None:
    _, tried = search(Recipe("glocal").checked(), valley, 2, Journal(tmp_path / "j", "projection"))
    assert set(tried[0].parameters) == {"lam", "learning_rate", "optimiser", "alpha", "tau"}


def test_failures_are_said(tmp_path: Path) -> None:
    def fail(recipe: Recipe) -> float:
        raise AlignbenchError("no finite loss")

    with pytest.raises(AlignbenchError, match="none of 2 trials"):
        search(Recipe("global").checked(), fail, 2, Journal(tmp_path / "j", "projection"))
    with pytest.raises(UsageError, match="below 1"):
        search(Recipe("global").checked(), valley, 0, Journal(tmp_path / "j", "projection"))
    (tmp_path / "damaged").write_text("no journal\n")
    with pytest.raises(DataError, match="cannot be read as a journal"):
        search(Recipe("global").checked(), valley, 1, Journal(tmp_path / "damaged", "projection"))
