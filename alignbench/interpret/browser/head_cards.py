"""What there is to say of one head: its texts and label, what judges said of them, and how close it is to people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alignbench.interpret.browser.aligned_places import AlignedPlace
from alignbench.interpret.browser.colourings import text_entropy
from alignbench.interpret.browser.head_folders import HeadFolder, HeadFolders
from alignbench.interpret.head_names import Head


@dataclass(frozen=True)
class TextVote:
    """What a judge says of a text.

    Attributes:
        judge: Name of the judge.
        agrees: Whether the text agrees with the head's label.
    """

    judge: str
    agrees: bool


@dataclass(frozen=True)
class CardText:
    """A text that spans a head.

    Attributes:
        pick: Its place, from 1.
        text: The text.
        deviation: Standard deviation of the contributions along it.
        explained_variance: Share of the head's variance that it takes up.
        margin: How far it was ahead of the next text.
        votes: What each judge says of it.
    """

    pick: int
    text: str
    deviation: float
    explained_variance: float
    margin: float
    votes: tuple[TextVote, ...]


@dataclass(frozen=True)
class HeadReading:
    """A head as one folder of texts, one of labels and one of scores have it; what is not known is none.

    Attributes:
        title: Which folders these are.
        label: Its label, empty where the labeller abstains.
        margin: How far the label was ahead of the next.
        source: `labelled`, or `example`.
        texts: Its texts.
        agreeing: How many of the judged texts agree.
        judged: How many were judged.
        consistency: How many of the first five agree.
        others: Heads that have the same label.
        entropy: See `text_entropy`.
    """

    title: str
    label: str | None
    margin: float | None
    source: str | None
    texts: tuple[CardText, ...]
    agreeing: int | None
    judged: int | None
    consistency: int | None
    others: int | None
    entropy: float | None


@dataclass(frozen=True)
class CardScore:
    """How close a head is to people in one place; see `HeadScore`.

    Attributes:
        title: Level, data set and protocol.
        unit: What the score is in.
        value: The score of the head alone.
        low: Lower end of the interval.
        high: Upper end.
        left_out: How much lower the whole scores without it.
        p_choices: Corrected p-value against answers at random.
        p_subspace: Against random subspaces of its layer.
        p_twin: Against a twin of random weights.
        is_separable: Whether it is told from the null; none where no null was computed.
    """

    title: str
    unit: str
    value: float
    low: float
    high: float
    left_out: float
    p_choices: float
    p_subspace: float
    p_twin: float
    is_separable: bool | None


@dataclass(frozen=True)
class HeadCard(HeadReading):
    """A head; its texts and label are those of the first folders, and others stand in `further`.

    Attributes:
        layer: Its layer, from 1.
        head: Its number in the layer, from 0.
        people: How close it is to people.
        further: What other folders of texts, labels and scores say.
    """

    layer: int
    head: int
    people: tuple[CardScore, ...]
    further: tuple[HeadReading, ...]


def head_card(head: Head, folders: HeadFolders, places: Sequence[AlignedPlace]) -> HeadCard:
    """Say what there is to say of a head.

    Args:
        head: The head.
        folders: The folders of the store.
        places: The scores of heads that are among them.
    """
    readings = [_reading(head, *chosen) for chosen in _chosen(folders)]
    empty = HeadReading("", None, None, None, (), None, None, None, None, None)
    first, *further = readings or [empty]
    people = [(place, place.scores[head]) for place in places if head in place.scores]
    scores = [
        CardScore(place.title, place.unit, **vars(score), is_separable=score.is_separable) for place, score in people
    ]
    return HeadCard(**vars(first), layer=head[0], head=head[1], people=tuple(scores), further=tuple(further))


Chosen = tuple[HeadFolder | None, HeadFolder | None, HeadFolder | None, tuple[HeadFolder, ...]]


def _chosen(folders: HeadFolders) -> Iterator[Chosen]:
    """Texts, labels and scores that belong together, and all scores of these labels."""
    for labels in folders.labels:
        judges = tuple(each for each in folders.scores if each.settings["labels"] == labels.settings)
        for scores in judges or (None,):
            yield _span(folders, labels.settings["span"]), labels, scores, judges
    for scored in folders.scores:
        if not any(scored.settings["labels"] == each.settings for each in folders.labels):
            yield _span(folders, scored.settings["labels"]["span"]), None, scored, (scored,)
    named = [each.settings["span"] for each in folders.labels]
    named += [each.settings["labels"]["span"] for each in folders.scores]
    for span in folders.spans:
        if span.settings not in named:
            yield span, None, None, ()


def _span(folders: HeadFolders, settings: object) -> HeadFolder | None:
    return next((each for each in folders.spans if each.settings == settings), None)


def _reading(
    head: Head,
    span: HeadFolder | None,
    labels: HeadFolder | None,
    scores: HeadFolder | None,
    judges: Sequence[HeadFolder],
) -> HeadReading:
    labelled, scored = _row(labels or scores, head), _row(scores, head)
    texts = _texts(head, span, judges)
    parts = np.array([each.explained_variance for each in texts])
    return HeadReading(
        title=", ".join(each.name for each in (span, labels, scores) if each is not None),
        label=labelled.get("label"),
        margin=_known(labelled.get("margin")),
        source=labelled.get("source"),
        texts=texts,
        agreeing=_count(scored.get("agreeing")),
        judged=_count(scored.get("judged")),
        consistency=_count(scored.get("first_agreeing")),
        others=_count(scored.get("others")),
        entropy=text_entropy(parts) if len(parts) else None,
    )


def _texts(head: Head, span: HeadFolder | None, judges: Sequence[HeadFolder]) -> tuple[CardText, ...]:
    if span is None:
        return ()
    votes: dict[int, list[TextVote]] = {}
    for judge in judges:
        for row in _rows(judge.judged, head).itertuples(index=False):
            votes.setdefault(int(row.pick), []).append(TextVote(judge.settings["judge"]["name"], bool(row.agrees)))
    return tuple(
        CardText(
            int(row.pick),
            row.text,
            float(row.deviation),
            float(row.explained_variance),
            float(row.margin),
            tuple(votes.get(int(row.pick), ())),
        )
        for row in _rows(span.table, head).sort_values("pick").itertuples(index=False)
    )


def _rows(table: Any, head: Head) -> Any:
    return table[(table["layer"] == head[0]) & (table["head"] == head[1])]


def _row(folder: HeadFolder | None, head: Head) -> dict[str, Any]:
    """The row of a head as a dictionary; empty where there is none."""
    rows = [] if folder is None else _rows(folder.table, head).to_dict("records")
    return dict(rows[0]) if rows else {}


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def _count(value: float | None) -> int | None:
    return None if value is None or np.isnan(value) else int(value)
