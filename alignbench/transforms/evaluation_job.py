"""Judging a transform of a model: which data, which of them it has seen, and the folder that results are left in.

A folder holds `evaluation.csv` (`evaluation.EVALUATION_COLUMNS`), `evaluated.json`, `similarities.npz` (the matrices of
the figure) and `similarity.png` and `.svg`. It is complete or absent.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.datasets.human_matrices import HumanMatrix
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.errors import AlignbenchError, DataError, UsageError, unknown
from alignbench.extraction.features import Reading, extract_features
from alignbench.folders import scratch_folder
from alignbench.models.towers import Layer, Tower
from alignbench.results import run_hash
from alignbench.transforms.choice import Chosen
from alignbench.transforms.evaluation import (
    Row,
    applied,
    downstream_rows,
    evaluation_frame,
    local_rows,
    odd_one_out_rows,
    rsa_rows,
)
from alignbench.transforms.job import digest_of_images
from alignbench.transforms.odd_one_out import KINDS, judge_choices, softmax_entropy, triplet_distances, triplets_of
from alignbench.transforms.similarity import similarities

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
RECORD: Final = "evaluated.json"
_FILES: Final = (RECORD, "evaluation.csv", "similarities.npz", "similarity.png", "similarity.svg")


@dataclass(frozen=True)
class Labelled:
    """Pictures in classes.

    Attributes:
        name: What they are called.
        images: The pictures.
        labels: The class of each, (n,).
    """

    name: str
    images: ImageSource
    labels: Indices


@dataclass(frozen=True)
class Evidence:
    """What a transform is judged on.

    Attributes:
        dataset: Name of a data set of odd-one-out triplets; none for none.
        judgments: Of that.
        ceiling: Published noise ceiling of it.
        similarity: Of the choices.
        in_sample: Whether to judge also on triplets of objects that the transform was learned on.
        matrices: Human similarity matrices.
        local: Pictures whose neighbourhoods are looked at, and their name.
        labelled: Pictures in classes.
    """

    dataset: str | None = None
    judgments: Judgments | None = None
    ceiling: float | None = None
    similarity: str = "cosine"
    in_sample: bool = False
    matrices: tuple[HumanMatrix, ...] = ()
    local: tuple[str, ImageSource] | None = None
    labelled: Labelled | None = None


@dataclass(frozen=True)
class Evaluated:
    """What judging gave.

    Attributes:
        rows: Of the table.
        title: Whose similarities the matrices are.
        matrices: Cosine similarities of the same pictures, (n, n), by name: `before`, `after`, perhaps `people`.
    """

    rows: tuple[Row, ...]
    title: str
    matrices: dict[str, Floats]


def evaluate(chosen: Chosen, evidence: Evidence, features: Callable[[ImageSource], Floats], seed: int = 0) -> Evaluated:
    """Judge a transform by everything there is.

    Args:
        chosen: The transform.
        evidence: What to judge it on.
        features: Gives the features of pictures at the transform's layer, (n, d) float64.
        seed: Of resampling.

    Raises:
        UsageError: If there is nothing to judge it on.
        DataError: If all triplets are of objects that it was learned on.
    """
    transform = chosen.transform
    rows: list[Row] = []
    shown: tuple[str, dict[str, Floats]] | None = None
    for matrix in evidence.matrices:
        before = features(matrix.images)
        after = applied(transform, before)
        rows += rsa_rows(matrix, before, after, "not seen", seed)
        shown = shown or (matrix.name, _matrices(before, after, matrix))
    if evidence.judgments is not None:
        assert evidence.dataset is not None
        triplets, sample = judged_triplets(chosen, evidence.dataset, evidence.judgments, evidence.in_sample)
        before = features(evidence.judgments.images)
        after = applied(transform, before)
        distances = [triplet_distances(each, triplets, evidence.similarity) for each in (before, after)]
        entropy = softmax_entropy(after, triplets)
        judged = judge_choices(distances[0], distances[1], triplets, entropy, evidence.ceiling, seed)
        entropy_before = softmax_entropy(before, triplets)
        rows += odd_one_out_rows(judged, evidence.dataset, evidence.similarity, sample, entropy_before)
        objects = np.unique(triplets)
        shown = shown or (f"{evidence.dataset}, {sample}", _matrices(before[objects], after[objects]))
    if evidence.local is not None:
        name, images = evidence.local
        before = features(images)
        rows += local_rows(transform, before, name, _sample_of_images(chosen, images), seed)
        shown = shown or (name, _matrices(before, applied(transform, before)))
    if evidence.labelled is not None:
        before = features(evidence.labelled.images)
        after = applied(transform, before)
        sample = _sample_of_images(chosen, evidence.labelled.images)
        rows += downstream_rows(before, after, evidence.labelled.labels, evidence.labelled.name, sample)
        order = np.argsort(evidence.labelled.labels, kind="stable")
        shown = shown or (evidence.labelled.name, _matrices(before[order], after[order]))
    if shown is None:
        raise UsageError("nothing to judge the transform on: name triplets, matrices, or folders of pictures")
    return Evaluated(tuple(rows), *shown)


def _matrices(before: Floats, after: Floats, matrix: HumanMatrix | None = None) -> dict[str, Floats]:
    """Cosine similarities of the same pictures; what people said, where they were asked."""
    found = {"before": similarities(before, "cosine"), "after": similarities(after, "cosine")}
    if matrix is not None:
        people = np.full((len(before), len(before)), np.nan)
        rows, columns = np.triu_indices(len(before), 1)
        people[rows, columns] = people[columns, rows] = -matrix.dissimilarities
        found["people"] = people
    return found


def judged_triplets(chosen: Chosen, dataset: str, judgments: Judgments, in_sample: bool) -> tuple[Indices, str]:
    """The triplets that say something about new objects, and what can be said of them.

    Args:
        chosen: The transform, whose provenance says on which objects it was learned.
        dataset: Name of the data set.
        judgments: Of that.
        in_sample: Whether to take all triplets all the same.

    Raises:
        DataError: If every triplet names an object that it was learned on.
    """
    told, triplets = chosen.transform.provenance, triplets_of(judgments)
    if not told:
        return triplets, "unknown"
    learned_on = told.get("dataset", "things" if "sha256" in told else None)  # the published ones: on THINGS
    if learned_on != dataset:
        return triplets, "not seen"
    if "learned_objects" not in told:
        return triplets, "may be in-sample"
    if in_sample:
        return triplets, "in-sample"
    seen = set(told["learned_objects"])
    new = np.array([name not in seen for name in judgments.images.names])
    kept = triplets[new[triplets].all(axis=1)]
    if not len(kept):
        raise DataError(
            f"every triplet of {dataset} names an object that {chosen.name} was learned on: take another subset, or "
            "--in-sample, which marks the result"
        )
    return kept, "not seen" if len(kept) == len(triplets) else "held-out objects"


def _sample_of_images(chosen: Chosen, images: ImageSource) -> str:
    told = chosen.transform.provenance
    if not told:
        return "unknown"
    return "in-sample" if told.get("local_images") == digest_of_images(images) else "not seen"


# ---------------------------------------------------------------------------------------------------- folder


def run_evaluation(
    chosen: Chosen,
    evidence: Evidence,
    tower: Tower,
    label: str,
    layer: Layer,
    reading: Reading,
    output: Path,
    *,
    draw: Callable[[Evaluated, Path], None],
    seed: int = 0,
    overwrite: bool = False,
    advanced: Callable[[int], None] = lambda images: None,
) -> tuple[Path, bool]:
    """Judge a transform of a model, unless that is finished.

    Args:
        chosen: The transform.
        evidence: What to judge it on.
        tower: The model, loaded under the `corrected` protocol.
        label: What it is called.
        layer: Whose features the transform takes.
        reading: How they are read.
        output: Folder of such folders.
        draw: Writes the figure of similarities into a folder.
        seed: Of resampling.
        overwrite: Whether to do it again.
        advanced: Hears of every batch of pictures.

    Returns:
        The folder, and whether it was finished before.

    Raises:
        AlignbenchError: See `evaluate`, `extract_features`; or if the folder cannot be written.
    """
    if evidence.similarity not in KINDS:
        raise unknown("similarity", evidence.similarity, KINDS)
    settings = _settings(chosen, evidence, tower, label, layer, reading, seed)
    slug = f"{label}@{chosen.name}".replace("/", "--").replace(":", "--")
    folder = output / f"{slug}__evaluation__{run_hash(settings)}"
    if is_evaluated(folder) and not overwrite:
        return folder, True

    def features(images: ImageSource) -> Floats:
        return extract_features(tower, images, [layer], reading, advanced=advanced)[layer.name].astype(np.float64)

    found = evaluate(chosen, evidence, features, seed)
    details = {"title": found.title, "provenance": _short(chosen.transform.provenance)}
    _write(folder, found, {"settings": settings, **details}, draw)
    return folder, False


def _settings(
    chosen: Chosen, evidence: Evidence, tower: Tower, label: str, layer: Layer, reading: Reading, seed: int
) -> dict[str, Any]:
    """Everything that can change a number."""
    judgments, labelled = evidence.judgments, evidence.labelled
    return {
        "model": label,
        "model_fingerprint": tower.fingerprint,
        "transform": chosen.settings(),
        "layer": layer.name,
        "tokens": reading.view,
        "precision": reading.precision,
        "dataset": evidence.dataset,
        "data_fingerprint": None if judgments is None else judgments.fingerprint(judgments.images.identities()),
        "similarity": evidence.similarity,
        "in_sample": evidence.in_sample,
        "matrices": {
            matrix.name: [digest_of_images(matrix.images), float(np.abs(matrix.values).sum())]
            for matrix in evidence.matrices
        },
        "local": None if evidence.local is None else digest_of_images(evidence.local[1]),
        "labelled": None if labelled is None else [digest_of_images(labelled.images), labelled.labels.tolist()],
        "seed": seed,
    }


def _short(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Without the names of objects, which are in the transform's file."""
    return {name: value for name, value in provenance.items() if not name.endswith("_objects")}


