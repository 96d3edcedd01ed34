"""Runs as if the published values had been measured, and the published table read without the package."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

import alignbench
from alignbench import LayerCurve
from alignbench.results.layer_curve import COLUMNS
from alignbench.results.run_record import SCORING_VERSION

BASE_16, BASE_32 = "openai/clip-vit-base-patch16", "openai/clip-vit-base-patch32"
BIOMED = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
MAIN = {"tid2013": "all", "nights": "all", "things": "testset1"}
WHOLE = {"tid2013": 3000, "nights": 20_019, "things": 15_640}
TABLE = Path(alignbench.__file__).parent / "assets" / "published_curves.csv"
Edit = Callable[[pd.DataFrame], pd.DataFrame]


def published_lines() -> Iterator[dict[str, str]]:
    """The lines of the table, read without the package."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def curve_like(
    model: str, dataset: str, shift: float = 0.0, label: str | None = None, edit: Edit | None = None
) -> LayerCurve:
    """A whole run as if measured: the published values moved by `shift`, with intervals of 0.01 to either side."""
    rows = [
        {
            **{key: line[key] for key in ("dataset", "level", "distance", "layer", "metric")},
            **{"model": label or model, "subset": MAIN[dataset], "protocol": "paper", "depth": float(line["depth"])},
            **{"tokens": "" if line["layer"] in ("projection", "image") else "all", "n": WHOLE[dataset]},
            **{"value": float(line["value"]) + shift, "ci_low": float(line["value"]) + shift - 0.01},
            **{"ci_high": float(line["value"]) + shift + 0.01, "n_clusters": 25},
        }
        for line in published_lines()
        if (line["model"], line["dataset"]) == (model, dataset)
    ]
    frame = pd.DataFrame(rows)[list(COLUMNS)]
    return LayerCurve(edit(frame) if edit else frame)


def run_folder(root: Path, name: str, curve: LayerCurve, **settings: object) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    curve.frame.to_csv(folder / "curve.csv", index=False)
    record = {"label": curve.label, "kind": "rating", "scoring_version": SCORING_VERSION}
    record |= {"settings": {"precision": "fp32", **settings}}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder
