"""How well learned probabilities foretell choices, as files: `judged.csv`, `judged/choices.safetensors`.

The first has a row for each layer and measure. The second holds every judgment of held-out objects with its
probabilities after the transform, so that two teachers that were judged on the same choices can be compared on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError, UsageError, one_line
from alignbench.extraction.feature_files import parse_names
from alignbench.files import UNREADABLE, open_plain, write_safetensors
from alignbench.files.json_text import parse_json
from alignbench.results.csv_table import read_csv_table

if TYPE_CHECKING:  # which is slow to import, and the files can be read without it
    from alignbench.transforms.evaluation.choice_probabilities import ChoiceScore
    from alignbench.transforms.learning.layers import LearnedLayer

_TABLE, _CHOICES = "judged.csv", "judged/choices.safetensors"  # beside the transforms only these lie
JUDGED: Final = (_TABLE, _CHOICES)
_ENDS: Final = ("before", "after", "difference")
JUDGED_COLUMNS: Final = (
    *("model", "dataset", "subset", "targets", "layer", "measure", "n", "objects"),
    *(f"{name}{end}" for name in _ENDS for end in ("", "_low", "_high")),
    "p",
)


@dataclass(frozen=True, eq=False)
class HeldOutChoices:
    """Choices among held-out objects, and how likely a teacher found each.

    Attributes:
        names: Names of all objects.
        triplets: Object numbers of each judgment, (n, 3), the odd one last.
        logs: By layer, logarithms of the probabilities of the pairs (i, j), (i, k) and (j, k), (n, 3).
    """

    names: tuple[str, ...]
    triplets: Indices
    logs: Mapping[str, Floats]


def score_columns(score: ChoiceScore) -> dict[str, Any]:
    """The columns of a table that say how a measure was before and after."""
    row: dict[str, Any] = {"measure": score.measure, "p": score.p}
    for name, ends in zip(_ENDS, (score.before, score.after, score.difference), strict=True):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    return row


def write_judged(
    folder: Path, layers: Sequence[LearnedLayer], objects: Sequence[str], settings: Mapping[str, Any]
) -> None:
    """Write both files into a folder that is being made.

    Args:
        folder: The folder.
        layers: What was learned at each layer, with probabilities.
        objects: Names of all objects.
        settings: Everything that can change a number.

    Raises:
        OSError: If they cannot be written.
    """
    common = {name: settings[name] for name in ("model", "dataset")}
    common |= {"subset": ",".join(settings["subset"]), "targets": settings["targets"]["kind"]}
    rows, arrays = [], dict[str, Any]()
    for found in layers:
        assert found.probabilities is not None
        about = {**common, "layer": found.layer, "n": found.judged.n, "objects": found.judged.objects}
        rows += [about | score_columns(score) for score in found.probabilities.scores]
        arrays |= {"triplets": found.probabilities.triplets, f"logs.{found.layer}": found.probabilities.logs}
    pd.DataFrame(rows, columns=list(JUDGED_COLUMNS)).to_csv(folder / _TABLE, index=False)
    (folder / _CHOICES).parent.mkdir()
    write_safetensors(folder / _CHOICES, arrays, {"names": json.dumps(list(objects))})


def read_judged(folder: Path) -> pd.DataFrame:
    """`judged.csv` of a folder.

    Raises:
        DataError: If it cannot be read, or is another's.
    """
    path = folder / _TABLE
    try:
        frame = read_csv_table(path, JUDGED_COLUMNS[:6], set(JUDGED_COLUMNS[8:]))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: learn the teacher again, with --overwrite") from error
    if tuple(frame.columns) != JUDGED_COLUMNS or not len(frame) or frame["after"].isna().all():
        raise DataError(f"{path} does not hold the columns of a judged teacher: learn it again, with --overwrite")
    return frame


def read_choices(folder: Path) -> HeldOutChoices:
    """`judged/choices.safetensors` of a folder; nothing in it is ever executed.

    Raises:
        DataError: If it cannot be read, or holds anything else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = folder / _CHOICES
    try:
        with open_plain(path) as file:
            content = file.read()
        arrays: dict[str, Any] = load(content)
        header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        names = parse_names(header["__metadata__"]["names"])
        triplets = arrays.pop("triplets")
        logs = {name.removeprefix("logs."): array for name, array in arrays.items()}
        _check(names, triplets, logs)
    except (SafetensorError, *UNREADABLE) as error:
        raise DataError(
            f"{path} cannot be read ({one_line(error)}): learn the teacher again, with --overwrite"
        ) from error
    return HeldOutChoices(names, triplets.astype(np.int64), {name: found.astype(float) for name, found in logs.items()})


def _check(names: Sequence[str], triplets: Any, logs: Mapping[str, Any]) -> None:
    """Refuse arrays that are no choices.

    Raises:
        ValueError: If they are not.
    """
    if triplets.dtype.kind != "i" or triplets.ndim != 2 or triplets.shape[1] != 3 or not len(triplets):
        raise ValueError(f"triplets are {triplets.dtype} of shape {triplets.shape}")
    if triplets.min() < 0 or triplets.max() >= len(names):
        raise ValueError("a triplet names an object that is not there")
    if not logs:
        raise ValueError("there is no layer")
    for name, found in logs.items():
        if found.shape != triplets.shape or found.dtype.kind != "f" or not np.isfinite(found).all():
            raise ValueError(f"probabilities of {name} are {found.dtype} of shape {found.shape}, or not finite")


def check_same_choices(first: Path, second: Path | str, choices: HeldOutChoices) -> HeldOutChoices:
    """Read the choices of a teacher that another one is to be compared with.

    Args:
        first: Its folder.
        second: Folder of the other, or what stands for it in messages.
        choices: Those of the other; of its probabilities only the layers count.

    Raises:
        DataError: If the folder cannot be read.
        UsageError: If they are others, or have no layer in common.
    """
    one = read_choices(first)
    if one.names != choices.names or not np.array_equal(one.triplets, choices.triplets):
        raise UsageError(
            f"{first} and {second} are not judged on the same choices: learn both on the same triplets, with the same "
            "--folds and --seed"
        )
    if not one.logs.keys() & choices.logs.keys():
        layers = f"{first} has {', '.join(one.logs)}, and {second} {', '.join(choices.logs)}"
        raise UsageError(f"{layers}: learn both at one layer at least")
    return one


def compared_frame(first: Path, second: Path) -> pd.DataFrame:
    """Compare two teachers on the very same choices of held-out objects: the first as before, the second as after.

    Args:
        first: Folder of a teacher.
        second: Folder of another, learned on the same folds.

    Returns:
        Rows like those of `judged.csv`, of the layers that both have.

    Raises:
        DataError: If a folder cannot be read.
        UsageError: If they were judged on other choices, or have no layer in common.
    """
    from alignbench.transforms.evaluation.choice_probabilities import judge_probabilities

    other, frame = read_choices(second), read_judged(second)
    one = check_same_choices(first, second, other)
    rows = []
    for layer in (layer for layer in other.logs if layer in one.logs):
        scores = judge_probabilities(one.logs[layer], other.logs[layer], one.triplets)
        about = frame[frame["layer"] == layer].iloc[0].to_dict()
        rows += [about | score_columns(score) for score in scores]
    return pd.DataFrame(rows, columns=list(JUDGED_COLUMNS))
