"""Grids of layers and heads, each cell with a number or a name: human alignment, labels, consistency, entropy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import printable
from alignbench.interpret.browser.aligned_places import AlignedPlace, address_name, transform_of
from alignbench.interpret.browser.head_folders import HeadFolder, HeadFolders, heads_in
from alignbench.interpret.head_names import Head
from alignbench.report.panels import score_name
from alignbench.results.extent import place_name
from alignbench.results.head_alignment import CAVEAT, SEPARABLE, by_place
from alignbench.results.head_labels import EXAMPLE
from alignbench.results.run_folder import run_hash

NO_NULL: Final = "no null was computed, so nothing is greyed"
_NOTHING: Final = "nothing is known of it"
_FEW: Final = "fewer than five of its texts were judged"


@dataclass(frozen=True)
class HeadCell:
    """A head in a grid.

    Attributes:
        layer: Its layer, from 1.
        head: Its number in the layer, from 0.
        value: What it is coloured by; none where there is no number. Of names, the number of the name.
        text: The value as people read it.
        is_grey: Whether it is not told from what it is held against.
        note: What else there is to say of it.
    """

    layer: int
    head: int
    value: float | None
    text: str
    is_grey: bool = False
    note: str = ""


@dataclass(frozen=True)
class Colouring:
    """A grid of all heads of a store.

    Attributes:
        id: Its name in addresses, the same wherever the folder lies.
        title: What it shows.
        unit: What its values are in.
        kind: `number`, or `name`.
        cells: One for each head, by layer and head.
        low: Lower end of the scale.
        high: Upper end.
        note: What has to be said of all cells.
    """

    id: str
    title: str
    unit: str
    kind: Literal["number", "name"]
    cells: tuple[HeadCell, ...]
    low: float
    high: float
    note: str = ""


def colourings(heads: Sequence[Head], folders: HeadFolders, places: Iterable[AlignedPlace]) -> list[Colouring]:
    """Make all grids that the folders of a store allow.

    Args:
        heads: The heads of the store, in order.
        folders: Its folders.
        places: The scores that are among them.
    """
    made: list[Colouring] = []
    for place in places:
        made += [_alone(heads, place), *_left_out(heads, place)]
    made += _named([_labels(heads, each) for each in folders.labels], folders.labels)
    made += _named([_consistency(heads, each) for each in folders.scores], folders.scores)
    made += _named([_entropy(heads, each) for each in folders.spans], folders.spans)
    of_differences = [(each, made_of) for each in folders.differences for made_of in _differences(heads, each)]
    return made + _named([each for _, each in of_differences], [folder for folder, _ in of_differences])


def _named(made: Sequence[Colouring], folders: Sequence[HeadFolder]) -> list[Colouring]:
    """Name the folders of grids that would have the same title."""
    titles = [each.title for each in made]
    return [
        each if titles.count(each.title) == 1 else replace(each, title=f"{each.title} [{folder.name}]")
        for each, folder in zip(made, folders, strict=True)
    ]


def _alone(heads: Sequence[Head], place: AlignedPlace) -> Colouring:
    cells = {}
    for head, score in place.scores.items():
        is_separable = score.is_separable
        told = f"95 % interval {_number(score.low)} to {_number(score.high)}"
        cells[head] = HeadCell(
            *head,
            _known(score.value),
            _number(score.value),
            is_separable is False,
            f"{told}; {NO_NULL}" if is_separable is None else f"{told}; p {_p(score.p_separable)} over all heads",
        )
    nulls = [score.is_separable is not None for score in place.scores.values()]
    against = "random subspaces of their layers"
    if any(np.isnan(score.p_subspace) and score.is_separable is not None for score in place.scores.values()):
        against = "people's answers at random"
    grey = f"grey: not told from {against} (p > {SEPARABLE:g}, over all heads)" if any(nulls) else NO_NULL
    return _grid(
        heads,
        cells,
        Colouring(f"alone.{place.id}", f"Human alignment: {place.title}", place.unit, "number", (), 0, 0, grey),
    )


def _left_out(heads: Sequence[Head], place: AlignedPlace) -> Iterator[Colouring]:
    known = {head: score.left_out for head, score in place.scores.items() if not np.isnan(score.left_out)}
    if known:
        cells = {head: HeadCell(*head, value, _number(value, "+")) for head, value in known.items()}
        title, note = f"Loss without the head: {place.title}", f"{CAVEAT}; {NO_NULL}"
        yield _grid(
            heads, cells, Colouring(f"loss.{place.id}", title, f"loss of {place.unit}", "number", (), 0, 0, note)
        )


def _labels(heads: Sequence[Head], folder: HeadFolder) -> Colouring:
    names = sorted({row.label for _, row in heads_in(folder.table) if row.label})
    cells = {}
    for head, row in heads_in(folder.table):
        note = "given as an example" if row.source == EXAMPLE else f"margin {_number(row.margin)}"
        cells[head] = HeadCell(
            *head,
            float(names.index(row.label)) if row.label else None,
            row.label or "no label",
            note=note,
        )
    made_by = folder.settings["labeller"]["name"]
    whole = Colouring(f"label.{run_hash(folder.settings)}", f"Label, by {made_by}", "label", "name", (), 0, 0)
    return replace(_grid(heads, cells, whole), low=0.0, high=max(0.0, len(names) - 1.0))


def _consistency(heads: Sequence[Head], folder: HeadFolder) -> Colouring:
    cells = {}
    for head, row in heads_in(folder.table):
        value = _known(row.first_agreeing)
        cells[head] = HeadCell(
            *head, value, "none" if value is None else f"{value:.0f} of 5", note=_FEW * (value is None)
        )
    settings = folder.settings
    title = (
        f"Concept consistency: labels by {settings['labels']['labeller']['name']}, judge {settings['judge']['name']}"
    )
    unit, note = "texts of 5", "of the first five texts that were judged, how many agree with the head's label"
    whole = Colouring(f"consistency.{run_hash(settings)}", title, unit, "number", (), 0, 0, note)
    return replace(_grid(heads, cells, whole), low=0.0, high=5.0)


def _entropy(heads: Sequence[Head], folder: HeadFolder) -> Colouring:
    cells = {
        (int(layer), int(head)): HeadCell(
            int(layer), int(head), entropy, "none" if entropy is None else f"{entropy:.2f}"
        )
        for (layer, head), rows in folder.table.groupby(["layer", "head"])
        for entropy in [text_entropy(rows["explained_variance"].to_numpy(dtype=np.float64))]
    }
    note = "of the shares of variance that its texts take up: low where a head says one thing"
    name = f"entropy.{run_hash(folder.settings)}"
    return _grid(heads, cells, Colouring(name, "Entropy of texts", "bits", "number", (), 0, 0, note))


def text_entropy(explained: Floats) -> float | None:
    """Return Shannon's entropy, in bits, of the shares of variance that a head's texts take up.

    Args:
        explained: Share of the head's variance that each text takes up, (k,); they need not add up to 1.

    Returns:
        From 0, where one text takes up all, to log2(k); none where nothing is taken up.
    """
    whole = explained.sum()
    if not whole > 0:
        return None
    parts = explained[explained > 0] / whole
    return float((parts * np.log2(1.0 / parts)).sum())


def _differences(heads: Sequence[Head], folder: HeadFolder) -> Iterator[Colouring]:
    """A grid for each place and way in which two models were compared."""
    ways = {"alone": "Human alignment", "left_out": "Human alignment without the head"}
    first, second = (_model_title(folder.settings[name]) for name in ("first", "second"))
    for way, called in ways.items():
        for place, rows in by_place(folder.table[folder.table["way"] == way]):
            cells = {head: _difference(head, row) for head, row in heads_in(rows)}
            data_set = place_name(place["dataset"], place["part"], place["protocol"])
            title = f"{called}, {first} above {second}: {place['level']} level, {data_set}"
            name = address_name("difference", way, *place.values(), run_hash(folder.settings))
            unit, note = f"difference of {score_name(place['measure'])}", "grey: the interval for all heads holds 0"
            yield _grid(heads, cells, Colouring(name, f"{title}, {place['protocol']}", unit, "number", (), 0, 0, note))


def _difference(head: Head, row: Any) -> HeadCell:
    """How far a head of one model scores above that of another."""
    low, high = row.low_together, row.high_together
    if np.isnan(row.difference) or np.isnan(low + high):
        return HeadCell(*head, _known(row.difference), _number(row.difference, "+"), note="no interval is known")
    ends = f"95 % interval {_number(low)} to {_number(high)}, for all heads together"
    return HeadCell(*head, float(row.difference), _number(row.difference, "+"), bool(low <= 0 <= high), ends)


def _model_title(settings: Mapping[str, Any]) -> str:
    transform = transform_of(settings)
    return f"{settings.get('model', 'a model')}{transform and f' through {transform}'}"


def _grid(heads: Sequence[Head], cells: Mapping[Head, HeadCell], whole: Colouring) -> Colouring:
    """Lay cells out for all heads of a store, and find the scale of their values."""
    laid = tuple(cells.get(head, HeadCell(*head, None, "none", note=_NOTHING)) for head in heads)
    known = [each.value for each in laid if each.value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    return replace(whole, title=printable(whole.title), cells=laid, low=low, high=high)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _number(value: float, sign: str = "") -> str:
    return "none" if np.isnan(value) else f"{value:{sign}.3g}"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "< 0.001"
