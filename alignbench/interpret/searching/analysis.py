"""What is asked of a store, and what is found: neighbours or a map, without a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import UsageError, unknown
from alignbench.interpret.head_names import Head
from alignbench.interpret.searching.asked import DecomposedPicture, StoredPicture
from alignbench.interpret.searching.attention import ATTENTION_UNIT, attention_map
from alignbench.interpret.searching.maps import contrastive_map, patch_grid, topic_map
from alignbench.interpret.searching.neighbours import (
    HeadRows,
    Neighbours,
    picture_neighbours,
    property_neighbours,
    text_neighbours,
)
from alignbench.interpret.searching.similarity import RowLengths, Rows, check_count, check_measure, row_lengths
from alignbench.interpret.store import HeadStore

COUNTS: Final[Mapping[str, int]] = {"property": 4, "picture": 8, "text": 3, "people": 8}
MAPS: Final = ("topic", "contrast", "attention")
ANALYSES: Final = ("property", "topic", "contrast", "picture", "text", "attention")
_UNITS: Final[Mapping[str, str]] = {
    "dot": "dot product",
    "cosine": "cosine",
    "centred": "cosine of centred contributions",
}
Picture = StoredPicture | DecomposedPicture


@dataclass(frozen=True)
class SearchJob:
    """What is asked.

    Attributes:
        analysis: `property`: neighbours of a picture by several heads together; `topic`: map of a text over a picture;
            `contrast`: map of what one text says more than another; `picture`: neighbours of a picture by each head;
            `text`: pictures of which each head says most what a text says; `attention`: where in a picture heads look.
        heads: The heads; all that are kept where there are none.
        texts: The text, or both.
        measure: See `similarities`; attention has none.
        count: Number of neighbours; 4, 8 or 3 by default, as published.
    """

    analysis: str
    heads: tuple[Head, ...] = ()
    texts: tuple[str, ...] = ()
    measure: str = "dot"
    count: int | None = None

    def checked(self) -> SearchJob:
        """Check that everything in it is possible, and return it.

        Raises:
            UsageError: If it is not; names the option.
        """
        if self.analysis not in ANALYSES:
            raise unknown("analysis", self.analysis, ANALYSES)
        check_measure(self.measure)
        texts = {"topic": 1, "contrast": 2, "text": 1}.get(self.analysis, 0)
        if len(self.texts) != texts:
            wanted = (
                "takes no text: leave out --text",
                "takes a text: give --text",
                "takes two: give --text, --against",
            )
            raise UsageError(f"{self.analysis} {wanted[texts]}")
        if self.analysis == "attention" and self.measure != SearchJob.measure:
            raise UsageError("attention is no similarity: leave out --measure")
        check_count(self.count)
        if self.count is not None and self.analysis in MAPS:
            raise UsageError(f"{self.analysis} finds no neighbours: leave out --count")
        return self


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A number for each patch of a picture.

    Attributes:
        heads: The heads that it is of, together.
        grid: As the patches lie in the picture, (rows, columns).
        unit: What the numbers are in, for people.
    """

    heads: tuple[Head, ...]
    grid: Floats
    unit: str


def unit_of(measure: str) -> str:
    """Say for people what the similarities of a measure are in.

    Raises:
        UsageError: If there is no such measure.
    """
    check_measure(measure)
    return _UNITS[measure]


