"""Why a picture is near: a neighbour of a store to the texts of heads that explain it, in a folder beside the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alignbench.arrays import Floats
from alignbench.errors import UsageError
from alignbench.interpret.head_names import heads_named
from alignbench.interpret.searching.analysis import MAPS, Picture, SearchJob, checked_heads, head_rows
from alignbench.interpret.searching.picked_texts import PickedTexts
from alignbench.interpret.searching.search import FoundTable, keep_search, search_settings
from alignbench.interpret.searching.tables import table_of
from alignbench.interpret.searching.why import Why, why
from alignbench.interpret.text_cache import unit_embeddings

EXPLAINED: Final = ("property", "picture", "text")


def explain(
    texts: PickedTexts,
    job: SearchJob,
    neighbour: int,
    picture: Picture | None = None,
    asked: Sequence[Floats] = (),
) -> Why:
    """Say why an analysis finds a picture near.

    Args:
        texts: The texts of the store's heads.
        job: What is asked, without a count; `picture` and `text` of one head.
        neighbour: Number of the picture that was found.
        picture: The picture that is asked about, for all but `text`.
        asked: The embedding of the job's text, of length 1, for `text`.

    Raises:
        UsageError: If the analysis finds no neighbours, by several heads each on its own, or the store holds no such
            head or picture.
        DataError: If the texts do not fit the heads.
    """
    _check(texts, job, picture)
    if len(asked) != len(job.texts):
        raise UsageError(f"{len(asked)} embeddings are given of {len(job.texts)} texts: give one of each")
    heads = checked_heads(texts.store, job, picture)
    rows = head_rows(texts.store, heads, picture, asked, job.measure)
    return why(rows, neighbour, texts.of(heads), job.measure, is_text=job.analysis == "text")


def explain_store(
    texts: PickedTexts, job: SearchJob, neighbour: str, picture: Picture | None = None
) -> tuple[Path, bool]:
    """Say why an analysis finds a picture near, and leave a folder `<model>__search__<hash8>` beside the store.

    Args:
        texts: The texts of the store's heads.
        job: See `explain`.
        neighbour: Name of the picture that was found.
        picture: See `explain`.

    Returns:
        The folder, and whether it was there already.

    Raises:
        UsageError: See `explain`.
        DataError: See `explain`.
        AlignbenchError: If the folder cannot be written.
    """
    store = texts.store
    _check(texts, job, picture)
    if neighbour not in store.names:
        raise UsageError(f"--why {neighbour} is no picture of {store.folder}: name one that was found there")
    settings = search_settings(store, job, picture, texts.encoder)
    del settings["count"]  # which changes no number here
    settings |= {"why": neighbour, "span": texts.picks.record["settings"]}

    def find() -> FoundTable:
        asked = unit_embeddings(texts.encoder, job.texts) if job.texts else ()
        found = explain(texts, job, store.names.index(neighbour), picture, tuple(asked))
        return FoundTable(
            table_of(store, found),
            {"why": {"picture": neighbour, "value": found.value, "rest": found.rest}},
        )

    return keep_search(store, settings, find)


def _check(texts: PickedTexts, job: SearchJob, picture: Picture | None) -> None:
    """Refuse what finds no neighbour that could be explained."""
    if job.analysis in MAPS:
        raise UsageError(f"{job.analysis} finds no neighbours: leave out --why and --texts")
    if job.count is not None:
        raise UsageError("--why is of one neighbour: leave out --count")
    heads = checked_heads(texts.store, job, picture)
    if job.analysis != "property" and len(heads) > 1:
        raise UsageError(
            f"{job.analysis} finds neighbours by each head, and --why is of one: name it by --group, such as "
            f"{heads_named(heads[:1])}"
        )
