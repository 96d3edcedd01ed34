"""What learning leaves behind: a folder with a transform for each layer, whole or not at all.

It holds `<layer>.safetensors` (the first fold's), `folds/<layer>_<fold>.safetensors`, `ceiling.csv` (a row a layer:
choices on held-out objects before and after), `epochs.csv`, `trials.csv` where there was a search, `ceiling.png` and
`ceiling.svg`, and `learned.json`; with the objective `soft` also what `judged_choices` has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import pandas as pd

from alignbench.errors import DataError
from alignbench.files import whole_folder
from alignbench.files.json_text import checked, read_json
from alignbench.results.csv_table import read_csv_table
from alignbench.results.extent import part_of
from alignbench.results.folders import find_folders, folder_of
from alignbench.results.run_folder import run_hash
from alignbench.transforms.learning.folds import SAVED
from alignbench.transforms.learning.judged_choices import JUDGED, write_judged

if TYPE_CHECKING:  # which are slow to import, and a folder can be read without them
    from alignbench.transforms.evaluation.odd_one_out import OddOneOut
    from alignbench.transforms.learning.layers import LearnedLayer
    from alignbench.transforms.learning.search import Trial

RECORD: Final = "learned.json"
_FILES: Final = (RECORD, "ceiling.csv", "epochs.csv", "ceiling.png", "ceiling.svg")
_ENDS: Final = ("before", "after", "difference")
CEILING_COLUMNS: Final = (
    *("model", "dataset", "subset", "objective", "tokens", "similarity", "layer", "depth", "n", "objects"),
    *(f"{name}{end}" for name in _ENDS for end in ("", "_low", "_high")),
    *("p", "noise_ceiling", "entropy", "held_out_loss"),
)


Result = TypeVar("Result")


@dataclass(frozen=True)
class Destination(Generic[Result]):
    """Where the folder of something that was learned or judged goes.

    Attributes:
        output: Folder of such folders.
        draw: Writes the figure of the results into a folder.
        overwrite: Whether a finished folder is made again.
    """

    output: Path
    draw: Callable[[Result, Path], None]
    overwrite: bool = False


@dataclass(frozen=True)
class LearnedTransforms:
    """What learning gave.

    Attributes:
        layers: What was learned at each layer.
        objects: Names of all objects.
        held_out: Numbers of the objects that each fold holds out.
        trials: Trials of the search of each layer; empty without one.
    """

    layers: Sequence[LearnedLayer]
    objects: Sequence[str]
    held_out: Sequence[Sequence[int]]
    trials: Mapping[str, Sequence[Trial]]


def learned_name(label: str, dataset: str, settings: Mapping[str, Any]) -> str:
    """Name the folder `<slug>__<dataset>__<objective>__<hash8>`; see `folder_of`."""
    return folder_of(label, dataset, settings["recipe"]["objective"], run_hash(dict(settings)))


def is_learned(folder: Path, soft: bool = False) -> bool:
    """Whether a folder holds everything that learning leaves, with the objective `soft` if so asked."""
    return all((folder / name).is_file() for name in (*_FILES, *(JUDGED if soft else ())))


def judged_row(judged: OddOneOut) -> dict[str, Any]:
    """The columns of a table that say how choices were before and after."""
    row: dict[str, Any] = {"n": judged.n, "objects": judged.objects}
    for name, ends in zip(_ENDS, (judged.before, judged.after, judged.difference), strict=True):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    return row | {"p": judged.p, "noise_ceiling": judged.ceiling}


def ceiling_frame(layers: Sequence[LearnedLayer], settings: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of `ceiling.csv`."""
    common = {name: settings[name] for name in ("model", "dataset", "tokens", "similarity")}
    rows = [
        {
            **common,
            "subset": ",".join(settings["subset"]),
            "objective": found.recipe.objective,
            "layer": found.layer,
            "depth": found.depth,
            **judged_row(found.judged),
            "entropy": found.entropy,
            "held_out_loss": found.loss,
        }
        for found in layers
    ]
    return pd.DataFrame(rows, columns=list(CEILING_COLUMNS))


