"""The commands. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import os
import re
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alignbench.errors import AlignbenchError, AlignbenchWarning, DataError, UsageError, unknown

if TYPE_CHECKING:
    from alignbench.cell import Cell
    from alignbench.datasets.judgments import DataSet
    from alignbench.results import LayerCurve, Run

app = typer.Typer(
    name="alignbench",
    help="How close is a model's idea of 'looks alike' to people's, and at which depth?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
datasets_app = typer.Typer(
    help="What data sets there are, where to get them and under which terms.", invoke_without_command=True
)
app.add_typer(datasets_app, name="datasets")


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error (with any command).")] = False,
) -> None:
    """How close is a model's idea of 'looks alike' to people's, and at which depth?"""


_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; those of the process if none are given.

    Returns:
        The exit code: 0, 1 for a failure while running, 2 for wrong use, 130 when interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", AlignbenchWarning)
        warnings.showwarning = _show_warning
        try:
            code = int(app(args=given, prog_name="alignbench", standalone_mode=False) or 0)
        except KeyboardInterrupt:
            code = _INTERRUPTED
        except Exception as error:
            if debug:
                raise
            return _explain(error)
    if code == _INTERRUPTED:  # Typer makes an exit of an interruption
        _complain("interrupted: finished runs are kept, nothing half-written is left")
    return code


def _explain(error: Exception) -> int:
    """Say in one line what went wrong."""
    if isinstance(error, AlignbenchError):
        _complain(str(error))
        return error.exit_code
    if hasattr(error, "format_message"):  # the command line's own: an unknown option, a missing value
        _complain(" ".join(error.format_message().split()) or "see alignbench --help")
        return 2
    _complain(f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:200]} (--debug shows where)")
    return 1


def _complain(text: str) -> None:
    print(f"alignbench: {text}", file=sys.stderr, flush=True)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    _complain(f"{'warning: ' if issubclass(category, AlignbenchWarning) else category.__name__ + ': '}{message}")


def _names(text: str) -> tuple[str, ...]:
    """Comma-separated names, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def parse_bytes(text: str) -> int:
    """A size such as `4GB`, `500MB` or `2GiB` in bytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", text, re.IGNORECASE)
    if match is None:
        raise UsageError(f"'{text}' is not a size: write for instance 4GB or 500MB")
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " kmgt".index(match[2].lower() or " "))


# ---------------------------------------------------------------------------------------------------- run


@app.command()
def run(
    model: Annotated[str, typer.Option(help="A card's name, a Hugging Face id, a local directory, or a baseline.")],
    dataset: Annotated[str, typer.Option(help="One or more data sets, separated by commas.")],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of the data set [default: $ALIGNBENCH_DATA/DATASET].")
    ] = None,
    subset: Annotated[str, typer.Option(help="Subsets, separated by commas [default: the paper's].")] = "",
    distance: Annotated[str, typer.Option(help="all, or normalized_euclidean, euclidean, cosine.")] = "all",
    tokens: Annotated[str, typer.Option(help="Token view: all, cls or mean.")] = "all",
    protocol: Annotated[str, typer.Option(help="paper: as the published scripts measure.")] = "paper",
    batch_size: Annotated[int, typer.Option(help="Images a batch.")] = 16,
    precision: Annotated[str, typer.Option(help="fp32, or bf16 for the tower.")] = "fp32",
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    loader_workers: Annotated[
        int | None, typer.Option(help="Processes that read images [default: one fewer than there are cores].")
    ] = None,
    feature_memory: Annotated[str, typer.Option(help="Features kept at the same time.")] = "4GB",
    random_init: Annotated[
        bool, typer.Option("--random-init", help="Random weights, drawn from --seed; cards need no download.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of random weights and bootstrap.")] = 0,
    limit: Annotated[int | None, typer.Option(help="Only the first N judgments of each subset.")] = None,
    output: Annotated[Path, typer.Option(help="Folder of run folders.")] = Path("runs"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Measure again what is finished.")] = False,
) -> int:
    """Measure a model on data sets, layer by layer; the last line of stdout is the run folder."""
    from alignbench.cell import DISTANCES, Cell

    names = _names(dataset)
    if not names:
        raise UsageError("--dataset is empty: see `alignbench datasets`")
    if data_root is not None and len(names) > 1:
        raise UsageError("--data-root goes with one data set; with several, set ALIGNBENCH_DATA to the folder of them")
    cells = [
        Cell(
            model=model,
            dataset=name,
            data_root=data_root or _default_root(name),
            subsets=_names(subset),
            distances=DISTANCES if distance == "all" else _names(distance),
            tokens=tokens,
            protocol=protocol,
            batch_size=batch_size,
            precision=precision,
            accelerator=accelerator,
            workers=loader_workers,
            feature_memory=parse_bytes(feature_memory),
            random_init=random_init,
            seed=seed,
            limit=limit,
        ).checked()
        for name in names
    ]
    from alignbench.datasets import DATASETS

    for name in names:
        DATASETS.load(name)
    done = [_run_one(cell, output, overwrite, alone=len(cells) == 1) for cell in cells]
    return 0 if all(done) else 1


def _default_root(name: str) -> Path | None:
    """`$ALIGNBENCH_DATA/<dataset>` for a set that has files."""
    from alignbench.datasets import DATASETS

    base = os.environ.get("ALIGNBENCH_DATA")
    return Path(base) / name if base and not DATASETS.load(name).packaged else None


def _run_one(cell: Cell, output: Path, overwrite: bool, alone: bool) -> bool:
    """Measure one of the cells; a failure is raised if it is the only one, else said."""
    from alignbench.cli.show import print_table, score_table

    try:
        folder, curve = measure_into(cell, output, overwrite)
    except AlignbenchError as error:
        if alone:
            raise
        _complain(f"{cell.dataset}: {error}")
        return False
    print_table(score_table([curve], f"{curve.label} on {cell.dataset}{_observers(cell.dataset)}"))
    print(folder)
    return True


def _observers(dataset: str) -> str:
    from alignbench.datasets import DATASETS

    return " (simulated observers, not human data)" if DATASETS.load(dataset).packaged else ""


def measure_into(cell: Cell, output: Path, overwrite: bool) -> tuple[Path, LayerCurve]:
    """Measure a cell and write its run folder, or take the finished one."""
    from alignbench.cli.show import ConsoleListener
    from alignbench.measurement import measure_cell
    from alignbench.report.figure import draw_curve
    from alignbench.results import check_writable, is_complete, read_curve, write_run

    _quiet_libraries()
    check_writable(output)
    found: list[Path] = []

    def finished(name: str) -> bool:
        if not overwrite and is_complete(output / name):
            found.append(output / name)
        return bool(found)

    measured: Run | None = measure_cell(cell, ConsoleListener(), finished)
    if measured is None:
        print(f"{cell.label} on {cell.dataset} is finished: taken from {found[0]}", file=sys.stderr)
        return found[0], read_curve(found[0])
    return write_run(measured, output, draw_curve, overwrite), measured.curve


def _quiet_libraries() -> None:
    """Libraries' own chatter would bury ours."""
    import logging

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


