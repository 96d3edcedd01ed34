"""What a full-size job takes, stage by stage, before it is run: pictures, operations, bytes and time.

Sizes are counted: operations of a forward pass by `alignbench.models.cost`, files by what the stages write. Times
follow from rates (`alignbench.measurement.cost.rates`), and from those below: round numbers, which were not measured on
the machine at hand. Training is the one stage that several processes share.

    operations of a step = 3 x (forward pass + head) x pictures of the step: once forward, twice backward
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from alignbench.alignet.kmeans_start import tries_of
from alignbench.alignet.planned_job import PlannedJob
from alignbench.alignet.training.recipe import Course
from alignbench.extraction.cached_pixels import entry_bytes
from alignbench.measurement.cost.rates import Rates, picture_seconds

_NUMBER: Final = 4  # bytes of float32 and int32
_WIDE: Final = 8  # of float64
_NAME: Final = 34  # bytes of a picture's name in a list, as ImageNet's are, with quotes and comma
_SHARE: Final = 0.2  # of the rate of matrix products that an iteration of k-means reaches, with all that it does else
_IN_MEMORY: Final = 10e9  # bytes of features a second, looked at one after another
_GATHERED: Final = 0.7e9  # bytes of features a second, in the order of triplets
_DRAWN: Final = 1e6  # triplets a second
_STORAGE: Final = 2e9  # bytes of prepared pictures a second that reach each process
_PICTURES: Final = 3  # of a triplet
_CHECKPOINT: Final = 4  # times what is trained: values, theta_0 and two moments
DECODED: Final = "train, pictures decoded"
CACHED: Final = "train, pixels cached"


@dataclass(frozen=True)
class StageCost:
    """What a stage takes. Bytes of picture files are not in it.

    Attributes:
        stage: Which one.
        seconds: Expected time.
        images: Pictures that go through a model, each as often as it does.
        flops: Operations of all processes, two for each multiplication and addition.
        read_bytes: Bytes of features or prepared pictures that all processes look at: from memory, if there is room.
        disk_bytes: Bytes that stay on the disk.
        scratch_bytes: Bytes on the disk on top of these while it runs.
        memory_bytes: Bytes that each process holds, the program itself apart.
        link_bytes: Bytes that each process gets from others.
        devices: Processes that there are.
        processes: Processes that it uses.
    """

    stage: str
    seconds: float
    images: int = 0
    flops: int = 0
    read_bytes: int = 0
    disk_bytes: int = 0
    scratch_bytes: int = 0
    memory_bytes: int = 0
    link_bytes: int = 0
    devices: int = 1
    processes: int = 1


def stage_costs(job: PlannedJob, rates: Rates, devices: int, images_per_second: float | None = None) -> list[StageCost]:
    """Work out what each stage takes.

    Args:
        job: The job.
        rates: What a process does in a second that is alone on its device.
        devices: Number of processes.
        images_per_second: Pictures a second on which one process trains, forward and backward, where that is known.

    Returns:
        Extraction, clustering, sampling, labelling, and training with pictures that are decoded or prepared.

    Raises:
        UsageError: If the job is not possible, or so many processes cannot share a step.
    """
    job = job.checked()
    Course(devices=devices).checked(job.recipe.batch)
    alone = (_extracted(job, rates), _clustered(job, rates), _sampled(job), _labelled(job, rates))
    shared = rates.shared_by(devices)
    trained = [_trained(job, shared, devices, images_per_second, cached=cached) for cached in (False, True)]
    return [*(replace(stage, devices=devices) for stage in alone), *trained]


def _extracted(job: PlannedJob, rates: Rates) -> StageCost:
    """A forward pass of the teacher's model for every picture."""
    cost = job.teacher.cost
    forward = job.images * cost.flops / rates.forward
    decoding = job.images * picture_seconds(rates, {job.suffix: 1}) / rates.cores
    return StageCost(
        "extract",
        forward + decoding if rates.same_cores else max(forward, decoding),
        images=job.images,
        flops=job.images * cost.flops,
        disk_bytes=_features(job) + _names(job),
        memory_bytes=_NUMBER * cost.parameters,
    )


def _clustered(job: PlannedJob, rates: Rates) -> StageCost:
    """The transform once, greedy k-means++, and Lloyd's iterations, in none of which a point is passed over."""
    numbers, tries = job.images * job.teacher.width, tries_of(job.clusters)
    transform, start = 2 * numbers * job.teacher.width, 2 * numbers * tries * job.clusters
    iterations = 2 * numbers * job.clusters * (job.iterations + 1)  # with the assignment in the end
    read = _features(job) * (job.clusters + job.iterations + 3)  # which also sees them for moments, and for lengths
    centroids, ids = job.clusters * job.teacher.width, _NUMBER * job.images
    drawing = (_NUMBER + 2 * _WIDE) * tries * job.images  # distances to these, as they come, and the least so far
    moving = 2 * _WIDE * centroids + 2 * ids + 2 * _WIDE * job.images  # and by how much others are farther
    return StageCost(
        "cluster",
        (transform + start) / rates.products + iterations / (_SHARE * rates.products) + read / _IN_MEMORY,
        flops=transform + start + iterations,
        read_bytes=read,
        disk_bytes=ids + _NUMBER * centroids + _names(job),
        scratch_bytes=_features(job) + 2 * (2 * _WIDE * centroids + ids),  # a state, and the next one
        memory_bytes=_features(job) + max(drawing, moving),
    )


