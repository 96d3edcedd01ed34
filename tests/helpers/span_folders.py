"""Folders of picks of heads, as `interpret textspan` leaves them, with picks that are given."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alignbench.interpret.drawn_picks import write_drawn

Picked = Mapping[tuple[int, int], Sequence[str]]


def write_span(folder: Path, picked: Picked, drawn: Sequence[Picked] = (), model: str = "own", **settings: Any) -> Path:
    """Picks of heads in the given order, and those of draws of the images.

    Args:
        folder: The folder.
        picked: Texts by layer and head.
        drawn: The same, for each draw.
        model: Label of the model.
        settings: What else is recorded, beside or instead of what is.
    """
    folder.mkdir(parents=True)
    rows = [
        (*place, number, number, text, 1.0 / number, 0.1, 0.5)
        for place, texts in picked.items()
        for number, text in enumerate(texts, 1)
    ]
    columns = ["layer", "head", "pick", "index", "text", "deviation", "explained_variance", "margin"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "texts.csv", index=False)
    layers = sorted({layer for layer, _ in picked})
    heads = {"model": model, "model_fingerprint": "m", "images": "i", "layers": layers}
    said = {"heads": heads, "text_fingerprint": "t", "texts": "d", "picks": 10, "rank": 80, **settings}
    if drawn:
        said["resamples"] = len(drawn)
        pool = sorted({text for each in drawn for texts in each.values() for text in texts})
        longest = max(1, *(len(texts) for each in drawn for texts in each.values()))
        picks = np.full((len(drawn), len(picked), longest), -1)
        for number, each in enumerate(drawn):
            for row, place in enumerate(picked):
                picks[number, row, : len(each[place])] = [pool.index(text) for text in each[place]]
        write_drawn(folder, picks, pool)
    ranks = [{"layer": layer, "head": head, "rank": 8} for layer, head in picked]
    whole = {"images": 200, "blocks": 12, "heads": 12}
    record = {"settings": said, "store": "own__heads__00000000", **whole, "ranks": ranks}
    (folder / "textspan.json").write_text(json.dumps(record))
    return folder
