"""`alignbench report`: figures of finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alignbench.cli.options import names_in
from alignbench.errors import AlignbenchError, UsageError, unknown


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of them.")],
    output: Annotated[Path, typer.Option(help="File to write: .png, .svg or .pdf.")],
    distance: Annotated[str, typer.Option(help="all, or names of distances.")] = "all",
) -> None:
    """Draw the curves of runs side by side: a panel a data set, a line a model or distance."""
    from alignbench.report.figure import curves_figure, save_figure
    from alignbench.results import find_runs, read_curve

    if output.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise UsageError(f"{output} has no ending of a figure: use .png, .svg or .pdf")
    curves = [read_curve(folder) for folder in find_runs(runs)]
    known = {name for curve in curves for name in curve.frame["distance"]}
    for name in names_in(distance):
        if distance != "all" and name not in known:
            raise unknown("distance of these runs", name, known)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        save_figure(curves_figure(curves, None if distance == "all" else names_in(distance)), output)
    except OSError as error:
        raise AlignbenchError(f"{output} cannot be written ({error.strerror}): choose another --output") from error
    print(output)
