"""`alignbench transform evaluate`: what a transform gained, and what it cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.commands.catalogue import PaperSubset
from alignbench.cli.completion import data_sets, one_of, transforms
from alignbench.cli.options import (
    Accelerator,
    AsJson,
    BatchSize,
    DataRoot,
    Limit,
    LoaderWorkers,
    Model,
    Precision,
    RandomInit,
    Similarity,
    default_root,
    names_in,
    parse_batch_size,
    print_error,
)
from alignbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from alignbench.datasets.human_matrices import HumanMatrix
    from alignbench.datasets.images import ImageSource
    from alignbench.transforms.evaluation.run import Evidence, Labelled

_PACKAGED = "shapes"
_NONE = "none"


def evaluate(
    model: Model,
    transform: Annotated[
        str,
        typer.Option(
            metavar="TRANSFORM",
            help="Transform: a file (.safetensors, .npz), one of `transform list`, or published (the model's).",
            autocompletion=transforms,
        ),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Data set of odd-one-out triplets to judge on, or the word none.",
            autocompletion=data_sets,
        ),
    ] = "things",
    data_root: DataRoot = None,
    subset: PaperSubset = "",
    in_sample: Annotated[
        bool,
        typer.Option(
            "--in-sample", help="Judge also on objects that the transform was learned on; these results are marked."
        ),
    ] = False,
    similarity: Similarity = "cosine",
    matrix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="Human similarity matrix, such as cichy2019, and its folder; may be given several times.",
        ),
    ] = None,
    local_images: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Pictures whose neighbourhoods to compare: a folder, or shapes (packaged)."
        ),
    ] = None,
    labelled: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Pictures for few-shot and anomaly tasks: a folder of class folders, or shapes (packaged).",
        ),
    ] = None,
    tokens: Annotated[
        str,
        typer.Option(
            metavar="VIEW",
            help="Tokens, if the transform does not say: cls (class token) or mean (of the patch tokens).",
            autocompletion=one_of("cls", "mean"),
        ),
    ] = "cls",
    force: Annotated[
        bool, typer.Option("--force", help="Use the transform even if it was made for another model.")
    ] = False,
    batch_size: BatchSize = "16",
    precision: Precision = "fp32",
    accelerator: Accelerator = "auto",
    loader_workers: LoaderWorkers = None,
    random_init: RandomInit = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of resampling and random weights.")] = 0,
    limit: Limit = None,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write the folder of results to.")] = Path(
        "transforms"
    ),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Judge again even if it is finished.")] = False,
    as_json: AsJson = False,
) -> None:
    """Judge a transform on data that it has not seen.

    The last line of stdout is the folder of the results.
    """
    from alignbench.cli.console import print_json, print_table
    from alignbench.cli.progress import LearningProgress
    from alignbench.cli.working import working
    from alignbench.measurement.sources import TowerRequest, load_ready_tower
    from alignbench.models.layer_names import PROJECTION
    from alignbench.report.figures.similarity import draw_similarities
    from alignbench.report.panels import SIMULATED
    from alignbench.results.folders import check_writable
    from alignbench.results.layer_curve import is_simulated
    from alignbench.transforms.aligned_layer import Use, transformed_layer
    from alignbench.transforms.evaluation.folder import intervals_over, read_evaluation
    from alignbench.transforms.evaluation.run import Candidate, Evidence, run_evaluation
    from alignbench.transforms.learning.folder import Destination
    from alignbench.transforms.named import resolve
    from alignbench.transforms.published import caution_told

    with working(f"reading {transform}"):
        choice = resolve(transform, model=model)
    view = str(choice.transform.provenance.get("tokens") or tokens)
    evidence = Evidence(
        similarity=similarity,
        in_sample=in_sample,
        matrices=tuple(_matrix(text) for text in matrix or ()),
        local=None if local_images is None else (_named(local_images), _pictures(local_images)),
        labelled=None if labelled is None else _labelled(labelled),
    )
    evidence = evidence if dataset == _NONE else _with_triplets(evidence, dataset, data_root, names_in(subset), limit)
    evidence.check()
    check_writable(output)
    size = parse_batch_size(batch_size)
    layers, resize = (PROJECTION,) if choice.layer == PROJECTION else ("all",), choice.resize_for(model)
    request = TowerRequest(model, view, random_init, seed, precision, accelerator, size, loader_workers, layers, resize)
    with working(f"loading {model}") as notice:
        ready = load_ready_tower(request, notice=notice)
    layer = transformed_layer(ready.tower, choice, Use(model, view, random_init, force, resize))
    candidate, destination = Candidate(choice, ready, layer), Destination(output, draw_similarities, overwrite)
    with LearningProgress() as listener:
        folder, is_finished = run_evaluation(candidate, evidence, destination, seed, listener)
    if is_finished:
        print_error(f"this is finished: taken from {folder}")
    frame, record = read_evaluation(folder)
    if as_json:
        print_json(frame.assign(folder=str(folder)))
        return
    remarks = [_part(evidence, limit), SIMULATED if is_simulated(dataset) else ""]
    title = f"{record['settings']['model']}: {choice.name}"
    print_table(evaluation_table(frame, f"{title} ({'; '.join(filter(None, remarks))})" if any(remarks) else title))
    if over := intervals_over(frame["task"]):
        print(over)
    if caution := caution_told(record):
        print(f"{caution}.")
    print(folder)


def _with_triplets(
    evidence: Evidence, dataset: str, root: Path | None, subsets: tuple[str, ...], limit: int | None
) -> Evidence:
    from alignbench.datasets import DATASETS

    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit} is below 1: give 1 or more, or leave it out")
    data_set = DATASETS.load(dataset)
    judgments = data_set.read(root or default_root(dataset), subsets or (data_set.default_subset,))
    judgments = judgments if limit is None else judgments.limited(limit)
    return replace(evidence, dataset=dataset, judgments=judgments, ceiling=data_set.published_ceiling)


def _part(evidence: Evidence, limit: int | None) -> str:
    """How much of the published triplets there is to judge on, if that is a part."""
    from alignbench.results.extent import part_of

    if evidence.dataset is None or evidence.judgments is None:
        return ""
    subsets = evidence.judgments.subsets
    count = sum(len(subset.rows) for subset in subsets)
    return part_of(evidence.dataset, [subset.name for subset in subsets], count, limit)


def _matrix(text: str) -> HumanMatrix:
    from alignbench.datasets.human_matrices import read_matrix

    name, equals, place = text.partition("=")
    if not equals or not place:
        raise UsageError(f"--matrix {text}: write NAME=FOLDER, for instance cichy2019=FOLDER")
    return read_matrix(name, Path(place))


def _named(text: str) -> str:
    return text if text == _PACKAGED else Path(text).resolve().name


def _pictures(text: str) -> ImageSource:
    from alignbench.datasets import DATASETS
    from alignbench.datasets.image_folder import image_folder

    if text == _PACKAGED:
        return DATASETS.load("shapes-middle").read(None, ("test",)).images
    return image_folder(Path(text))


def _labelled(text: str) -> Labelled:
    from alignbench.datasets.image_folder import labelled_folder
    from alignbench.datasets.shapes import labelled_scenes
    from alignbench.transforms.evaluation.run import Labelled

    if text == _PACKAGED:
        return Labelled("shapes", *labelled_scenes())
    images, labels, _ = labelled_folder(Path(text))
    return Labelled(_named(text), images, labels)


def evaluation_table(frame: pd.DataFrame, title: str) -> Table:
    """What was before and after, with the interval of the difference."""
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    numbers = ("before", "after", "difference", "n")
    for name in ("task", "data", "measure", *numbers[:3], "95 % interval", "n", "held against", "sample"):
        table.add_column(name, justify="right" if name in numbers else "left")
    for row in frame.to_dict("records"):
        low, high = row["difference_low"], row["difference_high"]
        interval = "" if low != low else f"{low:+.3f} .. {high:+.3f}"
        values = (f"{row['before']:.3f}", f"{row['after']:.3f}", f"{row['difference']:+.3f}", interval, f"{row['n']:,}")
        table.add_row(row["task"], row["data"], row["measure"], *values, row["reference"], row["sample"])
    return table
