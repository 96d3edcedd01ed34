"""Levels (high level): which of three pictures is the odd one, by several people for each triplet.

Muttenthaler, Greff, Born et al., "Aligning machine and human visual representations across abstraction levels" (Nature,
2025). `pruned_dataset.pkl` has for each participant a list of trials: the names of three pictures, the one that was
selected as the odd one, the response time in milliseconds, and of which level of abstraction the triplet is. The
pictures are of ImageNet's training set, in a folder for each class or in one.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.datasets.data_set import Corrected, DataSet, root_folder
from alignbench.datasets.images import FileImages
from alignbench.datasets.judgments import Judgments, Subset
from alignbench.datasets.numbering import numbered_rows
from alignbench.datasets.plain_pickle import read_plain
from alignbench.datasets.responses import Responses
from alignbench.datasets.things import odd_one_out
from alignbench.datasets.trial_copies import PeoplesTrials, refuse_copied_trials
from alignbench.errors import AlignbenchWarning, DataError, shortened, unknown

FILE: Final = "pruned_dataset.pkl"
IMAGE_FOLDERS: Final = ("images", "train")
SUBSETS: Final = ("coarse", "fine", "boundary")
_TYPES: Final = {
    "between_class": "coarse",
    "within_class": "fine",
    "class_border": "boundary",
    "class_boundary": "boundary",
}
_JUDGED: Final = "exp_trial"  # other trials are for practice
_SHOWN: Final = ("image1Path", "image2Path", "image3Path")
_KEYS: Final = ("triplet_type", *_SHOWN, "selected_image", "rt")
_LONGEST: Final = 1e9  # milliseconds
_EXAMPLES: Final = 3


def read(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Read the odd-one-out choices; option 0 of every judgment is the pair that was kept.

    Judgments of one triplet stand together, so that the first ones of a subset are of whole triplets.

    Args:
        root: Folder with `pruned_dataset.pkl`, and `images/` or `train/`.
        subsets: `coarse` (three pictures of three classes), `fine` (of one class), `boundary` (two of one class and one
            of another), or `all` for these, each scored by itself.

    Raises:
        UsageError: If there is no such subset, or no root was given.
        DataError: If files are missing or malformed; names the place.
    """
    for subset in subsets:
        if subset not in (*SUBSETS, "all"):
            raise unknown("subset of levels", subset, (*SUBSETS, "all"))
    wanted = SUBSETS if "all" in subsets else tuple(dict.fromkeys(subsets))
    folder = root_folder("levels", root)
    trials = _Trials.read(folder / FILE).of(wanted)
    images = FileImages(folder, _places(folder, trials.pictures))
    triplet = numbered_rows(np.sort(trials.shown, axis=1))
    rows = [np.flatnonzero(trials.level == SUBSETS.index(name)) for name in wanted]
    rows = [own[np.argsort(triplet[own], kind="stable")] for own in rows]
    chosen = tuple(
        Subset(name, own, triplet[own, None], trials.shown[own]) for name, own in zip(wanted, rows, strict=True)
    )
    judgments = odd_one_out("levels", images, trials.shown, trials.ids, chosen)
    return replace(judgments, responses=Responses(trials.participant, trials.seconds))


# -------------------------------------------------------------------------------------------------- trials


@dataclass(frozen=True, eq=False)
class _Trials:
    """Trials of all participants.

    Attributes:
        pictures: File names of the pictures, sorted.
        shown: Numbers of the three pictures of each trial, the odd one last, (n, 3).
        level: Of which subset each is, by its place in `SUBSETS`, (n,).
        participant: Number of the participant, in the order of their names, (n,).
        seconds: Response time, (n,); not a number where it is not known.
        ids: A name for each trial.
    """

    pictures: tuple[str, ...]
    shown: Indices
    level: Indices
    participant: Indices
    seconds: Floats
    ids: Sequence[str]

    @classmethod
    def read(cls, path: Path) -> _Trials:
        """Read the trials of a file in which people judged something."""
        table = _participants(path)
        found = list(_trials(path, table))
        if not found:
            raise DataError(f"{path} has no trial with {_JUDGED!r} as its exp_trial_type: download it again")
        numbers = {name: number for number, name in enumerate(sorted({name for each in found for name in each[1]}))}
        level, names, seconds, participant, place = zip(*found, strict=True)
        unknown_times = int(np.isnan(seconds).sum())
        if unknown_times:
            warnings.warn(
                f"{path} has no response time of {unknown_times:,} of {len(found):,} trials: scores of response times "
                "are of the others",
                AlignbenchWarning,
                stacklevel=3,
            )
        shown = np.array([[numbers[name] for name in each] for each in names], dtype=np.int64)
        who_each, times = np.array(participant, dtype=np.int64), np.array(seconds, dtype=np.float64)
        refuse_copied_trials(path, PeoplesTrials([name for name, _ in table], who_each, shown, times))
        return cls(
            tuple(numbers),
            shown,
            np.array(level, dtype=np.int64),
            who_each,
            times,
            tuple(f"{who}:{trial}" for who, trial in zip(participant, place, strict=True)),
        )

    def of(self, subsets: tuple[str, ...]) -> _Trials:
        """Keep the trials of some subsets, and the pictures that these show.

        Raises:
            DataError: If a subset has none.
        """
        for name in subsets:
            if not (self.level == SUBSETS.index(name)).any():
                raise DataError(f"{FILE} has no trial of subset {name}: choose another, or download it again")
        kept = np.flatnonzero(np.isin(self.level, [SUBSETS.index(name) for name in subsets]))
        pictures, shown = np.unique(self.shown[kept], return_inverse=True)
        return _Trials(
            tuple(self.pictures[picture] for picture in pictures),
            shown.reshape(-1, 3),
            self.level[kept],
            self.participant[kept],
            self.seconds[kept],
            tuple(self.ids[row] for row in kept.tolist()),
        )