def analyse(
    store: HeadStore, job: SearchJob, picture: Picture | None = None, texts: Sequence[Floats] = ()
) -> list[Neighbours] | HeatMap:
    """Do an analysis of a store.

    Args:
        store: The contributions.
        job: What is asked.
        picture: The picture that is asked about, for all but `text`; for a map one that was decomposed.
        texts: Embeddings of the job's texts by the store's model, of length 1, (d') each.

    Returns:
        Neighbours by each head, or by all together for `property`; a map for `topic`, `contrast` and `attention`.

    Raises:
        UsageError: If the job is impossible, or the store holds no such head.
        DataError: If the store is damaged.
    """
    heads = checked_heads(store, job, picture)
    if len(texts) != len(job.texts):
        raise UsageError(f"{len(texts)} embeddings are given of {len(job.texts)} texts: give one of each")
    if isinstance(picture, DecomposedPicture) and job.analysis in MAPS:
        return _map(job, heads, picture, texts)
    rows = head_rows(store, heads, picture, texts, job.measure)
    count = job.count or COUNTS[job.analysis]
    own = picture.number if isinstance(picture, StoredPicture) else None
    if job.analysis == "text":
        return text_neighbours(rows, count, job.measure)
    if job.analysis == "picture":
        return picture_neighbours(rows, count, job.measure, own)
    return [property_neighbours(rows, count, job.measure, own)]


def checked_heads(store: HeadStore, job: SearchJob, picture: Picture | None) -> tuple[Head, ...]:
    """Check that a store can be asked this, and return the heads that are asked.

    Args:
        store: The contributions.
        job: What is asked.
        picture: The picture that is asked about, if any.

    Raises:
        UsageError: If it cannot.
    """
    job.checked()
    if (picture is None) != (job.analysis == "text"):
        what = "is asked about all pictures: leave out --picture" if picture else "is asked about one: give --picture"
        raise UsageError(f"{job.analysis} {what}")
    if job.analysis in MAPS and not isinstance(picture, DecomposedPicture):
        raise UsageError("a map is of the tokens of a picture: give its file by --picture")
    heads = job.heads or all_heads(store)
    for head in heads:
        store.check_head(*head)
    return heads


def all_heads(store: HeadStore) -> tuple[Head, ...]:
    """Return all heads that a store keeps, layer by layer."""
    return tuple((layer, head) for layer in store.layers for head in range(store.heads))


def head_rows(
    store: HeadStore,
    heads: Sequence[Head],
    picture: Picture | None,
    texts: Sequence[Floats] = (),
    measure: str = "dot",
) -> Iterator[HeadRows]:
    """Give the contributions of each head, and what they are compared with.

    Args:
        store: The contributions.
        heads: The heads.
        picture: The picture that they are compared with; none for a text.
        texts: The embedding of the text, where there is no picture.
        measure: How they are compared; what does not depend on the picture is worked out once for a store.
    """
    for layer, head in heads:
        rows = store.head(layer, head)
        if picture is None:
            query: Rows = texts[0]
        elif isinstance(picture, StoredPicture):
            query = rows[picture.number]
        else:
            query = picture.heads[layer - 1, head]
        yield HeadRows((layer, head), rows, query, _lengths(store, (layer, head), rows, measure))


def _lengths(store: HeadStore, head: Head, rows: Rows, measure: str) -> RowLengths | None:
    """The lengths of a head's contributions, which are kept with the store."""
    if measure == "dot":
        return None
    return store.remembered(head, ("lengths", measure), lambda: row_lengths(rows, measure))


def _added(patches: Rows, heads: Sequence[Head]) -> Floats:
    """What heads add together of each patch, (patches, 1, d')."""
    total = np.zeros((patches.shape[1], patches.shape[3]))
    for layer, head in heads:
        total += patches[layer - 1, :, head]
    return total[:, None]


def _map(job: SearchJob, heads: tuple[Head, ...], picture: DecomposedPicture, texts: Sequence[Floats]) -> HeatMap:
    if job.analysis == "attention":
        values, unit = attention_map(picture.attention, heads), ATTENTION_UNIT
    else:
        patches = _added(picture.patches, heads)
        unit = unit_of(job.measure)
        if job.analysis == "topic":
            values = topic_map(patches, texts[0], job.measure)
        else:
            values, unit = contrastive_map(patches, texts[0], texts[1], job.measure), f"difference in {unit}"
    return HeatMap(heads, patch_grid(values, *picture.pixels.shape[1:]), unit)
