"""Hyper-parameters of a recipe, searched with Optuna in a journal, so that a search that was stopped goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.files.journals import NO_JOURNAL, open_journal
from alignbench.transforms.learning.recipe import OPTIMISERS, Recipe

if TYPE_CHECKING:
    from optuna import Study
    from optuna import Trial as OptunaTrial

_STOPPED: Final = "stopped"  # marks a trial that did not end by itself


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: Number of the trial among those that ended, from 0.
        parameters: What was tried, by field of `Recipe`.
        loss: Mean over folds of the held-out loss on triplets; none if it failed.
    """

    number: int
    parameters: dict[str, Any]
    loss: float | None


@dataclass(frozen=True)
class Journal:
    """What remembers a search.

    Attributes:
        path: File of the journal; made if it is not there.
        study: Name of this search in it.
    """

    path: Path
    study: str


def search(
    base: Recipe,
    judge: Callable[[Recipe], float],
    trials: int,
    journal: Journal,
    advanced: Callable[[Trial], None] = lambda tried: None,
) -> tuple[Recipe, list[Trial]]:
    """Search for the recipe with the lowest held-out loss on triplets.

    That loss is comparable between all weights of the local term and the penalty, as the objective is not. The
    first trial is the base itself, brought into the ranges; then Optuna's sampler (TPE) proposes: lambda from 1e-5 to
    10, the learning rate from 1e-4 to 1e-2 (both on a logarithmic scale), the optimiser; with gLocal also alpha from
    0.05 to 0.5 and tau from 0.05 to 2. The sampler is seeded by the recipe and the number of trials that ended, so that
    a search that was stopped proposes what it would have proposed; the trial in which it was stopped does not count.

    Args:
        base: Recipe of the first trial, whose other fields stay as they are.
        judge: Learns by a recipe, and gives the held-out loss.
        trials: Number of trials in all, those in the journal included.
        journal: What remembers the trials.
        advanced: Hears of every trial.

    Raises:
        UsageError: If there is to be no trial.
        DataError: If the journal cannot be read.
        AlignbenchError: If no trial had a finite loss.
    """
    if trials < 1:
        raise UsageError(f"--trials {trials} is below 1")
    import optuna

    study = _study(journal)

    def objective(trial: OptunaTrial) -> float:
        try:
            return judge(replace(base, **_proposed(trial, base.objective)))
        except AlignbenchError:
            raise
        except BaseException:  # such as Ctrl-C, of which Optuna makes a trial that failed
            trial.set_user_attr(_STOPPED, True)
            raise

    def heard(_: Study, __: optuna.trial.FrozenTrial) -> None:
        advanced(_ended(study)[-1])

    while len(tried := _ended(study)) < trials:
        study.sampler = optuna.samplers.TPESampler(seed=base.seed + len(tried))
        if not tried and not study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.WAITING]):
            study.enqueue_trial(_to_parameters(base))
        study.optimize(objective, n_trials=1, catch=(AlignbenchError,), callbacks=[heard])
    if not any(trial.loss is not None for trial in tried):
        raise AlignbenchError(
            f"none of {len(tried)} trials of {journal.study} had a finite loss: see a single one without --trials"
        )
    return replace(base, **study.best_params), tried


def _ended(study: Study) -> list[Trial]:
    """Trials that ended by themselves, in their order: those in which the search was stopped do not count."""
    ended = (trial for trial in study.trials if trial.state.is_finished() and _STOPPED not in trial.user_attrs)
    return [Trial(number, dict(trial.params), trial.value) for number, trial in enumerate(ended)]


def _study(journal: Journal) -> Study:
    import optuna

    path = journal.path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(storage=open_journal(path), study_name=journal.study, load_if_exists=True)
        _check(_ended(study))
        return study
    except OSError as error:
        raise DataError(f"{path} cannot be used ({error.strerror}): remove it to search anew") from error
    except (*NO_JOURNAL, optuna.exceptions.OptunaError) as error:
        raise DataError(f"{path} cannot be read as a journal of Optuna: remove it to search anew") from error


def _check(tried: Sequence[Trial]) -> None:
    """Refuse trials whose numbers are none, as of a journal that something else wrote.

    Raises:
        ValueError: If there is one.
    """
    for trial in tried:
        numbers = [value for name, value in trial.parameters.items() if name != "optimiser"]
        if trial.parameters.get("optimiser", OPTIMISERS[0]) not in OPTIMISERS:
            raise ValueError(f"trial {trial.number} has an unknown optimiser")
        if not all(isinstance(one, int | float) and math.isfinite(one) for one in (*numbers, trial.loss or 0.0)):
            raise ValueError(f"trial {trial.number} holds what is no number")


def _proposed(trial: OptunaTrial, objective: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "lam": trial.suggest_float("lam", 1e-5, 10.0, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "optimiser": trial.suggest_categorical("optimiser", OPTIMISERS),
    }
    if objective == "glocal":
        found |= {
            "alpha": trial.suggest_float("alpha", 0.05, 0.5),
            "tau": trial.suggest_float("tau", 0.05, 2.0, log=True),
        }
    return found


def _to_parameters(recipe: Recipe) -> dict[str, Any]:
    found: dict[str, Any] = {
        "lam": min(max(recipe.lam, 1e-5), 10.0),
        "learning_rate": min(max(recipe.learning_rate, 1e-4), 1e-2),
        "optimiser": recipe.optimiser,
    }
    if recipe.objective == "glocal":
        found |= {"alpha": min(max(recipe.alpha, 0.05), 0.5), "tau": min(max(recipe.tau, 0.05), 2.0)}
    return found