def write_learned(
    destination: Destination[pd.DataFrame],
    learned: LearnedTransforms,
    settings: Mapping[str, Any],
    details: Mapping[str, Any],
) -> Path:
    """Write the folder.

    Args:
        destination: Where the folder goes, with the figure of the ceiling.
        learned: The transforms, and what they were learned from.
        settings: Everything that can change a number; its hash names the folder.
        details: What else `learned.json` records.

    Returns:
        The folder.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    folder = destination.output / learned_name(settings["model"], settings["dataset"], settings)
    frame = ceiling_frame(learned.layers, settings)
    with whole_folder(folder) as scratch:
        for found in learned.layers:
            _write_transforms(scratch, found, settings, learned.objects, learned.held_out)
        frame.to_csv(scratch / "ceiling.csv", index=False)
        _epochs(learned.layers).to_csv(scratch / "epochs.csv", index=False)
        if learned.layers[0].probabilities is not None:
            write_judged(scratch, learned.layers, learned.objects, settings)
        if any(learned.trials.values()):
            _trials(learned.trials).to_csv(scratch / "trials.csv", index=False)
        destination.draw(frame, scratch)
        record = {"settings": dict(settings), **details}
        (scratch / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return folder


def _write_transforms(
    place: Path,
    found: LearnedLayer,
    settings: Mapping[str, Any],
    objects: Sequence[str],
    held_out: Sequence[Sequence[int]],
) -> None:
    """Write the transforms of all folds of a layer, and the one that stands for it again."""
    for fold, learned in enumerate(found.folds):
        provenance = _provenance(found, settings, fold, objects, set(held_out[fold]))
        transform = replace(learned.transform, provenance=provenance)
        transform.save(place / "folds" / f"{found.layer}_{fold}.safetensors")
        if fold == SAVED:
            transform.save(place / f"{found.layer}.safetensors")


def _provenance(
    found: LearnedLayer, settings: Mapping[str, Any], fold: int, objects: Sequence[str], held_out: set[int]
) -> dict[str, Any]:
    """Say where a fold's transform comes from."""
    learned = found.folds[fold]
    names = ("model", "model_fingerprint", "dataset", "subset", "data_fingerprint", "tokens", "local_images")
    return {
        **{name: settings[name] for name in names},
        **({"targets": settings["targets"]} if "targets" in settings else {}),
        "layer": found.layer,
        "recipe": asdict(found.recipe),
        "objective": found.recipe.objective,
        "fold": fold,
        "epoch": learned.best,
        "held_out_loss": learned.loss,
        "held_out_objects": [name for number, name in enumerate(objects) if number in held_out],
        "learned_objects": [name for number, name in enumerate(objects) if number not in held_out],
    }


def _epochs(layers: Sequence[LearnedLayer]) -> pd.DataFrame:
    rows = [
        {"layer": found.layer, "fold": fold, **asdict(epoch), "best": epoch.number == learned.best}
        for found in layers
        for fold, learned in enumerate(found.folds)
        for epoch in learned.epochs
    ]
    return pd.DataFrame(rows).rename(columns={"number": "epoch"})


def _trials(tried: Mapping[str, Sequence[Trial]]) -> pd.DataFrame:
    rows = [
        {"layer": layer, "trial": trial.number, **trial.parameters, "held_out_loss": trial.loss}
        for layer, trials in tried.items()
        for trial in trials
    ]
    return pd.DataFrame(rows)


def find_learned(places: Sequence[Path]) -> list[Path]:
    """Folders of learned transforms among or directly below some places."""
    return find_folders(RECORD, places)


def read_ceiling(folder: Path) -> pd.DataFrame:
    """The table of a folder.

    Raises:
        DataError: If it is no such folder, or its table is another's.
    """
    texts, gaps = CEILING_COLUMNS[:7], set(CEILING_COLUMNS[10:])
    try:
        frame = read_csv_table(folder / "ceiling.csv", texts, gaps)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} holds no ceiling.csv that can be read: learn the transforms again") from error
    frame = frame.drop(columns="best_fold", errors="ignore")  # which folders of earlier versions have
    if tuple(frame.columns) != CEILING_COLUMNS or frame["after"].isna().all():
        raise DataError(f"{folder / 'ceiling.csv'} does not hold the columns of a ceiling: learn the transforms again")
    return frame


def read_record(folder: Path) -> dict[str, Any]:
    """`learned.json` of a folder.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        record: dict[str, Any] = read_json(folder / RECORD)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / RECORD} cannot be read: learn the transforms again") from error
    if not isinstance(record, dict) or not isinstance(record.get("settings"), dict):
        raise DataError(f"{folder / RECORD} does not say how transforms were learned: learn them again")
    return record


def learned_part(folder: Path) -> str:
    """How much of what was published a folder's transforms were learned on, if that is a part; see `part_of`.

    Raises:
        DataError: If `learned.json` cannot be read, or does not say so.
    """
    record = read_record(folder)
    settings = record["settings"]
    try:
        subsets = checked("subset", settings.get("subset"), (list,))
        limit = checked("limit", settings.get("limit"), (int, NoneType))
        count = checked("number of triplets", record.get("triplets"), (int,))
        return part_of(checked("dataset", settings.get("dataset"), (str,)), subsets, count, limit)
    except ValueError as error:
        raise DataError(f"{folder / RECORD} does not say on how much was learned: learn again ({error})") from error
