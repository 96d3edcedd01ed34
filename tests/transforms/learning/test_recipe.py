"""Recipes: the penalty that belongs to an objective, and what is impossible."""

import pytest

from alignbench.errors import UsageError
from alignbench.transforms.learning.recipe import Recipe


def test_impossible_recipes_are_refused_by_name() -> None:
    for given, text in (
        ({"objective": "golbal"}, "did you mean glo"),
        ({"optimiser": "adamw"}, "did you mean adam"),
        ({"penalty": "ridge"}, "unknown penalty"),
        ({"lam": -1.0}, "lambda -1.0 is below 0"),
        ({"alpha": 1.0}, "alpha 1.0"),
        ({"tau": 0.0}, "tau 0.0 is not above 0"),
        ({"epochs": 0}, "epochs 0 is not above 0"),
        ({"learning_rate": 1e300}, "learning rate 1e[+]300 is out of range: give 1e[+]30 at most"),
        ({"lam": 1e31}, "lambda 1e[+]31 is out of range"),
        ({"tau": 1e39}, "tau 1e[+]39 is out of range"),
        ({"images": 2}, "2 images a batch"),
    ):
        with pytest.raises(UsageError, match=text):
            Recipe(**given).checked()  # type: ignore[arg-type]


@pytest.mark.parametrize(("objective", "own"), [("naive", "frobenius"), ("global", "identity"), ("glocal", "identity")])
def test_an_objective_brings_its_own_penalty_unless_another_is_named(objective: str, own: str) -> None:
    assert Recipe(objective).checked().penalty == own
    for penalty in ("frobenius", "identity"):
        assert Recipe(objective, penalty=penalty).checked().penalty == penalty
    assert Recipe(objective).checked().checked() == Recipe(objective).checked()


@pytest.mark.parametrize("name", ["lam", "alpha", "tau", "learning_rate", "clip"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5])
def test_no_number_of_a_recipe_may_be_nothing_endless_or_negative(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=rf"{value} is (not|below)"):
        Recipe(**{name: value}).checked()  # type: ignore[arg-type]


def test_the_ends_of_the_ranges_are_possible() -> None:
    Recipe(lam=0.0, alpha=0.0, images=3, triplets=1, epochs=1, patience=1, tau=1e-300).checked()


@pytest.mark.parametrize(("name", "value"), [("alpha", 0.5), ("tau", 2.0), ("raw_local", True)])
def test_what_is_of_the_local_term_goes_with_glocal_alone(name: str, value: float) -> None:
    assert Recipe("glocal", **{name: value}).checked()  # type: ignore[arg-type]
    for objective in ("naive", "global"):
        with pytest.raises(UsageError, match=rf"{name.replace('_', ' ')} is of the local term, which {objective} has"):
            Recipe(objective, **{name: value}).checked()  # type: ignore[arg-type]
