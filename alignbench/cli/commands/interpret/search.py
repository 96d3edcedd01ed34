"""`alignbench interpret search`: neighbours by head and why they are, maps of texts, and what differs elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.commands.interpret.textspan import StoreFolder, StoreModel
from alignbench.cli.completion import data_sets, one_of, transforms
from alignbench.cli.options import AsJson, DataRoot, print_error
from alignbench.errors import UsageError, unknown

if TYPE_CHECKING:
    from alignbench.interpret.searching.analysis import SearchJob
    from alignbench.interpret.searching.comparing import DifferenceJob
    from alignbench.interpret.searching.judged_pairs import PeopleJob
    from alignbench.interpret.store import HeadStore

_ANALYSES = ("property", "topic", "contrast", "picture", "text", "attention", "people", "difference")


def search(
    analysis: Annotated[
        str,
        typer.Argument(
            metavar="ANALYSIS",
            help="Analysis, as above: property, picture, text, topic, contrast, attention, people or difference.",
            autocompletion=one_of(*_ANALYSES),
        ),
    ],
    heads: StoreFolder,
    picture: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE",
            help="Picture: its name in the store, or a file; topic, contrast and attention need a file.",
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="Text to search for or to map.")] = None,
    against: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Text that contrast compares --text with.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="L.H[,L.H]", help="Heads, as LAYER.HEAD, such as 5.3,6.0 [default: all in the store]."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Labels, to choose heads by: a folder of `interpret label`."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use the heads with this label of --labels, in place of --group.")
    ] = None,
    measure: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Similarity: dot, cosine, or centred (cosine of centred contributions).",
            autocompletion=one_of("dot", "cosine", "centred"),
        ),
    ] = "dot",
    count: Annotated[
        int | None,
        typer.Option(metavar="N", help="Number of pictures or pairs to find [default: property 4, text 3, others 8]."),
    ] = None,
    why: Annotated[
        str | None,
        typer.Option(metavar="PICTURE", help="Explain by the texts of heads why this picture is near --picture."),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Texts for --why: a folder of `interpret textspan` on this store."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Data set for people.", autocompletion=data_sets)
    ] = None,
    data_root: DataRoot = None,
    than: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Store of another model, for difference.")] = None,
    than_group: Annotated[
        str | None, typer.Option(metavar="L.H[,L.H]", help="Heads in the store of --than [default: those of --group].")
    ] = None,
    transform: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Transform of the projection, for difference: a file, or one of `transform list`.",
            autocompletion=transforms,
        ),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Take all heads of a model together, not one by one (for difference).")
    ] = False,
    model: StoreModel = None,
    as_json: AsJson = False,
) -> None:
    """Search pictures by head, or map what heads say in one.

    - property: neighbours of a picture, by several heads together.

    - picture: neighbours of a picture, by each head.

    - text: pictures whose contributions match a text best, by each head.

    - topic: where in a picture heads match a text.

    - contrast: where in a picture heads match a text more than another.

    - attention: where in a picture heads look.

    - people: pairs that people find alike, and how alike heads find them.

    - difference: how neighbours differ in another model, or after a transform.

    The last line of stdout is the folder of the results, beside the store.
    """
    if analysis not in _ANALYSES:
        raise unknown("analysis", analysis, _ANALYSES)
    is_difference, is_of_people = analysis == "difference", analysis == "people"
    if against is not None and text is None:
        raise UsageError("--against is compared with --text: give --text too")
    if (why is None) != (texts is None):
        raise UsageError("a neighbour is explained by texts: give both --why and --texts")
    if (labels is None) != (label is None) or (label is not None and group is not None):
        raise UsageError("heads are chosen by --labels and --label together, or by --group: give one or the other")
    if not is_difference and (than or than_group or transform or together):
        raise UsageError(f"{analysis} looks at one model: leave out --than, --than-group, --transform and --together")
    if is_difference and (picture is None or (than is None) == (transform is None)):
        raise UsageError(
            "difference compares a picture in two models: give --picture, and either --than or --transform"
        )
    if is_difference and (text is not None or why is not None):
        raise UsageError("difference takes no texts: leave out --text, --against, --why and --texts")
    if is_of_people != (dataset is not None) or (data_root is not None and not is_of_people):
        what = (
            "takes a data set: give --dataset"
            if is_of_people
            else "takes no data set: leave out --dataset and --data-root"
        )
        raise UsageError(f"{analysis} {what}")
    if is_of_people and (text is not None or why is not None):
        raise UsageError("people takes no texts: leave out --text, --against, --why and --texts")
    from alignbench.interpret.head_names import read_heads
    from alignbench.interpret.searching.analysis import SearchJob
    from alignbench.interpret.searching.comparing import DifferenceJob
    from alignbench.interpret.searching.judged_pairs import PeopleJob

    among = () if group is None else read_heads(group)
    said = tuple(each for each in (text, against) if each is not None)
    job: SearchJob | DifferenceJob | PeopleJob
    if is_of_people:
        job = PeopleJob(among, None, measure, count).checked()
    elif is_difference:
        others = () if than_group is None else read_heads(than_group, "--than-group")
        job = DifferenceJob(among, others, together, measure, count).checked()
    else:
        job = SearchJob(analysis, among, said, measure, count).checked()
    from dataclasses import replace

    from alignbench.cli.console import print_json
    from alignbench.cli.search_tables import print_found
    from alignbench.interpret.label_groups import label_groups
    from alignbench.interpret.searching.search import read_search
    from alignbench.interpret.store import HeadStore

    store = HeadStore.open(heads)
    if labels is not None and label is not None:
        job = replace(job, heads=label_groups(labels, store, label)[label])
    if isinstance(job, SearchJob):
        folder, is_finished = _searched(store, job, picture, model, (why, texts))
    elif isinstance(job, PeopleJob):
        folder, is_finished = _judged(store, job, picture, str(dataset), data_root)
    else:
        folder, is_finished = _compared(store, job, str(picture), model, (than, transform))
    if is_finished:
        print_error(f"this was asked before: taken from {folder}")
    record, table = read_search(folder)
    if as_json:
        print_json({"folder": str(folder), **record, "found": table.to_dict("records")})
        return
    print_found(record, table)
    print(folder)


def _searched(
    store: HeadStore, job: SearchJob, picture: str | None, model: str | None, explained: tuple[str | None, Path | None]
) -> tuple[Path, bool]:
    """Do an analysis, or say why it finds a picture near."""
    from alignbench.cli.working import working
    from alignbench.interpret.searching.analysis import MAPS
    from alignbench.interpret.searching.asked import asked_picture, decomposed_picture
    from alignbench.interpret.searching.explaining import explain_store
    from alignbench.interpret.searching.picked_texts import PickedTexts
    from alignbench.interpret.searching.search import search_store
    from alignbench.interpret.text_encoders.of_store import model_of, store_encoder

    why, texts = explained
    with working(f"loading {model or model_of(store)}"):
        encoder = store_encoder(store, model) if job.texts or why is not None else None
        asked = None
        if picture is not None:
            is_map = job.analysis in MAPS
            asked = decomposed_picture(store, Path(picture), model) if is_map else asked_picture(store, picture, model)
    if why is None or texts is None or encoder is None:
        return search_store(store, job, asked, encoder)
    return explain_store(PickedTexts.read(texts, store, encoder), job, why, asked)


def _judged(
    store: HeadStore, job: PeopleJob, picture: str | None, dataset: str, data_root: Path | None
) -> tuple[Path, bool]:
    """Find the pairs that people find alike."""
    from dataclasses import replace

    from alignbench.cli.working import working
    from alignbench.interpret.searching.judged_pairs import JudgedStore

    if picture is not None:
        if picture not in store.names:
            raise UsageError(f"{picture} is no picture of {store.folder}: people takes the name of one by --picture")
        job = replace(job, picture=store.names.index(picture))
    with working(f"reading {dataset}"):
        judged = JudgedStore.read(store, dataset, data_root)
    return judged.keep(job)


def _compared(
    store: HeadStore, job: DifferenceJob, picture: str, model: str | None, than: tuple[Path | None, str | None]
) -> tuple[Path, bool]:
    """Compare the neighbours of a picture with those in another store, or behind a transform."""
    from alignbench.cli.working import working
    from alignbench.interpret.searching.comparing import difference_store, fitting_transform, picture_of_both
    from alignbench.interpret.store import HeadStore
    from alignbench.interpret.text_encoders.of_store import model_of

    asked, (other, transform) = picture_of_both(store, picture), than
    if other is not None:
        return difference_store(store, HeadStore.open(other), job, asked)
    with working(f"loading {model or model_of(store)}"):
        chosen = fitting_transform(store, str(transform), model)
    return difference_store(store, chosen, job, asked)