# --------------------------------------------------------------------------------------------------- demo


@app.command()
def demo(output: Annotated[Path, typer.Option(help="Folder of what it writes.")] = Path("demo")) -> None:
    """Alignment curves of the packaged CLIP and its untrained twin at three levels, without any download."""
    from alignbench.cell import Cell
    from alignbench.cli.show import print_table, score_table
    from alignbench.report.figure import curves_figure, save_figure

    curves = []
    for level in ("low", "middle", "high"):
        for model in ("shapes-clip", "random:shapes-clip", "pixels"):
            cell = Cell(model=model, dataset=f"shapes-{level}", batch_size=64).checked()
            curves.append(measure_into(cell, output, overwrite=False)[1])
    distance = "normalized_euclidean"
    figure = curves_figure(curves, [distance])
    for suffix in ("png", "svg"):
        save_figure(figure, output / f"demo.{suffix}")
    print_table(score_table(curves, "The packaged world: simulated observers, not human data"))
    print(f"figure: {output / 'demo.png'}; curves: curve.csv in each folder below")
    print(output)


# ------------------------------------------------------------------------------------------------- report


@app.command()
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
    for name in _names(distance):
        if distance != "all" and name not in known:
            raise unknown("distance of these runs", name, known)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        save_figure(curves_figure(curves, None if distance == "all" else _names(distance)), output)
    except OSError as error:
        raise AlignbenchError(f"{output} cannot be written ({error.strerror}): choose another --output") from error
    print(output)


# --------------------------------------------------------------------------------------- models, datasets


@app.command()
def models() -> None:
    """The models and baselines that are known by name."""
    from rich.table import Table

    from alignbench.cell import METRICS
    from alignbench.cli.show import print_table
    from alignbench.models.cards import FACTORS, cards

    table = Table(
        title="Models (any other Hugging Face id or directory of these families works too)", title_justify="left"
    )
    for name in ("model", *(factor.replace("_", " ") for factor in FACTORS)):
        table.add_column(name, overflow="fold")
    for card in cards().values():
        table.add_row(card.name, *(str(value) for value in card.factors.values()))
    print_table(table)
    print(f"Baselines: {', '.join(METRICS.names())}")
    print("--random-init, or random:NAME, builds any of these models with random weights and downloads nothing.")


@datasets_app.callback(invoke_without_command=True)
def datasets(context: typer.Context) -> None:
    """What data sets there are, where to get them and under which terms."""
    if context.invoked_subcommand is not None:
        return
    from rich.table import Table

    from alignbench.cli.show import print_table
    from alignbench.datasets import DATASETS

    table = Table()
    for name in ("data set", "level", "what it is", "where to get it", "terms", "subsets"):
        table.add_column(name, overflow="fold")
    for name in DATASETS.names():
        found: DataSet = DATASETS.load(name)
        subsets = ", ".join(s + ("*" if s == found.default_subset else "") for s in found.subsets)
        table.add_row(found.name, found.level, found.summary, found.home, found.terms, subsets)
    print_table(table)
    print("* measured by default. `alignbench datasets check NAME --data-root DIR` looks at a download.")


@datasets_app.command()
def check(
    name: Annotated[str, typer.Argument(help="Name of the data set.")],
    data_root: Annotated[Path | None, typer.Option(help="Its folder [default: $ALIGNBENCH_DATA/NAME].")] = None,
    subset: Annotated[str, typer.Option(help="Subsets, separated by commas [default: the paper's].")] = "",
) -> int:
    """Say what of a data set is there, what is missing, and how many pairs and judgments it has."""
    from alignbench.datasets import DATASETS
    from alignbench.datasets.checking import describe

    data_set = DATASETS.load(name)
    try:
        found = describe(data_set, data_root or _default_root(name), _names(subset))
    except DataError as error:
        raise DataError(f"{error} (source: {data_set.home})") from error
    print("\n".join(found.lines))
    return 0 if found.complete else 1
