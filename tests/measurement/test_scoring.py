"""A cell's rows: its own name, protocol, token view and seed, and the judgments that it was measured on."""

import numpy as np

from alignbench import Cell
from alignbench.extraction.source import SourceDistances
from alignbench.measurement.scoring import score_cell
from made_judgments import odd_one_out
from reference_scores import shared_agreement


def test_rows_are_of_the_cell_and_its_judgments() -> None:
    judgments = odd_one_out()
    distances = np.random.default_rng(0).integers(1, 5, (2, len(judgments.pairs))) / 4.0
    found = SourceDistances(("layer_0", "projection"), (2.5, 100.0), {"cosine": distances})
    cell = Cell("model", "by hand", tokens="cls", protocol="corrected")
    frame, intervals = score_cell(cell, judgments, found, published_ceiling=0.9)
    assert set(intervals) == {"first", "second"}
    told = frame.iloc[0]
    assert (told["model"], told["dataset"], told["level"]) == ("model", "by hand", "high")
    assert (told["protocol"], told["tokens"]) == ("corrected", "cls")
    for subset in judgments.subsets:
        right = [
            shared_agreement(row[judgments.judged[subset.rows]], judgments.human[subset.rows]) for row in distances
        ]
        some = frame[(frame["subset"] == subset.name) & (frame["metric"] == "accuracy")]
        np.testing.assert_allclose(some["value"], np.mean(right, axis=1))
