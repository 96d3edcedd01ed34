"""`alignbench interpret textspan`: the texts that span what each head says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.completion import models
from alignbench.cli.options import AsJson, print_error
from alignbench.errors import UsageError, counted

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_SHOWN = 3  # texts of a head in the table

StoreFolder = Annotated[
    Path, typer.Option(metavar="FOLDER", help="Store of contributions: a folder of `interpret decompose`.")
]
StoreModel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Model of the store; needed only if it was loaded from a folder [default: its name in the store].",
        autocompletion=models,
    ),
]


def textspan(
    heads: StoreFolder,
    texts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="UTF-8 file with one text per line [default: the packaged pool]."),
    ] = None,
    model: StoreModel = None,
    picks: Annotated[int, typer.Option(metavar="N", help="Largest number of texts per head.")] = 20,
    rank: Annotated[
        str,
        typer.Option(
            metavar="N",
            help="Singular vectors of each head to project texts to; auto: all that it has beyond rounding.",
        ),
    ] = "80",
    resamples: Annotated[
        int,
        typer.Option(metavar="N", help="Resample the images N times, to see which texts are picked again; 0 for none."),
    ] = 0,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the resamples.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Find the texts that describe what each head says.

    Texts are picked one after another (TEXTSPAN). Each is the one that explains most of the variance of the head's
    contributions that is left. The last line of stdout is the folder of the texts, beside the store.
    """
    from alignbench.interpret.spanning import SpanJob

    job = SpanJob(picks, _rank(rank), resamples, seed).checked()
    from dataclasses import replace

    from alignbench.cli.console import print_json, print_status, print_table
    from alignbench.cli.working import working
    from alignbench.extraction.host import usable_cores
    from alignbench.interpret.spanning import span_store
    from alignbench.interpret.store import HeadStore
    from alignbench.interpret.text_encoders.of_store import model_of, store_encoder
    from alignbench.interpret.texts import packaged_texts, read_texts
    from alignbench.results.head_texts import read_span

    store = HeadStore.open(heads)
    given = packaged_texts() if texts is None else read_texts(texts)
    with working(f"loading {model or model_of(store)}"):
        encoder = store_encoder(store, model)
    count = len(store.layers) * store.heads
    sizes = f"{counted(len(store.names), 'image')}, {counted(len(given), 'text')}, {store.width} numbers each"
    print_status(f"{counted(count, 'head')}, {sizes}")
    with working("picking texts"):
        folder, is_finished = span_store(store, encoder, given, replace(job, workers=usable_cores()))
    if is_finished:
        print_error(f"these texts were picked before: taken from {folder}")
    record, table = read_span(folder)
    if as_json:
        print_json({"folder": str(folder), **record, "texts": table.to_dict("records")})
        return
    print_table(_shown(table))
    print(folder)


def _rank(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal():
        raise UsageError(f"--rank {text} is neither a number nor auto: give one of them")
    return int(text)


def _shown(table: pd.DataFrame) -> Table:
    """The first texts of each head, and what all of its texts take up."""
    from rich.table import Table

    from alignbench.results.head_texts import heads_of

    shown = Table(title="Heads", title_justify="left")
    for name in ("layer", "head", "explained", "margin"):
        shown.add_column(name, justify="right")
    shown.add_column("first texts")
    for layer, head, rows in heads_of(table):
        first = "; ".join(rows["text"].head(_SHOWN))
        shown.add_row(
            str(layer), str(head), f"{rows['explained_variance'].sum():.3f}", f"{rows['margin'].iloc[0]:.3f}", first
        )
    return shown
