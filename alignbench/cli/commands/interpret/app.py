"""`alignbench interpret app`: a page on this machine, in which heads are browsed and searched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.commands.interpret.textspan import StoreModel
from alignbench.cli.completion import data_sets, transforms
from alignbench.cli.options import DataRoot, data_sets_in
from alignbench.errors import UsageError, counted

if TYPE_CHECKING:
    from alignbench.interpret.browser.world import BrowserJob, HeadWorld

_PORT = 7865


def app(
    store: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Store of contributions: a folder of `interpret decompose`."),
    ] = None,
    model: StoreModel = None,
    images: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Folder of the pictures of the store.")] = None,
    packaged: Annotated[
        bool, typer.Option("--packaged", help="Open a packaged model and its simulated pictures, in place of --store.")
    ] = False,
    than: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Store of another model and the same pictures, to compare with."),
    ] = None,
    transform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Transform of the projection, to compare with: a file, or one of `transform list`.",
            autocompletion=transforms,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Data sets in which people judged these pictures, separated by commas.",
            autocompletion=data_sets,
        ),
    ] = None,
    data_root: DataRoot = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="HOST", help="Address to serve the page at; 0.0.0.0: open to everyone who can reach this machine."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", help="Port of the page; 0: any free port.", min=0, max=65_535)
    ] = _PORT,
) -> None:
    """Browse and search heads in a page on this machine.

    Open the printed address: it holds a token, which every visitor needs. Links that the page makes do not hold it.
    Ctrl+C ends the page. Nothing is sent to other machines, and nothing that a visitor does is stored.
    """
    if packaged == (store is not None):
        raise UsageError("--store FOLDER and --packaged say what is opened: give one of them")
    if packaged and any(each is not None for each in (model, images, than, transform, dataset, data_root)):
        raise UsageError(
            "--packaged goes alone: leave out --model, --images, --than, --transform, --dataset and --data-root"
        )
    if data_root is not None and dataset is None:
        raise UsageError("--data-root is the folder of a data set: name the data set with --dataset")
    names = () if dataset is None else data_sets_in(dataset, data_root)
    from alignbench.cli.console import print_status
    from alignbench.cli.options import print_error
    from alignbench.interpret.browser.serving import address_of, browser_app, doors_of, listen, server_of
    from alignbench.interpret.browser.world import BrowserJob

    with listen(host, port) as place:
        job = _packaged() if store is None else BrowserJob(store, model, images, than, transform, names, data_root)
        world = _opened(job)
        number = place.getsockname()[1]
        doors = doors_of(host, number, print_error)
        pictures = counted(len(world.store.names), "picture")
        print_status(f"{world.model}, {pictures}: open this address in a browser, and end it here by Ctrl+C")
        print(address_of(host, number, doors), flush=True)
        server_of(browser_app(world, doors)).run(sockets=[place])


def _opened(job: BrowserJob) -> HeadWorld:
    """Open what is browsed, and say what cannot be done with it."""
    from alignbench.cli.options import print_error
    from alignbench.cli.working import working
    from alignbench.interpret.browser.world import open_world

    with working(f"opening {job.store}"):
        world = open_world(job)
    for name in ("pictures", "maps", "texts"):
        if name in world.cannot:
            print_error(world.cannot[name])
    return world


def _packaged() -> BrowserJob:
    """Make the packaged world ready, with a line for each stage that is not in the caches yet."""
    from alignbench.cli.console import print_status
    from alignbench.cli.progress import ImageProgress
    from alignbench.interpret.browser.packaged import packaged_store, packaged_twin
    from alignbench.interpret.browser.world import BrowserJob
    from alignbench.interpret.demo import DemoListener

    progress = ImageProgress()

    def ended(stage: str, folder: Path, seconds: float, was_finished: bool) -> None:
        progress.finished()
        if not was_finished:
            print_status(f"{stage}: {seconds:.1f} s")

    try:
        store = packaged_store(DemoListener(ended=ended, pictures=progress))
        return BrowserJob(store, than=packaged_twin(store))
    finally:
        progress.finished()
