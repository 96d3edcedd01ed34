"""What training leaves: a folder that is a model, whole or not at all.

It holds the tower in the format that its family loads, `student.json` (how it was trained, on what), `training.csv`
(the log), `head.safetensors` (the head, as a transform of the projection), `pictures.npy` (which pictures it has seen),
`README.md` (a model card), and `alignbench.toml` (what it is called, and what runs of it can be grouped by).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import pandas as pd

from alignbench.alignet.training.loop import StudentLoop
from alignbench.alignet.training.seen_pictures import SeenPictures
from alignbench.alignet.training.validation import COLUMNS as VALIDATION
from alignbench.distances.protocols import CORRECTED
from alignbench.errors import DataError
from alignbench.files import whole_folder
from alignbench.files.json_text import checked_object, read_json
from alignbench.models.checkpoints import HEAD
from alignbench.models.families import load_tower
from alignbench.models.layer_names import PROJECTION
from alignbench.models.saving import SavedForm
from alignbench.models.vision_weights import tower_fingerprint
from alignbench.results.csv_table import read_csv_table

RECORD: Final = "student.json"
LOG: Final = "training.csv"
COLUMNS: Final = ("step", "loss", "teacher_agreement", "learning_rate")  # and no times: they are in the record
JUDGED: Final = (*COLUMNS, *VALIDATION)  # of a log with held-out triplets
_VERSIONS: Final = ("alignbench", "torch", "lightning", "transformers", "open_clip_torch", "timm", "torchvision")
_FILES: Final = (RECORD, LOG, HEAD)


@dataclass(frozen=True)
class Provenance:
    """What a student comes from.

    Attributes:
        label: Label of the model that it was before.
        settings: Everything that can change a number.
        about: What else is recorded: the triplets, and what their own record says.
        seconds: What training took, in this run.
        pictures: The pictures that it is trained on.
    """

    label: str
    settings: Mapping[str, Any]
    about: Mapping[str, Any]
    seconds: float
    pictures: SeenPictures


def is_student(folder: Path) -> bool:
    """Whether a folder holds everything that training leaves."""
    return all((folder / name).is_file() for name in _FILES)


def write_student(
    folder: Path, loop: StudentLoop, form: SavedForm, provenance: Provenance, complete: Callable[[Path], None]
) -> Path:
    """Write the folder of a trained student.

    Args:
        folder: Where it goes.
        loop: The student after its last step.
        form: How its tower is saved.
        provenance: What it comes from.
        complete: Called with the folder before it is in its place.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    starts = {name: start.detach().cpu() for name, start in loop.starts().items()}
    loop.take_average()
    record = {
        "settings": dict(provenance.settings),
        **provenance.about,
        "label": provenance.label,
        "steps": loop.step,
        "first_step": loop.first,
        "last_row": {name: loop.rows[-1][name] for name in JUDGED if name in loop.rows[-1]},
        "pictures_per_second": median(row["pictures_per_second"] for row in loop.rows),
        "theta_0": tower_fingerprint("theta_0", starts),
        "distance_to_start": _distance(loop, starts),
        "trained_parameters": sum(start.numel() for start in starts.values()),
        "seconds": provenance.seconds,
        "versions": {name: version(name) for name in _VERSIONS},
    }
    with whole_folder(folder) as scratch:
        form.write(scratch)
        saved = load_tower(str(scratch), protocol=CORRECTED.name)  # as others will load it
        where = {
            "model": folder.name,
            "model_fingerprint": saved.fingerprint,
            "layer": PROJECTION,
            "objective": provenance.settings["objective"],
        }
        loop.student.head_transform(where).save(scratch / HEAD)
        judged = any(VALIDATION[0] in row for row in loop.rows)
        pd.DataFrame(loop.rows, columns=list(JUDGED if judged else COLUMNS)).to_csv(scratch / LOG, index=False)
        (scratch / "README.md").write_text(_card(folder.name, record), encoding="utf-8")
        card = _own_card(provenance, folder.name)
        (scratch / "alignbench.toml").write_text(card, encoding="utf-8")
        (scratch / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        provenance.pictures.write(scratch)
        complete(scratch)
    return folder


def read_student(folder: Path) -> dict[str, Any]:
    """Read `student.json` of a folder.

    Raises:
        DataError: If it cannot be read.
    """
    kinds = {"settings": (dict,), "first_step": (dict,), "label": (str,), "steps": (int,)}
    try:
        record = checked_object("record", read_json(folder / RECORD), kinds)
        if not kinds.keys() <= record.keys():
            raise ValueError("it does not say how a student was trained")
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / RECORD} cannot be read ({error}): train the student again") from error
    return record


def read_log(folder: Path) -> pd.DataFrame:
    """Read `training.csv` of a folder.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        frame = read_csv_table(folder / LOG, (), set(VALIDATION))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / LOG} cannot be read: train the student again") from error
    if tuple(frame.columns) not in (COLUMNS, JUDGED) or frame.empty:
        raise DataError(f"{folder / LOG} is not the log of a student: train it again")
    return frame


def _distance(loop: StudentLoop, starts: Mapping[str, Any]) -> float:
    """Euclidean distance of all trained parameters from theta_0."""
    moved = (
        (each.detach().cpu().double() - starts[name].double()).square().sum() for name, each in loop.trained.items()
    )
    return float(sum(moved) ** 0.5)


def _own_card(provenance: Provenance, name: str) -> str:
    """Label and factors: the label is short, and tells students of one model apart."""
    settings = provenance.settings
    plain = provenance.label.replace("@", " ").replace(",", " ").lstrip("./~ ")[:80]
    factors = {
        "student_of": plain,
        "training_objective": settings["objective"],
        "decay_to_start": float(settings["decay"]),
        "head_only": bool(settings["head_only"]),
    }
    lines = [f"label = {json.dumps(f'{plain}-student-{name[-8:]}')}", "", "[factors]"]
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in factors.items())]) + "\n"


def _card(name: str, record: Mapping[str, Any]) -> str:
    """A model card: what it is, what it was trained on, how it is measured."""
    settings, last = record["settings"], record["last_row"]
    data = "\n".join(f"| {key.replace('_', ' ')} | {value} |" for key, value in record["data"].items())
    judged = "".join(
        f"| {name} on held-out triplets | {last[column]:.6g} |\n"
        for name, column in zip(("loss", "agreement with the teacher"), VALIDATION, strict=True)
        if column in last
    )
    chosen = "\n".join(f"| {key.replace('_', ' ')} | {settings[key]} |" for key in settings if key not in _HASHED)
    return f"""# {name}

A student of AligNet: {record["label"]}, trained by `alignbench alignet train` so that its choices among three
pictures are a teacher's (Muttenthaler, Greff, Born et al., Nature 647, 2025).

| data | |
|---|---|
{data}

| training | |
|---|---|
{chosen}
| steps made | {record["steps"]:,} |
| loss of the last steps | {last["loss"]:.6g} |
| agreement with the teacher in them | {last["teacher_agreement"]:.4f} |
{judged}| theta_0 (SHA-256) | {record["theta_0"]} |

The folder holds the vision tower alone; a text tower of the model that it was would no longer fit it.
`alignbench run --model {name}` measures its layers: the projection is its own pooled output.
The head that it was trained with is a transform of the projection, in {HEAD}.
Agreement with the teacher is no accuracy: people were not asked.
"""


_HASHED: Final = ("model_fingerprint", "triplets", "pictures")
