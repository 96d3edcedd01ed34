"""Training from labelled triplets to a student's folder; one that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.training.batches import Share, StudentBatches, batch_loader
from alignbench.alignet.training.checkpoints import FILE, Checkpoint, fill, read_checkpoint, write_checkpoint
from alignbench.alignet.training.folder import RECORD, Provenance, is_student, write_student
from alignbench.alignet.training.listener import TrainingListener
from alignbench.alignet.training.loop import StepWatch, StudentLoop
from alignbench.alignet.training.recipe import Course, StudentRecipe
from alignbench.alignet.training.stopping import finishing_steps
from alignbench.alignet.training.student import Student
from alignbench.alignet.triplet_order import TripletOrder
from alignbench.arrays import Indices
from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import FileImages
from alignbench.extraction.distributed import Ranks, join, make_trainer, noticing_losses, quietly
from alignbench.extraction.features import ReadyTower
from alignbench.extraction.host import memory_kept
from alignbench.extraction.loader import Loading, OrderedImages
from alignbench.extraction.pixel_cache import DEFAULT_SIZE, PixelCache
from alignbench.models.families import RANDOM_PREFIX
from alignbench.models.saving import SavedForm, saved_form
from alignbench.results.folders import check_writable, folder_of
from alignbench.results.run_folder import run_hash
from alignbench.transforms.learning.folder import Destination

STAGE: Final = "student"
_PRECISIONS: Final = {"fp32": "32-true", "bf16": "bf16-mixed"}
_BLOCK: Final = 1 << 20  # triplets that are looked at at once


@dataclass(frozen=True)
class StudentJob:
    """What a student is trained on, and how.

    Attributes:
        model: Name of the model, as given.
        triplets: Labelled triplets, see `LabelledTriplets.open`.
        images: Folder of the pictures that they name.
        recipe: What settles its numbers.
        course: How the work is done.
        random_init: Whether the model starts from random weights.
        pixel_cache: Folder of prepared pictures, `off`, or nothing for the default one.
        pixel_cache_size: Bytes that it may take.
    """

    model: str
    triplets: Path
    images: Path
    recipe: StudentRecipe = field(default_factory=StudentRecipe)
    course: Course = field(default_factory=Course)
    random_init: bool = False
    pixel_cache: str | Path | None = None
    pixel_cache_size: int = DEFAULT_SIZE

    def checked(self) -> StudentJob:
        """Check that everything in it is possible, and return it.

        Raises:
            UsageError: If it is not; names the option.
        """
        recipe = self.recipe.checked()
        return replace(self, recipe=recipe, course=self.course.checked(recipe.batch))


def train_student(
    job: StudentJob,
    ready: ReadyTower,
    destination: Destination[pd.DataFrame],
    listener: TrainingListener | None = None,
) -> tuple[Path, bool]:
    """Train a student, and write its folder `<model>__student__<hash8>`.

    While it runs there is `.partial-` and that name beside it, with the last checkpoint; the same job goes on from it.
    A signal that ends the process is heard after the step that is under way, and after a checkpoint.

    Args:
        job: What it is trained on, and how.
        ready: The model with its projection, loaded under the `corrected` protocol; it is trained itself.
        destination: Where the folder goes; `draw` is called with the log before the folder is in its place.
        listener: Hears of every step.

    Returns:
        The folder, and whether it was there already.

    Raises:
        UsageError: If something in the job is impossible, or the model could not be saved.
        DataError: If triplets or pictures are not as they have to be, or a checkpoint is of another student.
        AlignbenchError: If the loss is no number, or something cannot be written.
    """
    job, heard = job.checked(), listener or TrainingListener()
    recipe, course = job.recipe, job.course
    form = saved_form(ready.tower, job.model.removeprefix(RANDOM_PREFIX))
    check_writable(destination.output)
    ranks = join(ready.reading.device, course.devices, course.nodes)
    with ranks.together():
        triplets, pictures = _open_data(job)
        settings = {
            "model": ready.label,
            "model_fingerprint": ready.tower.fingerprint,
            "random_init": job.random_init,
            **recipe.settings(),
            "triplets": _digest(triplets),
            "pictures": hashlib.sha256("\n".join(pictures.identities()).encode()).hexdigest(),
        }
    folder = destination.output / folder_of(ready.label, STAGE, run_hash(settings))
    partial = folder.with_name(f".partial-{folder.name}")
    if ranks.decide(is_student(folder) and not destination.overwrite):
        if ranks.leads:
            _clear_leftovers(folder, partial)
        return folder, True
    loop = StudentLoop(Student(ready.tower, recipe.width, recipe.head_only, recipe.seed), recipe, ranks)
    with ranks.together():
        _go_on(loop, partial / FILE, settings)
    began = time.monotonic()
    cache = PixelCache.open(job.pixel_cache, job.pixel_cache_size)
    stock = cache.stock(pictures, ready.tower.prepare, ranks.leads_machine) if cache is not None else None
    prepared = OrderedImages(
        pictures, np.arange(len(pictures.names)), ready.tower.prepare, None if stock is None else stock.pixels
    )
    share = Share(ranks.number, ranks.count, course.accumulate, loop.step, recipe.steps)
    batches = StudentBatches(prepared, triplets, TripletOrder(len(triplets.triplets), recipe.batch, recipe.seed), share)
    _fit(loop, batches, course, _Keeper(partial / FILE, settings, ranks), heard)
    if cache is not None and stock is not None and ranks.leads_machine:
        through = (recipe.steps - share.first) * recipe.batch >= 2 * len(
            triplets.triplets
        )  # so that every picture came
        cache.finish(stock if through else replace(stock, missing=stock.missing[:0]))
    with ranks.together():
        if ranks.leads:
            about = {"trained_from": job.model, "data": _described(triplets, job), "labels": triplets.record}
            provenance = Provenance(ready.label, settings, about, time.monotonic() - began)
            _write(folder, loop, form, provenance, destination)
            shutil.rmtree(partial, ignore_errors=True)
    return folder, False


def _open_data(job: StudentJob) -> tuple[LabelledTriplets, FileImages]:
    """The triplets, with numbers of the pictures that they name, and those pictures."""
    found = LabelledTriplets.open(job.triplets).check()
    pictures = image_folder(job.images)
    found = found.of_pictures(pictures.names, str(job.images))
    named = np.zeros(len(pictures.names), dtype=bool)
    for block in _blocks(found.triplets):
        named[block] = True
    kept: Indices = np.flatnonzero(named)
    if len(kept) == len(named):
        return found, pictures
    numbers = (np.cumsum(named) - 1).astype(np.int32)
    rows = np.empty(found.triplets.shape, dtype=np.int32)
    for start, block in enumerate(_blocks(found.triplets)):
        rows[start * _BLOCK : start * _BLOCK + len(block)] = numbers[block]
    pictures = pictures.select(kept)
    return replace(found, names=pictures.names, triplets=rows), pictures


def _blocks(array: Any) -> Sequence[Any]:
    return [array[start : start + _BLOCK] for start in range(0, len(array), _BLOCK)]


def _digest(triplets: LabelledTriplets) -> str:
    """SHA-256 over everything that a step sees of triplets; pictures have an identity of their own."""
    digest = hashlib.sha256("\n".join(triplets.names).encode())
    for array, kind in ((triplets.triplets, "<i4"), (triplets.similarities, "<f4")):
        for block in _blocks(array):
            digest.update(np.ascontiguousarray(block, dtype=kind).data)
    return digest.hexdigest()


def _described(triplets: LabelledTriplets, job: StudentJob) -> dict[str, Any]:
    """What a model card says of the data."""
    told = triplets.record.get("settings", {})
    told = told if isinstance(told, dict) else {}
    keys = ("model", "layer", "space", "transform", "released", "rule")
    teacher = {f"teacher_{key}": told[key] for key in keys if isinstance(told.get(key), str | int | float)}
    transform = told.get("transform")
    if isinstance(transform, dict) and isinstance(transform.get("name"), str):
        teacher["teacher_transform"] = transform["name"]
    counts = {"triplets": len(triplets.triplets), "pictures": len(triplets.names)}
    return {"triplets_of": job.triplets.name, **counts, **teacher}


def _go_on(loop: StudentLoop, path: Path, settings: dict[str, Any]) -> None:
    """Take over the last checkpoint, if there is one."""
    checkpoint = read_checkpoint(path, settings)
    if checkpoint is None:
        return
    for kind, places in loop.places().items():
        fill(places, checkpoint.tensors, kind, path)
    loop.go_on(checkpoint)


def _clear_leftovers(folder: Path, partial: Path) -> None:
    """Remove what a run left that was killed when its folder was whole; one that is to replace it is newer."""
    with suppress(OSError):
        if (partial / FILE).stat().st_mtime <= (folder / RECORD).stat().st_mtime:
            shutil.rmtree(partial, ignore_errors=True)


@dataclass(frozen=True)
class _Keeper:
    """Leaves checkpoints: all ranks call it, and the first writes."""

    path: Path
    settings: dict[str, Any]
    ranks: Ranks

    def __call__(self, checkpoint: Checkpoint) -> None:
        with self.ranks.together():
            if self.ranks.leads:
                write_checkpoint(self.path, checkpoint, self.settings)


def _fit(loop: StudentLoop, batches: StudentBatches, course: Course, keep: _Keeper, listener: TrainingListener) -> None:
    """Make the steps that are left.

    Raises:
        KeyboardInterrupt: If training was asked to end by a signal; a checkpoint is there then.
    """
    recipe, ranks = loop.recipe, loop.ranks
    if loop.step >= recipe.steps:  # it was stopped after its last step
        loop.configure_optimizers()
        return
    loading = Loading(0, course.workers, ranks.device.type == "cuda", ranks.devices)
    with (
        batch_loader(batches, loading) as loader,
        quietly(),
        memory_kept(),
        noticing_losses(),
        finishing_steps() as stop,
    ):
        watch = StepWatch(course, stop, keep, listener)
        trainer = make_trainer(
            ranks.device.type,
            ranks.devices,
            ranks.nodes,
            [watch],
            max_epochs=1,
            accumulate_grad_batches=course.accumulate,
            precision=_PRECISIONS[recipe.precision],
        )
        listener.started(loop.step, recipe.steps, 3 * recipe.batch)
        trainer.fit(loop, loader)
    if watch.stopped:
        raise KeyboardInterrupt


def _write(
    folder: Path, loop: StudentLoop, form: SavedForm, provenance: Provenance, destination: Destination[pd.DataFrame]
) -> None:
    write_student(folder, loop, form, provenance, lambda place: destination.draw(pd.DataFrame(loop.rows), place))
