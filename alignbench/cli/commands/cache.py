"""`alignbench datasets cache`: prepare a data set's pictures beforehand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.completion import models as models_by_name
from alignbench.cli.options import (
    AsJson,
    DataRoot,
    DataSet,
    PixelCacheSize,
    Protocol,
    Resize,
    Subset,
    default_root,
    names_in,
    parse_bytes,
)
from alignbench.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def cache(
    name: DataSet,
    data_root: DataRoot = None,
    subset: Subset = "",
    model: Annotated[
        str,
        typer.Option(
            metavar="MODEL[,MODEL]",
            help="Models to prepare pictures for, separated by commas [default: those of the paper].",
            autocompletion=models_by_name,
        ),
    ] = "",
    protocol: Protocol = "paper",
    resize: Resize = "checkpoint",
    pixel_cache: Annotated[
        str, typer.Option(metavar="FOLDER", help="Folder of the cache [default: ~/.cache/alignbench/pixels].")
    ] = "",
    pixel_cache_size: PixelCacheSize = "20GB",
    loader_workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes that read images [default: one for each core].")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Prepare the pictures of a data set for later runs.

    The last line of stdout is the folder of the cache.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from alignbench.cli.console import print_json, print_status
    from alignbench.extraction.pixel_cache import PixelCache
    from alignbench.measurement.cache_pixels import check_room, distinct_ways, fill, read_pictures
    from alignbench.measurement.cell import Cell

    models = names_in(model) or paper_models()
    cell = Cell(
        model=models[0],
        dataset=name,
        data_root=data_root or default_root(name),
        subsets=names_in(subset),
        protocol=protocol,
        resize=resize,
        workers=loader_workers,
        pixel_cache=pixel_cache or None,
        pixel_cache_size=parse_bytes(pixel_cache_size),
    ).checked()
    ways = distinct_ways(cell, models)
    place = PixelCache.open(cell.pixel_cache, cell.pixel_cache_size)
    if place is None:
        raise UsageError("there is no pixel cache to fill: name a folder with --pixel-cache")
    images, tell = read_pictures(cell), print_status if as_json else print
    check_room(place, images, ways)
    rows: list[dict[str, object]] = []
    absent, columns = 0, (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    for way in ways:
        console = Console(stderr=True)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            filling = fill(place, images, way, cell.workers, partial(_move, bar, bar.add_task("decoding", total=None)))
        absent += filling.absent
        written = filling.pictures - filling.there - filling.absent
        rows.append(
            {
                "folder": place.directory,
                "way": way.recipe.texts[-1],
                "pictures": filling.pictures,
                "there": filling.there,
                "written": written,
                "absent": filling.absent,
                "bytes": filling.size,
                "seconds": filling.seconds,
                "models": way.models,
            }
        )
        tell(
            f"{way.recipe.texts[-1]}: {filling.pictures:,} pictures, {filling.there:,} there before, {written:,} "
            f"written, {filling.size / 1e6:,.1f} MB, {filling.seconds:.1f} s ({', '.join(way.models)})"
        )
    if as_json:
        print_json(rows)
    else:
        print(place.directory)
    return 1 if absent else 0


def _move(bar: Progress, task: TaskID, done: int, total: int) -> None:
    """Move a bar to where the work is."""
    bar.update(task, completed=done, total=total)


def paper_models() -> tuple[str, ...]:
    """Names of the paper's models, without its baselines."""
    from alignbench.models.cards import cards
    from alignbench.results.published import published_curves

    return tuple(name for name in dict.fromkeys(published_curves()["model"]) if name in cards())
