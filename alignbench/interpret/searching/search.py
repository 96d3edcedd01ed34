"""An analysis of a store: the asked picture and texts to neighbours or a map, in a folder beside the store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.arrays import Floats
from alignbench.errors import DataError, UsageError, one_line, unknown
from alignbench.files import whole_folder
from alignbench.files.json_text import checked_object, read_json
from alignbench.interpret.head_names import Head, heads_named
from alignbench.interpret.searching.asked import DecomposedPicture, StoredPicture
from alignbench.interpret.searching.maps import contrastive_map, overlay, patch_grid, topic_map
from alignbench.interpret.searching.neighbours import (
    HeadRows,
    Neighbours,
    picture_neighbours,
    property_neighbours,
    text_neighbours,
)
from alignbench.interpret.searching.similarity import MEASURES
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_cache import unit_embeddings
from alignbench.interpret.text_encoders.encoder import TextEncoder
from alignbench.results.csv_table import read_csv_table
from alignbench.results.folders import check_writable, folder_of
from alignbench.results.head_stages import SEARCH
from alignbench.results.run_folder import run_hash

STAGE: Final = "search"
TABLE: Final = "search.csv"
PICTURE: Final = "map.png"
NEIGHBOURS: Final = ("heads", "place", "picture", "value")
MAP: Final = ("row", "column", "value")
COUNTS: Final[Mapping[str, int]] = {"property": 4, "picture": 8, "text": 3}
MAPS: Final = ("topic", "contrast")
ANALYSES: Final = ("property", "topic", "contrast", "picture", "text")


@dataclass(frozen=True)
class SearchJob:
    """What is asked.

    Attributes:
        analysis: `property`: neighbours of a picture by several heads together; `topic`: map of a text over a picture;
            `contrast`: map of what one text says more than another; `picture`: neighbours of a picture by each head;
            `text`: pictures of which each head says most what a text says.
        heads: The heads; all that are kept where there are none.
        texts: The text, or both.
        measure: See `similarities`.
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
        if self.measure not in MEASURES:
            raise unknown("--measure", self.measure, MEASURES)
        texts = {"topic": 1, "contrast": 2, "text": 1}.get(self.analysis, 0)
        if len(self.texts) != texts:
            wanted = (
                "takes no text: leave out --text",
                "takes a text: give --text",
                "takes two: give --text, --against",
            )
            raise UsageError(f"{self.analysis} {wanted[texts]}")
        if self.count is not None and self.count < 1:
            raise UsageError(f"--count {self.count}: give 1 or more")
        if self.count is not None and self.analysis in MAPS:
            raise UsageError(f"{self.analysis} finds no neighbours: leave out --count")
        return self


def search_store(
    store: HeadStore,
    job: SearchJob,
    picture: StoredPicture | DecomposedPicture | None = None,
    encoder: TextEncoder | None = None,
) -> tuple[Path, bool]:
    """Do an analysis, and leave a folder `<model>__search__<hash8>` beside the store.

    Args:
        store: The contributions.
        job: What is asked.
        picture: The picture that is asked about, for all but `text`; for a map one that was decomposed.
        encoder: The text encoder of the store's model, for texts.

    Returns:
        The folder, and whether it was there already.

    Raises:
        UsageError: If the job is impossible, or the store holds no such head.
        DataError: If the store is damaged.
        AlignbenchError: If the folder cannot be written.
    """
    job = job.checked()
    if (picture is None) != (job.analysis == "text"):
        what = "is asked about all pictures: leave out --picture" if picture else "is asked about one: give --picture"
        raise UsageError(f"{job.analysis} {what}")
    heads = job.heads or tuple((layer, head) for layer in store.layers for head in range(store.heads))
    for head in heads:
        store.head(*head)  # which refuses one that is not there
    settings = _settings(store, job, heads, picture, encoder)
    label = str(store.record["settings"].get("model", ""))
    folder = store.folder.parent / folder_of(label, STAGE, run_hash(settings))
    if is_search(folder):
        return folder, True
    check_writable(folder.parent)
    texts = [] if encoder is None or not job.texts else list(unit_embeddings(encoder, job.texts))
    grid = None
    if job.analysis in MAPS:
        if not isinstance(picture, DecomposedPicture):
            raise UsageError("a map is of the tokens of a picture: give its file by --picture")
        grid = _map(store, job, heads, picture, texts)
        table = _cells(grid)
    else:
        table = _listed(store, _neighbours(store, job, heads, picture, texts))
    record = {"settings": settings, "store": store.folder.name, "analysis": job.analysis}
    with whole_folder(folder, lambda: is_search(folder)) as scratch:
        table.to_csv(scratch / TABLE, index=False)
        if grid is not None and isinstance(picture, DecomposedPicture):
            overlay(picture.pixels, grid).save(scratch / PICTURE)
        (scratch / SEARCH).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return folder, False


