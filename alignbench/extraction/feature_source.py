"""Features that exist already as a source: the distances of a tower, without one.

Layers are taken one after another, so that no more than one of them is in memory. Rows flow by the same schedule as the
pictures of a tower, into the same accumulators: what was extracted from a tower gives that tower's distances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alignbench.arrays import Floats, Indices
from alignbench.errors import UsageError, unknown
from alignbench.extraction.channel_usage import ChannelUse
from alignbench.extraction.exchange import check_counts, finish_pairs, layer_results
from alignbench.extraction.execution import Execution
from alignbench.extraction.pair_extraction import LayerState, no_cosine
from alignbench.extraction.progress import ProgressListener
from alignbench.extraction.row_matching import Concept, MatchedRows, match_rows
from alignbench.extraction.source import PairWorkload, SourceDistances
from alignbench.extraction.stored_features import StoredFeatures
from alignbench.extraction.stored_layers import StoredLayer
from alignbench.extraction.tower_distances import group_layers, make_states
from alignbench.models.layer_names import has_one_token, plain_name
from alignbench.models.towers import TOKEN_VIEWS, Layer, select_view

_BATCH: Final = 64


@dataclass(frozen=True)
class FeatureSource:
    """Features of pictures as a source.

    Attributes:
        stored: The features.
        fingerprint: SHA-256 over names and numbers, see `StoredFeatures.fingerprint`.
        view: Token view in which they are measured.
        placed: The layers that are measured: those that are stored, and aligned ones.
        concept: Gives the concept of a picture, for a data set with one picture a concept.
        selection: See `Source`.
    """

    stored: StoredFeatures
    fingerprint: str
    view: str
    placed: tuple[Layer, ...]
    concept: Concept | None = None
    selection: tuple[str, ...] | None = None
    streams_only: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return tuple(layer.name for layer in self.placed)

    @property
    def depths(self) -> tuple[float, ...]:
        """Depths of the layers in percent."""
        return tuple(layer.depth for layer in self.placed)

    @property
    def prepare(self) -> Callable[[Image.Image], Tensor]:
        """Refuses pictures: there is nothing to make of them."""
        return _refuse

    def fastest_batch(self, execution: Execution) -> int:
        """See `Source.fastest_batch`; reading a few rows more or less makes no difference."""
        return _BATCH

    def distances(self, workload: PairWorkload, execution: Execution, listener: ProgressListener) -> SourceDistances:
        """See `Source.distances`; pictures are not opened.

        Raises:
            DataError: If a picture has no row, or several.
            UsageError: If one layer does not fit the feature memory.
            AlignbenchError: If features are zero where a cosine is asked for, or all alike where channel means are
                held out; or if there is no room.
        """
        matched = self._match(workload, listener)
        summary = replace(workload.summary, layers=len(self.placed), share=workload.summary.share * len(self.placed))
        listener.planned(summary)
        stored = {layer.name: layer for layer in self.stored.layers}
        values = {name: np.empty((len(self.placed), len(workload.pairs))) for name in workload.distances}
        uses: list[ChannelUse] = []
        for number, layer in enumerate(self.placed):
            group_layers([layer], workload.assignment, self.view, execution.feature_memory)
            flow = _Flow(self, stored[plain_name(layer.name)], matched.rows, execution)
            found, used = _layer_distances(layer, workload, flow, listener)
            for name in workload.distances:
                values[name][number] = found[name]
            uses += used
        return SourceDistances(self.layers, self.depths, values, execution.ranks.device.type, tuple(uses))

    def _match(self, workload: PairWorkload, listener: ProgressListener) -> MatchedRows:
        """Find the row of each picture, and tell how."""
        about, names, pictures = str(self.stored.path), self.stored.names, workload.images.names
        matched = match_rows(about, names, pictures, workload.summary.dataset, self.concept)
        are = "row is" if matched.others == 1 else "rows are"
        others = f"; {matched.others:,} {are} of other pictures" if matched.others else ""
        listener.notice(f"{about}: {len(pictures):,} pictures have their rows by {matched.by}{others}")
        return matched


def _refuse(picture: Image.Image) -> NoReturn:
    raise RuntimeError("features that exist take no pictures")


@dataclass(frozen=True)
class _Flow:
    """How the rows of one stored layer are read.

    Attributes:
        source: The source that it is of.
        stored: The stored layer.
        rows: The row of each picture.
        execution: How to run.
    """

    source: FeatureSource
    stored: StoredLayer
    rows: Indices
    execution: Execution

    def features(self, layer: Layer, held: Any, images: Indices) -> Tensor:
        """Features of some pictures in the token view, (images, tokens, channels), on the device."""
        rows = self.stored.rows(held, self.rows[images]).to(self.execution.ranks.device)
        return select_view(rows, layer, self.source.view, _prefix_tokens(self.source.stored, self.stored) or 0)


def _layer_distances(
    layer: Layer, workload: PairWorkload, flow: _Flow, listener: ProgressListener
) -> tuple[dict[str, Floats], list[ChannelUse]]:
    """Distances of all pairs at a layer by name, (pairs,), and the use of its channels."""
    execution = replace(flow.execution, view=flow.source.view)
    pairs, images = workload.pairs, len(workload.images.names)
    ranks = execution.ranks
    shard = workload.assignment.shards[ranks.number]
    [state] = make_states([layer], workload, execution)
    with flow.stored.opened() as held, torch.inference_mode():
        done = 0
        for count, few in _embedded(state, workload, flow, held):
            listener.advanced(few)
            done = count
        if "cosine" in workload.distances and not bool(state.lengths.all()):
            image = int((state.lengths == 0).nonzero()[0])
            raise no_cosine(layer.name, workload.images.names[int(shard.schedule.order[image])])
        check_counts(done, images, ranks)
        finish_pairs(state, shard, pairs, images, ranks)
        return layer_results(state, shard, workload.fit.held_out, len(pairs), ranks)


def _embedded(state: LayerState, workload: PairWorkload, flow: _Flow, held: Any) -> Iterator[tuple[int, int]]:
    """Bring rows into their slots and reduce the pairs that they complete: how many are done, and how many just now."""
    ranks = flow.execution.ranks
    embedded = reduced = 0
    for step in workload.assignment.shards[ranks.number].schedule.steps:
        slots, first, second = (torch.from_numpy(of).to(ranks.device) for of in (step.slots, step.first, step.second))
        state.keep(flow.features(state.layer, held, step.images), slots, embedded)
        embedded += len(step.images)
        if len(step.pairs):
            state.reduce(slice(reduced, reduced + len(step.pairs)), first, second)
            reduced += len(step.pairs)
        yield embedded, len(step.images)


# --- Token views ----------------------------------------------------------------------------------------------------


def layers_of(stored: StoredFeatures) -> tuple[Layer, ...]:
    """Make the layers that stored features are measured at."""
    return tuple(
        Layer(layer.name, depth, "", layer.tokens, layer.channels, has_prefix=bool(_prefix_tokens(stored, layer)))
        for layer, depth in zip(stored.layers, stored.depths, strict=True)
    )


def stored_view(stored: StoredFeatures, asked: str) -> str:
    """Find out in which token view features are measured.

    Where one token was kept of each picture, that is the view in which it was kept; `all` asks for all that there is.

    Args:
        stored: The features.
        asked: The view that is asked for.

    Raises:
        UsageError: If they cannot be had in it.
    """
    if asked not in TOKEN_VIEWS:
        raise unknown("token view", asked, TOKEN_VIEWS)
    told = stored.origin.get("tokens", "all")
    several = [layer for layer in stored.layers if layer.tokens > 1]
    if all(has_one_token(layer.name) for layer in stored.layers):
        return asked  # which is the same in all of them
    if not several:
        if asked not in ("all", told):
            what = f"the token view '{told}'" if told != "all" else "one token"
            raise UsageError(f"{stored.path} holds features of {what}, not of '{asked}': leave out --tokens")
        return told if told in TOKEN_VIEWS else asked
    for layer in several if asked != "all" else ():
        _check_tokens(stored, layer, asked)
    return asked


def _check_tokens(stored: StoredFeatures, layer: StoredLayer, view: str) -> None:
    """Refuse to guess which tokens are patches, and which one is the class token."""
    about, prefix = f"{stored.path}: {layer.name}", _prefix_tokens(stored, layer)
    if prefix is None:
        raise UsageError(
            f"{about} does not say whether its first token is a class token: measure it with --tokens all, or save the "
            "tokens that are meant"
        )
    if view == "cls" and not (prefix and stored.origin.get("class_token")):
        raise UsageError(f"{about} has no class token: measure it with --tokens all or mean")


def _prefix_tokens(stored: StoredFeatures, layer: StoredLayer) -> int | None:
    """Tokens before those of patches; none where nothing says it."""
    told = stored.origin.get("layers", {}).get(layer.name, {}).get("prefix_tokens")
    return 0 if layer.is_map else None if told is None else int(told)
