"""`alignbench interpret demo`: every stage on the packaged model, whose world has known attributes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from alignbench.interpret.demo import DemoFolders


def demo(
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write everything to.")] = Path("heads-demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="See in seconds that everything works; almost nothing is found out.")
    ] = False,
) -> None:
    """Read the heads of a packaged model, stage by stage.

    The people are simulated, so that the truth is known, and nothing is downloaded.
    If the command was stopped, the same command goes on where it was. The last line of stdout is the folder.
    """
    from alignbench.cli.commands.report import report
    from alignbench.cli.console import print_status, print_table
    from alignbench.interpret.demo import MODEL, agreeing_labels, heads_and_truth
    from alignbench.report.panels import SIMULATED
    from alignbench.results.folders import check_writable

    check_writable(output)
    print_status(f"{MODEL} and its world: {SIMULATED}")
    found = _run(output, quick)
    heads = heads_and_truth(found)
    print_table(_shown(heads, found))
    hits, labelled, expected = agreeing_labels(heads)
    print(
        f"{labelled} of {len(heads)} heads have a label: {hits} name the attribute by which the head varies most, "
        f"and dealt at random {expected:.1f} would"
    )
    report([output], output / "report.html")
    print(output)


def _run(output: Path, quick: bool) -> DemoFolders:
    """Run all stages, and say a line of each on stderr."""
    from alignbench.cli.console import print_status
    from alignbench.cli.progress import ImageProgress
    from alignbench.cli.working import sign
    from alignbench.interpret.demo import QUICK, STAGES, DemoListener, DemoSettings, run_demo

    waiting = {name: sign(f"working on {name}") for name in STAGES[1:-3]}  # the others show their own progress
    progress = ImageProgress()

    def began(stage: str) -> None:
        if stage in waiting:
            waiting[stage].start()

    def ended(stage: str, folder: Path, seconds: float, was_finished: bool) -> None:
        for stop in (progress.finished, *(shown.stop for shown in waiting.values())):
            stop()
        print_status(f"{stage}: {'finished before' if was_finished else f'{seconds:.1f} s'}, {folder}")

    try:
        return run_demo(output, QUICK if quick else DemoSettings(), DemoListener(began, ended, progress, print_status))
    finally:
        progress.finished()
        for shown in waiting.values():
            shown.stop()


def _shown(heads: pd.DataFrame, found: DemoFolders) -> Table:
    """Each head: its label, what is true of it, and how close to people it is at each level."""
    from rich.table import Table

    from alignbench.interpret.demo import PEOPLE
    from alignbench.results.head_alignment import SEPARABLE, own_scores, read_head_alignment

    shown = Table(title="Heads", title_justify="left")
    for name in ("layer", "head"):
        shown.add_column(name, justify="right")
    for name in ("label", "varies most by"):
        shown.add_column(name)
    shown.add_column("label read by a probe", justify="right")
    levels = []
    for name, folder in zip(PEOPLE, found.people, strict=True):
        shown.add_column(name, justify="right")
        rows = own_scores(read_head_alignment(folder)[0])
        alone = rows[(rows["kind"] == "head") & (rows["way"] == "alone")]
        levels.append(alone.set_index(["layer", "head"])[["value", "p_choices", "p_subspace"]])
    for row in heads.itertuples():
        scores = []
        for level in levels:
            place = level.loc[(row.layer, row.head)]
            beyond = "".join(
                mark for mark, p in zip("*+", place[["p_choices", "p_subspace"]], strict=True) if p <= SEPARABLE
            )
            scores.append(f"{place['value']:.3f}{beyond:<2}")
        read = "-" if not row.label else f"{row.accuracy:.2f} (chance {row.chance:.2f})"
        most = f"{row.most} ({row.share:.2f})"
        shown.add_row(str(row.layer), str(row.head), row.label or "-", most, read, *scores)
    shown.caption = f"* beyond chance, + beyond random subspaces of its layer: p <= {SEPARABLE} over all heads"
    return shown
