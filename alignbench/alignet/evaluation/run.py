"""A model judged before and after it was taught: measured on everything that is asked, and left in a folder."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.alignet.evaluation.asked_pictures import AskedPictures, picture_gains, read_pictures
from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.alignet.evaluation.embedded import EmbeddingModel, check_head, load_embedding_model
from alignbench.alignet.evaluation.gain import UncorrectedGain, corrected_gains
from alignbench.alignet.evaluation.human import RunsOfBoth, human_gains
from alignbench.alignet.evaluation.seen import Seen, trained_student
from alignbench.alignet.teacher_features import transform_file
from alignbench.datasets import DATASETS, DataSet
from alignbench.distances.protocols import PAPER
from alignbench.errors import UsageError
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell
from alignbench.measurement.run import run_cell
from alignbench.models.layer_names import aligned_name
from alignbench.results.folders import check_writable, folder_of
from alignbench.results.gains import CURVE_COLUMNS, Gains, has_gains, write_gains
from alignbench.results.run_folder import run_hash
from alignbench.transforms.evaluation.leakage import UNKNOWN
from alignbench.transforms.learning.folder import Destination
from alignbench.transforms.learning.progress import LearningListener
from alignbench.transforms.named import NamedTransform, resolve

STAGE: Final = "alignet-evaluation"
_RELATIVE: Final = (
    "A relative gain is a share of the score before, and is no score: it may lie above the ceiling. Where the share of "
    "the gap is above 100 %, the score after lies above it."
)


@dataclass(frozen=True)
class GainsListener:
    """Hears of the progress of an evaluation.

    Attributes:
        cells: Hears of each data set that is measured.
        pictures: Hears of the pictures that are embedded for all else.
    """

    cells: ProgressListener = field(default_factory=ProgressListener)
    pictures: LearningListener = field(default_factory=LearningListener)


def evaluate_student(
    config: GainsConfig, destination: Destination[pd.DataFrame], listener: GainsListener | None = None
) -> tuple[Path, bool]:
    """Judge a model before and after it was taught, unless that is finished.

    Args:
        config: Both models, and what they are judged on.
        destination: Where the folder goes, beside a folder `runs` of run folders; and what draws the figure.
        listener: Hears of the progress.

    Returns:
        The folder, and whether it was finished before.

    Raises:
        AlignbenchError: If something is missing, malformed or contradictory, or the folder cannot be written.
    """
    config, heard = config.checked(), listener or GainsListener()
    check_writable(destination.output)
    head = None if config.head is None else resolve(config.head)
    teacher = None if config.teacher is None else resolve(transform_file(str(config.teacher)))
    seen, asked = Seen.by(config.after, teacher), read_pictures(config)
    models = _load_models(config, head, heard) if asked.images else None
    if head is not None and models is None:
        check_head(config, head, heard.cells.notice)
    runs = [_measure(config, number, head, (seen, destination, heard)) for number in range(len(config.datasets))]
    _check_before(config, runs, models)
    settings = _settings(config, runs, models, asked) | {"seen": seen.settings}
    folder = destination.output / folder_of(settings["after"], STAGE, run_hash(settings))
    if has_gains(folder) and not destination.overwrite:
        return folder, True

    rows, curves = _of_people(runs)
    if models is not None:
        rows += picture_gains(config, asked, models, (seen, heard.pictures))
    found = Gains(corrected_gains(rows), curves)
    taken = [str(run.folder) for each in runs for run in (each.before, each.after)]
    details = {"notes": [_RELATIVE, *_notes(rows, runs, asked)], "runs": taken}
    write_gains(folder, found, {"settings": settings, **details}, destination.draw)
    return folder, False


# ------------------------------------------------------------------------------------------------ people


def _measure(
    config: GainsConfig,
    number: int,
    head: NamedTransform | None,
    to: tuple[Seen, Destination[pd.DataFrame], GainsListener],
) -> RunsOfBoth:
    """Measure both models on a data set, or take their finished runs."""
    dataset, (seen, destination, heard) = config.datasets[number], to
    data_set, root = DATASETS.load(dataset), config.roots[number] if config.roots else None
    subsets = judged_subsets(data_set, config.protocol)
    cells = [
        Cell(
            model=model,
            dataset=dataset,
            data_root=root,
            subsets=subsets,
            distances=config.distances,
            tokens=config.tokens,
            protocol=config.protocol,
            batch_size=config.batch_size,
            precision=config.precision,
            accelerator=config.accelerator,
            workers=config.workers,
            pixel_cache=config.pixel_cache,
            seed=config.seed,
            limit=config.limit,
            transform=transform,
        )
        for model, transform in ((config.before, None), (config.after, config.head))
    ]
    before, after = (
        run_cell(cell, destination.output / "runs", overwrite=destination.overwrite, listener=heard.cells)
        for cell in cells
    )
    sample = UNKNOWN
    if seen.is_known:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what there is to say of the data was said when they were measured
            sample = seen.of_judgments(dataset, data_set.read(root, subsets).images)
    layer = "" if head is None else aligned_name(head.layer)
    return RunsOfBoth(before, after, config.at, layer, config.distances, sample, config.seed)


def judged_subsets(data_set: DataSet, protocol: str) -> tuple[str, ...]:
    """The subsets that both models are measured on: the usual one, or those that nothing is fitted on.

    Args:
        data_set: The data set.
        protocol: `paper` or `corrected`.
    """
    rule = data_set.corrected
    if protocol == PAPER.name or rule is None or data_set.default_subset in rule.subsets:
        return (data_set.default_subset,)
    return rule.subsets


def _of_people(runs: Sequence[RunsOfBoth]) -> tuple[list[UncorrectedGain], pd.DataFrame]:
    """The rows of all data sets, and their curves."""
    rows: list[UncorrectedGain] = []
    curves = [pd.DataFrame(columns=list(CURVE_COLUMNS))]
    for each in runs:
        own, along = human_gains(each)
        rows += own
        curves.append(along)
    whole = [frame for frame in curves if len(frame)]
    return rows, pd.concat(whole, ignore_index=True) if whole else curves[0]


# ---------------------------------------------------------------------------------------------- models


def _load_models(
    config: GainsConfig, head: NamedTransform | None, heard: GainsListener
) -> tuple[EmbeddingModel, EmbeddingModel]:
    """Load both models.

    Raises:
        UsageError: If they are the same.
    """
    before = load_embedding_model(config.before, config, None, heard.cells.notice)
    after = load_embedding_model(config.after, config, head, heard.cells.notice)
    if head is None and before.ready.tower.fingerprint == after.ready.tower.fingerprint:
        raise UsageError(f"before and after are one model, {after.ready.label}: name two by --before and --after")
    return before, after


def _check_before(
    config: GainsConfig, runs: Sequence[RunsOfBoth], models: tuple[EmbeddingModel, EmbeddingModel] | None
) -> None:
    """Refuse weights before of the name that the student gives, if they are not those that it was trained from."""
    student = trained_student(config.after)
    if student is None or not student.fingerprint or student.model != config.before:
        return
    found = models[0].ready.tower.fingerprint if models else runs[0].before.settings.model_fingerprint
    if found != student.fingerprint:
        raise UsageError(
            f"{config.before} has other weights or another preparation than what {config.after} was trained from: name "
            "that by --before, with --seed if its weights were random"
        )


# ------------------------------------------------------------------------------------------------ record


def _settings(
    config: GainsConfig,
    runs: Sequence[RunsOfBoth],
    models: tuple[EmbeddingModel, EmbeddingModel] | None,
    asked: AskedPictures,
) -> dict[str, Any]:
    """Everything that can change a number."""
    before, after = (
        Cell(model=model, dataset="", seed=config.seed, transform=transform).checked().name
        for model, transform in ((config.before, None), (config.after, config.head))
    )
    return {
        "before": before,
        "after": after,
        "runs": [[each.before.folder.name, each.after.folder.name] for each in runs],
        "at": config.at,
        "seed": config.seed,
        "models": None if models is None else [model.settings for model in models],
        "shots": config.shots,
        "similarity": config.similarity,
        **asked.settings,
    }


def _notes(rows: Sequence[UncorrectedGain], runs: Sequence[RunsOfBoth], asked: AskedPictures) -> list[str]:
    """What has to be known to read the table."""
    notes = [each.part for each in runs if each.part]
    if any(row.about.task == "human uncertainty" and np.isnan(row.difference.value) for row in rows):
        notes.append(
            "A model has no score of uncertainty where no temperature of its choices makes people's more likely than "
            "guessing does, or none is the most likely. Its accuracy may differ from chance all the same."
        )
    return notes + asked.notes
