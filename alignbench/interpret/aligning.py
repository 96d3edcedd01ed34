"""How close each part of a model's output is to people: a folder of scores beside the store of contributions.

data set -> its pictures, decomposed once -> parts, alone and left out -> distances -> scores as of `alignbench run`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.datasets import DATASETS, DataSet
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.extraction.progress import EmbeddingListener
from alignbench.interpret.align_job import AlignJob
from alignbench.interpret.components import OutputParts, check_of_projection
from alignbench.interpret.decomposing import store_contributions
from alignbench.interpret.part_distances import write_part_distances
from alignbench.interpret.part_nulls import PartsUnderTest, fill_nulls, sum_heads
from alignbench.interpret.part_scores import ProtocolData, score_parts
from alignbench.measurement.cell import Cell
from alignbench.measurement.pair_distances import CellData
from alignbench.measurement.protocol import load_judgments
from alignbench.measurement.sources import TowerRequest, load_ready_tower, load_transform
from alignbench.models.layer_names import PROJECTION
from alignbench.results.folders import folder_of
from alignbench.results.head_alignment import (
    has_head_alignment,
    write_head_alignment,
)
from alignbench.results.run_folder import run_hash
from alignbench.results.run_record import SCORING_VERSION
from alignbench.transforms.aligned_layer import Use, transformed_layer
from alignbench.transforms.named import NamedTransform

STAGE: Final = "align"
_CONSTANT: Final = "is the same for every picture, and is not scored"


@dataclass(frozen=True)
class Surroundings:
    """What a command brings along: who hears of the work, and what is done beside it.

    Attributes:
        listener: Hears of the pictures that are decomposed.
        notice: Hears of a download, and of what is not scored.
        mark: Is given the folder before it is whole.
    """

    listener: EmbeddingListener = field(default_factory=EmbeddingListener)
    notice: Callable[[str], None] = lambda text: None
    mark: Callable[[Path], None] = lambda folder: None


def decompose_all(job: AlignJob, around: Surroundings = Surroundings()) -> None:
    """Decompose what `align` scores, with all the processes that share the pictures; only one of them need score.

    Args:
        job: What is to be scored.
        around: Who hears of it.

    Raises:
        AlignbenchError: See `align`.
    """
    _all_decomposed(job.checked(), around)


def align(job: AlignJob, around: Surroundings = Surroundings()) -> tuple[Path, bool]:
    """Score every part of a model's output on a data set, and leave `<model>__align__<hash8>` beside its store.

    Args:
        job: What is scored.
        around: Who hears of it.

    Returns:
        The folder, and whether it was there already.

    Raises:
        UsageError: If the job is impossible, or the output of the model is no exact sum.
        DataError: If data are missing or malformed.
        AlignbenchError: If the model cannot be had, or something cannot be written.
    """
    job = job.checked()
    found, twins = _all_decomposed(job, around)
    settings = _settings(job, found, [each[0] for each in twins])
    folder = found[0].parts.store.folder.parent / folder_of(job.cell.name, STAGE, run_hash(settings))
    if has_head_alignment(folder):
        return folder, True
    tables, sums, measured = [], [], []
    intervals: dict[str, dict[str, str]] = {}
    notes: dict[str, None] = {}
    for number, each in enumerate(found):
        scored = score_parts(each, job.distance)
        heads = PartsUnderTest(scored.measured, job.distance, job.nulls, job.cell.seed)
        tables.append(fill_nulls(scored.rows, heads, [twin[number] for twin in twins]))
        cumulative, too_small = sum_heads(heads)
        sums.append(cumulative)
        measured.append(scored.measured)
        intervals[each.cell.protocol] = dict(scored.intervals)
        notes |= dict.fromkeys([*(f"{curve.name} {_CONSTANT}" for curve in scored.constant), *too_small])
    for note in notes:
        around.notice(note)
    record = {
        "settings": settings,
        "store": found[0].parts.store.folder.name,
        "intervals": intervals,
        "notes": list(notes),
    }
    both = pd.concat(tables, ignore_index=True), pd.concat(sums, ignore_index=True)

    def complete(alignment: pd.DataFrame, cumulative: pd.DataFrame, place: Path) -> None:
        draw_heads(alignment, cumulative, place, job.cell.name)
        write_part_distances(place, measured, job.distance)
        around.mark(place)

    from alignbench.report.figures.heads import draw_heads

    write_head_alignment(folder, *both, record, complete)
    return folder, False


def _all_decomposed(job: AlignJob, around: Surroundings) -> tuple[list[ProtocolData], list[list[ProtocolData]]]:
    """The model under each protocol, and each of its twins likewise."""
    _transform(job.cell)  # which is refused before data are looked at
    judged = judgments_of(job)
    pictures = all_pictures(job.cell, DATASETS.load(job.cell.dataset), judged.values())
    cells = [replace(job.cell, protocol=name) for name in job.protocols]
    found = [_decomposed(job, judged[cell.protocol], pictures, (cell, around)) for cell in cells]
    twins = [
        [_decomposed(job, judged[cell.protocol], pictures, (_twin(cell, number), around)) for cell in cells]
        for number in range(job.nulls.twins)
    ]
    return found, twins


def _twin(cell: Cell, number: int) -> Cell:
    """The same model with random weights."""
    return replace(cell, random_init=True, seed=cell.seed + number, transform=None)


def judgments_of(job: AlignJob) -> dict[str, Judgments]:
    """What people said under each protocol; breakdowns of subsets are left out.

    Args:
        job: What is scored.

    Raises:
        DataError: If data are missing or malformed.
    """
    data_set = DATASETS.load(job.cell.dataset)
    cells = {name: replace(job.cell, protocol=name) for name in job.protocols}
    return {name: replace(load_judgments(cell, data_set), parts=()) for name, cell in cells.items()}


def all_pictures(cell: Cell, data_set: DataSet, judged: Iterable[Judgments]) -> ImageSource:
    """The pictures that some judgments show, each once, in the order in which they are first named.

    Args:
        cell: Where the data set is.
        data_set: The data set.
        judged: Judgments of it.
    """
    first, *others = judged
    names = dict.fromkeys(name for each in (first, *others) for name in each.images.names)
    if set(names) == set(first.images.names) and len(names) == len(first.images.names):
        return first.images
    subsets = tuple(dict.fromkeys(subset.name for each in (first, *others) for subset in each.subsets))
    whole = data_set.read(cell.data_root, subsets).images
    place = {name: number for number, name in enumerate(whole.names)}
    return whole.select(np.array([place[name] for name in names], dtype=np.int64))


def _decomposed(
    job: AlignJob, judgments: Judgments, pictures: ImageSource, how: tuple[Cell, Surroundings]
) -> ProtocolData:
    """Decompose the pictures, unless they are, as the model of a cell is read under its protocol."""
    cell, around = how
    request = TowerRequest(
        cell.model,
        "all",
        cell.random_init,
        cell.seed,
        "fp32",
        cell.accelerator,
        cell.batch_size,
        cell.workers,
        ("all",),
        cell.resize,
    )
    chosen = _transform(cell)
    ready = load_ready_tower(request, cell.protocol, around.notice)
    if chosen is not None:  # which is refused if it is of another model, or of pictures that were prepared otherwise
        transformed_layer(
            ready.tower, chosen, Use(cell.model, "all", cell.random_init, cell.force_transform, cell.resize)
        )
    store, _ = store_contributions(job.store_job, ready, pictures, around.listener)
    unit_norm = any(layer.name == PROJECTION and layer.unit_norm for layer in ready.tower.layers)
    data = CellData(DATASETS.load(cell.dataset), judgments, judgments.images.identities())
    return ProtocolData(cell, data, OutputParts(store, unit_norm, None if chosen is None else chosen.transform))


def _transform(cell: Cell) -> NamedTransform | None:
    """The transform that the output goes through.

    Raises:
        UsageError: If it is of another layer.
    """
    chosen = load_transform(cell)
    if chosen is not None:
        check_of_projection(chosen)
    return chosen


def _settings(job: AlignJob, found: Sequence[ProtocolData], twins: Sequence[ProtocolData]) -> dict[str, Any]:
    """Everything that can change a number."""
    cell, nulls, chosen = job.cell, job.nulls, _transform(job.cell)
    heads, *others = (each.parts.store.record["settings"] for each in found)
    otherwise = {name: read for name, read in zip(job.protocols[1:], others, strict=True) if read != heads}
    untrained = [twin.parts.store.record["settings"]["model_fingerprint"] for twin in twins]
    return {
        "model": cell.name,
        "dataset": cell.dataset,
        "heads": heads,
        "judgments": {each.cell.protocol: each.data.judgments.fingerprint(each.data.identities) for each in found},
        "distance": job.distance,
        "scoring": SCORING_VERSION,
        "seed": cell.seed,
        "nulls": {"draws": nulls.draws, "twins": untrained, "splits": nulls.splits},
        **({"read_otherwise": otherwise} if otherwise else {}),
        **({} if cell.limit is None else {"limit": cell.limit}),
        **({} if chosen is None else {"transform": chosen.settings()}),
    }
