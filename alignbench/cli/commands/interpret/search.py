"""`alignbench interpret search`: neighbours of pictures and texts by head, and maps of texts over a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.commands.interpret.textspan import StoreFolder, StoreModel
from alignbench.cli.completion import one_of
from alignbench.cli.options import AsJson, print_error
from alignbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_ANALYSES = ("property", "topic", "contrast", "picture", "text")


def search(
    analysis: Annotated[
        str,
        typer.Argument(
            metavar="ANALYSIS",
            help="What is asked: property, topic, contrast, picture or text.",
            autocompletion=one_of(*_ANALYSES),
        ),
    ],
    heads: StoreFolder,
    picture: Annotated[
        str | None, typer.Option(metavar="PICTURE", help="A picture of the contributions, or a file; a file for maps.")
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="The text.")] = None,
    against: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The text that contrast compares it with.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(metavar="L.H[,L.H]", help="The heads, such as 5.3,6.0 [default: all that are kept].")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Labels of heads, by `interpret label`, of which --label is one."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME", help="The heads of this label, in place of --group.")
    ] = None,
    measure: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The similarity: dot, cosine, or centred (cosine of centred contributions).",
            autocompletion=one_of("dot", "cosine", "centred"),
        ),
    ] = "dot",
    count: Annotated[
        int | None, typer.Option(metavar="N", help="Neighbours [default: property 4, picture 8, text 3].")
    ] = None,
    model: StoreModel = None,
    as_json: AsJson = False,
) -> None:
    """Search pictures by head, or map a text over one.

    property: neighbours of a picture by several heads together. picture: by each head. text: pictures of which each
    head says most what a text says. topic: where heads say it. contrast: where they say it more than another text.
    The last line of stdout is the folder of what was found, which lies beside that of the contributions.
    """
    if against is not None and text is None:
        raise UsageError("--against is compared with a text: give --text")
    if (labels is None) != (label is None) or (label is not None and group is not None):
        raise UsageError(
            "heads of a label are named by --labels and --label, and others by --group: give one or the other"
        )
    from alignbench.interpret.head_names import read_heads
    from alignbench.interpret.searching.search import MAPS, SearchJob, read_search, search_store

    texts = tuple(each for each in (text, against) if each is not None)
    job = SearchJob(analysis, () if group is None else read_heads(group), texts, measure, count).checked()
    from dataclasses import replace

    from alignbench.cli.console import print_json, print_table
    from alignbench.cli.working import working
    from alignbench.interpret.label_groups import label_groups
    from alignbench.interpret.searching.asked import asked_picture, decomposed_picture
    from alignbench.interpret.store import HeadStore
    from alignbench.interpret.text_encoders.of_store import model_of, store_encoder

    store = HeadStore.open(heads)
    if labels is not None and label is not None:
        job = replace(job, heads=label_groups(labels, store, label)[label])
    with working(f"loading {model or model_of(store)}"):
        encoder = store_encoder(store, model) if texts else None
        asked = None
        if picture is not None:
            is_map = analysis in MAPS
            asked = decomposed_picture(store, Path(picture), model) if is_map else asked_picture(store, picture, model)
    folder, is_finished = search_store(store, job, asked, encoder)
    if is_finished:
        print_error(f"this was asked before: taken from {folder}")
    record, table = read_search(folder)
    if as_json:
        print_json({"folder": str(folder), **record, "found": table.to_dict("records")})
        return
    if analysis in MAPS:
        print(_map_line(table))
    else:
        print_table(_shown(table))
    print(folder)


def _shown(table: pd.DataFrame) -> Table:
    """The neighbours, a row for each head or group."""
    from rich.table import Table

    shown = Table(title="Neighbours", title_justify="left")
    shown.add_column("heads")
    shown.add_column("pictures, the nearest first")
    for heads, rows in table.groupby("heads", sort=False):
        shown.add_row(str(heads), "  ".join(f"{row.picture} ({row.value:.3g})" for row in rows.itertuples()))
    return shown


def _map_line(table: pd.DataFrame) -> str:
    """How large a map is, and where it is lowest and highest."""
    low, high = (table.loc[getattr(table["value"], which)()] for which in ("idxmin", "idxmax"))
    ends = (f"{end['value']:+.3g} (row {end['row']:.0f}, column {end['column']:.0f})" for end in (low, high))
    return f"{table['row'].max() + 1} x {table['column'].max() + 1} patches, {' to '.join(ends)}"
