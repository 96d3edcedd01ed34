"""The rows that are shown of a folder of scores: made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alignbench.interpret.align_tables import best_heads
from alignbench.results.head_alignment import COLUMNS


def row(kind: str, place: tuple[int, int], value: float, way: str = "alone", **more: object) -> dict[str, object]:
    said = {"level": "high", "dataset": "things", "part": "test", "measure": "accuracy", "distance": "euclidean"}
    numbers = {"low": value - 0.1, "high": value + 0.1, "n": 9, "p_choices": np.nan, "p_subspace": np.nan}
    where = {"kind": kind, "layer": place[0], "head": place[1], "way": way, "value": value, "p_twin": np.nan}
    return {**said, **numbers, **where, "protocol": "paper", **more}


TABLE = pd.DataFrame(
    [
        row("head", (1, 0), 0.4, p_choices=0.25),
        row("head", (1, 1), 0.6, p_choices=0.5, p_twin=0.125),
        row("head", (2, 0), 0.6),
        row("head", (2, 1), 0.5),
        row("mlp", (1, -1), 0.9),
        row("all", (0, -1), 0.7),
        row("all", (0, -1), 0.8, distance="cosine"),
        row("head", (1, 1), 0.3, way="left_out"),
        row("head", (1, 1), 0.99, measure="ceiling_loo"),
        row("head", (1, 0), 0.1, protocol="corrected"),
        row("all", (0, -1), 0.2, protocol="corrected"),
    ]
)[list(COLUMNS)]


def test_the_whole_and_the_best_heads_are_shown() -> None:
    found = best_heads(TABLE, 3)
    assert [(each.protocol, each.what, each.alone) for each in found] == [
        ("paper", "all of it", 0.7),
        ("paper", "head 1.1", 0.6),
        ("paper", "head 2.0", 0.6),
        ("paper", "head 2.1", 0.5),
        ("corrected", "all of it", 0.2),
        ("corrected", "head 1.0", 0.1),
    ]
    best = found[1]
    assert (best.part, best.measure, best.low, best.high, best.without) == ("test", "accuracy", 0.5, 0.7, 0.3)
    assert (best.p["p_choices"], best.p["p_twin"]) == (0.5, 0.125)
    assert np.isnan(best.p["p_subspace"])
    assert found[2].without is None
