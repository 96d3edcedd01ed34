"""Which runs a name stands for: a run folder, or the label of runs in a folder of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Final

from alignbench.errors import DataError, UsageError, did_you_mean, one_line, printable, shortened
from alignbench.results.finished import AGAIN, check_finished
from alignbench.results.folders import FILES, find_folders, is_complete, run_folders
from alignbench.results.namesakes import have_other_weights, tell_apart
from alignbench.results.stored_run import StoredRun

_NAMED: Final = 3  # at most so many run folders are named as examples
_LABELS: Final = 12  # and so many labels


@dataclass(frozen=True, eq=False)
class NamedRuns:
    """What a name stands for.

    Attributes:
        name: As it was given.
        runs: The run of a folder, or all finished runs of a label.
        by_label: Whether it is a label.
    """

    name: str
    runs: tuple[StoredRun, ...]
    by_label: bool

    def on(self, dataset: str) -> tuple[StoredRun, ...]:
        """Those on a data set."""
        return tuple(run for run in self.runs if run.settings.dataset == dataset)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets that they are on."""
        return tuple(dict.fromkeys(run.settings.dataset for run in self.runs))


class LabelledRuns:
    """The finished runs directly below a folder, by label; nothing is read before a label is looked for.

    Args:
        place: The folder.

    Attributes:
        skipped: A line for each folder there that was left out, once a label has been looked for: it may be a run of
            that label.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.skipped: tuple[str, ...] = ()

    def named(self, name: str | Path) -> NamedRuns:
        """The runs that a name stands for: a run folder comes before a label of the same text.

        Args:
            name: A run folder, or the label of finished runs, also as reports have it that tell weights apart.

        Raises:
            DataError: If it is neither, or if it is a label and the place is not there.
        """
        text, folder = str(name), Path(name).expanduser()
        if _is_run(folder):
            return NamedRuns(text, (StoredRun(folder),), by_label=False)
        if isinstance(name, Path) or _is_path(text) or (folder.is_dir() and text not in self._labels(needed=False)):
            raise _no_run(folder)
        found = self._labels(needed=True).get(text, ())
        if not found:
            raise self._unknown(text)
        each = {
            json.dumps(run.settings.to_json(), sort_keys=True): run for run in reversed(found)
        }  # a copy is no other
        return NamedRuns(text, tuple(reversed(each.values())), by_label=True)

    def _labels(self, needed: bool) -> dict[str, list[StoredRun]]:
        """Runs by label, and by the name that tells those of other weights apart.

        Raises:
            DataError: If the place is not there, and that is needed.
        """
        if needed and not self.place.is_dir():
            raise DataError(
                f"{self.place} is no folder, so that no label can be looked for in it: give the folder of your runs "
                "by --runs"
            )
        return self._found

    @cached_property
    def _found(self) -> dict[str, list[StoredRun]]:
        """Runs by label; a folder that holds no finished run that can be read is `skipped`."""
        whole: list[StoredRun] = []
        refused: list[str] = []
        for folder in run_folders(self.place):
            run = StoredRun(folder)
            try:
                check_finished(folder)
                if not is_complete(folder):
                    raise DataError(f"{folder} lacks a file of its run: {AGAIN}, or leave it out")
                _ = run.record
                whole.append(run)
            except (DataError, OSError) as error:
                refused.append(one_line(error))
        self.skipped = tuple(refused)
        found: dict[str, list[StoredRun]] = {}
        for run in tell_apart(whole)[0]:
            for name in dict.fromkeys((run.record.label, run.label)):
                found.setdefault(name, []).append(run)
        return found

    def _unknown(self, name: str) -> DataError:
        labels, left_out = self._found, len(self.skipped)
        hint = did_you_mean(shortened(name), labels) or (
            f"labels there: {_some(sorted(labels))}" if labels else "there is no finished run"
        )
        unread = f" ({left_out} folders there hold no whole run)" if left_out else ""
        return DataError(
            f"'{shortened(name)}' is no run folder, and no run in {self.place} has that label{unread}: {hint}"
        )


def check_one_model(named: NamedRuns, datasets: Sequence[str]) -> None:
    """Refuse a label of runs with other weights (or another transform), which are never put together.

    Args:
        named: What the label stands for; of a folder nothing can be mixed.
        datasets: The data sets that are looked at.

    Raises:
        UsageError: If there are such; names two folders.
    """
    runs = [run for run in named.runs if run.settings.dataset in datasets]
    # those on one data set are named rather than those on two
    for one, other in sorted(combinations(runs, 2), key=lambda two: two[0].settings.dataset != two[1].settings.dataset):
        transforms = [json.dumps(run.settings.transform, sort_keys=True, default=str) for run in (one, other)]
        if have_other_weights(one.record, other.record) or transforms[0] != transforms[1]:
            what = "transforms" if transforms[0] != transforms[1] else "weights"
            raise UsageError(
                f"{printable(named.name)} is the label of different {what}, which are never mixed: {one.folder} and "
                f"{other.folder}; name one of the folders{_apart(one, other)}"
            )


def _apart(one: StoredRun, other: StoredRun) -> str:
    return f", or write '{one.label}' or '{other.label}'" if one.called and other.called else ""


def _some(labels: Sequence[str]) -> str:
    rest = f" and {len(labels) - _LABELS} more" if len(labels) > _LABELS else ""
    return f"{', '.join(labels[:_LABELS])}{rest}"


def _is_run(place: Path) -> bool:
    """Whether a run was written to a place; one that lost a file is refused by whoever reads that file."""
    try:
        return any((place / name).exists() for name in FILES)
    except OSError:  # a folder that may not be looked into is refused with its reason when it is read
        return True


def _is_path(text: str) -> bool:
    """Whether a text can be no label."""
    return text.startswith(("/", "./", "../", "~")) or text.endswith("/") or text in (".", "..")


def _no_run(place: Path) -> DataError:
    """The error for a place that no run was written to; names some of those that lie in it."""
    inside = [str(folder) for folder in find_folders("run.json", [place])]
    if inside:
        return DataError(f"{place} is no run folder: name one of those in it, such as {' or '.join(inside[:_NAMED])}")
    what = "is not there" if not place.exists() else "is no run folder" if place.is_dir() else "is no folder"
    return DataError(f"{place} {what}: name a folder that `alignbench run` made")
