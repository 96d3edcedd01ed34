from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignbench.measurement.cell import Cell
from alignbench.measurement.pipeline import measure_cell

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
