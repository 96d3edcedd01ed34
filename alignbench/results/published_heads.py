"""The published association, entanglement and CCS of heads, and ours beside them.

`assets/published_heads.csv` holds association and entanglement of Madasu, Gandelsman, Lal and Howard (arXiv
2409.06579), from a secondary source, and the numbers of heads of high, moderate and low concept consistency (arXiv
2503.11103). All are of the heads of the last four layers, with other texts, labels and judges than anybody else's: they
stand beside ours, and nothing is judged by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pandas as pd

from alignbench.results.head_scores import read_scores
from alignbench.results.published import COLUMNS

HEADS_SOURCE: Final = "Madasu, Gandelsman, Lal and Howard (2409.06579, 2503.11103)"
_BLOCKS: Final = {  # layers of each model, and its other names
    "openai/clip-vit-base-patch32": (12, ("open_clip:ViT-B-32/openai", "open_clip:ViT-B-32-quickgelu/openai")),
    "openai/clip-vit-base-patch16": (12, ("open_clip:ViT-B-16/openai", "open_clip:ViT-B-16-quickgelu/openai")),
    "openai/clip-vit-large-patch14": (24, ("open_clip:ViT-L-14/openai", "open_clip:ViT-L-14-quickgelu/openai")),
    "open_clip:ViT-B-32/datacomp_m_s128m_b4k": (12, ("laion/CLIP-ViT-B-32-DataComp.M-s128M-b4K",)),
    "open_clip:ViT-B-16/laion2b_s34b_b88k": (12, ("laion/CLIP-ViT-B-16-laion2B-s34B-b88K",)),
    "open_clip:ViT-L-14/laion2b_s32b_b82k": (24, ("laion/CLIP-ViT-L-14-laion2B-s32B-b82K",)),
}
_HUB: Final = "open_clip:hf-hub:"  # the same checkpoint by open_clip's name for a repository
_KEPT: Final = 4  # last layers
_HEADS: Final = {12: 12, 24: 16}  # of a layer, by the number of layers
_OURS: Final = {  # which of ours a published value may stand beside
    "association": ("association_all", "association_some", "association_mean"),
    "entanglement": ("entangled", "unique"),
    "ccs_high": ("ccs_high",),
    "ccs_moderate": ("ccs_moderate",),
    "ccs_low": ("ccs_low",),
}
_ENTANGLEMENT: Final = "the published entanglement looks like the share of heads with a label of their own (unique)"
HEAD_CAVEATS: Final = (
    "published scores of heads are of other texts, labels and judges, so that no difference is judged",
    "published association and entanglement are from a secondary source",
    _ENTANGLEMENT,
)


@cache
def _table() -> pd.DataFrame:
    with files("alignbench").joinpath("assets/published_heads.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def published_heads() -> pd.DataFrame:
    """Return all published values: model, measure, value (shares; of CCS as shares of the 48 or 64 heads)."""
    table = _table().copy()
    blocks = table["model"].map(lambda model: _BLOCKS[model][0])
    heads = _KEPT * blocks.map(_HEADS)
    counted = table["measure"].str.startswith("ccs")
    table.loc[counted, "value"] = (table["value"] / heads)[counted]
    return table


def published_heads_name(label: str) -> str | None:
    """Return the published model that a store's label stands for; none if nothing is published of it."""
    wanted = label.removeprefix(_HUB)
    return next((name for name, (_, others) in _BLOCKS.items() if wanted in (name, *others)), None)


def heads_obstacle(record: Mapping[str, Any]) -> str:
    """Return why nothing published can stand beside scores; empty if something can.

    Args:
        record: What `read_scores` gives.
    """
    name = published_heads_name(record["model"])
    if name is None:
        return f"nothing is published of heads of {record['model']}"
    blocks = _BLOCKS[name][0]
    last = list(range(blocks - _KEPT + 1, blocks + 1))
    layers = record["settings"].get("labels", {}).get("span", {}).get("heads", {}).get("layers")
    return "" if layers == last else f"its heads are of layers {layers}, the published of {last}"


def compare_heads(folder: Path) -> pd.DataFrame:
    """Put our scores of heads beside the published: a row for each pair of measures that mean the same, or may.

    Args:
        folder: A folder of scores.

    Returns:
        The columns of `compare_with_published`; metric is our measure, n the number of our heads. `within` and `inside`
        are missing: labels and judges are others.

    Raises:
        DataError: If the folder cannot be read.
    """
    record, table = read_scores(folder)
    name = published_heads_name(record["model"])
    theirs = published_heads()
    theirs = theirs[theirs["model"] == name]
    if heads_obstacle(record):
        theirs = theirs.iloc[:0]
    ours = table.set_index("measure")
    rows = []
    for measure, value in zip(theirs["measure"], theirs["value"], strict=True):
        for mine in filter(ours.index.__contains__, _OURS[measure]):
            score = ours.loc[mine]
            rows.append(
                {
                    **dict.fromkeys(COLUMNS, ""),
                    "model": record["model"],
                    "published_model": name,
                    "metric": mine,
                    "layer": f"last {_KEPT}",
                    "depth": float("nan"),
                    "n": record["heads"],
                    "ours": score["value"],
                    "ci_low": score["low"],
                    "ci_high": score["high"],
                    "published": value,
                    "difference": score["value"] - value,
                    "within": pd.NA,
                    "inside": pd.NA,
                    "note": _ENTANGLEMENT if measure == "entanglement" else "other texts, labels and judge",
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"within": "boolean", "inside": "boolean"})