def _sampled(job: PlannedJob) -> StageCost:
    """Rows of three numbers, drawn block by block from pictures in groups."""
    return StageCost(
        "sample",
        job.triplets / _DRAWN,
        disk_bytes=_rows(job) + _names(job),
        memory_bytes=2 * _WIDE * job.images,
    )


def _labelled(job: PlannedJob, rates: Rates) -> StageCost:
    """The transform once, and three products for each triplet, of rows that lie anywhere."""
    gathered, width = _rows(job) * job.teacher.width, job.teacher.width
    transform = 2 * job.images * width**2
    return StageCost(
        "label",
        transform / rates.products + gathered / _GATHERED,
        flops=transform + 2 * _PICTURES * job.triplets * width,
        read_bytes=gathered,
        disk_bytes=2 * _rows(job) + _names(job),
        scratch_bytes=_features(job),
        memory_bytes=_features(job),
    )


def _trained(job: PlannedJob, rates: Rates, ranks: int, images_per_second: float | None, *, cached: bool) -> StageCost:
    """Steps of which each process takes its share: reading, steps, and gradients on their way go on together."""
    student, recipe = job.student, job.recipe
    head = (student.width + 1) * recipe.width
    whole = student.cost.parameters + head
    trained = head if recipe.head_only else whole
    forward = student.cost.flops + 2 * student.width * recipe.width
    backward = 2 * student.width * recipe.width if recipe.head_only else 2 * forward  # no way on from a head alone
    each = recipe.steps * recipe.batch * _PICTURES // ranks  # pictures of a process
    entry = entry_bytes((3, student.cost.side, student.cost.side))
    steps = each * (forward + backward) / rates.forward if images_per_second is None else each / images_per_second
    link = recipe.steps * 2 * (ranks - 1) * _NUMBER * trained // ranks  # a ring's all-reduce of gradients
    decoding = each * picture_seconds(rates, {job.suffix: 1}) / rates.cores
    reading = each * entry / _STORAGE if cached else decoding
    back = steps * backward / (forward + backward)
    making = steps - back + max(back, link / rates.link)
    takes_turns = rates.same_cores and not cached and images_per_second is None  # a known speed has the decoding in it
    kept = 0 if recipe.head_only else student.activations * (recipe.batch * _PICTURES // ranks)
    return StageCost(
        CACHED if cached else DECODED,
        making + reading if takes_turns else max(making, reading),
        images=each * ranks,
        flops=each * ranks * (forward + backward),
        read_bytes=each * ranks * entry if cached else 0,
        disk_bytes=_NUMBER * whole + (_prepared(job) if cached else 0),
        scratch_bytes=2 * _CHECKPOINT * _NUMBER * trained,  # one, and the next one
        memory_bytes=_NUMBER * (whole + (_CHECKPOINT + (ranks > 1)) * trained) + kept,
        link_bytes=link,
        devices=ranks,
        processes=ranks,
    )


def _features(job: PlannedJob) -> int:
    """Bytes of all pictures' features, or of what the teacher makes of them."""
    return _NUMBER * job.images * job.teacher.width


def _rows(job: PlannedJob) -> int:
    """Bytes of three numbers for each triplet."""
    return _NUMBER * _PICTURES * job.triplets


def _prepared(job: PlannedJob) -> int:
    """Bytes of all pictures that triplets name, prepared for the student."""
    side = job.student.cost.side
    return min(job.images, _PICTURES * job.triplets) * entry_bytes((3, side, side))


def _names(job: PlannedJob) -> int:
    return _NAME * job.images


def assumptions(job: PlannedJob, rates: Rates, images_per_second: float | None = None) -> list[str]:
    """Say what the costs rest on, in lines.

    Args:
        job: The job.
        rates: See `stage_costs`.
        images_per_second: See `stage_costs`.
    """
    recipe, teacher, student = job.recipe, job.teacher, job.student
    known = "" if images_per_second is None else f"; given: a process trains on {images_per_second:g} images/s"
    passes = "one forward pass, and the head's" if recipe.head_only else "three forward passes"
    return [
        f"models: features of {teacher.name} ({teacher.width:,} numbers, {teacher.cost.flops / 1e9:.1f} GFLOP an "
        f"image), student {student.name} ({student.cost.parameters / 1e6:.1f} M weights, "
        f"{student.cost.flops / 1e9:.1f} GFLOP an image)",
        f"training: {recipe.steps:,} steps of {recipe.batch:,} triplets; a picture costs {passes}; gradients travel "
        "while others are made; activations in float32, with attention's tables (bf16 keeps about half)",
        f"clusters: {job.clusters:,}, greedy k-means++, {job.iterations:,} iterations, in none of which a picture is "
        "passed over; the teacher keeps the width of the features",
        f"rates: {rates.origin}{known}",
        f"also assumed: k-means reaches {_SHARE:.0%} of matrix products; {_IN_MEMORY / 1e9:g} GB/s of features in "
        f"memory, {_GATHERED / 1e9:g} GB/s in the order of triplets; {_DRAWN / 1e6:g} M triplets drawn a second; "
        f"{_STORAGE / 1e9:g} GB/s of prepared pictures to each process; {_NAME} bytes a name",
        f"one process does all but training; prepared pictures have to be decoded once before, with --pixel-cache-size "
        f"{math.ceil(_prepared(job) / 1e8) / 10:.1f}GB",
        "not counted: the teacher's own learning, evaluation (`alignbench plan` counts its forward passes), start-up, "
        "picture files, the program itself",
    ]
