"""What a plan says is what a run then does: images, passes, memory, and what travels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alignbench import Cell
from alignbench.cli.main import main
from alignbench.datasets.published_shapes import published_shape
from alignbench.distances import gram
from alignbench.errors import UsageError
from alignbench.extraction import exchange as meeting
from alignbench.extraction import sharding as dealing
from alignbench.extraction import tower_distances as towers
from alignbench.extraction.sharding import assign
from alignbench.extraction.tower_distances import group_layers
from alignbench.measurement.cost import estimate as planning
from alignbench.measurement.cost.estimate import Estimate, Machines, Subject, Work, estimate
from alignbench.measurement.cost.rates import Rates, assumed_rates
from alignbench.measurement.cost.workload import subject_of, work_of
from alignbench.measurement.pipeline import measure_cell
from alignbench.models.cost import TowerCost
from alignbench.models.families import load_tower
from alignbench.models.towers import Layer

Folders = Callable[[str], Path]
CARD = "openai/clip-vit-base-patch32"
MEMORY = 4_000_000_000
SLOW = Rates(100.0, 10.0, {".png": 2.0}, 3.0, same_cores=False, link=1000.0, origin="made up")


def planned(cell: Cell, ranks: int = 1) -> Estimate:
    assert cell.batch_size != "auto"
    machines = Machines(ranks, 1, cell.batch_size, cell.feature_memory, assumed_rates("cpu", cell.precision))
    return estimate(subject_of(cell), work_of(cell)[0], machines)


# ------------------------------------------------------------------------------------- images, pairs, passes


def test_published_shapes() -> None:
    known = {
        ("tid2013", "all", "paper"): (3_025, 3_000),
        ("nights", "all", "paper"): (60_057, 40_038),
        ("nights", "test", "corrected"): (3 * 2_824, 2 * 2_824),
        ("things", "all", "paper"): (1_854, 1_854 * 1_853 // 2),
    }
    for (dataset, subset, protocol), (images, pairs) in known.items():
        shape = published_shape(dataset, (subset,), protocol)
        assert shape is not None
        assert (shape.images, len(shape.pairs)) == (images, pairs)
        assert len(np.unique(shape.pairs)) == images
        assert len(np.unique(np.sort(shape.pairs, axis=1), axis=0)) == pairs
    assert published_shape("kadid10k", (), "paper") is None


def test_published_shape_of_things_has_every_object_and_no_pair_twice() -> None:
    for protocol, most in (("paper", 3_000), ("corrected", 3 * (1_000 + 453_642 + 10_000))):
        shape = published_shape("things", (), protocol)
        assert shape is not None
        assert len(np.unique(shape.pairs)) == 1_854
        assert 0.5 * most < len(shape.pairs) <= most or len(shape.pairs) > 900_000
        assert (shape.pairs[:, 0] != shape.pairs[:, 1]).all()


def test_published_shape_is_known_of_some_subsets_only() -> None:
    with pytest.raises(UsageError, match="test-imagenet: give --data-root"):
        published_shape("nights", ("test-imagenet",), "corrected")


@pytest.mark.parametrize(("dataset", "images", "pairs"), [("tid2013", 40, 36), ("things", 10, None)])
def test_images_and_pairs_are_those_of_a_run(
    data_root: Folders, tiny_tower: Folders, dataset: str, images: int, pairs: int | None
) -> None:
    cell = Cell(model=str(tiny_tower("clip")), dataset=dataset, data_root=data_root(dataset))
    found, run = planned(cell), measure_cell(cell)
    assert run is not None
    assert found.images == run.record.images == images
    assert found.pairs == run.record.pairs
    assert pairs in (None, found.pairs)
    assert found.file_bytes == sum(file.stat().st_size for file in pictures(data_root(dataset)))
    assert found.pixel_bytes == images * 3 * 32 * 32


def pictures(root: Path) -> list[Path]:
    """Those that judgments name: of the objects of THINGS the first."""
    return [file for file in root.rglob("*") if file.suffix.lower() == ".bmp" or file.stem.endswith("_01b")]


def test_leaving_one_reference_out_goes_pair_by_pair(tid2013_root: Path, tiny_tower: Folders) -> None:
    cell = Cell(model=str(tiny_tower("clip")), dataset="tid2013", data_root=tid2013_root, protocol="corrected")
    assert work_of(cell)[0].folds == 4
    assert work_of(Cell(model=CARD, dataset="tid2013", protocol="corrected"))[0].folds == 25


@pytest.mark.parametrize("layers_at_once", [1, 2, 3, 5])
def test_passes_are_those_of_a_run(things_root: Path, tiny_tower: Folders, layers_at_once: int) -> None:
    memory = layers_at_once * 10 * 17 * 32 * 4
    cell = Cell(model=str(tiny_tower("clip")), dataset="things", data_root=things_root, feature_memory=memory)
    found, work = planned(cell), work_of(cell)[0]
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

LAYERS = (Layer("layer_0", 2.5, "", 5, 4), Layer("projection", 100.0, "", 1, 2))
TOY = Subject("toy", LAYERS, "all", TowerCost(parameters=10, flops=50, side=8))
SIZE = 4 * (5 * 4 + 2)  # bytes of an image at all layers


def chain(images: int) -> Work:
    pairs = np.stack([np.arange(images - 1), np.arange(1, images)], axis=1)
    return Work("toy", "made up", images, pairs, 1, {".png": images}, 1000)


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


def test_on_one_kind_of_core_decoding_comes_on_top() -> None:
    rates = Rates(100.0, 10.0, {".png": 2.0}, 4.0, same_cores=True, link=1000.0, origin="made up")
    assert rates.shared_by(2) == Rates(50.0, 5.0, {".png": 2.0}, 2.0, same_cores=True, link=1000.0, origin="made up")
    assert SLOW.shared_by(2) == SLOW
    found = estimate(TOY, chain(6), Machines(1, 1, 2, MEMORY, rates))
    assert found.first_seconds == pytest.approx(6 * 50 / 100.0 + 6 / 2.0 / 4.0)
    assert found.cached_seconds == pytest.approx(3.0)
    given = estimate(TOY, chain(6), Machines(1, 1, 2, MEMORY, rates.with_images(12.0, 50)))
    assert given.forward_seconds == pytest.approx(0.5)


def test_time_of_matrix_products(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dealing, "_FEW", 1)
    pairs = np.array([(a, b) for a in range(6) for b in range(a)])
    work = Work("toy", "made up", 6, pairs, 1, {}, None)
    found = estimate(TOY, work, Machines(1, 1, 2, MEMORY, SLOW))
    numbers = 5 * 4 + 2
    assert found.product_seconds == pytest.approx(3 * 6**2 * numbers / 10.0)  # half a square, two operations, 3 times
    assert found.decode_seconds is None
    assert found.first_seconds == pytest.approx(found.forward_seconds + found.product_seconds)


# --------------------------------------------------------------------------------------------- command line


def test_columns_and_json_say_the_same(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    command = ["plan", "--model", CARD, "--dataset", "tid2013,things", "--devices", "1,8", "--device", "h100"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "3,025 images, 3,000 pairs, pair by pair, 8.8 GFLOP an image" in shown
    assert "published shape, no files looked at" in shown
    assert "assumed, not measured: h100" in shown
    assert main([*command, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["dataset"], row["devices"]) for row in rows] == [
        ("tid2013", 1),
        ("tid2013", 8),
        ("things", 1),
        ("things", 8),
    ]
    assert rows[0]["flops"] == 3_025 * rows[0]["flops_per_image"]
    assert rows[1]["fullest_rank_images"] < 3_025 / 8 * 1.02 + 1
    for row in rows:
        assert f"{row['fullest_rank_images']:,}" in shown


def test_a_number_of_devices_that_does_not_fit_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", "--model", CARD, "--dataset", "things", "--subset", "all", "--json"]
    command += ["--feature-memory", "200MB", "--devices"]
    assert main([*command, "1,8"]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["devices"] for line in captured.out.splitlines()] == [8]
    assert captured.err.count("things on 1 x 1: 1854 images of one layer take") == 1
    assert main([*command, "1"]) == 2


def test_trial_of_this_machine(nights_root: Path, tiny_tower: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--model", str(tiny_tower("clip")), "--dataset", "nights", "--data-root", str(nights_root)]
    assert main(["plan", *model, "--measure"]) == 0
    shown = capsys.readouterr().out
    assert "rates: measured here: cpu, one batch of 16 in fp32" in shown
    assert "PNG" in shown
    assert str(nights_root) in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--devices", "two"], "--devices two is not a number"),
        (["--devices", "0,1"], "devices 0 is below 1"),
        (["--devices", ","], "--devices is empty"),
        (["--num-nodes", "0"], "number of nodes 0 is below 1"),
        (["--device", "h10"], "did you mean h100"),
        (["--tokens", "all,"], "unknown token view"),
        (["--precision", "fp64"], "unknown precision 'fp64'"),
        (["--feature-memory", "much"], "'much' is not a size"),
        (["--feature-memory", "1MB"], "raise it, or share the work over more --devices"),
        (["--images-per-second", "0"], "--images-per-second 0 is not above 0"),
        (["--measure", "--device", "h100"], "leave out --device"),
        (["--dataset", "tid2013,things", "--data-root", "."], "--data-root goes with one data set"),
        (["--dataset", "things", "--subset", "trainset"], "trainset: give --data-root"),
        (["--dataset", "kadid10k"], "kadid10k needs --data-root"),
        (["--dataset", ","], "--dataset is empty"),
        (["--model", "ssim"], "ssim is a baseline"),
        (["--model", "openai/clip-vit-base-patch31"], "did you mean openai/clip-vit-base-patch32"),
        (["--model", "open_clip:hf-hub:nobody/nothing"], "is not on this machine"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    given = {"--model": CARD, "--dataset": "things"} | dict(zip(arguments[::2], arguments[1::2], strict=False))
    flags = [argument for argument in arguments if argument == "--measure"]
    pairs = [part for pair in given.items() for part in pair if "--measure" not in pair]
    assert main(["plan", *pairs, *flags, *(["--device", "h100"] if flags else [])]) in (1, 2)
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
