"""`python -m baselines.perceptnet train`: weights for PerceptNet from any rating data set that alignbench knows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench import AlignbenchError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from baselines.perceptnet.training import PerceptNetEpoch, Training

_INTERRUPTED = 130
app = typer.Typer(name="perceptnet", add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error (with any command).")] = False,
) -> None:
    """PerceptNet, a baseline of alignbench."""


@app.command()
def train(
    dataset: Annotated[str, typer.Option(help="A data set of ratings; `alignbench datasets` lists them.")],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of the data set [default: $ALIGNBENCH_DATA/DATASET].")
    ] = None,
    subset: Annotated[str | None, typer.Option(help="One of its subsets [default: the data set's].")] = None,
    output: Annotated[
        Path | None, typer.Option(help="File of the weights [default: perceptnet-DATASET.safetensors].")
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the pairs.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Pairs a step.")] = 16,
    lr: Annotated[float, typer.Option(help="Learning rate of Adam.")] = 3e-3,
    seed: Annotated[int, typer.Option(help="Of the first weights, the held-out references and the order.")] = 0,
    holdout: Annotated[float, typer.Option(help="Share of the reference images that is held out.")] = 0.2,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint beside the output.")] = False,
) -> None:
    """Train PerceptNet; the last line of stdout is the file of its weights."""
    from rich.console import Console

    from baselines.perceptnet.ratings import read_ratings, split_by_reference
    from baselines.perceptnet.training import PerceptNetRecipe, Training

    recipe = PerceptNetRecipe(epochs, batch_size, lr, seed, holdout).checked()
    device = _device(accelerator)
    file = output or Path(f"perceptnet-{dataset}.safetensors")
    checkpoint = file.with_name(f"{file.name}.checkpoint")
    _check_files(file, checkpoint, resume)
    pairs, fingerprint = read_ratings(dataset, subset, data_root)
    training, held_out = split_by_reference(pairs, holdout, seed)
    data = {
        "data set": dataset,
        "subset": pairs.judgments.subsets[0].name,
        "observers": pairs.judgments.observers or "people",
        "data fingerprint": fingerprint,
    }
    course = Training(recipe, training, held_out, device, data)
    if resume:
        course.resume(checkpoint)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(
        f"PerceptNet on {dataset} ({data['observers']}), {device}: {len(training):,} pairs to train on, "
        f"{len(held_out):,} held out"
    )
    _follow(course, checkpoint, console)
    course.write_weights(file)
    best = course.best_epoch
    kept = f"epoch {best.number}" if best.number else "the untrained network: no epoch was better"
    console.print(f"weights of {kept}, held-out Pearson {best.held_out:.3f}; name them in $ALIGNBENCH_PERCEPTNET")
    typer.echo(str(file))


def _device(accelerator: str) -> str:
    import torch

    if accelerator not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--accelerator {accelerator} must be auto, cpu or cuda")
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise UsageError("--accelerator cuda: there is no such device here, use cpu or auto")
    return "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"


def _check_files(file: Path, checkpoint: Path, resume: bool) -> None:
    """Find out before the data are looked at that the result could not be written, or would replace another."""
    if not file.name.isprintable():
        raise UsageError(f"--output {file} holds what no terminal can show: choose another name")
    if file.suffix != ".safetensors" or file.is_dir():
        raise UsageError(f"--output {file} must be the name of a .safetensors file")
    if resume and not checkpoint.is_file():
        raise UsageError(f"there is no checkpoint {checkpoint} to go on from: leave out --resume")
    if not resume and (found := next((path for path in (checkpoint, file) if path.exists()), None)):
        raise UsageError(f"{found} is there already: go on from it with --resume, give another --output, or delete it")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {file} cannot be written ({error.strerror}): give another") from error


def _follow(course: Training, checkpoint: Path, console: Console) -> None:
    """Run the training and tell how it goes: a bar on a terminal, a line after each epoch everywhere."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("pairs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    for epoch in course.history[-1:]:
        console.print(f"going on after {_told(epoch)}")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("pairs", total=course.pairs_to_go)
        for epoch in course.run(checkpoint, lambda pairs: bar.advance(task, pairs)):
            bar.console.print(_told(epoch))


def _told(epoch: PerceptNetEpoch) -> str:
    if epoch.training is None:
        return f"untrained: held-out Pearson {epoch.held_out:.3f}"
    return f"epoch {epoch.number}: training {epoch.training:.3f}, held-out Pearson {epoch.held_out:.3f}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; those of the process if none are given.

    Returns:
        The exit code: 0, 1 for a failure while running, 2 for wrong use, 130 when interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        given = [argument for argument in given if argument != "--debug"]
        code = int(app(args=given, prog_name="python -m baselines.perceptnet", standalone_mode=False) or 0)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except Exception as error:
        if debug:
            raise
        return _explain(error)
    if code == _INTERRUPTED:  # Typer makes an exit of an interruption
        return _complain("interrupted: the finished epochs are in the checkpoint, --resume goes on from it", code)
    return code


def _explain(error: Exception) -> int:
    if isinstance(error, AlignbenchError):
        return _complain(str(error), error.exit_code)
    if isinstance(error, OSError) and error.filename is not None:
        return _complain(f"{str(error.filename)[:200]} cannot be used ({error.strerror}): name another", 1)
    if hasattr(error, "format_message"):  # the command line's own: an unknown option, a missing value
        return _complain(f"{' '.join(error.format_message().split())} (see --help)", 2)
    return _complain(
        f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:200]} (--debug shows where)", 1
    )


def _complain(text: str, code: int) -> int:
    typer.echo(f"perceptnet: {text}", err=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
