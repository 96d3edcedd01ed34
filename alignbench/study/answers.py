"""Two models, or two runs, and the answer: does one lie above the other, by how much, and how certain is that?"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import pandas as pd

from alignbench.errors import AlignbenchError, AlignbenchWarning, UsageError, printable, shortened, unknown
from alignbench.results.extent import extents, place_name
from alignbench.results.layer_curve import is_simulated
from alignbench.results.stored_run import StoredRun
from alignbench.study.answer_remarks import remarks, without_objects
from alignbench.study.answer_texts import PLACED, cells, sentences
from alignbench.study.beyond import beyond
from alignbench.study.compared_curves import PROJECTION
from alignbench.study.comparison import CLUSTERS, OVER, ComparedDistance, NoObjectsError, Question, compared_distances
from alignbench.study.corrected_rows import corrected_rows
from alignbench.study.named_runs import LabelledRuns, NamedRuns
from alignbench.study.run_pairs import RunPair, check_layer, nearest_run, run_pairs

Names = str | Sequence[str] | None


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What was asked of two models, and what it comes to.

    Attributes:
        first: What the first is called.
        second: What the second is called, whose scores are subtracted.
        table: A row for each data set, subset, distance and place, with the columns of `corrected_rows`; and beside
            them dataset, data (the data set as it is shown), part (how much of it, and by whom it was judged, where
            that has to be said), first_run and second_run (the folders).
        sentences: A sentence for each question, as they stand in the table.
        remarks: What has to be known to read it.
        beyond: What both say beyond a third run, see `alignbench.study.beyond`; empty if none is given.
        skipped: A line for each folder among the runs that was left out, where labels were looked for.
    """

    first: str
    second: str
    table: pd.DataFrame
    sentences: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    beyond: pd.DataFrame = field(default_factory=pd.DataFrame)
    skipped: tuple[str, ...] = ()

    def summary(self) -> str:
        """The sentences, a line each."""
        return "\n".join(self.sentences)

    def __repr__(self) -> str:
        """The sentences."""
        return self.summary()

    def _repr_html_(self) -> str:
        """The table and the sentences as a notebook shows them."""
        title, rows = self.titled_cells()
        head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row.values())}</tr>" for row in rows)
        said = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.sentences)
        return f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{body}</table><ul>{said}</ul>"

    def titled_cells(self) -> tuple[str, list[dict[str, str]]]:
        """The table as it is shown: its title, which says what all rows have in common, and the cells of each row."""
        rows = list(cells(self.table))
        common = [name for name in PLACED if len({row[name] for row in rows}) == 1]
        title = f"{self.first} minus {self.second}"
        if common:
            title += f": {', '.join(rows[0][name] for name in common)}"
        return title, [{name: cell for name, cell in row.items() if name not in common} for row in rows]


def compare(
    first: str | Path | StoredRun,
    second: str | Path | StoredRun,
    *,
    at: str = PROJECTION,
    distance: Names = None,
    dataset: Names = None,
    runs: str | Path = "runs",
    over: str = CLUSTERS,
    seed: int = 0,
    given: str | Path | StoredRun | None = None,
) -> Comparison:
    """Compare two models on the judgments that both were measured on, or two runs.

    Args:
        first: A label of finished runs, a run folder, or a run.
        second: Another, whose scores are subtracted.
        at: `projection`; `best`, the best layers before it, whichever they are; a layer by its name; `curve`, all
            layers or depths together; or `all` of these.
        distance: Names of distances, also with commas, or `all`; the normalised Euclidean one if both have it, else
            the first that both have. Baselines have one each.
        dataset: Names of data sets, also with commas; all that both have if none are given.
        runs: The folder in which labels are looked for.
        over: What intervals are over: `clusters`, or the `objects` of odd-one-out choices.
        seed: Seed of the bootstrap.
        given: A third run or label, such as `pixels`: what do both say beyond it?

    Returns:
        The rows and a sentence for each question, with intervals that hold for all of them together (95 %). Folders
        that may be runs of a label and cannot be read are left out with a warning each, and named in `skipped`; data
        sets without objects too, in the remarks, if intervals are to be over these and no data set is named.

    Raises:
        DataError: If a name is no run and no label, or the runs share no judgments or saw different data.
        UsageError: If it is not clear which runs are meant, if they differ in both model and protocol, if one lacks
            the layer or the distance, or if objects are asked for that judgments do not name.
    """
    _check_kinds(at=(at, str), over=(over, str), runs=(runs, (str, Path)), seed=(seed, int))
    if over not in OVER:
        raise unknown("kind of interval", over, OVER)
    place = LabelledRuns(Path(runs).expanduser())
    one, other = (_named(run, place) for run in (first, second))
    third = None if given is None else _named(given, place)
    for line in place.skipped:
        warnings.warn(line, AlignbenchWarning, stacklevel=2)
    pairs = run_pairs(one, other, _names(dataset, "--dataset"), _names(distance, "--distance"))
    for pair in pairs:
        check_layer(at, pair)
    thirds = [None if third is None else nearest_run(third, pair.first) for pair in pairs]
    each, without = _each(pairs, (at, over, seed), needed=dataset is not None)
    table, names = corrected_rows([found for some in each.values() for found in some]), _called(pairs[0])
    further = [
        _beyond(pair, known, seed)
        for pair, known in zip(pairs, thirds, strict=True)
        if known is not None and pair in each
    ]
    return Comparison(
        *names,
        table,
        tuple(sentences(table, names)),
        (*without_objects(without), *remarks(list(each), table, names)),
        pd.concat(further, ignore_index=True) if further else pd.DataFrame(),
        place.skipped,
    )


