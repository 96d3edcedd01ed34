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
        typer.Option(metavar="FOLDER", help="Contributions of heads, as `interpret decompose` leaves them."),
    ] = None,
    model: StoreModel = None,
    images: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The folder of pictures that the contributions are of.")
    ] = None,
    packaged: Annotated[
        bool, typer.Option("--packaged", help="Open the packaged model on scenes of its world, in place of --store.")
    ] = False,
    than: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Contributions of another model to the same pictures, to compare with."),
    ] = None,
    transform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A transform of the model's projection, to compare with: a file, or a name.",
            autocompletion=transforms,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Data sets in which people have judged these pictures.",
            autocompletion=data_sets,
        ),
    ] = None,
    data_root: DataRoot = None,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="Where the page is served; 0.0.0.0 for all who reach this machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", help="Port of the page; 0 for any that is free.", min=0, max=65_535)
    ] = _PORT,
) -> None:
    """Browse and search heads in a page on this machine.

    The address that is printed holds a token, without which nothing is answered; links of the page hold none.
    The page is served until Ctrl+C ends it. Nothing is sent anywhere, and nothing that a visitor does is written.
    """
    if packaged == (store is not None):
        raise UsageError("what is opened is named by --store, a folder of contributions, or it is --packaged: give one")
    if packaged and any(each is not None for each in (model, images, than, transform, dataset, data_root)):
        raise UsageError("--packaged opens what is packaged: leave out the options of --store")
    if data_root is not None and dataset is None:
        raise UsageError("--data-root is that of a data set: name it by --dataset")
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
