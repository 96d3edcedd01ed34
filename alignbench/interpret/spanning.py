"""From a store of contributions to the texts that span each of its heads: a folder beside the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch

from alignbench.arrays import Floats, Indices
from alignbench.errors import UsageError
from alignbench.files import whole_folder
from alignbench.interpret.drawn_picks import write_drawn
from alignbench.interpret.pick_stability import PickStability, image_draws, stability_of_heads
from alignbench.interpret.shards import torch_dtype
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_cache import unit_embeddings
from alignbench.interpret.text_encoders.encoder import TextEncoder
from alignbench.interpret.text_span import TextSpan, textspan_heads
from alignbench.interpret.texts import texts_digest
from alignbench.results.folders import check_writable, folder_of
from alignbench.results.head_texts import COLUMNS, RECORD, TABLE, is_span
from alignbench.results.run_folder import run_hash

STAGE: Final = "textspan"
RESAMPLED: Final = ("again", "in_place")
_MOST: Final = 10_000  # draws of the images
Heard = Callable[[int, int], None]


@dataclass(frozen=True)
class SpanJob:
    """What is asked of each head.

    Attributes:
        picks: Texts at most.
        rank: Singular vectors that are kept; none for those beyond rounding.
        resamples: How often images are drawn anew to see which picks come again; 0 for never.
        seed: Seed of these draws.
        workers: Draws that are worked on at the same time, which changes no number.
    """

    picks: int = 20
    rank: int | None = 80
    resamples: int = 0
    seed: int = 0
    workers: int = 1

    def checked(self) -> SpanJob:
        """Check that everything in it is possible, and return it.

        Raises:
            UsageError: If it is not; names the option.
        """
        for option, number, least in (
            ("--picks", self.picks, 1),
            ("--rank", 1 if self.rank is None else self.rank, 1),
            ("--resamples", self.resamples, 0),
            ("--seed", self.seed, 0),
        ):
            if number < least:
                raise UsageError(f"{option} {number}: give {least} or more")
        if self.resamples > _MOST:
            raise UsageError(f"--resamples {self.resamples}: give up to {_MOST:,}")
        return self


def span_store(
    store: HeadStore,
    encoder: TextEncoder,
    texts: Sequence[str],
    job: SpanJob,
    heard: Heard = lambda done, of: None,
) -> tuple[Path, bool]:
    """Find the texts that span each head of a store, and leave a folder `<model>__textspan__<hash8>` beside it.

    Args:
        store: The contributions.
        encoder: The text encoder of the same model.
        texts: The texts.
        job: What is asked.
        heard: Hears how many heads are done, and of how many.

    Returns:
        The folder, and whether it was there already.

    Raises:
        UsageError: If the job is impossible, or the texts are of another space.
        DataError: If the store is damaged.
        AlignbenchError: If the folder cannot be written.
    """
    job = job.checked()
    if encoder.width != store.width:
        raise UsageError(
            f"{encoder.name} encodes texts in {encoder.width} numbers, and {store.folder} has contributions of "
            f"{store.width}: give the model that the store is of"
        )
    settings = _settings(store, encoder, texts, job)
    label = str(store.record["settings"].get("model", ""))
    folder = store.folder.parent / folder_of(label, STAGE, run_hash(settings))
    if is_span(folder):
        return folder, True
    check_writable(folder.parent)
    rows = unit_embeddings(encoder, texts)
    table, ranks, drawn = _table(store, rows, texts, job, heard)
    with whole_folder(folder, lambda: is_span(folder)) as scratch:
        table.to_csv(scratch / TABLE, index=False)
        if drawn is not None:
            write_drawn(scratch, drawn, texts)
        record = {
            "settings": settings,
            "store": store.folder.name,
            "images": len(store.names),
            "blocks": store.shape.blocks,  # of the whole model, kept in the store or not
            "heads": store.heads,
            "ranks": ranks,
        }
        (scratch / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return folder, False


def _settings(store: HeadStore, encoder: TextEncoder, texts: Sequence[str], job: SpanJob) -> dict[str, Any]:
    """Everything that can change a number."""
    drawn = {"resamples": job.resamples, "seed": job.seed, "draws": "kept"} if job.resamples else {}
    return {
        "heads": store.record["settings"],
        "text_fingerprint": encoder.fingerprint,
        "texts": texts_digest(texts),
        "count": len(texts),
        "picks": job.picks,
        "rank": job.rank,
        **drawn,
    }


def _table(
    store: HeadStore, rows: Floats, texts: Sequence[str], job: SpanJob, heard: Heard
) -> tuple[pd.DataFrame, list[dict[str, int]], Indices | None]:
    """The rows of all heads, the rank of each, and what is picked in draws, (draws, heads, picks)."""
    places = [(layer, head) for layer in store.layers for head in range(store.heads)]
    precision = float(torch.finfo(torch_dtype(store.shape.dtype)).eps)
    draws = image_draws(len(store.names), job.resamples, job.seed) if job.resamples else None
    spans = textspan_heads((store.head(*place) for place in places), rows, job.picks, job.rank, precision)
    found: list[pd.DataFrame] = []
    ranks: list[dict[str, int]] = []
    drawn = None if draws is None else np.full((len(draws), len(places), job.picks), -1, dtype=np.int64)
    for place, span in zip(places, spans, strict=True):
        stability = None
        if draws is not None and drawn is not None:
            again = stability_of_heads([(store.head(*place), span)], rows, draws, job.workers, precision)
            stability = next(again)
            drawn[:, len(ranks), : len(span.indices)] = stability.picks
        found.append(_rows(place, span, texts, stability))
        ranks.append({"layer": place[0], "head": place[1], "rank": span.rank})
        heard(len(ranks), len(places))
    columns = [*COLUMNS, *(RESAMPLED if draws is not None else ())]
    return pd.concat(found, ignore_index=True)[columns], ranks, drawn


def _rows(
    place: tuple[int, int], span: TextSpan, texts: Sequence[str], stability: PickStability | None
) -> pd.DataFrame:
    count = len(span.indices)
    columns: dict[str, Any] = {
        "layer": np.full(count, place[0]),
        "head": np.full(count, place[1]),
        "pick": np.arange(1, count + 1),
        "index": span.indices,
        "text": [texts[index] for index in span.indices],
        "deviation": span.deviations,
        "explained_variance": span.explained_variance,
        "margin": span.margins,
    }
    if stability is not None:
        columns |= {"again": stability.again, "in_place": stability.in_place}
    return pd.DataFrame(columns)
