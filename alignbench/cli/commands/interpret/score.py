"""`alignbench interpret score`: how well the labels of heads hold, and whether larger models do better."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.commands.interpret.label import Anew, HandFile, LabellerModel, PropertyFile, Timeout, Url
from alignbench.cli.completion import labellers
from alignbench.cli.options import AsJson, Wandb, print_error
from alignbench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def score(
    labels: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Labels of heads: a folder of `interpret label`.")
    ] = None,
    judge: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Judge, other than the labeller: words, prototypes, file, transformers, endpoint or a plug-in.",
            autocompletion=labellers,
        ),
    ] = "",
    model: LabellerModel = "",
    file: HandFile = None,
    url: Url = "",
    timeout: Timeout = 60.0,
    properties: PropertyFile = None,
    anew: Anew = False,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER", help="Scores of one model, to compare models by size; given once for each model."
        ),
    ] = None,
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> None:
    """Score the labels of heads with a judge.

    The judge is shown texts that the labeller has not seen, and says which of them fit the label.
    With --compare, scores of several models are tested: are heads of larger models more interpretable?
    The last line of stdout is the folder of the scores.
    """
    if compare:
        if labels is not None or judge:
            raise UsageError("--compare takes finished scores: leave out --labels and --judge")
        _compare(compare, as_json)
        return
    if labels is None or not judge:
        raise UsageError("give --labels and --judge, or --compare with scores of several models")
    from alignbench.cli.console import print_json, print_status, print_table
    from alignbench.cli.working import working
    from alignbench.interpret.labelling.labeller import LabellerRequest, make_labeller
    from alignbench.interpret.labelling.labelling import read_labels
    from alignbench.interpret.labelling.scoring import ScoreJob, score_heads
    from alignbench.interpret.labelling.word_lists import packaged_properties, read_word_lists
    from alignbench.results.head_scores import read_scores
    from alignbench.tracking.head_labels_run import log_head_scores
    from alignbench.tracking.tracker import tracker_for

    labelled = read_labels(labels)
    tracker = tracker_for(wandb)
    request = LabellerRequest(
        properties=packaged_properties() if properties is None else read_word_lists(properties),
        model=model,
        file=file,
        url=url,
        timeout=timeout,
        tested=str(labelled.record["settings"]["span"].get("text_fingerprint", "")),
    )
    mark = None if tracker is None else tracker.mark
    with working(f"judging by {judge}"):
        folder, is_finished = score_heads(labelled, make_labeller(judge, request), ScoreJob(judge, anew, mark))
    if is_finished:
        print_error(f"these labels were judged before: taken from {folder}")
    if tracker is not None:
        (tracker.catch_up if is_finished else tracker.log)(folder, log_head_scores)
        if tracker.offline:
            print_error(tracker.how_to_upload())
    record, table = read_scores(folder)
    if as_json:
        print_json({"folder": str(folder), **record, "scores": table.to_dict("records")})
        return
    labeller = record["settings"]["labels"]["labeller"]["name"]
    print_table(
        _shown(table, f"{record['heads']} heads of {record['model']}, labelled by {labeller}, judged by {judge}")
    )
    for note in record["notes"]:
        print_status(note)
    print(folder)


def _shown(table: pd.DataFrame, title: str) -> Table:
    """Each score with its interval and its baseline."""
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    shown.add_column("score")
    for name in ("value", "95 % interval", "baseline", "95 % of it", "p"):
        shown.add_column(name, justify="right")
    for row in table.itertuples():
        shown.add_row(
            row.measure,
            _number(row.value),
            _range(row.low, row.high),
            _number(row.baseline),
            _range(row.baseline_low, row.baseline_high),
            _number(row.p),
        )
    return shown


def _number(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"


def _range(low: float, high: float) -> str:
    return "-" if low != low else f"{low:.3f} .. {high:.3f}"


def _compare(folders: list[Path], as_json: bool) -> None:
    """Show how scores of several models go with their size, and what that decides."""
    from rich.table import Table

    from alignbench.cli.console import print_json, print_table
    from alignbench.interpret.labelling.trend import TREND, read_models, trend_table, trends, verdict

    models = read_models(folders)
    found = trends(models)
    table, said = trend_table(found), verdict(found)
    if as_json:
        rows = [{"model": each.model, "size": each.size, **each.values} for each in models]
        print_json({"models": rows, "trends": table.to_dict("records"), "verdict": said})
        return
    scores = Table(title="Scores", title_justify="left")
    scores.add_column("model", overflow="fold")
    for name in ("heads of the model", *TREND):
        scores.add_column(name, justify="right")
    for each in sorted(models, key=lambda one: one.size):
        scores.add_row(each.model, str(each.size), *(_number(each.values.get(name, float("nan"))) for name in TREND))
    print_table(scores)
    tested = Table(title="Scores against size", title_justify="left")
    tested.add_column("score")
    for name in ("models", "rank correlation", "p, one-sided", "smallest p"):
        tested.add_column(name, justify="right")
    for row in found:
        tested.add_row(row.measure, str(row.models), _number(row.correlation), _number(row.p), _number(row.least))
    print_table(tested)
    print(said)
