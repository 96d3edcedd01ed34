"""Folders of ablations, with numbers that are given."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from alignbench.results.head_ablations import COLUMNS

ARMS = (  # kind, layer, head, heads, label; accuracy, and that of group b/y: the worst, except of the last
    (("all", 0, -1, "", ""), 0.8, 0.5),
    (("group", 0, -1, "5.1,6.0", "colours"), 0.6, 0.25),
    (("random", 0, -1, "5.0,6.1", ""), 0.75, 0.5),
    (("head", 5, 1, "", ""), 0.7, 0.45),
    (("head", 6, 0, "", ""), 0.78, 0.3),
    (("mlp", 5, -1, "", ""), 0.8, 0.5),
    (("early", 5, -1, "", ""), 0.85, 0.95),
)


def _rows() -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for arm, accuracy, of_y in ARMS:
        way = "" if arm[0] == "all" else "mean"
        of_x = 0.9
        worst = min((of_x, "b/x"), (of_y, "b/y"))
        before = {"accuracy": 0.8, "worst_group": 0.5, "b/x": 0.9, "b/y": 0.5}
        for measure, group, n, value in (
            ("accuracy", "", 40, accuracy),
            ("worst_group", worst[1], 20, worst[0]),
            ("group", "b/x", 20, of_x),
            ("group", "b/y", 20, of_y),
        ):
            change = value - before[group if measure == "group" else measure]
            ends = (value - 0.1, value + 0.1, change, change - 0.05, change + 0.05)
            rows.append((*arm, way, measure, group, n, value, *(round(end, 3) + 0.0 for end in ends)))
    return rows


ROWS = _rows()


def write_ablation(folder: Path, model: str = "own", has_groups: bool = True, reference: str = "s") -> Path:
    """A folder of ablations of some pictures of two classes.

    Args:
        folder: The folder.
        model: Label of the model.
        has_groups: Whether groups were scored.
        reference: Name of the store that replacements are from; `s` is its own.
    """
    folder.mkdir(parents=True)
    rows = [row for row in ROWS if has_groups or row[6] == "accuracy"]
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "ablations.csv", index=False)
    record = {
        "settings": {"heads": {"model": model}, "by": ["head", "mlp", "early"]},
        **{"store": "s", "reference": reference, "intervals": "jackknife"},
        "classes": {name: {"texts": [f"a {name}"], "n": 20} for name in "ab"},
    }
    (folder / "ablate.json").write_text(json.dumps(record))
    return folder