def _named(run: str | Path | StoredRun, place: LabelledRuns) -> NamedRuns:
    if isinstance(run, str | Path):
        return place.named(run)
    if not isinstance(run, StoredRun):
        raise UsageError(f"a {type(run).__name__} cannot be compared: give a label, a run folder or a run")
    return NamedRuns(str(run.folder), (run,), by_label=False)


def _check_kinds(**given: tuple[object, type | tuple[type, ...]]) -> None:
    """Refuse arguments that are of another type, as only a script can give them."""
    for name, (value, kind) in given.items():
        if not isinstance(value, kind):
            raise UsageError(f"`{name}` cannot be {shortened(value)}: see `help(alignbench.compare)`")


def _names(text: Names, option: str) -> tuple[str, ...]:
    """Names, of a text those between its commas; none for none.

    Raises:
        UsageError: If there are none in what is given.
    """
    if text is None:
        return ()
    if not isinstance(text, Iterable) or not all(isinstance(each, str) for each in text):
        raise UsageError(f"{shortened(text)} is no name: give {option} a text, or a list of texts")
    names = [name for each in ([text] if isinstance(text, str) else text) for name in each.split(",")]
    found = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not found:
        raise UsageError(f"{option} is empty: name some, or leave it out")
    return found


def _called(pair: RunPair) -> tuple[str, str]:
    """What the two are called: by their labels, if these tell them apart, else by their folders."""
    one, other = pair.first, pair.second
    ways = ((one.label, other.label), (one.folder.name, other.folder.name), (str(one.folder), str(other.folder)))
    first, second = next(names for names in ways if names[0] != names[1])
    return printable(first), printable(second)


# --------------------------------------------------------------------------------------------------- pairs


def _each(
    pairs: Sequence[RunPair], asked: tuple[str, str, int], needed: bool
) -> tuple[dict[RunPair, list[ComparedDistance]], list[str]]:
    """What is found of each pair, and the data sets that are left out since they name no objects.

    Args:
        pairs: The pairs.
        asked: Where they are compared, over what, and the seed.
        needed: Whether none may be left out.

    Raises:
        NoObjectsError: If objects are asked for, and one that is needed, or all, name none.
    """
    found: dict[RunPair, list[ComparedDistance]] = {}
    refused: dict[str, NoObjectsError] = {}
    for pair in pairs:
        try:
            found[pair] = list(_compared(pair, Question(pair.distances, *asked), several=len(pairs) > 1))
        except NoObjectsError as error:
            if needed:
                raise
            refused[pair.dataset] = error
    if not found:
        raise next(iter(refused.values()))
    return found, list(refused)


def _compared(pair: RunPair, question: Question, several: bool) -> Iterator[ComparedDistance]:
    """The subsets and distances of a pair, with what its rows are about; with `several`, errors name the data set."""
    try:
        found = compared_distances(pair.first.folder, pair.second.folder, question)
    except AlignbenchError as error:
        raise type(error)(f"{pair.dataset}: {error}") if several else error from error
    for each in found:
        about = {
            "dataset": pair.dataset,
            **_judged(pair, str(each.rows[0]["subset"]), int(each.rows[0]["n"])),
            "first_run": str(pair.first.folder),
            "second_run": str(pair.second.folder),
        }
        yield ComparedDistance([about | row for row in each.rows], each.first, each.second)


def _judged(pair: RunPair, subset: str, count: int) -> dict[str, str]:
    """The data set of a pair with its subset where that has to be said; and how much of it there is, and who judged."""
    runs = pair.first, pair.second
    name = place_name(pair.dataset, subset, pair.first.settings.protocol)
    parts = [extents(run.curve).get(subset, "") for run in runs if count == _judgments(run, subset)]
    part = parts[0] if parts else f"{count:,} judgments that both have"
    simulated = is_simulated(pair.dataset) or any("simulated" in run.record.observers for run in runs)
    return {"data": name, "part": "; ".join(filter(None, [part, "simulated observers" if simulated else ""]))}


def _judgments(run: StoredRun, subset: str) -> int:
    frame = run.curve.frame
    return int(frame.loc[frame["subset"] == subset, "n"].max()) if (frame["subset"] == subset).any() else 0


def _beyond(pair: RunPair, given: StoredRun, seed: int) -> pd.DataFrame:
    """What both runs of a pair say beyond another, by the distances that they are compared by."""
    found = pd.concat([beyond(run.folder, given.folder, seed) for run in (pair.first, pair.second)], ignore_index=True)
    named = found["distance"].isin(pair.distances) | (found["layer"] == "image")
    return found[named].assign(dataset=pair.dataset)
