"""Folders of learned and of judged transforms that are made up, and the pages that the command makes of them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from alignbench.cli.main import main
from alignbench.transforms.evaluation.folder import Evaluated, EvaluationRow, write_evaluated
from alignbench.transforms.learning.folder import CEILING_COLUMNS
from pages import Parsed

DEPTHS = {"layer_1": 25.5, "layer_2": 43.5, "layer_3": 97.5, "projection": 100.0}
AFTER = (0.45, 0.5, 0.62, 0.6)
NAN = math.nan
SIMULATED = "simulated observers, not human data"


def write_learned(
    root: Path,
    model: str = "clip",
    dataset: str = "things",
    objective: str = "global",
    key: str = "11111111",
    **changed: object,
) -> Path:
    """A folder of transforms of four layers, or those in `layers`."""
    names = list(changed.pop("layers", DEPTHS))  # type: ignore[call-overload]
    folder = root / f"{model.replace('/', '--')}__{dataset}__{objective}__{key}"
    folder.mkdir(parents=True)
    rows = []
    for name in names:
        after = AFTER[list(DEPTHS).index(name)]
        row: dict[str, object] = dict.fromkeys(CEILING_COLUMNS, 0.5)
        row |= {"model": model, "dataset": dataset, "subset": "trainset", "objective": objective, "tokens": "cls"}
        row |= {"similarity": "cosine", "layer": name, "depth": DEPTHS[name], "n": 1234, "objects": 240}
        for column, value, reach in (("before", 0.4, 0.03), ("after", after, 0.02), ("difference", after - 0.4, 0.025)):
            row |= {column: value, f"{column}_low": value - reach, f"{column}_high": value + reach}
        rows.append(row | {"noise_ceiling": 0.6767} | changed)
    pd.DataFrame(rows, columns=list(CEILING_COLUMNS)).to_csv(folder / "ceiling.csv", index=False)
    (folder / "learned.json").write_text(json.dumps({"settings": {"folds": 3}}))
    return folder


def row(task: str, data: str, measure: str, sample: str, better: str = "higher", after: float = 0.6) -> EvaluationRow:
    difference = (after - 0.5, after - 0.55, after - 0.45)
    return EvaluationRow(
        task, data, measure, better, (0.5, 0.45, 0.55), (after, NAN, NAN), difference, 1234, "chance", sample
    )


ROWS = (
    row("odd-one-out", "things", "accuracy (cosine)", "may be in-sample"),
    row("odd-one-out", "shapes-high", "accuracy (cosine)", "in-sample"),
    row("rsa", "cichy2019", "spearman (cosine)", "not seen"),
    row("local structure", "shapes-middle", "KL(P||Q), tau 1", "unknown", "lower", 0.50012),
    row("local structure", "shapes-middle", "condition number of W", "held-out objects", "lower", math.inf),
)


def write_judged(root: Path, name: str = "turn", told: dict[str, Any] | None = None, *, draw: bool = True) -> Path:
    def drawn(_: Evaluated, folder: Path) -> None:
        if draw:
            Image.new("RGB", (60, 20), (200, 0, 0)).save(folder / "similarity.png")

    folder = root / f"clip@{name}__evaluation__22222222"
    settings = {"model": "clip", "transform": {"name": name}, "layer": "projection"}
    record = {"settings": settings, "title": "cichy2019", "provenance": told or {}}
    write_evaluated(folder, Evaluated(ROWS, "cichy2019", {"after": np.eye(2)}), record, drawn)
    return folder


def report(*places: Path, output: Path, options: tuple[str, ...] = ()) -> int:
    return main(["report", *map(str, places), "--output", str(output), *options])


def parsed(page: Path) -> Parsed:
    return Parsed(page.read_text(encoding="utf-8"))
