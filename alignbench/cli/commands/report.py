"""`alignbench report`: runs, transforms and heads as a page that answers; or a figure, a table, what to cite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alignbench.cli.completion import distances, published_models
from alignbench.cli.console import print_status
from alignbench.cli.options import check_output, names_in, print_error
from alignbench.cli.shown import named_distances, parse_width, shown_distances
from alignbench.cli.working import working
from alignbench.errors import DataError, UsageError, unwritable

if TYPE_CHECKING:
    from alignbench.results.layer_curve import LayerCurve
    from alignbench.results.stored_run import StoredRun
    from alignbench.study.study import Study

_PAGE: Final = ".html"
_FIGURES: Final = (".png", ".svg", ".pdf")
_TABLES: Final = (".csv", ".md", ".tex")
_DOTS: Final = 300  # an inch, of a PNG whose width was asked for


def report(
    places: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUNS",
            help="Folders of runs, transforms, `alignet evaluate` or heads, or folders that contain them.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File to write: page (.html), figure (.png, .svg, .pdf) or table (.csv, .md, .tex)."
        ),
    ] = None,
    distance: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Distances, separated by commas, or all [default: all; one in a figure or table of several models].",
            autocompletion=distances,
        ),
    ] = "",
    published: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Published models to draw beside in grey, such as clip-vit-base-patch32,ssim.",
            autocompletion=published_models,
        ),
    ] = "",
    width: Annotated[
        str,
        typer.Option(
            metavar="WIDTH", help="Width of a figure: column (3.25 inches), page (6.75 inches), or a number of inches."
        ),
    ] = "",
    bibtex: Annotated[
        bool, typer.Option("--bibtex", help="Write works to cite to a .bib file beside --output; alone, print them.")
    ] = False,
) -> int:
    """Make a page, figure, table or bibliography of runs.

    The page begins with answers. Then come curves, best layers, differences, findings, transforms and heads.
    Figures and tables show runs only.
    """
    if output is None and not bibtex:
        raise UsageError("--output is missing: name a file such as report.html, curves.pdf or table.tex; or --bibtex")
    check_output(output, (_PAGE, *_FIGURES, *_TABLES))
    ending = output.suffix.lower() if output is not None else ""
    asked = _Asked(
        tuple(places),
        distance,
        _references(published, ending),
        _inches(width, ending),
    )
    write = _write_page if ending == _PAGE else _write_table if ending in _TABLES else _write_figure
    try:
        if bibtex and output is not None:
            _check_bibliography(output)
        done = write(asked, output) if output is not None else _read_only(asked)
        if bibtex:
            _write_bibliography(done, asked.references, output)
    except OSError as error:
        raise unwritable(output or Path("the bibliography"), error) from error
    return 1 if done.skipped else 0


@dataclass(frozen=True)
class _Asked:
    """What is to be reported on, and how.

    Attributes:
        places: Folders that were named.
        distance: What was said of distances.
        references: Published models that are to stand beside.
        width: Inches of a figure; none for that of a screen.
    """

    places: tuple[Path, ...]
    distance: str
    references: tuple[str, ...]
    width: float | None


@dataclass(frozen=True)
class _Done:
    """What was reported on.

    Attributes:
        runs: The runs.
        skipped: A line for each folder that was left out.
        objectives: Objectives of transforms beside the runs, and `HEADS` if there are any.
    """

    runs: Sequence[StoredRun]
    skipped: tuple[str, ...]
    objectives: tuple[str, ...] = ()


# ------------------------------------------------------------------------------------------------- options


def _references(published: str, ending: str) -> tuple[str, ...]:
    from alignbench.report.references import find_published

    names = names_in(published)
    if names and ending not in (_PAGE, *_FIGURES):
        raise UsageError(
            f"--published goes with curves: use --output {_PAGE} or {', '.join(_FIGURES)}, or leave it out"
        )
    return find_published(names)


def _inches(width: str, ending: str) -> float | None:
    if width and ending not in _FIGURES:
        raise UsageError(f"--width is that of a figure: use --output {', '.join(_FIGURES)}, or leave it out")
    return parse_width(width) if width else None


# ------------------------------------------------------------------------------------------------- the page


def _write_page(asked: _Asked, output: Path) -> _Done:
    from alignbench.report.citations import HEADS, objectives_of
    from alignbench.report.page.head_reading import read_heads
    from alignbench.report.page.page import Beside, nothing_to_show, study_page, write_page
    from alignbench.report.page.transforms import read_transforms
    from alignbench.study.alignment_factor import compare_alignment
    from alignbench.study.factors import compare_factors
    from alignbench.study.findings import judge_findings
    from alignbench.study.own_models import compare_own_models

    with working("reading the runs"):
        transforms, refused = read_transforms(asked.places)
        heads, unread = read_heads(asked.places)
        study, skipped = _read_runs(asked.places, needed=not transforms and not heads)
    skipped = (*skipped, *refused, *unread)
    if not study.runs and not transforms and not heads:
        raise DataError(nothing_to_show(skipped))
    distances = named_distances(asked.distance, [run.curve for run in study.runs])
    study = study if distances is None else _only(study, distances)
    for line in skipped:
        print_error(line)
    with working("comparing the runs"):
        alignment = compare_alignment(study)
        factors = (*compare_own_models(study), *compare_factors(study), *([alignment] if alignment else []))
        findings = judge_findings(study) if study.runs else ()
        text = study_page(study, factors, findings, Beside(skipped, transforms, heads, asked.references))
    write_page(text, output)
    print(output)
    further = (*objectives_of(transforms), *([HEADS] if heads else []))
    return _Done([run.stored for run in study.runs], skipped, further)


def _read_runs(places: Sequence[Path], needed: bool) -> tuple[Study, tuple[str, ...]]:
    """Read the runs, and a line for each folder that was left out; places that hold none are passed over.

    Args:
        places: Folders that were named.
        needed: Whether it is an error that there is no run.
    """
    from alignbench.report.page.transforms import holds_transforms
    from alignbench.results.folders import run_folders
    from alignbench.results.head_stages import holds_stages
    from alignbench.study.study import Study, read_study

    of_runs = [place for place in places if run_folders(place) or not (holds_transforms(place) or holds_stages(place))]
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


# ------------------------------------------------------------------------------------------ figures and tables


def _write_figure(asked: _Asked, output: Path) -> _Done:
    from alignbench.files import write_whole
    from alignbench.report.figures.canvas import figure_content
    from alignbench.report.figures.curves import curves_figure

    done = _read_only(asked)
    curves = sorted((run.curve for run in done.runs), key=_order)
    figure = curves_figure(curves, shown_distances(asked.distance, curves), asked.references, asked.width)
    dots = () if asked.width is None else (_DOTS,)
    write_whole(output, figure_content(figure, output.suffix, *dots), "choose another --output")
    print(output)
    return done


def _order(curve: LayerCurve) -> tuple[object, ...]:
    """Towers in the order of the cards, each before its untrained twins, then baselines."""
    from alignbench.models.cards import cards
    from alignbench.models.layer_names import IMAGE
    from alignbench.results.published import checkpoint_of

    known, name = list(cards()), checkpoint_of(curve).partition("@")[0]
    rank = known.index(name) if name in known else len(known)
    return set(curve.frame["layer"]) == {IMAGE}, rank, name, curve.label


def _read_only(asked: _Asked) -> _Done:
    from alignbench.scoring.scored_run import readable_runs

    with working("reading the runs"):
        runs, skipped = readable_runs(asked.places)
    for line in skipped:
        print_error(line)
    return _Done(runs, skipped)


def _write_table(asked: _Asked, output: Path) -> _Done:
    from alignbench.report.tables.scores import score_sheet, score_table
    from alignbench.report.tables.sheet import write_table
    from alignbench.study.study import read_study

    with working("reading the runs"):
        study, skipped = read_study(asked.places)
    distances = shown_distances(asked.distance, [run.curve for run in study.runs])
    for line in skipped:
        print_error(line)
    for line in study.remarks:
        print_status(line)
    table = score_table(study.runs, distances)
    write_table(table, score_sheet(table, study), output)
    print(output)
    return _Done([run.stored for run in study.runs], skipped)


# ------------------------------------------------------------------------------------------- the bibliography


def _check_bibliography(output: Path) -> None:
    """Refuse to write over a bibliography that somebody keeps under the same name."""
    from alignbench.report.citations import HEADER

    path = output.with_suffix(".bib")
    check_output(path, (".bib",))
    if path.is_file() and not path.read_text(encoding="utf-8", errors="replace").startswith(HEADER):
        raise UsageError(f"--bibtex would write over {path}, which holds something else: choose another --output")


def _write_bibliography(done: _Done, references: Sequence[str], output: Path | None) -> None:
    from alignbench.files import write_whole
    from alignbench.report.citations import cite

    found = cite(done.runs, references, done.objectives)
    if found.unknown:
        print_status(f"no work to cite is known of {', '.join(found.unknown)}")
    if output is None:
        print(found.bibtex(), end="")
        return
    path = output.with_suffix(".bib")
    write_whole(path, found.bibtex().encode(), "choose another --output")
    print(path)
