"""The demo shows curves as they come, and its transforms hold on concepts that they were not learned on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.cli.main import main
from alignbench.errors import DataError
from alignbench.measurement.cell import Cell
from alignbench.measurement.run import run_cell
from alignbench.scoring.scored_run import ScoredRun
from alignbench.transforms.evaluation.folder import find_evaluated, read_evaluation
from alignbench.transforms.learning.folder import find_learned, read_ceiling
from transforms import World

pytestmark = pytest.mark.slow


def test_curves_of_a_level_are_shown_before_the_next_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_after_low(cell: Cell, *arguments: Any, **options: Any) -> ScoredRun:
        if cell.dataset != "shapes-low":
            raise DataError(f"{cell.dataset} fails")
        return run_cell(cell, *arguments, **options)

    monkeypatch.setattr("alignbench.measurement.run.run_cell", fail_after_low)
    assert main(["demo", "--output", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("shapes-low (low level) (simulated observers, not human data)\nSpearman correlation\n")
    assert said.out.count("depth (% of the network; 100 = projection)") == 1
    assert "shapes-clip, the same network with random weights, and pixels" in said.err.splitlines()[0]
    assert "shapes-middle fails" in said.err.splitlines()[-1]
    assert len(list(tmp_path.glob("*/curve.csv"))) == 3  # the next demo goes on from here


@pytest.mark.draws
def test_the_demo_learns_judges_and_reports(tmp_path: Path) -> None:
    assert main(["demo", "--transform", "--output", str(tmp_path)]) == 0
    ceilings = {frame["objective"].iloc[0]: frame for frame in map(read_ceiling, find_learned([tmp_path]))}
    assert set(ceilings) == {"global", "glocal"}
    whole = ceilings["global"].set_index("layer")
    assert len(whole) == 7  # the class token of layer_0 is the same for all pictures
    assert whole.loc["projection", "difference"] > 0.03
    assert (whole["after"] < whole["noise_ceiling"]).all()
    (judged,) = find_evaluated([tmp_path])
    frame, _ = read_evaluation(judged)
    row = frame[frame["measure"] == "accuracy (cosine)"].iloc[0]
    assert row["sample"] == "not seen"
    assert row["difference"] > 0.03
    assert row["difference_low"] > 0.0
    page = (tmp_path / "transforms.html").read_text()
    for text in ("What a linear readout reaches", "What transforms gained and cost", "not seen", "simulated observers"):
        assert text in page


def test_glocal_keeps_more_than_naive_and_shuffled_labels_teach_nothing() -> None:
    world = World("projection")
    naive, glocal = (world.learn(objective, 0) for objective in ("naive", "glocal"))
    assert world.kept(glocal)[0] > world.kept(naive)[0] + 0.1
    assert glocal.judged.difference[0] > naive.judged.difference[0] - 0.03
    shuffled = np.random.default_rng(0).permuted(world.triplets, axis=1)
    judged = world.learn("global", 0, shuffled).judged
    assert judged.after[1] < 1 / 3 < judged.after[2]
    assert abs(judged.after[0] - 1 / 3) < 0.04