_Trial = tuple[int, tuple[str, str, str], float, int, int]  # level, pictures, seconds, participant, place in the list


def _participants(path: Path) -> list[tuple[str, object]]:
    """The name of each participant and what stands under it, in the order of the names."""
    table = read_plain(path)
    if not isinstance(table, dict) or not table:
        raise DataError(f"{path} holds no dictionary of participants: give AligNet's {FILE}")
    return sorted(((_shown(key), value) for key, value in table.items()), key=itemgetter(0))


def _trials(path: Path, table: Sequence[tuple[str, object]]) -> Iterator[_Trial]:
    for number, (name, trials) in enumerate(table):
        if not isinstance(trials, list | tuple):
            raise DataError(f"{path}: participant {name} has no list of trials: give AligNet's {FILE}")
        for place, trial in enumerate(trials):
            where = f"{path}, participant {name}, trial {place}"
            if not isinstance(trial, dict) or "exp_trial_type" not in trial:
                raise DataError(f"{where} has no exp_trial_type: give AligNet's {FILE}")
            if trial["exp_trial_type"] == _JUDGED:
                yield *_judgment(trial, where), number, place


def _judgment(trial: Mapping[Any, Any], where: str) -> tuple[int, tuple[str, str, str], float]:
    """The level of a trial, its pictures with the odd one last, and its response time in seconds."""
    lacking = [key for key in _KEYS if key not in trial]
    if lacking:
        raise DataError(f"{where} lacks {', '.join(lacking)}: give AligNet's {FILE}")
    level = _shown(trial["triplet_type"])
    if level not in _TYPES:
        raise DataError(f"{where}: triplet_type {level} is none of {', '.join(_TYPES)}: download it again")
    shown = [_picture(trial[key], where) for key in _SHOWN]
    odd = _picture(trial["selected_image"], where)
    kept = [name for name in shown if name != odd]
    if len(set(shown)) < len(shown):
        raise DataError(f"{where} shows {max(shown, key=shown.count)} twice: download it again")
    if odd not in shown:
        raise DataError(f"{where}: selected_image {odd} is none of its pictures {', '.join(shown)}: download it again")
    return SUBSETS.index(_TYPES[level]), (kept[0], kept[1], odd), _seconds(trial["rt"], where)


def _shown(value: object) -> str:
    """A text as messages have it, or the type of anything else, which may be too large or too deep to be shown."""
    if isinstance(value, int) and abs(value) < 2**63:
        return str(value)
    return shortened(value) if isinstance(value, str) else f"of type {type(value).__name__}"


def _picture(path: object, where: str) -> str:
    """The file name of a picture, which may have the folders of the experiment before it."""
    name = path.rpartition("/")[2] if isinstance(path, str) else ""
    if name in ("", ".", "..") or len(name) > 255 or not name.isprintable():
        raise DataError(f"{where}: {_shown(path)!r} is no name of a picture: download it again")
    return name


def _seconds(milliseconds: object, where: str) -> float:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float | None):
        raise DataError(f"{where}: rt {_shown(milliseconds)} is no number of milliseconds: download it again")
    if milliseconds is None or not 0.0 < milliseconds < _LONGEST:
        return float("nan")
    return milliseconds / 1000.0


# ------------------------------------------------------------------------------------------------- pictures


def _places(root: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The paths of pictures relative to the root, by their file names; one that is not there is looked for in vain."""
    folders = [folder for folder in IMAGE_FOLDERS if (root / folder).is_dir()]
    if not folders:
        raise DataError(f"{root} has neither {' nor '.join(IMAGE_FOLDERS)}: put the pictures there, or a link to them")
    if len(folders) > 1 and not (root / folders[0]).samefile(root / folders[1]):
        warnings.warn(
            f"{root} holds the image folders {' and '.join(folders)}: the first is taken",
            AlignbenchWarning,
            stacklevel=3,
        )
    folder, wanted = folders[0], set(names)
    found: dict[str, list[str]] = {}
    for path in _files(root / folder):
        name = path.rpartition("/")[2]
        if name in wanted:
            found.setdefault(name, []).append(f"{folder}/{path}")
    if not found:
        raise DataError(
            f"{root / folder} has none of the {len(wanted):,} pictures that {FILE} names, as {names[0]}, in it or in a "
            "folder for each class: put ImageNet's training set there, or a link to it"
        )
    doubled = [" and ".join(sorted(paths)[:2]) for name, paths in sorted(found.items()) if len(paths) > 1]
    if doubled:
        raise DataError(
            f"{root} has {len(doubled):,} pictures twice, as {'; '.join(doubled[:_EXAMPLES])}: leave one of each"
        )
    return tuple(found.get(name, [f"{folder}/{name}"])[0] for name in names)


def _files(folder: Path) -> Iterator[str]:
    """Names of what lies in a folder and in the folders in it, links included, without a look at any of them."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir():
                    yield entry.name
                    continue
                with os.scandir(entry.path) as within:
                    yield from (f"{entry.name}/{each.name}" for each in within)
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror}): make it readable") from error


LEVELS: Final = DataSet(
    name="levels",
    level="high",
    kind="choice",
    summary="odd one out of three pictures at three levels of abstraction, by several people each",
    home="the data of 'Aligning machine and human visual representations across abstraction levels' (Nature 2025)",
    terms="see there; the pictures are ImageNet's",
    default_subset="all",
    subsets=(*SUBSETS, "all"),
    read=read,
    counts={"coarse": 61_727, "fine": 62_549, "boundary": 30_826},
    common_side=224,
    corrected=Corrected(("all",)),
)