def is_evaluated(folder: Path) -> bool:
    """Whether a folder holds everything that judging leaves."""
    return all((folder / name).is_file() for name in _FILES)


def _write(folder: Path, found: Evaluated, record: dict[str, Any], draw: Callable[[Evaluated, Path], None]) -> None:
    scratch = scratch_folder(folder.parent, folder.name.rpartition("__")[2])
    try:
        scratch.mkdir(parents=True)
        evaluation_frame(found.rows).to_csv(scratch / "evaluation.csv", index=False)
        arrays = {name: matrix.astype(np.float32) for name, matrix in found.matrices.items()}
        np.savez_compressed(scratch / "similarities.npz", **arrays)  # type: ignore[arg-type]  # taken for others
        draw(found, scratch)
        (scratch / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(scratch, folder)
    except OSError as error:
        raise AlignbenchError(f"{folder} cannot be written ({error.strerror}): choose another --output") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def find_evaluated(places: Sequence[Path]) -> list[Path]:
    """Folders of judged transforms among or directly below some places."""
    found = []
    for place in places:
        below = [place / RECORD] if (place / RECORD).is_file() else sorted(place.glob(f"*/{RECORD}"))
        found += [path.parent for path in below if not path.parent.name.startswith(".tmp-")]
    return found


def read_evaluation(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table of a folder, and its record.

    Raises:
        DataError: If they cannot be read.
    """
    texts = ("task", "data", "measure", "better", "reference", "sample")
    try:
        frame = pd.read_csv(folder / "evaluation.csv", keep_default_na=False, dtype=dict.fromkeys(texts, str))
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} does not hold a judged transform that can be read: judge it again") from error
    numbers = [name for name in frame.columns if name not in texts]
    frame[numbers] = frame[numbers].apply(pd.to_numeric, errors="coerce")
    return frame, record
