"""`alignbench report`: runs and transforms side by side, as a page that answers questions; or a figure of curves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.options import names_in, print_error
from alignbench.errors import DataError, UsageError, unknown, unwritable

if TYPE_CHECKING:
    from alignbench.results.layer_curve import LayerCurve
    from alignbench.study.study import Study

_FIGURES = (".png", ".svg", ".pdf")


def report(
    places: Annotated[
        list[Path], typer.Argument(help="Folders of runs, of learned or judged transforms, or folders of such.")
    ],
    output: Annotated[Path, typer.Option(help="File to write: .html for the report; .png, .svg or .pdf for a figure.")],
    distance: Annotated[str, typer.Option(help="all, or names of distances.")] = "all",
) -> int:
    """Report on runs and transforms: a page, or a figure.

    The page has curves, best layers, differences, findings and what transforms reach.
    Of runs alone, also a figure of the curves.
    """
    ending = output.suffix.lower()
    if ending not in (".html", *_FIGURES):
        raise UsageError(f"{output} has no ending of a report: use .html, or {', '.join(_FIGURES)} for a figure")
    distances = None if distance == "all" else names_in(distance)
    write = _write_page if ending == ".html" else _write_figure
    try:
        skipped = write(places, output, distances)
    except OSError as error:
        raise unwritable(output, error) from error
    print(output)
    return 1 if skipped else 0


def _write_page(places: Sequence[Path], output: Path, distances: Sequence[str] | None) -> tuple[str, ...]:
    """Write the page; returns a line for each folder that was left out, which is said."""
    from alignbench.report.page.page import study_page, write_page
    from alignbench.report.page.transforms import read_transforms
    from alignbench.study.alignment_factor import compare_alignment
    from alignbench.study.factors import compare_factors
    from alignbench.study.findings import judge_findings

    transforms, refused = read_transforms(places)
    study, skipped = _read_runs(places, needed=not transforms)
    skipped = (*skipped, *refused)
    if not study.runs and not transforms:
        raise DataError(skipped[0] if len(skipped) == 1 else f"none of {len(skipped)} folders is whole: {skipped[0]}")
    _check(distances, (run.curve for run in study.runs))
    study = study if distances is None else _only(study, distances)
    for line in skipped:
        print_error(line)
    alignment = compare_alignment(study)
    factors = (*compare_factors(study), *([alignment] if alignment else []))
    findings = judge_findings(study) if study.runs else ()
    write_page(study_page(study, factors, findings, skipped, transforms), output)
    return skipped


def _read_runs(places: Sequence[Path], needed: bool) -> tuple[Study, tuple[str, ...]]:
    """Read the runs, and a line for each folder that was left out; places that hold only transforms are passed over.

    Args:
        places: Folders that were named.
        needed: Whether it is an error that there is no run.
    """
    from alignbench.report.page.transforms import holds_transforms
    from alignbench.results.folders import run_folders
    from alignbench.study.study import Study, read_study

    of_runs = [place for place in places if run_folders(place) or not holds_transforms(place)]
    if not of_runs:
        return Study((), ()), ()
    try:
        return read_study(of_runs)
    except DataError as error:
        if needed:
            raise
        return Study((), ()), (str(error),)


def _only(study: Study, distances: Sequence[str]) -> Study:
    """The study as if its towers had been measured by these distances alone."""
    runs = []
    for run in study.runs:
        frame = run.curve.frame
        kept = frame if run.is_baseline else frame[frame["distance"].isin(distances)]
        if len(kept):
            runs.append(replace(run, curve=replace(run.curve, frame=kept.reset_index(drop=True))))
    narrowed = f"Only {', '.join(distances)} of the models' distances (--distance): findings that need others lack them"
    return replace(study, runs=tuple(runs), remarks=(narrowed, *study.remarks))


def _write_figure(places: Sequence[Path], output: Path, distances: Sequence[str] | None) -> tuple[str, ...]:
    """Write the figure of all curves; returns a line for each folder that was left out, which is said."""
    from alignbench.report.figures.curves import curves_figure, save_figure
    from alignbench.scoring.scored_run import readable_runs

    runs, skipped = readable_runs(places)
    curves = [run.curve for run in runs]
    _check(distances, curves)
    for line in skipped:
        print_error(line)
    output.parent.mkdir(parents=True, exist_ok=True)
    save_figure(curves_figure(curves, distances), output)
    return skipped


def _check(distances: Sequence[str] | None, curves: Iterable[LayerCurve]) -> None:
    """Refuse a distance that no run has."""
    known = {name for curve in curves for name in curve.frame["distance"]}
    if distances and not known:
        raise UsageError("--distance narrows runs, and there are none: leave it out")
    for name in distances or ():
        if name not in known:
            raise unknown("distance of these runs", name, known)
