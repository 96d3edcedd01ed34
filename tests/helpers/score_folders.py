"""Folders of scores of labelled heads, with numbers that are given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from alignbench.results.head_scores import HEAD_COLUMNS, JUDGED_COLUMNS, SCORE_COLUMNS

MEASURES = (
    *("association_all", "association_some", "association_mean", "entangled", "unique", "distinct", "entropy"),
    *("simpson", "redundancy", "ccs_high", "ccs_moderate", "ccs_low", "labelled"),
)
HEADS = (
    (11, 0, "colours", 0.5, "labelled", 5, 4, 0.8, 4, 0, 0.75, 0.5, 'red; "a, b"; blue'),
    (11, 1, "", float("nan"), "labelled", 5, 0, 0.0, 0, 0, 1, 0.25, "cup; plate"),
    (12, 0, "animals", float("nan"), "example", *[float("nan")] * 7, "dog"),
)
JUDGED = ((11, 0, 2, 'a "blue", or', "colours", 1), (11, 1, 2, "plate", "", 0))


def write_scores(folder: Path, model: str = "own", size: int = 144, value: float = 0.5, **changes: Any) -> Path:
    """A folder in which every measure has the same score, from 0.1 below to 0.1 above it.

    Args:
        folder: The folder.
        model: Label of the model.
        size: Heads of the whole model.
        value: The score.
        changes: Other `labeller`, `judge`, `images`, `layers`, `span` (settings of the picks) or `values` by measure.
    """
    folder.mkdir(parents=True)
    values = changes.get("values", {})
    rows = []
    for name in MEASURES:
        score = values.get(name, value)
        rows.append((name, score, score - 0.1, score + 0.1, 0.25, 0.2, 0.3, 0.01))
    for file, columns, table in (
        ("scores.csv", SCORE_COLUMNS, rows),
        ("heads.csv", HEAD_COLUMNS, HEADS),
        ("judged.csv", JUDGED_COLUMNS, JUDGED),
    ):
        pd.DataFrame(table, columns=list(columns)).to_csv(folder / file, index=False)
    heads = {"model": model, "images": changes.get("images", "i"), "layers": changes.get("layers", [9, 10, 11, 12])}
    span = {"texts": "d", "picks": 20, "rank": 80, "heads": heads, **changes.get("span", {})}
    labels = {"labeller": {"name": changes.get("labeller", "words")}, "span": span}
    record = {
        "settings": {"labels": labels, "judge": {"name": changes.get("judge", "file")}},
        **{"store": "s", "labels": "l", "model": model, "heads": 48, "size": size, "notes": ["a note"]},
    }
    (folder / "scores.json").write_text(json.dumps(record))
    return folder
