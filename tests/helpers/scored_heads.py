"""Folders of scored planted heads, as the command leaves them, without pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from alignbench.interpret.part_distances import write_part_distances
from alignbench.interpret.part_scores import ProtocolData, score_parts
from alignbench.results.head_alignment import CUMULATIVE_COLUMNS, write_head_alignment
from head_folders import draw


def write_scored(root: Path, name: str, scored: ProtocolData, **settings: Any) -> Path:
    """Scores of the parts of an output, and the distances that they come from."""
    root.mkdir(parents=True, exist_ok=True)
    found = score_parts(scored, "centred_cosine")
    usual = {"model": name, "dataset": "things", "distance": "centred_cosine", "scoring": 2, "judgments": {"all": "0"}}

    def complete(alignment: pd.DataFrame, cumulative: pd.DataFrame, place: Path) -> None:
        draw(alignment, cumulative, place)
        write_part_distances(place, [found.measured], "centred_cosine")

    record = {"settings": usual | settings, "store": "none"}
    write_head_alignment(root / name, found.rows, pd.DataFrame(columns=list(CUMULATIVE_COLUMNS)), record, complete)
    return root / name
