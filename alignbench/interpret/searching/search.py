"""An analysis of a store: the asked picture and texts to neighbours or a map, in a folder beside the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd
from PIL import Image

from alignbench.errors import DataError, one_line
from alignbench.files import whole_folder
from alignbench.files.json_text import checked_object, read_json
from alignbench.interpret.head_names import heads_named
from alignbench.interpret.searching.analysis import (
    COUNTS,
    MAPS,
    HeatMap,
    Picture,
    SearchJob,
    analyse,
    checked_heads,
)
from alignbench.interpret.searching.asked import DecomposedPicture
from alignbench.interpret.searching.maps import overlay
from alignbench.interpret.searching.tables import GAPS, TEXTS, columns_of, table_of
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


@dataclass(frozen=True, eq=False)
class FoundTable:
    """What an analysis has found, as its folder has it.

    Attributes:
        table: The table.
        record: What the record says beside the settings.
        overlay: A map over its picture, if it is one.
    """

    table: pd.DataFrame
    record: Mapping[str, Any] = field(default_factory=dict)
    overlay: Image.Image | None = None


def search_store(
    store: HeadStore, job: SearchJob, picture: Picture | None = None, encoder: TextEncoder | None = None
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
    settings = search_settings(store, job, picture, encoder)

    def find() -> FoundTable:
        texts = [] if encoder is None or not job.texts else list(unit_embeddings(encoder, job.texts))
        result = analyse(store, job, picture, texts)
        if isinstance(result, HeatMap) and isinstance(picture, DecomposedPicture):
            return FoundTable(table_of(store, result), overlay=overlay(picture.pixels, result.grid))
        return FoundTable(table_of(store, result))

    return keep_search(store, settings, find)


def keep_search(store: HeadStore, settings: dict[str, Any], find: Callable[[], FoundTable]) -> tuple[Path, bool]:
    """Leave a folder of an analysis beside the store, unless it is there.

    Args:
        store: The contributions.
        settings: Everything that can change a number; `analysis` is among them.
        find: Does the analysis.

    Returns:
        The folder, and whether it was there already.

    Raises:
        AlignbenchError: If it cannot be written, and as `find` does.
    """
    label = str(store.record["settings"].get("model", ""))
    folder = store.folder.parent / folder_of(label, STAGE, run_hash(settings))
    if is_search(folder):
        return folder, True
    check_writable(folder.parent)
    found = find()
    record = {"settings": settings, "store": store.folder.name, "analysis": settings["analysis"], **found.record}
    with whole_folder(folder, lambda: is_search(folder)) as scratch:
        found.table.to_csv(scratch / TABLE, index=False)
        if found.overlay is not None:
            found.overlay.save(scratch / PICTURE)
        (scratch / SEARCH).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return folder, False


def search_settings(
    store: HeadStore, job: SearchJob, picture: Picture | None, encoder: TextEncoder | None
) -> dict[str, Any]:
    """Say everything that can change a number of an analysis; arguments as of `search_store`.

    Raises:
        UsageError: If the job is impossible, or the store holds no such head.
    """
    heads = checked_heads(store, job, picture)
    counted = {} if job.analysis in MAPS else {"count": job.count or COUNTS[job.analysis]}
    asked = {} if picture is None else {"picture": picture.name}
    if isinstance(picture, DecomposedPicture):
        asked["identity"] = picture.identity
    texts = {"texts": list(job.texts), "text_fingerprint": encoder.fingerprint} if job.texts and encoder else {}
    return {
        "heads": store.record["settings"],
        "analysis": job.analysis,
        "among": heads_named(heads),
        **({} if job.analysis == "attention" else {"measure": job.measure}),
        **counted,
        **asked,
        **texts,
    }


def is_search(folder: Path) -> bool:
    """Whether a folder holds an analysis."""
    return (folder / SEARCH).is_file() and (folder / TABLE).is_file()


def read_search(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Read the record of an analysis, and its table: a row for each neighbour, patch or text.

    Args:
        folder: What `search_store` has left.

    Raises:
        DataError: If it is none, or damaged.
    """
    if not is_search(folder):
        raise DataError(f"{folder} holds no {SEARCH} and {TABLE}: make it by `alignbench interpret search`")
    try:
        kinds = {"settings": (dict,), "store": (str,), "analysis": (str,)}
        explained = {"picture": (str,), "value": (float,), "rest": (float,)}
        record = checked_object("record", read_json(folder / SEARCH), kinds)
        table = read_csv_table(folder / TABLE, TEXTS, GAPS)
        columns = columns_of(record)
        lacking = [name for name in columns if name not in table] + [key for key in kinds if key not in record]
        if "why" in record:
            lacking += [key for key in explained if key not in checked_object("why", record["why"], explained)]
        if lacking:
            raise ValueError(f"{lacking[0]} is not there")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} cannot be read ({one_line(error)}): remove the folder, and make it "
            "again by `alignbench interpret search`"
        ) from error
    return record, table
