"""What a plan says is what a run then does: passes, memory, what travels, and time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alignbench import Cell
from alignbench.distances import gram
from alignbench.extraction import exchange as meeting
from alignbench.extraction import sharding as dealing
from alignbench.extraction import tower_distances as towers
from alignbench.extraction.sharding import assign
from alignbench.extraction.tower_distances import group_layers
from alignbench.measurement.cost import estimate as planning
from alignbench.measurement.cost.estimate import Machines, Work, estimate
from alignbench.measurement.cost.workload import read_work
from alignbench.measurement.pipeline import measure_cell
from alignbench.models.families import load_tower
from folders import Folders
from plans import MEMORY, SLOW, TOY, chain, planned

# ------------------------------------------------------------------------------------- images, pairs, passes


@pytest.mark.parametrize("layers_at_once", [1, 2, 3, 5])
def test_passes_are_those_of_a_run(things_root: Path, tiny_tower: Folders, layers_at_once: int) -> None:
    memory = layers_at_once * 10 * 17 * 32 * 4
    cell = Cell(model=str(tiny_tower("clip")), dataset="things", data_root=things_root, feature_memory=memory)
    found, work = planned(cell), read_work(cell)[0]
    assignment = assign(work.pairs, work.images, 16)
    assert found.passes == len(group_layers(load_tower(cell.model).layers, assignment, "all", memory)) > 0
    assert found.passes == {1: 5, 2: 3, 3: 2, 5: 1}[layers_at_once]
    assert found.forward_passes == found.passes * 10
    assert found.feature_bytes <= memory
    assert found.one_pass_bytes == 10 * (4 * 17 * 32 + 24) * 4


# --------------------------------------------------------------------------------------------------- memory


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """Bytes that a run holds in each of its passes."""
    found: list[dict[str, int]] = []

    class Watched(towers.PairExtraction):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            found.append({"features": 0, "pairs": 0, "mapped": found_mapped()})
            for state in self.states:
                found[-1]["features"] += state.kept.nbytes
                held = dict(state.distances.named_buffers())
                if hasattr(state.distances, "differences"):
                    held["differences"] = state.distances.differences
                count = len(self.shard.pairs)
                found[-1]["pairs"] += sum(tensor.nbytes for tensor in held.values() if count in tensor.shape)
            found[-1]["pairs"] -= found[-1]["mapped"]

    sizes: list[int] = []
    real = towers.mapped_zeros

    def mapped(rows: int, columns: int) -> torch.Tensor:
        sizes.append(rows * columns * 4)
        return real(rows, columns)

    def found_mapped() -> int:
        total = sum(sizes)
        sizes.clear()
        return total

    monkeypatch.setattr(towers, "PairExtraction", Watched)
    monkeypatch.setattr(towers, "mapped_zeros", mapped)
    return found


@pytest.mark.parametrize("protocol", ["paper", "corrected"])
@pytest.mark.parametrize("memory", [MEMORY, 2 * 17 * 17 * 32 * 4, 17 * 17 * 32 * 4])
def test_memory_is_that_of_a_run(
    tid2013_root: Path, tiny_tower: Folders, states: list[dict[str, int]], memory: int, protocol: str
) -> None:
    cell = Cell(
        model=str(tiny_tower("clip")),
        dataset="tid2013",
        data_root=tid2013_root,
        feature_memory=memory,
        protocol=protocol,
        batch_size=8,
    )
    found = planned(cell)
    measure_cell(cell)
    results = 8 * 36 * (3 * 5 + 4)  # of all layers, and those of the layer at hand with a count
    assert found.passes == len(states)
    assert found.feature_bytes == max(state["features"] for state in states)
    assert found.pair_bytes == max(state["pairs"] for state in states) + results
    assert found.mapped_bytes == max(state["mapped"] for state in states)


def test_memory_of_matrix_products_is_that_of_a_run(
    things_root: Path, tiny_tower: Folders, states: list[dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dealing, "_FEW", 1)
    cell = Cell(model=str(tiny_tower("clip")), dataset="things", data_root=things_root, subsets=("all",))
    found = planned(cell)
    measure_cell(cell)
    assert found.path == "matrix products"
    assert found.feature_bytes == states[0]["features"]
    assert found.pair_bytes == states[0]["pairs"] + 8 * found.pairs * (3 * 5 + 4)
    assert found.memory_bytes == found.feature_bytes + found.pair_bytes + found.weight_bytes + found.buffer_bytes
    assert found.weight_bytes == 4 * sum(weight.numel() for weight in load_tower(cell.model).parameters())


def test_room_for_matrix_products_is_what_they_use() -> None:
    assert (planning._PANEL, planning._TOGETHER) == (meeting._PANEL, gram._TOGETHER)
    assert {
        kind: 2 * meeting._TRAVELLING[name] for kind, name in (("cpu", "cpu"), ("gpu", "cuda"))
    } == planning._UNDER_WAY


# ---------------------------------------------------------------------------------------- ranks, bytes, time


SIZE = 4 * (5 * 4 + 2)  # bytes of an image at all layers


def test_one_picture_travels_where_a_chain_is_cut() -> None:
    found = estimate(TOY, chain(8), Machines(2, 1, 2, MEMORY, SLOW))
    sums = 8 * 7 * 4 * 2 * 2  # three distances and a count of 7 pairs at 2 layers, to the other and back
    assert found.fullest_rank_images == 4
    assert found.travelling_bytes == SIZE + sums
    assert found.travel_seconds == pytest.approx((SIZE + sums / 2) / 1000.0)


def test_time_is_that_of_the_fullest_rank() -> None:
    found = estimate(TOY, chain(7), Machines(2, 1, 2, MEMORY, SLOW))
    assert found.fullest_rank_images == 4
    assert found.forward_seconds == pytest.approx(4 * 50 / 100.0)
    assert found.decode_seconds == pytest.approx(4 / 2.0 / 3.0)
    assert found.first_seconds == pytest.approx(2.0 + found.travel_seconds)  # decoding is hidden
    assert found.cached_seconds == found.first_seconds
    assert found.product_seconds == 0.0


def test_time_of_matrix_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dealing, "_FEW", 1)
    pairs = np.array([(a, b) for a in range(6) for b in range(a)])
    work = Work("toy", "made up", 6, pairs, 1, {}, None)
    found = estimate(TOY, work, Machines(1, 1, 2, MEMORY, SLOW))
    numbers = 5 * 4 + 2
    assert found.product_seconds == pytest.approx(3 * 6**2 * numbers / 10.0)  # half a square, two operations, 3 times
    assert found.decode_seconds is None
    assert found.first_seconds == pytest.approx(found.forward_seconds + found.product_seconds)
