"""The picks of all heads of a folder, observed and in draws of the images, as rows of one list of texts.

Labels come from odd picks (the first, the third, ...), and even ones are judged: no text speaks for its own label.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alignbench.arrays import Indices
from alignbench.errors import DataError, one_line
from alignbench.files.json_text import checked_object
from alignbench.interpret.drawn_picks import read_drawn
from alignbench.interpret.labelling.labeller import HeadTexts
from alignbench.results.head_texts import read_span

Place = tuple[int, int]


@dataclass(frozen=True)
class HeadPicks:
    """What is picked of each head.

    Attributes:
        folder: Where it was read.
        record: The record of that.
        size: Number of heads of the whole model.
        images: Number of images.
        places: Layer and head of each head, (heads).
        texts: All texts, each once.
        picks: Rows of the texts, in the order in which they were picked, -1 where there is none, (heads, k).
        drawn: The same in draws of the images, (draws, heads, k); none without draws.
    """

    folder: Path
    record: dict[str, Any]
    size: int
    images: int
    places: tuple[Place, ...]
    texts: tuple[str, ...]
    picks: Indices
    drawn: Indices | None

    def labelled_by(self, picks: Indices) -> list[HeadTexts]:
        """Return the odd picks of heads, by which they are labelled.

        Args:
            picks: As those of this object, (heads, k).
        """
        return [
            HeadTexts(*place, tuple(self.texts[row] for row in rows if row >= 0))
            for place, rows in zip(self.places, odd(picks), strict=True)
        ]


def odd(picks: Indices) -> Indices:
    """Return the first pick, the third, and so on, of the last axis."""
    return picks[..., 0::2]


def even(picks: Indices) -> Indices:
    """Return the second pick, the fourth, and so on, of the last axis."""
    return picks[..., 1::2]


def read_picks(folder: Path) -> HeadPicks:
    """Read the picks of a folder of `interpret textspan`.

    Args:
        folder: The folder.

    Raises:
        DataError: If it is none, or damaged.
    """
    record, table = read_span(folder)
    try:
        places = _places(record)
        whole = checked_object("record", record, dict.fromkeys(("blocks", "heads", "images"), (int,)))
        size = int(whole["blocks"]) * int(whole["heads"])
        rows = _rows(places, table)
        kinds = {"heads": (dict,), "text_fingerprint": (str,), "resamples": (int,)}
        settings = checked_object("settings", record["settings"], kinds)
        if "heads" not in settings or "text_fingerprint" not in settings:
            raise ValueError("its settings do not say of which heads and by which encoder")
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise DataError(
            f"{folder} cannot be read ({one_line(error)}): remove the folder, and make it "
            "again by `alignbench interpret textspan`"
        ) from error
    texts = list(dict.fromkeys(table["text"]))
    number = {text: row for row, text in enumerate(texts)}
    longest = max(1, max(map(len, rows)))
    picks = np.full((len(places), longest), -1, dtype=np.int64)
    for row, found in zip(picks, rows, strict=True):
        row[: len(found)] = [number[text] for text in found]
    drawn = None
    if settings.get("resamples"):
        again = read_drawn(folder)
        if again.picks.shape[1] != len(places):
            raise DataError(
                f"the draws of {folder} are of {again.picks.shape[1]} heads, and it has {len(places)}: make it again "
                "by `alignbench interpret textspan`"
            )
        texts = list(dict.fromkeys([*texts, *again.texts]))
        number = {text: row for row, text in enumerate(texts)}
        moved = np.array([*(number[text] for text in again.texts), -1], dtype=np.int64)
        drawn = moved[again.picks]
    return HeadPicks(folder, record, size, int(whole["images"]), places, tuple(texts), picks, drawn)


def _places(record: dict[str, Any]) -> tuple[Place, ...]:
    ranks = record.get("ranks")
    if not isinstance(ranks, list) or not ranks:
        raise ValueError("its record names no heads")
    found = [checked_object("head", each, {"layer": (int,), "head": (int,)}) for each in ranks]
    if any("layer" not in each or "head" not in each for each in found):
        raise ValueError("its record names a head without layer and number")
    places = tuple((int(each["layer"]), int(each["head"])) for each in found)
    if len(set(places)) < len(places):
        raise ValueError("its record names a head twice")
    return places


def _rows(places: tuple[Place, ...], table: pd.DataFrame) -> list[list[str]]:
    """The texts of each head in their order."""
    if not table["text"].str.strip().all():
        raise ValueError("it has an empty text")
    found: dict[Place, list[str]] = {place: [] for place in places}
    ordered = table.sort_values(["layer", "head", "pick"], kind="stable")
    for layer, head, pick, text in ordered[["layer", "head", "pick", "text"]].itertuples(index=False):
        texts = found.get((layer, head))
        if texts is None:
            raise ValueError(f"layer {layer}, head {head} is not among the heads of its record")
        if pick != len(texts) + 1 or text in texts:
            raise ValueError(f"the picks of layer {layer}, head {head} are not 1, 2, ... of different texts")
        texts.append(text)
    return list(found.values())
