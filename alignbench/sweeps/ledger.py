"""What became of each cell of a sweep: an Optuna study in a journal that several processes append to.

A trial is one attempt at a cell. It waits, runs, and ends complete, with the run folders that it left, or failed, with
an error. One whose process was ended before its time is failed as interrupted, and the cell is enqueued again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from alignbench.errors import DataError
from alignbench.files.journals import NO_JOURNAL, open_journal
from alignbench.sweeps.cells import SweepCell

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

State = Literal["waiting", "running", "finished", "failed", "interrupted"]
FORMAT: Final = 1  # of the journal's contents
_STUDY: Final = "sweep"


@dataclass(frozen=True)
class Attempt:
    """The last attempt at a cell.

    Attributes:
        trial: Its number as a trial of Optuna.
        state: What became of it.
        folders: Names of the run folders that it left.
        error: What went wrong.
        seconds: How long it took.
    """

    trial: int
    state: State
    folders: tuple[str, ...] = ()
    error: str = ""
    seconds: float = 0.0


class Ledger:
    """The journal of a sweep.

    Args:
        path: Its file, made if it is not there.

    Raises:
        DataError: If it cannot be read, or was written by another version; every method may find so, as the next.
        AlignbenchError: If its file system has no locks.
        OSError: If it cannot be opened or written to.
    """

    def __init__(self, path: Path) -> None:
        import optuna

        self._path = path
        with self._journal():
            self._storage = open_journal(path)
            if _STUDY not in optuna.get_all_study_names(self._storage):
                optuna.create_study(storage=self._storage, study_name=_STUDY, load_if_exists=True)
            self._study = optuna.load_study(storage=self._storage, study_name=_STUDY)
            written = self._study.user_attrs.get("format")
            if written is None and not self._study.get_trials(deepcopy=False):
                self._study.set_user_attr("format", FORMAT)
            elif written != FORMAT:
                raise DataError(f"{path} was written by another version of alignbench: {self._remedy}")

    @property
    def _remedy(self) -> str:
        return f"remove {self._path.parent} to begin it anew (finished runs are kept and found again)"

    @contextmanager
    def _journal(self) -> Iterator[None]:
        """Turn whatever Optuna raises at a journal that it cannot use into an error of one line."""
        try:
            yield
        except NO_JOURNAL as error:
            raise DataError(f"{self._path} cannot be read as a journal of Optuna: {self._remedy}") from error

    def attempts(self) -> dict[str, Attempt]:
        """The last attempt at each cell, by the cell's key."""
        with self._journal():
            trials = self._study.get_trials(deepcopy=False)
            return {trial.user_attrs["key"]: _read_attempt(trial) for trial in trials}

    def enqueue(self, cell: SweepCell) -> int:
        """Have a cell wait for its turn, as a new trial, whose number is returned."""
        with self._journal():
            self._study.enqueue_trial(dict(cell.parameters), {"key": cell.key, "arguments": list(cell.arguments)})
            trials = self._study.get_trials(deepcopy=False)
        return next(trial.number for trial in reversed(trials) if trial.user_attrs["key"] == cell.key)

    def start(self, trial: int) -> bool:
        """Have a waiting trial run; false if it does not wait any more. Of several who try, one succeeds."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with self._journal(), suppress(UpdateFinishedTrialError):
            return self._storage.set_trial_state_values(self._id(trial), TrialState.RUNNING)
        return False

    def finish(self, trial: int, folders: tuple[str, ...], seconds: float) -> None:
        """Record that a running trial left these run folders; its value for Optuna is how many seconds it took."""
        self._end(trial, "COMPLETE", [seconds], folders=list(folders))

    def fail(self, trial: int, error: str) -> None:
        """Record that a running trial failed."""
        self._end(trial, "FAIL", None, error=error)

    def interrupt(self, trial: int) -> None:
        """Record that the process of a running trial was ended before its time."""
        self._end(trial, "FAIL", None, interrupted=True)

    def _end(self, trial: int, state: str, values: list[float] | None, **attributes: Any) -> None:
        """Record the end of a trial, unless it has one."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        with self._journal(), suppress(UpdateFinishedTrialError):
            for name, value in attributes.items():
                self._storage.set_trial_user_attr(self._id(trial), name, value)
            self._storage.set_trial_state_values(self._id(trial), TrialState[state], values)

    def _id(self, trial: int) -> int:
        """Optuna's id of a trial in its storage, which is another number than that within the study."""
        study = self._storage.get_study_id_from_name(_STUDY)
        return self._storage.get_trial_id_from_study_id_trial_number(study, trial)


def _read_attempt(trial: FrozenTrial) -> Attempt:
    """Read an attempt from a trial of Optuna."""
    attributes = trial.user_attrs
    ended: State = "interrupted" if attributes.get("interrupted") else "failed"
    states: dict[str, State] = {"WAITING": "waiting", "RUNNING": "running", "COMPLETE": "finished"}
    return Attempt(
        trial.number,
        states.get(trial.state.name, ended),
        tuple(attributes.get("folders", ())),
        attributes.get("error", ""),
        trial.value or 0.0,
    )
