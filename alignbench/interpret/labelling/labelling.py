"""From the picks of heads to their labels: a folder beside the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.arrays import Indices
from alignbench.errors import DataError, UsageError, one_line
from alignbench.files import UNREADABLE, open_plain, whole_folder, write_safetensors
from alignbench.interpret.labelling.dealing import deal
from alignbench.interpret.labelling.head_picks import HeadPicks, Place
from alignbench.interpret.labelling.labeller import HeadLabel, HeadTexts, Labeller
from alignbench.results.folders import check_writable, folder_of
from alignbench.results.head_labels import (
    AGAIN,
    COLUMNS,
    EXAMPLE,
    LABELLED,
    RECORD,
    TABLE,
    is_labelled,
    read_label_table,
)
from alignbench.results.run_folder import run_hash

STAGE: Final = "labels"
ANEW: Final = "anew.safetensors"


@dataclass(frozen=True)
class LabelJob:
    """What is asked of a labeller.

    Attributes:
        labeller: Its name.
        permutations: How often texts are dealt to heads anew, or labels where texts are not labelled anew.
        seed: Seed of these permutations.
        anew: Whether also a chat model labels each draw of the images, and each permutation.
        examples: Heads that are labelled already, and left out of the scores.
    """

    labeller: str
    permutations: int = 200
    seed: int = 0
    anew: bool = False
    examples: Mapping[Place, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelledHeads:
    """What a folder of labels says.

    Attributes:
        folder: The folder.
        record: Its record.
        table: Layer, head, label (empty for none), margin, and source (`labelled` or `example`) of each head.
        names: All labels that occur, also in draws and permutations.
        drawn: Number of each head's label in each draw of the images, -1 for none, (draws, heads); none where they were
            not labelled.
        dealt: Picks of each permutation, numbered as by `deal`, (permutations, heads, k); none where none were dealt.
        dealt_labels: Number of each head's label in each permutation, (permutations, heads).
    """

    folder: Path
    record: dict[str, Any]
    table: pd.DataFrame
    names: tuple[str, ...]
    drawn: Indices | None
    dealt: Indices | None
    dealt_labels: Indices | None


def label_heads(picks: HeadPicks, labeller: Labeller, job: LabelJob) -> tuple[Path, bool]:
    """Label the heads of a folder of picks, and leave a folder `<model>__labels__<hash8>` beside it.

    Heads are labelled by their odd picks. Those of each draw of the images, and of picks that are dealt anew, are
    labelled too, unless the labeller asks a chat model and the job does not want it.

    Args:
        picks: The picks.
        labeller: The labeller.
        job: What is asked.

    Returns:
        The folder, and whether it was there already.

    Raises:
        UsageError: If the job is impossible.
        AlignbenchError: Whatever the labeller finds wrong, and if the folder cannot be written.
    """
    examples = np.array([place in job.examples for place in picks.places])
    if examples.all():
        raise UsageError("all heads are examples, and none is left to label: give fewer by --examples")
    dealt = deal(np.where(examples[:, None], -1, picks.picks), job.permutations, job.seed)
    settings = {
        "span": picks.record["settings"],
        "labeller": {"name": job.labeller, **labeller.settings},
        "examples": [[*place, label] for place, label in sorted(job.examples.items())],
        "permutations": job.permutations,
        "seed": job.seed,
        "anew": not labeller.asks or job.anew,
    }
    label = str(picks.record["settings"].get("heads", {}).get("model", ""))
    folder = picks.folder.parent / folder_of(label, STAGE, run_hash(settings))
    if is_labelled(folder):
        return folder, True
    check_writable(folder.parent)
    asked = [picks.labelled_by(picks.picks)]
    if settings["anew"]:
        asked += [picks.labelled_by(each) for each in (() if picks.drawn is None else picks.drawn)]
        asked += [picks.labelled_by(_rows(picks.picks, each)) for each in dealt]
    kept = [[head for head, is_example in zip(heads, examples, strict=True) if not is_example] for heads in asked]
    found = _labelled(labeller, kept)
    names = tuple(sorted({each.label for heads in found for each in heads if each.label}))
    with whole_folder(folder, lambda: is_labelled(folder)) as scratch:
        _table(picks.places, found[0], job.examples).to_csv(scratch / TABLE, index=False)
        if settings["anew"]:
            numbers = _numbers(found[1:], names, examples)
            draws = 0 if picks.drawn is None else len(picks.drawn)
            arrays = {"drawn": numbers[:draws], "dealt": dealt, "dealt_labels": numbers[draws:]}
            present = {name: each.astype(np.int32) for name, each in arrays.items() if len(each)}
            write_safetensors(scratch / ANEW, present, {})
        record = {
            "settings": settings,
            "store": picks.record["store"],
            "picks": picks.folder.name,
            "identities": sorted(labeller.identities),
            "names": names,
        }
        (scratch / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return folder, False


def _labelled(labeller: Labeller, asked: list[list[HeadTexts]]) -> list[list[HeadLabel]]:
    """Labels of heads, in one call, so that equal texts are looked at once."""
    found = iter(labeller.label([head for heads in asked for head in heads]))
    return [[next(found) for _ in heads] for heads in asked]


def _rows(picks: Indices, dealt: Indices) -> Indices:
    """Rows of texts of picks by their numbers."""
    return np.where(dealt >= 0, picks.ravel()[dealt], -1)


def _numbers(found: list[list[HeadLabel]], names: tuple[str, ...], examples: Indices) -> Indices:
    """Numbers of labels, (times, heads); -1 where there is none, and for examples."""
    number = {name: row for row, name in enumerate(names)} | {"": -1}
    rows = np.full((len(found), len(examples)), -1, dtype=np.int64)
    for row, heads in zip(rows, found, strict=True):
        row[~examples] = [number[each.label] for each in heads]
    return rows


def _table(places: tuple[Place, ...], found: list[HeadLabel], examples: Mapping[Place, str]) -> pd.DataFrame:
    rest = iter(found)
    rows = []
    for place in places:
        given = HeadLabel(examples[place]) if place in examples else next(rest)
        rows.append((*place, given.label, given.margin, EXAMPLE if place in examples else LABELLED))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_labels(folder: Path) -> LabelledHeads:
    """Read a folder of labels.

    Args:
        folder: What `label_heads` has left.

    Raises:
        DataError: If it is none, or damaged.
    """
    record, table = read_label_table(folder)
    names = tuple(record["names"])
    try:
        arrays = _read_anew(folder / ANEW, len(table), len(names)) if (folder / ANEW).exists() else {}
    except (OSError, ValueError, OverflowError) as error:
        raise DataError(f"{folder} cannot be read ({one_line(error)}): {AGAIN}") from error
    three = (arrays.get(name) for name in ("drawn", "dealt", "dealt_labels"))
    return LabelledHeads(folder, record, table, names, *three)


def _read_anew(path: Path, heads: int, names: int) -> dict[str, Indices]:
    """Read labels of draws and of permutations.

    Raises:
        ValueError: If they are damaged, or of other heads or labels.
    """
    from safetensors import SafetensorError, safe_open

    try:
        open_plain(path).close()
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name).astype(np.int64) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, *UNREADABLE) as error:
        raise ValueError(f"{path.name}: {one_line(error)}") from error
    for name, array in arrays.items():
        axes, most = (3, None) if name == "dealt" else (2, names)
        if name not in ("drawn", "dealt", "dealt_labels") or array.ndim != axes or array.shape[1] != heads:
            raise ValueError(f"{path.name} holds no labels of {heads} heads")
        limit = array.shape[1] * array.shape[2] if most is None else most
        if array.size and not (array.min() >= -1 and array.max() < limit):
            raise ValueError(f"{path.name} names what is not there")
    if ("dealt" in arrays) != ("dealt_labels" in arrays):
        raise ValueError(f"{path.name} lacks picks or labels of permutations")
    return arrays
