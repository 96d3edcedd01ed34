"""Runs of one label and other weights: they are told apart by a name of their own, and never taken for each other."""

from __future__ import annotations

import glob
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
_NAMED: Final = 3  # at most so many run folders are named for each


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
    """Give runs that have one label and other weights names that tell them apart.

    Args:
        runs: Runs whose records can be read.

    Returns:
        The same runs in their order, those with another `called` where it takes one: the label, and the first digits
        of the digest of the weights in brackets; and a line for each such label, which names the folders.

    Raises:
        DataError: If a record cannot be read.
    """
    weights: dict[_Name, dict[str, list[_Stored]]] = {}  # runs by label and by the digest of their weights
    for run in runs:
        digest = run.settings.model_fingerprint
        if digest:
            name = _parted(run.record)
            weights.setdefault(name._replace(transform=""), {}).setdefault(digest, []).append(run)
    called: dict[Path, str] = {}
    lines = []
    for (label, twin, _), of_label in weights.items():
        records = [run.record for some in of_label.values() for run in some]
        if not any(have_other_weights(one, other) for one, other in combinations(records, 2)):
            continue
        names = {digest: f"{label} [{digest[: _enough(of_label)]}]{twin}" for digest in of_label}
        called |= {
            run.folder: f"{names[digest]}{_parted(run.record).transform}"
            for digest, some in of_label.items()
            for run in some
        }
        each = (f"{names[digest]} in {_folders(some)}" for digest, some in of_label.items())
        lines.append(
            f"{label}{twin} is the label of different weights: {', '.join(each)}; give each its own by --label"
        )
    return [replace(run, called=called[run.folder]) if run.folder in called else run for run in runs], tuple(lines)


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


def _parted(record: RunRecord) -> _Name:
    label, settings = record.label, record.settings
    transform = f"@{settings.transform['name']}" if isinstance(settings.transform, Mapping) else ""
    plain = label.removesuffix(transform)
    model, mark, seed = plain.rpartition(_RANDOM) if settings.random_init else (plain, "", "")
    return _Name(model, f"{mark}{seed}", label[len(plain) :]) if model else _Name(plain, "", label[len(plain) :])


def _enough(digests: Mapping[str, object]) -> int:
    """How many digits of some digests tell them apart."""
    return next(
        (count for count in _DIGITS if len({digest[:count] for digest in digests}) == len(digests)), _DIGITS[-1]
    )


def _folders(runs: Sequence[StoredRun]) -> str:
    names = [run.folder.name for run in runs]
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{' and '.join(names[:_NAMED])}{rest}"
