"""From labels of heads and a judge of them to scores: a folder beside the store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.arrays import Indices
from alignbench.errors import DataError, UsageError, counted
from alignbench.files import whole_folder
from alignbench.interpret.labelling.dealing import shuffled_labels
from alignbench.interpret.labelling.head_picks import HeadPicks, even, read_picks
from alignbench.interpret.labelling.labeller import Labeller
from alignbench.interpret.labelling.labelling import LabelledHeads
from alignbench.interpret.labelling.measures import BETTER, OF_LABELS_ALONE, Booleans, judged, measures
from alignbench.interpret.labelling.score_tables import head_rows, judged_rows, score_rows
from alignbench.results.folders import check_writable, folder_of
from alignbench.results.head_labels import LABELLED
from alignbench.results.head_scores import HEADS, JUDGED, RECORD, SCORES, is_scored
from alignbench.results.run_folder import run_hash

STAGE: Final = "scores"
_FEW: Final = 100  # images, or draws of them: intervals were tried with as many


@dataclass(frozen=True)
class ScoreJob:
    """What is asked of a judge.

    Attributes:
        judge: Its name.
        anew: Whether also a chat model judges what is picked in draws of the images and dealt in permutations.
        marked: Hears of the folder before it is whole, to mark it.
    """

    judge: str
    anew: bool = False
    marked: Callable[[Path], None] | None = None


@dataclass(frozen=True)
class Anew:
    """What was drawn or dealt.

    Attributes:
        picks: Rows of the texts that are judged, -1 for none, (times, heads, texts).
        labels: Number of each head's label, -1 for none, (times, heads).
    """

    picks: Indices
    labels: Indices


def score_heads(labelled: LabelledHeads, judge: Labeller, job: ScoreJob) -> tuple[Path, bool]:
    """Score the labels of heads by a judge, and leave a folder `<model>__scores__<hash8>` beside them.

    Even picks are judged: labels come from the odd ones. Heads that were examples are left out.

    Args:
        labelled: The labels.
        judge: The judge.
        job: What is asked.

    Returns:
        The folder, and whether it was there already.

    Raises:
        UsageError: If the judge is the labeller, or does not know a label.
        DataError: If the picks are not there, or others than those that were labelled.
        AlignbenchError: Whatever the judge finds wrong, and if the folder cannot be written.
    """
    check_judge(labelled, judge, job.judge)
    picks = read_picks(labelled.folder.parent / labelled.record["picks"])
    _check_picks(labelled, picks)
    settings = {
        "labels": labelled.record["settings"],
        "judge": {"name": job.judge, **judge.settings},
        "anew": not judge.asks or job.anew,
    }
    model = str(picks.record["settings"].get("heads", {}).get("model", ""))
    folder = labelled.folder.parent / folder_of(model, STAGE, run_hash(settings))
    if is_scored(folder):
        return folder, True
    check_writable(folder.parent)
    heads = np.flatnonzero((labelled.table["source"] == LABELLED).to_numpy())
    number = {name: row for row, name in enumerate(labelled.names)} | {"": -1}
    labels = np.array([number[label] for label in labelled.table["label"].iloc[heads]], dtype=np.int64)
    own = even(picks.picks)[heads]
    drawn = _drawn(labelled, picks, heads, labels) if settings["anew"] else None
    dealt = _dealt(labelled, picks, heads) if settings["anew"] else None
    agreement = _agreement(judge, picks, labelled.names, [own, *(each.picks for each in (drawn, dealt) if each)])
    ours = judged(labels, own, agreement)
    fixed_texts = dealt is None
    if dealt is None and labelled.record["settings"]["permutations"]:
        shuffled = shuffled_labels(labels, *(labelled.record["settings"][key] for key in ("permutations", "seed")))
        dealt = Anew(np.broadcast_to(own, (len(shuffled), *own.shape)), shuffled)
    scores = score_rows(
        measures(ours),
        measured(drawn, agreement, labelled.drawn is None),
        measured(dealt, agreement, fixed_texts),
    )
    with whole_folder(folder, lambda: is_scored(folder)) as scratch:
        scores.to_csv(scratch / SCORES, index=False)
        head_rows(labelled, picks, heads, ours).to_csv(scratch / HEADS, index=False)
        judged_rows(labelled, picks, heads, ours).to_csv(scratch / JUDGED, index=False)
        record = {
            "settings": settings,
            "store": labelled.record["store"],
            "labels": labelled.folder.name,
            "model": model,
            "heads": len(heads),
            "size": picks.size,
            "notes": _notes(labelled, picks, settings),
        }
        (scratch / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        if job.marked is not None:
            job.marked(scratch)
    return folder, False


def check_judge(labelled: LabelledHeads, judge: Labeller, name: str) -> None:
    """Refuse a judge that is the labeller.

    Args:
        labelled: The labels.
        judge: The judge.
        name: Its name, for the message.

    Raises:
        UsageError: If it is.
    """
    if judge.identities & set(labelled.record["identities"]):
        labeller = labelled.record["settings"].get("labeller", {}).get("name", "")
        raise UsageError(
            f"the judge {name} is what labelled these heads ({labeller}), and would find its own labels right: give "
            "another by --judge or --model"
        )


def _check_picks(labelled: LabelledHeads, picks: HeadPicks) -> None:
    """Refuse other picks than those that were labelled."""
    places = list(labelled.table[["layer", "head"]].itertuples(index=False, name=None))
    if labelled.record["settings"].get("span") != picks.record["settings"] or places != list(picks.places):
        raise DataError(
            f"{labelled.folder} labels other picks than {picks.folder} has: label them again by `alignbench interpret "
            "label`"
        )
    draws = 0 if picks.drawn is None else len(picks.drawn)
    has_dealt = labelled.dealt is None or labelled.dealt.shape[1:] == picks.picks.shape
    if (labelled.drawn is not None and len(labelled.drawn) != draws) or not has_dealt:
        raise DataError(
            f"{labelled.folder} and {picks.folder} do not fit together: make both again, by `alignbench interpret "
            "textspan` and then `alignbench interpret label`"
        )


def _drawn(labelled: LabelledHeads, picks: HeadPicks, heads: Indices, labels: Indices) -> Anew | None:
    """What is picked in draws of the images, labelled anew or by the labels of all images."""
    if picks.drawn is None:
        return None
    again = np.broadcast_to(labels, (len(picks.drawn), len(labels)))
    if labelled.drawn is not None:
        again = labelled.drawn[:, heads]
    return Anew(even(picks.drawn)[:, heads], again)


def _dealt(labelled: LabelledHeads, picks: HeadPicks, heads: Indices) -> Anew | None:
    """Picks that are dealt anew, and labelled anew."""
    if labelled.dealt is None or labelled.dealt_labels is None:
        return None
    rows = np.where(labelled.dealt >= 0, picks.picks.ravel()[labelled.dealt], -1)
    return Anew(even(rows)[:, heads], labelled.dealt_labels[:, heads])


def _agreement(judge: Labeller, picks: HeadPicks, names: tuple[str, ...], asked: Iterable[Indices]) -> Booleans:
    """What the judge says of all texts that are looked at, with all labels, (texts, labels); of others nothing."""
    rows = np.unique(np.concatenate([each.ravel() for each in asked]))
    rows = rows[rows >= 0]
    found = np.zeros((len(picks.texts), len(names)), dtype=np.bool_)
    if len(rows) and names:
        said = np.asarray(judge.judge([picks.texts[row] for row in rows], names))
        if said.shape != (len(rows), len(names)) or said.dtype != np.bool_:
            raise UsageError(
                f"the judge gives {said.dtype} of {said.shape}, and not true or false for {len(rows)} texts and "
                f"{len(names)} labels: correct or uninstall it"
            )
        found[rows] = said
    return found


def measured(anew: Anew | None, agreement: Booleans, fixed_labels: bool) -> pd.DataFrame:
    """Work out all scores of each draw or permutation: a row for each, a column for each measure.

    Args:
        anew: What was drawn or dealt; none gives no row.
        agreement: Whether a text agrees with a label, (texts, labels).
        fixed_labels: Whether labels stay as they are, so that scores of the labels alone say nothing.
    """
    if anew is None:
        return pd.DataFrame(columns=list(BETTER), dtype=np.float64)
    found = pd.DataFrame(
        [measures(judged(labels, picks, agreement)) for labels, picks in zip(anew.labels, anew.picks, strict=True)],
        columns=list(BETTER),
        dtype=np.float64,
    )
    if fixed_labels:
        found[list(OF_LABELS_ALONE)] = np.nan
    return found


def _notes(labelled: LabelledHeads, picks: HeadPicks, settings: dict[str, Any]) -> list[str]:
    """What is to be known of intervals and baseline, of examples, and of a judge that is not independent."""
    labeller, notes = labelled.record["settings"]["labeller"], []
    if picks.drawn is None:
        notes.append("no intervals: the picks are not those of `alignbench interpret textspan --resamples`")
    elif not settings["anew"]:
        notes.append("no intervals: a chat model judges what is picked in draws of the images only with --anew")
    elif labelled.drawn is None:
        notes.append("labels are not made anew in draws of the images: intervals are of these labels, as they are")
    else:
        notes.append("labels are made anew in each draw of the images")
    if picks.drawn is not None and (picks.images < _FEW or len(picks.drawn) < _FEW):
        few = f"{counted(picks.images, 'image')} and {counted(len(picks.drawn), 'draw')}"
        notes.append(f"{few} are few for intervals: take {_FEW} of each or more")
    if not labelled.record["settings"]["permutations"]:
        notes.append("no baseline: --permutations was 0 when heads were labelled")
    elif settings["anew"] and labelled.dealt is not None:
        notes.append("baseline: picks are dealt to heads anew, and labelled anew")
    else:
        notes.append("baseline: labels are given to heads anew, and texts stay")
    examples = int((labelled.table["source"] != LABELLED).sum())
    if examples:
        notes.append(f"left out, as examples for the labeller: {counted(examples, 'head')}")
    if "words" in labeller and labeller["words"] == settings["judge"].get("words"):
        notes.append("labeller and judge have the same words of properties: they are not wholly independent")
    return notes
