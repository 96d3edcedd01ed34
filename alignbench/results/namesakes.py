"""Runs of one label and other weights or layers: each has a name of its own, and none is taken for another."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from alignbench.errors import DataError
from alignbench.models.feature_names import are_features
from alignbench.results.folders import slugify
from alignbench.results.run_record import RunRecord
from alignbench.results.stored_run import StoredRun

_Stored = TypeVar("_Stored", bound=StoredRun)

_RANDOM: Final = "@random-"
_DIGITS: Final = (8, 16, 64)  # of the digest of the weights; the first number that tells all apart is taken
_NAMED: Final = 3  # at most so many run folders are named for each, and layers


def have_other_weights(one: RunRecord, other: RunRecord) -> bool:
    """Say whether two runs of one label are of different things, as far as both say what they are of.

    Features that exist are a file for each data set: on different ones they may well be of one model.
    """
    digests = one.settings.model_fingerprint, other.settings.model_fingerprint
    if not all(digests) or digests[0] == digests[1]:
        return False
    both = all(are_features(record.checkpoint) for record in (one, other))
    return not both or one.dataset == other.dataset


def tell_apart(runs: Sequence[_Stored]) -> tuple[list[_Stored], tuple[str, ...]]:
    """Give runs that have one label and other weights, or were measured at other layers, names that tell them apart.

    Args:
        runs: Runs whose records can be read.

    Returns:
        The same runs in their order, those with another `called` where it takes one: the label, and in brackets the
        first digits of the digest of the weights, or the layers unless they are the usual ones; and a line for each
        such label, which names the folders.

    Raises:
        DataError: If a record cannot be read.
    """
    of_name: dict[_Name, list[_Stored]] = {}
    for run in runs:
        of_name.setdefault(_parted(run.record)._replace(transform=""), []).append(run)
    marks: dict[Path, str] = {}
    lines = []
    for name, some in of_name.items():
        weights = _by_weights(some)
        if len(weights) > 1:
            lines.append(_line(name, "is the label of different weights", weights))
        for mark, same in weights.items():
            layers = {f"{mark}{at}": found for at, found in _by_layers(same).items()}
            if len(layers) > 1:
                lines.append(_line(name, "was measured at different layers", layers))
            marks |= {run.folder: at for at, found in layers.items() for run in found if at}
    named = [
        replace(run, called=_parted(run.record).marked(marks[run.folder])) if run.folder in marks else run
        for run in runs
    ]
    return named, tuple(lines)


def namesakes(record: RunRecord, output: Path) -> Iterator[Path]:
    """Yield the runs below a folder that have a record's label and other weights.

    Args:
        record: Of a run.
        output: Folder of run folders.
    """
    for path in sorted(output.glob(f"{glob.escape(slugify(record.label))}__*/run.json")):
        try:
            other = StoredRun(path.parent).record
        except DataError:  # whoever needs that run is told
            continue
        if other.label == record.label and have_other_weights(record, other):
            yield path.parent


class _Name(NamedTuple):
    """A label in its parts: what the model is called, and the marks of an untrained twin and of a transform."""

    model: str
    twin: str
    transform: str

    def marked(self, mark: str) -> str:
        """The label with a mark after what the model is called."""
        return f"{self.model}{mark}{self.twin}{self.transform}"


def _parted(record: RunRecord) -> _Name:
    label, settings = record.label, record.settings
    transform = f"@{settings.transform['name']}" if isinstance(settings.transform, Mapping) else ""
    plain = label.removesuffix(transform)
    model, mark, seed = plain.rpartition(_RANDOM) if settings.random_init else (plain, "", "")
    return _Name(model, f"{mark}{seed}", label[len(plain) :]) if model else _Name(plain, "", label[len(plain) :])


def _line(name: _Name, what: str, runs: Mapping[str, Sequence[StoredRun]]) -> str:
    """What is said of runs that are told apart.

    Args:
        name: Their label in its parts.
        what: Why they are.
        runs: The runs by mark.
    """
    each = (f"{name.marked(mark)} in {_folders(some)}" for mark, some in runs.items())
    return f"{name.marked('')} {what}: {', '.join(each)}; give each its own by --label"


def _by_weights(runs: Sequence[_Stored]) -> dict[str, list[_Stored]]:
    """Runs by the mark of their weights; none is marked where all may well be of the same."""
    of_digest: dict[str, list[_Stored]] = {}
    for run in runs:
        of_digest.setdefault(run.settings.model_fingerprint or "", []).append(run)
    known = [digest for digest in of_digest if digest]
    records = [run.record for run in runs]
    if not any(have_other_weights(one, other) for one, other in combinations(records, 2)):
        return {"": list(runs)}
    count = next((count for count in _DIGITS if len({digest[:count] for digest in known}) == len(known)), _DIGITS[-1])
    return {f" [{digest[:count]}]" if digest else "": some for digest, some in of_digest.items()}


def _by_layers(runs: Sequence[_Stored]) -> dict[str, list[_Stored]]:
    """Runs by the mark of their layers; the usual ones have none, and where all are the same none is marked."""
    of_layers: dict[tuple[str, ...] | None, list[_Stored]] = {}
    for run in runs:
        of_layers.setdefault(run.settings.layers, []).append(run)
    if len(of_layers) == 1:
        return {"": list(runs)}
    spoken = Counter(map(_spoken, of_layers))
    return {
        "" if layers is None else f" [{_spoken(layers) if spoken[_spoken(layers)] == 1 else ', '.join(layers)}]": some
        for layers, some in of_layers.items()
    }


def _spoken(layers: Sequence[str] | None) -> str:
    """The names of a few layers, or how many there are."""
    return f"{len(layers)} layers" if layers and len(layers) > _NAMED else ", ".join(layers or ())


def _folders(runs: Sequence[StoredRun]) -> str:
    names = [run.folder.name for run in runs]
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{' and '.join(names[:_NAMED])}{rest}"
