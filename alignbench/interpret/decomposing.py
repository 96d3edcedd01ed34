"""From a folder of pictures to a store of contributions: Lightning's predict loop, on all ranks at once."""

from __future__ import annotations

from contextlib import ExitStack
from importlib.metadata import version
from typing import Final

import numpy as np
from torch import Tensor

from alignbench.arrays import Indices
from alignbench.datasets.images import ImageSource, images_digest
from alignbench.errors import DataError
from alignbench.extraction.distributed import Ranks, interruptible, join, make_trainer, noticing_losses, quietly
from alignbench.extraction.features import ReadyTower
from alignbench.extraction.host import memory_kept
from alignbench.extraction.loader import Loading, OrderedImages, ordered_loader, stack
from alignbench.extraction.predict import Batch, Feed, PixelLoop, unpack_batch
from alignbench.extraction.progress import EmbeddingListener
from alignbench.interpret.anatomy import check_class_token, find_anatomy
from alignbench.interpret.decomposition import Decomposer, decomposer
from alignbench.interpret.partial_store import PartialStore, StoreRows
from alignbench.interpret.parts import Anatomy
from alignbench.interpret.store import HeadStore, StoreShape, is_store
from alignbench.interpret.store_job import STAGE, StoreJob
from alignbench.models.towers import Tower
from alignbench.results.folders import check_writable, folder_of
from alignbench.results.run_folder import run_hash

_LAST: Final = 4
_VERSIONS: Final = ("alignbench", "torch", "transformers", "open_clip_torch", "timm")


def store_contributions(
    job: StoreJob, ready: ReadyTower, images: ImageSource, listener: EmbeddingListener | None = None
) -> tuple[HeadStore, bool]:
    """Decompose the output of a model for every picture, and leave a store `<model>__heads__<hash8>`.

    Args:
        job: What is stored, and where.
        ready: The model in fp32, loaded under the `corrected` protocol.
        images: The pictures.
        listener: Hears how many pictures this process is about to decompose, and of every batch.

    Returns:
        The store, and whether it was there already.

    Raises:
        UsageError: If the job is impossible, or the output is no exact sum; see `decompose`.
        DataError: If a picture turns out to be damaged.
        AlignbenchError: If the sum is not the output for a picture, or something cannot be written.
    """
    job, heard, anatomy = job.checked(), listener or EmbeddingListener(), find_anatomy(ready.tower)
    if job.class_token:
        check_class_token(anatomy)
    check_writable(job.output)
    ranks = join(ready.reading.device, job.devices)
    shape = store_shape(job, anatomy, len(images.names))
    with ranks.together():
        settings = {
            "model": ready.label,
            "model_fingerprint": ready.tower.fingerprint,
            "images": images_digest(images.names, images.identities()),
            "layers": list(shape.layers),
            "dtype": job.dtype,
            **({} if ready.reading.resize == "checkpoint" else {"resize": ready.reading.resize}),
            **({"class_token": True} if job.class_token else {}),
        }
    partial = PartialStore(job.output / folder_of(ready.label, STAGE, run_hash(settings)), settings, shape)
    if ranks.decide(is_store(partial.folder) and not job.overwrite):
        if ranks.leads:
            partial.clear()  # what a run left that was killed when its store was whole
        return HeadStore.open(partial.folder), True
    with ExitStack() as held:
        lacking: Indices = np.empty(0, dtype=np.int64)
        with ranks.together():
            if ranks.leads:
                lacking = held.enter_context(partial.held())
        own = np.array_split(ranks.decide(lacking), ranks.count)[ranks.number]
        heard.started(len(own))
        with ranks.together(), noticing_losses(), partial.rows(images.names) as rows:
            _fill(ready, OrderedImages(images, own, ready.tower.prepare), rows, ranks, heard)
        with ranks.together():
            if ranks.leads:
                partial.finish(images.names, _details(), decomposer(ready.tower).constant, job.overwrite)
    return HeadStore.open(partial.folder), False


def store_shape(job: StoreJob, anatomy: Anatomy, pictures: int) -> StoreShape:
    """Settle the sizes of a store.

    Args:
        job: What is stored.
        anatomy: The parts of the tower.
        pictures: Number of pictures.
    """
    blocks = anatomy.layers
    first = 1 if job.layers == "all" else max(1, blocks - _LAST + 1)
    layers = tuple(range(first, blocks + 1))
    sizes = (layers, anatomy.heads, anatomy.width)
    return StoreShape(pictures, blocks, *sizes, job.dtype, anatomy.has_constant, job.class_token)


def _details() -> dict[str, object]:
    return {"versions": {name: version(name) for name in _VERSIONS}}


def _fill(
    ready: ReadyTower, pictures: OrderedImages[Tensor], rows: StoreRows, ranks: Ranks, listener: EmbeddingListener
) -> None:
    """Decompose the pictures of this rank."""
    reading = ready.reading
    loading = Loading(reading.batch_size, reading.workers, ranks.device.type == "cuda", ranks.devices)
    module = _StoreLoop(ready.tower, rows)
    with quietly(), memory_kept(), interruptible():
        trainer = make_trainer(ranks.device.type, ranks.devices, ranks.nodes, [Feed(listener.advanced)])
        trainer.predict(module, ordered_loader(pictures, stack, loading), return_predictions=False)


class _StoreLoop(PixelLoop):
    """The predict loop that writes contributions to their rows."""

    def __init__(self, tower: Tower, rows: StoreRows) -> None:
        super().__init__("fp32")
        self.allow_zero_length_dataloader_with_multiple_devices = True  # a rank too many has nothing to do
        self.tower, self.rows = tower, rows
        self.decomposer: Decomposer | None = None

    def predict_step(self, batch: Batch | DataError, batch_idx: int) -> None:
        """Decompose the outputs of a batch."""
        pixels, indices = unpack_batch(batch)
        if self.decomposer is None:  # only now the tower is on its device
            self.decomposer = decomposer(self.tower)
        self.rows.write(indices.numpy(), self.decomposer(pixels, class_part=self.rows.shape.has_class))
