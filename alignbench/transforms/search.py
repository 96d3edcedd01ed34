"""Hyper-parameters of a recipe, searched with Optuna in a journal, so that a search that was stopped goes on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.transforms.recipe import OPTIMISERS, Recipe

if TYPE_CHECKING:
    from optuna import Study, Trial

_UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, AssertionError)  # what Optuna makes of nonsense


@dataclass(frozen=True)
class Tried:
    """One trial.

    Attributes:
        number: From 0.
        parameters: By field of `Recipe`.
        loss: Mean over folds of the held-out loss on triplets; none if it failed.
    """

    number: int
    parameters: dict[str, Any]
    loss: float | None


def search(
    base: Recipe,
    judge: Callable[[Recipe], float],
    trials: int,
    journal: Path,
    name: str,
    advanced: Callable[[Tried], None] = lambda tried: None,
) -> tuple[Recipe, list[Tried]]:
    """The recipe with the lowest held-out loss on triplets of so many.

    What is made small is comparable between all weights of the local term and the penalty, as the objective is not. The
    first trial is the base itself; then Optuna's sampler (TPE, seeded by the recipe) proposes: lambda from 1e-5 to 10,
    the learning rate from 1e-4 to 1e-2 (both on a logarithmic scale), the optimiser; with gLocal also alpha from 0.05
    to 0.5 and tau from 0.05 to 2.

    Args:
        base: What is not searched.
        judge: Learns by a recipe, and gives its loss.
        trials: In all, those in the journal included.
        journal: File that remembers; made if it is not there.
        name: Of the study in it.
        advanced: Hears of every trial.

    Raises:
        UsageError: If there is to be no trial.
        DataError: If the journal cannot be read.
        AlignbenchError: If no trial had a finite loss.
    """
    if trials < 1:
        raise UsageError(f"--trials {trials} is below 1")
    import optuna

    study = _study(journal, name, base.seed)
    if not study.trials:
        study.enqueue_trial(_of(base))

    def objective(trial: Trial) -> float:
        return judge(replace(base, **_proposed(trial, base.objective)))

    def heard(_: Study, trial: optuna.trial.FrozenTrial) -> None:
        advanced(Tried(trial.number, dict(trial.params), trial.value))

    left = trials - len([trial for trial in study.trials if trial.state.is_finished()])
    if left > 0:
        study.optimize(objective, n_trials=left, catch=(AlignbenchError,), callbacks=[heard])
    tried = [
        Tried(trial.number, dict(trial.params), trial.value) for trial in study.trials if trial.state.is_finished()
    ]
    if not any(one.loss is not None for one in tried):
        raise AlignbenchError(
            f"none of {len(tried)} trials of {name} had a finite loss: see a single one without --trials"
        )
    return replace(base, **study.best_params), tried


def _study(journal: Path, name: str, seed: int) -> Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal.parent.mkdir(parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the journal is experimental
            storage = JournalStorage(JournalFileBackend(str(journal), JournalFileOpenLock(str(journal))))
            return optuna.create_study(
                storage=storage,
                study_name=name,
                sampler=optuna.samplers.TPESampler(seed=seed),
                load_if_exists=True,
            )
    except _UNREADABLE as error:
        raise DataError(f"{journal} cannot be read as a journal of Optuna: remove it to search anew") from error


def _proposed(trial: Trial, objective: str) -> dict[str, Any]:
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


def _of(recipe: Recipe) -> dict[str, Any]:
    found: dict[str, Any] = {
        "lam": min(max(recipe.lam, 1e-5), 10.0),
        "learning_rate": min(max(recipe.learning_rate, 1e-4), 1e-2),
        "optimiser": recipe.optimiser,
    }
    if recipe.objective == "glocal":
        found |= {"alpha": min(max(recipe.alpha, 0.05), 0.5), "tau": min(max(recipe.tau, 0.05), 2.0)}
    return found
