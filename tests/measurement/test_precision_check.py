from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignbench.arrays import Floats
from alignbench.datasets.judgments import Judgments
from alignbench.errors import UsageError
from alignbench.measurement import pipeline as measurement
from alignbench.measurement.cell import Cell
from alignbench.measurement.pipeline import measure_cell
from alignbench.measurement.precision_check import some_judgments
from folders import Folders
from measured_cells import measured

pytestmark = pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")


@pytest.mark.parametrize("family", ["clip", "siglip", "chinese_clip"])
def test_bf16_towers_give_nearly_the_distances_of_float32(
    family: str, tiny_tower: Callable[[str], Path], tid2013_root: Path
) -> None:
    model = str(tiny_tower(family))
    found = {}
    for precision in ("fp32", "bf16"):
        run = measure_cell(Cell(model=model, dataset="tid2013", data_root=tid2013_root, precision=precision))
        assert run is not None
        found[precision] = run.distances
    for name, exact in found["fp32"].items():
        rough = found["bf16"][name]
        assert not np.array_equal(rough, exact)  # the tower did run in another precision
        assert np.median(np.abs(rough / exact - 1.0)) < 0.02, name
        assert len(np.unique(rough[-1])) == len(np.unique(exact[-1]))  # sums are not rounded to bfloat16's few digits


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_change_by_a_low_precision_is_told(tiny_tower: Folders, data_root: Folders, precision: str) -> None:
    given = {"precision": precision, "check_precision": 12}
    run = measured(str(tiny_tower("clip")), "tid2013", data_root("tid2013"), **given)
    check = run.record.precision_check
    assert (check["pairs"], check["judgments"]) == (12, 12)
    few = some_judgments(run.judgments, 12)
    rows = np.searchsorted(np.array(run.judgments.ids), np.array(few.ids), sorter=np.argsort(run.judgments.ids))
    human = run.judgments.human[np.argsort(run.judgments.ids)[rows]]
    assert few.human.tolist() == human.tolist()
    exact, low = (
        measured_on(few, str(tiny_tower("clip")), data_root("tid2013"), which) for which in ("fp32", precision)
    )
    change = np.abs(exact - low)
    assert check["largest_change"] == pytest.approx(np.nanmax(change), abs=1e-12)
    assert check["largest_change"] > 0


def measured_on(few: Judgments, model: str, root: Path, precision: str) -> Floats:
    """All scores of some judgments, found through the command's own path with everything else left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurement, "load_judgments", lambda *_: few)
        run = measured(model, "tid2013", root, precision=precision)
    return run.curve.frame["value"].to_numpy()


def test_the_check_of_precision_needs_a_low_one() -> None:
    for options in ({}, {"precision": "fp32"}):
        with pytest.raises(UsageError, match="--precision bf16"):
            Cell("shapes-clip", "shapes-low", check_precision=9, **options).checked()  # type: ignore[arg-type]
    assert (
        measured("pixels", "shapes-low", None, limit=9, precision="bf16", check_precision=9).record.precision_check
        is None
    )
