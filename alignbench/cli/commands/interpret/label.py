"""`alignbench interpret label`: a name for what the texts of each head have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.completion import labellers, models
from alignbench.cli.options import AsJson, print_error

if TYPE_CHECKING:
    from rich.table import Table

    from alignbench.interpret.labelling.labelling import LabelledHeads

LabellerModel = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Text encoder for prototypes, or chat model for transformers or endpoint.",
        autocompletion=models,
    ),
]
HandFile = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="YAML file written by hand, for the labeller or judge called file."),
]
Url = Annotated[
    str, typer.Option("--url", metavar="URL", help="Address of the server for endpoint, without /chat/completions.")
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="SECONDS", help="Longest wait for an answer of endpoint, in seconds.")
]
PropertyFile = Annotated[
    Path | None,
    typer.Option(
        "--properties", metavar="FILE", help="YAML file of properties and their words [default: the packaged one]."
    ),
]
Anew = Annotated[bool, typer.Option("--anew", help="Ask a chat model about each resample and each permutation, too.")]


def label(
    textspan: Annotated[Path, typer.Option(metavar="FOLDER", help="Texts of heads: a folder of `interpret textspan`.")],
    labeller: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Labeller: words, prototypes, file, transformers, endpoint, or a plug-in.",
            autocompletion=labellers,
        ),
    ] = "words",
    model: LabellerModel = "",
    file: HandFile = None,
    url: Url = "",
    timeout: Timeout = 60.0,
    properties: PropertyFile = None,
    examples: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="YAML file of labelled heads, as examples for a chat model; these heads get no score."
        ),
    ] = None,
    permutations: Annotated[int, typer.Option(metavar="N", help="Permutations for the baseline of the scores.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the permutations.")] = 0,
    anew: Anew = False,
    as_json: AsJson = False,
) -> None:
    """Label each head by what its texts have in common.

    A label comes from the first text of a head, the third, the fifth and so on; `interpret score` judges the others.
    The last line of stdout is the folder of the labels, beside that of the texts.
    """
    from alignbench.cli.console import print_json, print_table
    from alignbench.cli.working import working
    from alignbench.interpret.labelling.by_hand import check_places, read_head_labels
    from alignbench.interpret.labelling.head_picks import read_picks
    from alignbench.interpret.labelling.labeller import LabellerRequest, make_labeller
    from alignbench.interpret.labelling.labelling import LabelJob, label_heads, read_labels
    from alignbench.interpret.labelling.word_lists import packaged_properties, read_word_lists

    picks = read_picks(textspan)
    given = {} if examples is None else read_head_labels(examples)
    if examples is not None:
        check_places(examples, given, picks.places)
    shown = [
        (texts, given[texts.layer, texts.head])
        for texts in picks.labelled_by(picks.picks)
        if (texts.layer, texts.head) in given
    ]
    request = LabellerRequest(
        properties=packaged_properties() if properties is None else read_word_lists(properties),
        model=model,
        file=file,
        url=url,
        timeout=timeout,
        tested=picks.record["settings"]["text_fingerprint"],
        examples=tuple(shown),
    )
    job = LabelJob(labeller, permutations, seed, anew, given)
    with working(f"labelling by {labeller}"):
        folder, is_finished = label_heads(picks, make_labeller(labeller, request), job)
    if is_finished:
        print_error(f"these heads were labelled before: taken from {folder}")
    labelled = read_labels(folder)
    if as_json:
        print_json({"folder": str(folder), **labelled.record, "labels": labelled.table.to_dict("records")})
        return
    print_table(_shown(labelled))
    print(folder)


def _shown(labelled: LabelledHeads) -> Table:
    """The label of each head, with its margin and its stability; a dash where there is none."""
    from rich.table import Table

    from alignbench.interpret.labelling.score_tables import label_stability

    shown = Table(title="Labels", title_justify="left")
    for name in ("layer", "head"):
        shown.add_column(name, justify="right")
    shown.add_column("label")
    for name in ("margin", "again"):
        shown.add_column(name, justify="right")
    for row, share in zip(labelled.table.itertuples(), label_stability(labelled), strict=True):
        margin = "-" if row.margin != row.margin else f"{row.margin:.3f}"
        name = row.label or "-"
        again = "-" if share != share else f"{share:.2f}"
        told = name if row.source == "labelled" else f"{name} (example)"
        shown.add_row(str(row.layer), str(row.head), told, margin, again)
    return shown
