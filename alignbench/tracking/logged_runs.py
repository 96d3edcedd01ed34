"""The runs of a project on W&B's server, and which of them is taken for each run folder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from alignbench.errors import AlignbenchError, UsageError, counted, unknown
from alignbench.tracking.keys import DATA_SET, LABEL, RUN_FOLDER
from alignbench.tracking.projects import Project

if TYPE_CHECKING:
    import wandb

_FINISHED: Final = "finished"
# one name of a folder, which is not hidden, and the hash at its end by which it is known
_FOLDER: Final = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f]+__[0-9a-f]{8}")
_LONGEST: Final = 255  # bytes of a name


@dataclass(frozen=True)
class LoggedRun:
    """A run on the server.

    Attributes:
        number: Its id.
        state: `finished`, `running`, `crashed` and so on.
        created: When it was begun, a text that sorts by time.
        sweep: The id of its sweep; empty if it is of none.
        tags: Its tags.
        config: Its configuration.
        remote: W&B's own object, which is asked for its artifacts.
    """

    number: str
    state: str
    created: str
    sweep: str
    tags: frozenset[str]
    config: dict[str, Any]
    remote: Any = None

    @property
    def folder(self) -> str:
        """The name of its run folder; empty if it is no run of a model on a data set."""
        return str(self.config.get(RUN_FOLDER) or "")


@dataclass(frozen=True)
class Selection:
    """Which runs are wanted; what is empty leaves all.

    Attributes:
        sweep: The id of a sweep.
        tag: A tag.
        label: A label.
        dataset: A data set.
    """

    sweep: str = ""
    tag: str = ""
    label: str = ""
    dataset: str = ""

    def choose(self, runs: Sequence[LoggedRun]) -> list[LoggedRun]:
        """The runs that are wanted.

        Raises:
            UsageError: If none has such a sweep, tag, label or data set; it names the nearest that some have.
        """
        chosen = list(runs)
        for name, wanted, values in self._conditions():
            if not wanted:
                continue
            there = {value for run in chosen for value in values(run)}
            if wanted not in there:
                if not there:
                    raise UsageError(f"none of these runs has a {name.removeprefix('--')}: leave out {name}")
                raise unknown(name, wanted, there)
            chosen = [run for run in chosen if wanted in values(run)]
        return chosen

    def _conditions(self) -> tuple[tuple[str, str, Callable[[LoggedRun], Iterable[str]]], ...]:
        return (
            ("--sweep", self.sweep.rpartition("/")[2], lambda run: filter(None, [run.sweep])),
            ("--tag", self.tag, lambda run: run.tags),
            ("--label", self.label, lambda run: _told(run, LABEL)),
            ("--dataset", self.dataset, lambda run: _told(run, DATA_SET)),
        )


def read_runs(api: wandb.Api, project: Project) -> list[LoggedRun]:
    """All runs of a project.

    Raises:
        UsageError: If the server does not know the project.
        Exception: Whatever W&B raises.
    """
    try:
        found = list(api.runs(str(project), lazy=False))
    except Exception as error:
        if "could not find project" in str(error).lower():
            raise project.is_unknown() from error
        raise
    return [_read(run) for run in found]


def _read(run: Any) -> LoggedRun:
    config = run.config if isinstance(run.config, dict) else {}
    return LoggedRun(
        number=str(run.id),
        state=str(run.state),
        created=str(run.created_at),
        sweep=str(run.sweep_name or ""),
        tags=frozenset(map(str, run.tags or ())),
        config=config,
        remote=run,
    )


def newest_of_each(runs: Sequence[LoggedRun], project: Project) -> tuple[list[LoggedRun], list[str]]:
    """The newest finished run of each run folder.

    Args:
        runs: Runs of a project.
        project: The project.

    Returns:
        The runs, in the order of the names of their folders, and a line for each folder that several runs are of.

    Raises:
        AlignbenchError: If no run has finished, or none is of a run folder.
    """
    finished = [run for run in runs if run.state == _FINISHED]
    if not finished:
        states = Counter(run.state for run in runs)
        there = ", ".join(f"{count} {state}" for state, count in states.most_common()) or "it has no runs"
        raise AlignbenchError(f"no run of {project} has finished ({there}): wait for one, or choose another project")
    of_folder: dict[str, list[LoggedRun]] = {}
    for run in sorted(finished, key=lambda run: (run.created, run.number)):
        if run.folder:
            of_folder.setdefault(run.folder, []).append(run)
    if not of_folder:
        raise AlignbenchError(
            f"none of {counted(len(finished), 'finished run')} of {project} is of a run folder: choose a project that "
            "`alignbench run` logged to"
        )
    lines = [
        f"{folder}: {len(several)} finished runs, of which the newest is taken ({several[-1].number}, "
        f"{several[-1].created})"
        for folder, several in sorted(of_folder.items())
        if len(several) > 1
    ]
    return [several[-1] for _, several in sorted(of_folder.items())], lines


def check_folder_name(name: str) -> None:
    """Refuse what is no name of a run folder: it may come from anybody who can log to the project.

    Raises:
        AlignbenchError: If it is none.
    """
    if not _FOLDER.fullmatch(name) or len(name.encode(errors="replace")) > _LONGEST:
        raise AlignbenchError(f"{name[:100]!a} is no name of a run folder: see who logged it, and leave it out")


def _told(run: LoggedRun, key: str) -> list[str]:
    return [str(run.config[key])] if run.config.get(key) else []
