"""Folders of scored heads, MLPs and the embedding, made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from PIL import Image

from alignbench.results.head_alignment import COLUMNS, CUMULATIVE_COLUMNS, PLACE, write_head_alignment

LAYERS, HEADS = 6, 4
PLACES: Final = (
    ("low", "tid2013", "all", "spearman", "cosine", "paper"),
    ("middle", "nights", "test", "accuracy", "cosine", "paper"),
    ("high", "shapes-high", "all", "accuracy", "cosine", "paper"),
)
BEST: Final = {"low": (3, 1), "middle": (4, 3), "high": (6, 0)}  # of each level, the layer and head that stand out


def alignment_table(first: int = 3, places: tuple[tuple[str, ...], ...] = PLACES) -> pd.DataFrame:
    """Scores in which one head of each level beats all three nulls; heads are of layers from `first` on."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for place in places:
        named = dict(zip(PLACE, place, strict=True))
        parts = [("embedding", 0, -1), *(("mlp", layer, -1) for layer in range(1, LAYERS + 1))]
        parts += [("head", layer, head) for layer in range(first, LAYERS + 1) for head in range(HEADS)]
        for kind, layer, head in parts:
            best = (layer, head) == BEST[place[0]]
            value = (0.75 if best else 0.36 + 0.02 * layer) + 0.01 * rng.standard_normal()
            nulls = {
                "p_choices": 0.001 if best or layer > 4 else 0.6,
                "p_subspace": np.nan if kind != "head" else 0.002 if best else 0.8,
                "p_twin": 0.003 if best else 0.7,
            }
            told = {"kind": kind, "layer": layer, "head": head, **named, "n": 1824}
            ends = {"value": value, "low": value - 0.03, "high": value + 0.03}
            none = dict.fromkeys(nulls, np.nan)
            rows.append({**told, "way": "alone", **ends, **nulls})
            less = {"value": 0.6 - 0.02 * best, "low": 0.57, "high": 0.63}
            rows.append({**told, "way": "left_out", **less, **none})
        everything = {"kind": "all", "layer": 0, "head": -1, "way": "alone", **named, "n": 1824}
        rows.append({**everything, "value": 0.6, "low": 0.57, "high": 0.63, **dict.fromkeys(nulls, np.nan)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def cumulative_table(places: tuple[tuple[str, ...], ...] = PLACES) -> pd.DataFrame:
    """Chosen heads reach 0.7 at once, random ones come up slowly."""
    rng = np.random.default_rng(1)
    rows = [
        {
            **dict(zip(PLACE, place, strict=True)),
            **{"split": split, "direction": direction, "heads": heads, "kind": kind},
            "value": (0.7 if kind == "chosen" else 0.35 + 0.02 * heads) + 0.01 * rng.standard_normal(),
        }
        for place in places
        for split in range(4)
        for direction in (0, 1)
        for heads in range(1, 13)
        for kind in ("chosen", "random")
    ]
    return pd.DataFrame(rows, columns=list(CUMULATIVE_COLUMNS))


def draw(_: pd.DataFrame, __: pd.DataFrame, folder: Path) -> None:
    """A figure of 60 x 20 pixels."""
    Image.new("RGB", (60, 20), (200, 0, 0)).save(folder / "heads.png")
    (folder / "heads.svg").write_text("<svg/>")


def write_head_folder(
    root: Path,
    name: str = "my--clip__align__01234567",
    model: str = "my/clip",
    tables: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> Path:
    """A folder of such scores, or of other `tables`."""
    root.mkdir(parents=True, exist_ok=True)
    record = {"settings": {"model": model}, "store": "my--clip__heads__76543210", "notes": ["12 of 20 triplets."]}
    alignment, sums = tables or (alignment_table(), cumulative_table())
    write_head_alignment(root / name, alignment, sums, record, draw)
    return root / name
