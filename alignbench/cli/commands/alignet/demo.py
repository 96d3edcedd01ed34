"""`alignbench alignet demo`: every stage on the packaged world, from people's choices to a student and a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from alignbench.alignet.chain import ChainFolders


def demo(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write everything to.")] = Path(
        "alignet-demo"
    ),
    quick: Annotated[
        bool, typer.Option("--quick", help="See in a minute that everything works; almost nothing is learned.")
    ] = False,
) -> None:
    """Teach a packaged student, stage by stage, and judge it.

    The people are simulated, so that the truth is known, and nothing is downloaded.
    If the command was stopped, the same command goes on where it was. The last line of stdout is the folder.
    """
    from alignbench.alignet.chain import PEOPLE
    from alignbench.cli.commands.alignet.evaluate import print_gains
    from alignbench.cli.commands.report import report
    from alignbench.cli.console import print_status
    from alignbench.report.panels import SIMULATED
    from alignbench.results.folders import check_writable
    from alignbench.results.gains import FIGURE, read_gains

    check_writable(output)
    print_status(f"{PEOPLE}: {SIMULATED}")
    found = _run(output, quick)
    frame, record = read_gains(found.evaluation)
    settings = record["settings"]
    print_gains(frame, f"{settings['after']} after, {settings['before']} before ({SIMULATED})")
    for note in record["notes"]:
        print_status(note)
    print(f"figure: {found.evaluation / FIGURE}")
    report([output, output / "runs"], output / "report.html")
    print(output)


def _run(output: Path, quick: bool) -> ChainFolders:
    """Run all stages, and say a line of each on stderr."""
    from alignbench.alignet.chain import BASE, QUICK, Chain, ChainListener, ChainSettings
    from alignbench.alignet.evaluation.run import GainsListener
    from alignbench.cli.console import print_status
    from alignbench.cli.progress import ConsoleListener, LearningProgress
    from alignbench.cli.training_progress import TrainingProgress
    from alignbench.cli.working import sign

    waiting = {name: sign(text) for name, text in (("world", "drawing pictures"), ("clusters", "clustering"))}
    with LearningProgress() as learning, TrainingProgress() as training, LearningProgress() as judging:

        def began(stage: str) -> None:
            if stage in waiting:
                waiting[stage].start()

        def ended(stage: str, folder: Path, seconds: float, was_finished: bool) -> None:
            for stop in (learning.stop, training.stop, judging.stop, *(shown.stop for shown in waiting.values())):
                stop()
            took = "finished before" if was_finished else f"{seconds:.1f} s"
            print_status(f"{stage}: {took}, {folder}")

        listener = ChainListener(began, ended, learning, training, GainsListener(ConsoleListener(), judging))
        return Chain(BASE, output, QUICK if quick else ChainSettings(), listener).run()
