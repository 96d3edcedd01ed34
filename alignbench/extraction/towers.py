"""From pictures to distances per pair and layer: a Lightning predict loop around a hooked tower."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import Tensor, nn

from alignbench.datasets.images import ImageSource
from alignbench.distances import ChannelActivity, ChannelFit, LayerDistances
from alignbench.distances.functional import norms, used_channels
from alignbench.errors import AlignbenchError, DataError
from alignbench.extraction.channels import ChannelUse, channel_use
from alignbench.extraction.listening import Listener
from alignbench.extraction.loading import OrderedImages, ordered_loader, stack
from alignbench.extraction.plan import Plan, Step, layer_passes
from alignbench.models.towers import Layer, Tower, tap, view_of, view_tokens

Batch = tuple[Tensor, Tensor]
_COPIED_AT_ONCE = {"cpu": 4_000_000, "cuda": 256_000_000}  # bytes: what stays in a cache, or fills a GPU


@dataclass(frozen=True)
class Execution:
    """How a tower is run; nothing here changes a result beyond rounding, except `precision`.

    Attributes:
        precision: `fp32`, or `bf16` for the tower under autocast (everything after it stays float32).
        accelerator: `auto`, `cpu` or `cuda`.
        workers: Loader processes; none for a default.
        feature_memory: Bytes of features kept at the same time.
    """

    precision: str = "fp32"
    accelerator: str = "auto"
    workers: int | None = None
    feature_memory: int = 4_000_000_000

    @property
    def device(self) -> str:
        """`cuda` or `cpu`."""
        if self.accelerator == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return self.accelerator


@dataclass(frozen=True)
class TowerDistances:
    """What a tower gives for all pairs.

    Attributes:
        values: By name of distance, (layers, pairs), float64.
        channels: The use of channels, two rows a layer.
    """

    values: dict[str, NDArray[np.float64]]
    channels: tuple[ChannelUse, ...]


class PairExtraction(lightning.LightningModule):
    """Embeds batches and reduces every pair of a group of layers as soon as both its images are there.

    Args:
        tower: The model.
        plan: Which batch completes which pairs.
        layers: The layers of this pass.
        fit: Which pairs the channel means are fitted on.
        view: Token view.
        distances: Names of distances.
        precision: See `Execution`.
        names: Names of the images, for messages.
    """

    def __init__(
        self,
        tower: Tower,
        plan: Plan,
        layers: Sequence[Layer],
        fit: ChannelFit,
        view: str,
        distances: tuple[str, ...],
        precision: str,
        names: Sequence[str],
    ) -> None:
        super().__init__()
        self.tower, self.plan, self.layers, self.view = tower, plan, tuple(layers), view
        self.precision, self.names, self.needs_norms = precision, names, "cosine" in distances
        self.fit = fit
        self.metrics = nn.ModuleDict(
            {layer.name: LayerDistances(fit, view_tokens(layer, view), layer.channels, distances) for layer in layers}
        )
        self.activities = nn.ModuleDict({layer.name: ChannelActivity(layer.channels) for layer in layers})
        self.kept: dict[str, Tensor] = {}
        self.norms: dict[str, Tensor] = {}
        self.embedded = 0
        self.slots = torch.empty(0, dtype=torch.long)

    def on_predict_epoch_start(self) -> None:
        """Make room for the features of the plan's slots, once."""
        for layer in self.layers:
            shape = (self.plan.slots, view_tokens(layer, self.view), layer.channels)
            self.kept[layer.name] = torch.empty(shape, device=self.device)
            self.norms[layer.name] = torch.ones(self.plan.slots, dtype=torch.float64, device=self.device)

    def predict_step(self, batch: Batch | DataError, batch_idx: int) -> None:
        """Embed one step's images, then reduce the pairs that it completes."""
        if isinstance(batch, DataError):
            raise batch
        pixels, indices = batch
        step = self.plan.steps[batch_idx]
        if not np.array_equal(indices.cpu().numpy(), step.images):
            raise RuntimeError(f"batch {batch_idx} does not hold the images of its step")
        self.slots = torch.from_numpy(step.slots).to(self.device)
        low_precision = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with tap(self.tower, self.layers, self._keep), low_precision:
            self.tower(pixels)
        self.embedded += len(indices)
        self._check_finite(step)
        self._reduce(step)

    def _keep(self, layer: Layer, features: Tensor) -> None:
        with torch.autocast(self.device.type, enabled=False):
            features = view_of(features, layer, self.view, self.tower.has_class_token)
            self.kept[layer.name][self.slots] = features  # a copy: nothing holds on to the model's output
            self.norms[layer.name][self.slots] = norms(features)
            self.activities[layer.name].update(features)  # type: ignore[operator]

    def _check_finite(self, step: Step) -> None:
        lengths = torch.stack([self.norms[layer.name][self.slots] for layer in self.layers]).cpu()
        finite = lengths.isfinite()
        if not finite.all():
            layer, image = (int(i) for i in (~finite).nonzero()[0])
            raise AlignbenchError(
                f"{self.layers[layer].name} gave numbers that are not finite for {self._name(step, image)}: "
                "the checkpoint is damaged, or --precision is too low for it"
            )
        if self.needs_norms and not lengths.all():
            layer, image = (int(i) for i in (lengths == 0).nonzero()[0])
            raise AlignbenchError(
                f"{self.layers[layer].name} is zero for {self._name(step, image)}, which has no cosine: "
                "leave it out with --distance normalized_euclidean,euclidean"
            )

    def _name(self, step: Step, position: int) -> str:
        return self.names[int(step.images[position])]

    def _reduce(self, step: Step) -> None:
        if not len(step.pairs):
            return
        pairs, first, second = (
            torch.from_numpy(array).to(self.device) for array in (step.pairs, step.first, step.second)
        )
        for layer in self.layers:
            kept, lengths = self.kept[layer.name], self.norms[layer.name]
            rows = max(1, _COPIED_AT_ONCE[self.device.type] // (kept[0].numel() * 4))
            for some in torch.arange(len(pairs), device=self.device).split(rows):
                a, b = first[some], second[some]
                ends = torch.stack([lengths[a], lengths[b]], dim=1)
                self.metrics[layer.name].update(pairs[some], kept[a], kept[b], ends)  # type: ignore[operator]

    def results(self) -> tuple[dict[str, dict[str, NDArray[np.float64]]], list[ChannelUse]]:
        """Distances by layer and name, and the use of channels, after the last batch.

        Raises:
            AlignbenchError: If m[c] was fitted on other pairs, and no channel of a layer varies in all folds.
        """
        found: dict[str, dict[str, NDArray[np.float64]]] = {}
        uses: list[ChannelUse] = []
        for layer in self.layers:
            metric, activity = self.metrics[layer.name], self.activities[layer.name]
            assert isinstance(metric, LayerDistances)
            assert isinstance(activity, ChannelActivity)
            if not bool(metric.filled.all()) or self.embedded != len(self.plan.order):
                raise RuntimeError(f"{layer.name}: {self.embedded} images and {int(metric.filled.sum())} pairs done")
            means = metric.channel_means()
            if self.fit.held_out and "normalized_euclidean" in metric.distances and not used_channels(means).any():
                raise AlignbenchError(
                    f"{layer.name} has no channel that varies among the pairs that its means are fitted on: leave "
                    "normalized_euclidean out with --distance, or measure with --protocol paper"
                )
            found[layer.name] = {name: values.numpy() for name, values in metric.by_name().items()}
            uses.append(channel_use(layer, "mean_square", activity.compute()))
            uses.append(channel_use(layer, "mean_difference", means.mean(dim=0)))
        return found, uses


class _Feed(Callback):
    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def on_predict_batch_end(  # type: ignore[override]
        self,
        trainer: lightning.Trainer,
        module: PairExtraction,
        outputs: object,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self.listener.advanced(len(batch[1]))


def plan_passes(tower: Tower, plan: Plan, pairs: int, view: str, execution: Execution) -> list[list[Layer]]:
    """Groups of layers that fit memory together; each group costs one pass over the images.

    Features have the budget of `--feature-memory`; what is kept per pair and channel may take half the device's memory.
    """
    features = [view_tokens(layer, view) * layer.channels * 4 for layer in tower.layers]
    states = [pairs * layer.channels * 4 for layer in tower.layers]
    if execution.device == "cuda":
        memory = int(torch.cuda.get_device_properties(0).total_memory)
    else:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    groups = layer_passes(features, plan.slots, execution.feature_memory, states, memory // 2)
    return [[tower.layers[i] for i in group] for group in groups]


def tower_distances(
    tower: Tower,
    images: ImageSource,
    plan: Plan,
    passes: list[list[Layer]],
    fit: ChannelFit,
    view: str,
    distances: tuple[str, ...],
    execution: Execution,
    listener: Listener,
) -> TowerDistances:
    """Distances of all pairs at all layers.

    Args:
        tower: The model.
        images: The pictures.
        plan: The order in which they flow.
        passes: Layers of each pass.
        fit: Which pairs the channel means are fitted on.
        view: Token view.
        distances: Names of distances.
        execution: How to run.
        listener: Hears of every batch.

    Raises:
        DataError: If a picture turns out to be damaged.
        AlignbenchError: If features are not finite, zero where a cosine is asked for, or all alike where channel
            means are held out.
    """
    uses: list[ChannelUse] = []
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for layers in passes:
        module = PairExtraction(tower, plan, layers, fit, view, distances, execution.precision, images.names)
        loader = ordered_loader(
            OrderedImages(images, plan.order, tower.prepare),
            plan,
            execution.workers,
            stack,
            pin_memory=execution.device == "cuda",
        )
        with _quiet():
            trainer = lightning.Trainer(
                accelerator=execution.device,
                devices=1,
                callbacks=[_Feed(listener)],
                use_distributed_sampler=False,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            _predict(trainer, module, loader)
        distances_here, uses_here = module.results()
        found |= distances_here
        uses += uses_here
    values = {name: np.stack([found[layer.name][name] for layer in tower.layers]) for name in distances}
    return TowerDistances(values, tuple(uses))


def _predict(trainer: lightning.Trainer, module: PairExtraction, loader: object) -> None:
    """Run the loop; an interruption stays one, although Lightning makes it an exit and turns Ctrl-C off."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.predict(module, loader, return_predictions=False)
    except SystemExit as stop:
        raise KeyboardInterrupt from stop
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's advice on devices and workers, which is ours to take, not the user's."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            warnings.filterwarnings("ignore", message=r".*does not have many workers.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