def _settings(
    store: HeadStore,
    job: SearchJob,
    heads: tuple[Head, ...],
    picture: StoredPicture | DecomposedPicture | None,
    encoder: TextEncoder | None,
) -> dict[str, Any]:
    """Everything that can change a number."""
    counted = {} if job.analysis in MAPS else {"count": job.count or COUNTS[job.analysis]}
    asked = {} if picture is None else {"picture": picture.name}
    if isinstance(picture, DecomposedPicture):
        asked["identity"] = picture.identity
    texts = {"texts": list(job.texts), "text_fingerprint": encoder.fingerprint} if job.texts and encoder else {}
    return {
        "heads": store.record["settings"],
        "analysis": job.analysis,
        "among": heads_named(heads),
        "measure": job.measure,
        **counted,
        **asked,
        **texts,
    }


def _neighbours(
    store: HeadStore,
    job: SearchJob,
    heads: tuple[Head, ...],
    picture: StoredPicture | DecomposedPicture | None,
    texts: list[Floats],
) -> list[Neighbours]:
    rows = _rows(store, heads, picture, texts)
    count = job.count or COUNTS[job.analysis]
    own = picture.number if isinstance(picture, StoredPicture) else None
    if job.analysis == "text":
        return text_neighbours(rows, count, job.measure)
    if job.analysis == "picture":
        return picture_neighbours(rows, count, job.measure, own)
    return [property_neighbours(rows, count, job.measure, own)]


def _rows(
    store: HeadStore,
    heads: tuple[Head, ...],
    picture: StoredPicture | DecomposedPicture | None,
    texts: list[Floats],
) -> Iterator[HeadRows]:
    """The contributions of each head, and what they are compared with."""
    for layer, head in heads:
        rows = store.head(layer, head)
        if picture is None:
            query: Any = texts[0]
        elif isinstance(picture, StoredPicture):
            query = rows[picture.number]
        else:
            query = picture.heads[layer - 1, head]
        yield HeadRows((layer, head), rows, query)


def _map(
    store: HeadStore, job: SearchJob, heads: tuple[Head, ...], picture: DecomposedPicture, texts: list[Floats]
) -> Floats:
    patches = np.stack([picture.patches[layer - 1, :, head] for layer, head in heads], axis=1)
    if job.analysis == "topic":
        values = topic_map(patches, texts[0], job.measure)
    else:
        values = contrastive_map(patches, texts[0], texts[1], job.measure)
    return patch_grid(values, *picture.pixels.shape[1:])


def _cells(grid: Floats) -> pd.DataFrame:
    rows, columns = np.indices(grid.shape)
    return pd.DataFrame(dict(zip(MAP, (rows.ravel(), columns.ravel(), grid.ravel()), strict=True)))


def _listed(store: HeadStore, found: list[Neighbours]) -> pd.DataFrame:
    rows = [
        (heads_named(each.heads), place, store.names[number], value)
        for each in found
        for place, (number, value) in enumerate(zip(each.pictures, each.values, strict=True), 1)
    ]
    return pd.DataFrame(rows, columns=list(NEIGHBOURS))


def is_search(folder: Path) -> bool:
    """Whether a folder holds an analysis."""
    return (folder / SEARCH).is_file() and (folder / TABLE).is_file()


def read_search(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Read the record of an analysis, and its table: a row for each neighbour, or for each patch of a map.

    Args:
        folder: What `search_store` has left.

    Raises:
        DataError: If it is none, or damaged.
    """
    if not is_search(folder):
        raise DataError(f"{folder} holds no {SEARCH} and {TABLE}: make it by `alignbench interpret search`")
    try:
        kinds = {"settings": (dict,), "store": (str,), "analysis": (str,)}
        record = checked_object("record", read_json(folder / SEARCH), kinds)
        table = read_csv_table(folder / TABLE, ("heads", "picture"))
        columns = MAP if record.get("analysis") in MAPS else NEIGHBOURS
        lacking = [name for name in columns if name not in table] + [key for key in kinds if key not in record]
        if lacking:
            raise ValueError(f"{lacking[0]} is not there")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} cannot be read ({one_line(error)}): remove the folder, and make it "
            "again by `alignbench interpret search`"
        ) from error
    return record, table
