"""Training from labelled triplets to a student's folder; one that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import shutil
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.training.batches import Share, StudentBatches, batch_loader
from alignbench.alignet.training.checkpoints import FILE, Checkpoint, fill, read_checkpoint, write_checkpoint
from alignbench.alignet.training.folder import RECORD, Provenance, is_student, read_log, write_student
from alignbench.alignet.training.listener import TrainingListener
from alignbench.alignet.training.loop import StepWatch, StudentLoop
from alignbench.alignet.training.recipe import Course, StudentRecipe
from alignbench.alignet.training.seen_pictures import SeenPictures
from alignbench.alignet.training.stopping import finishing_steps
from alignbench.alignet.training.student import Student
from alignbench.alignet.training.triplet_data import described, digest_of, open_data
from alignbench.alignet.training.validation import COLUMNS as VALIDATION
from alignbench.alignet.training.validation import HeldOut, refuse_repeated
from alignbench.alignet.triplet_order import TripletOrder
from alignbench.datasets.images import FileImages
from alignbench.errors import AlignbenchWarning
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
        validation: Labelled triplets of the same pictures that are held out, on which the student is judged on the way;
            they change nothing of it, nor its name.
    """

    model: str
    triplets: Path
    images: Path
    recipe: StudentRecipe = field(default_factory=StudentRecipe)
    course: Course = field(default_factory=Course)
    random_init: bool = False
    pixel_cache: str | Path | None = None
    pixel_cache_size: int = DEFAULT_SIZE
    validation: Path | None = None

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
        triplets, pictures = open_data(job.triplets, job.images)
        held_out = None if job.validation is None else open_data(job.validation, job.images)
        if held_out is not None:
            refuse_repeated(triplets, held_out[0])
            held_out[1].identities()  # so that a picture that is not whole is named before training
        identities = pictures.identities()
        settings = {
            "model": ready.label,
            "model_fingerprint": ready.tower.fingerprint,
            "random_init": job.random_init,
            **recipe.settings(),
            "triplets": digest_of(triplets),
            "pictures": hashlib.sha256("\n".join(identities).encode()).hexdigest(),
        }
    folder = destination.output / folder_of(ready.label, STAGE, run_hash(settings))
    partial = folder.with_name(f".partial-{folder.name}")
    if ranks.decide(is_student(folder) and not destination.overwrite):
        if ranks.leads:
            _clear_leftovers(folder, partial)
            if held_out is not None and VALIDATION[0] not in read_log(folder):
                text = f"{folder.name} was trained without --validation: train it again by --overwrite to see it"
                warnings.warn(text, AlignbenchWarning, stacklevel=2)
        return folder, True
    loop = StudentLoop(Student(ready.tower, recipe.width, recipe.head_only, recipe.seed), recipe, ranks)
    loop.held_out = "" if held_out is None else digest_of(held_out[0])
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
    judged = None if held_out is None else _held_out(job, ready, ranks, *held_out)
    _fit(loop, batches, course, Watchers(_Keeper(partial / FILE, settings, ranks), heard, judged))
    if cache is not None and stock is not None and ranks.leads_machine:
        through = (recipe.steps - share.first) * recipe.batch >= 2 * len(
            triplets.triplets
        )  # so that every picture came
        cache.finish(stock if through else replace(stock, missing=stock.missing[:0]))
    with ranks.together():
        if ranks.leads:
            about = {
                "trained_from": job.model,
                "data": described(triplets, job.triplets.name),
                "labels": triplets.record,
            }
            if held_out is not None and job.validation is not None:
                counts = {"triplets": len(held_out[0].triplets), "sha256": loop.held_out}
                about["validation"] = {"triplets_of": job.validation.name, **counts}
            seen = SeenPictures.of(pictures.names, identities)
            provenance = Provenance(ready.label, settings, about, time.monotonic() - began, seen)
            _write(folder, loop, form, provenance, destination)
            shutil.rmtree(partial, ignore_errors=True)
    return folder, False


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


def _held_out(
    job: StudentJob, ready: ReadyTower, ranks: Ranks, triplets: LabelledTriplets, pictures: FileImages
) -> HeldOut:
    """Held-out triplets, and how they are read: from the cache where it has their pictures."""
    cache, course = PixelCache.open(job.pixel_cache, job.pixel_cache_size), job.course
    cached = None if cache is None else cache.pixels(pictures, ready.tower.prepare)
    prepared = OrderedImages(pictures, np.arange(len(pictures.names)), ready.tower.prepare, cached)
    at_once = job.recipe.batch // (ranks.count * course.accumulate)
    every = course.checkpoint_every if course.validate_every is None else course.validate_every
    return HeldOut(prepared, triplets, every, at_once, _loading(course, ranks))


def _loading(course: Course, ranks: Ranks) -> Loading:
    return Loading(0, course.workers, ranks.device.type == "cuda", ranks.devices)


@dataclass(frozen=True)
class Watchers:
    """Who looks at steps: what keeps them, what hears of them, and what judges the student on the way."""

    keep: _Keeper
    listener: TrainingListener
    held_out: HeldOut | None


def _fit(loop: StudentLoop, batches: StudentBatches, course: Course, watchers: Watchers) -> None:
    """Make the steps that are left.

    Raises:
        KeyboardInterrupt: If training was asked to end by a signal; a checkpoint is there then.
    """
    recipe, ranks = loop.recipe, loop.ranks
    keep, listener, held_out = watchers.keep, watchers.listener, watchers.held_out
    if loop.step >= recipe.steps:  # it was stopped after its last step
        loop.configure_optimizers()
        if held_out is not None and held_out.is_lacking(loop):
            held_out.judge(loop)
        return
    with (
        batch_loader(batches, _loading(course, ranks)) as loader,
        quietly(),
        memory_kept(),
        noticing_losses(),
        finishing_steps() as stop,
    ):
        watch = StepWatch(course, stop, keep, listener, held_out)
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
