"""Ranks share a run: the same distances whoever does what, and one rank's failure is everyone's."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alignbench import Cell
from alignbench.errors import DataError
from alignbench.extraction.distributed import join
from alignbench.extraction.execution import Execution
from alignbench.extraction.progress import ProgressListener
from alignbench.extraction.tower_distances import TowerSource
from alignbench.measurement.pipeline import measure_cell
from alignbench.models.families import load_tower
from features import check_close
from rank_processes import load, on_ranks, printed, run_command, save
from scenery import Scenery, random_graph
from workloads import workload_of

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Folders = Callable[[str], Path]
MEMORY = 4_000_000_000
ONE_LAYER = 17 * 32 * 4  # bytes of an image of the tiny tower

STARS = np.array([(5 * star, 5 * star + leaf) for star in range(3) for leaf in range(1, 5)])
TRIPLETS = np.array([(3 * triplet, 3 * triplet + side) for triplet in range(5) for side in (1, 2)])
EVERY_PAIR = np.array([(a, b) for a in range(11) for b in range(a)])
GRAPHS = {"stars": STARS, "triplets": TRIPLETS, "one component": EVERY_PAIR}


def distances_on(
    ranks: int, tower_folder: Path, pairs: Indices, weights: Floats, dense: bool, memory: int = MEMORY
) -> dict[str, Floats]:
    """Distances of the pairs, with so many ranks; every rank has them all."""
    tower = load_tower(str(tower_folder))
    images = Scenery(int(pairs.max()) + 1)
    workload = workload_of(images, pairs, weights, 3, ranks, dense)
    execution = Execution(join("cpu", ranks), workers=0, feature_memory=memory)
    return TowerSource(tower).distances(workload, execution, ProgressListener()).values


def weights_of(pairs: Indices) -> Floats:
    """How often each pair counts: unevenly, and some not at all."""
    return np.random.default_rng(0).integers(0, 4, len(pairs)) + np.eye(len(pairs))[0]


def share_distances(rank: int, ranks: int, folder: Path, tower_folder: Path, graphs: dict[str, Indices]) -> None:
    found = {}
    for name, pairs in graphs.items():
        for dense in (False, True):
            memory = ONE_LAYER * (int(pairs.max()) + 1) * 2 if name == "several passes" else MEMORY
            found[name, dense] = distances_on(ranks, tower_folder, pairs, weights_of(pairs), dense, memory)
    save(folder, rank, found)


@pytest.mark.parametrize("ranks", [2, 3])
def test_distances_do_not_depend_on_the_number_of_ranks(tmp_path: Path, tiny_tower: Folders, ranks: int) -> None:
    tower = tiny_tower("clip")
    graphs = GRAPHS | {f"random {seed}": random_graph(seed) for seed in range(2)} | {"several passes": EVERY_PAIR}
    graphs |= {"fewer images than ranks": np.array([(0, 1)])}
    alone = {name: distances_on(1, tower, pairs, weights_of(pairs), dense=False) for name, pairs in graphs.items()}
    on_ranks(ranks, share_distances, ranks, tmp_path, tower, graphs)
    assert tmp_path.joinpath(f"rank_{ranks - 1}.pt").exists()
    for rank in range(ranks):
        for (name, dense), found in load(tmp_path, rank).items():
            assert found.keys() == alone[name].keys()
            for distance, expected in alone[name].items():
                atol = 1e-5 * np.median(expected, axis=1).min() if dense else 0.0
                np.testing.assert_allclose(
                    found[distance], expected, rtol=1e-5, atol=atol, err_msg=f"{name}, dense {dense}, {distance}"
                )


# --- Whole cells ----------------------------------------------------------------------------------------------------


def measure_on_ranks(rank: int, folder: Path, cells: list[Cell]) -> None:
    found = []
    for cell in cells:
        run = measure_cell(cell, on_all_ranks=True)
        assert run is not None
        found.append((run.distances, run.curve.frame, run.settings, run.channels, run.record.execution))
    save(folder, rank, found)


def cells_of(tower: Path, data_root: Folders, **options: Any) -> list[Cell]:
    options = {"accelerator": "cpu", "workers": 0, "batch_size": 5} | options
    sets = ("tid2013", "nights", "things")
    paper = [Cell(str(tower), dataset, data_root(dataset), **options) for dataset in sets]
    return [
        *paper,
        *(Cell(str(tower), dataset, data_root(dataset), protocol="corrected", **options) for dataset in sets),
    ]


@pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")
def test_cells_are_the_same_on_two_ranks(tmp_path: Path, tiny_tower: Folders, data_root: Folders) -> None:
    tower = tiny_tower("clip")
    expected = [measure_cell(cell) for cell in cells_of(tower, data_root)]
    on_ranks(2, measure_on_ranks, tmp_path, cells_of(tower, data_root, devices=2))
    for rank in range(2):
        for run, (distances, frame, settings, channels, execution) in zip(expected, load(tmp_path, rank), strict=True):
            assert run is not None
            assert settings == run.settings
            assert (execution["devices"], run.record.execution["devices"]) == (2, 1)
            for name, values in run.distances.items():
                np.testing.assert_allclose(distances[name], values, rtol=1e-5, err_msg=name)
            columns = ["subset", "distance", "layer", "metric", "n"]
            assert frame[columns].equals(run.curve.frame[columns])
            numbers = ["top_share", "participation_ratio"]
            np.testing.assert_allclose(channels[numbers], run.channels[numbers], rtol=1e-5)


def measure_damaged(rank: int, folder: Path, tower: Path) -> None:
    pairs, weights = TRIPLETS, np.ones(len(TRIPLETS))
    images = Damaged(int(pairs.max()) + 1)
    workload = workload_of(images, pairs, weights, 3, 2)
    owner = next(rank for rank, shard in enumerate(workload.assignment.shards) if images.broken in shard.schedule.order)
    model = load_tower(str(tower))
    execution = Execution(join("cpu", 2), workers=0)
    try:
        TowerSource(model).distances(workload, execution, ProgressListener())
    except DataError as error:
        again = distances_on(2, tower, pairs, weights, dense=False)  # and the ranks go on together
        save(folder, rank, (str(error), owner, again))


class Damaged(Scenery):
    """One of the pictures cannot be decoded."""

    broken = 14

    def open(self, index: int) -> Any:
        if index == self.broken:
            raise DataError("scene 14 cannot be decoded: download it again")
        return super().open(index)


def test_what_fails_on_one_rank_fails_on_all_and_they_go_on(tmp_path: Path, tiny_tower: Folders) -> None:
    on_ranks(2, measure_damaged, tmp_path, tiny_tower("clip"))
    found = [load(tmp_path, rank) for rank in range(2)]
    assert [error for error, _, _ in found] == ["scene 14 cannot be decoded: download it again"] * 2
    alone = distances_on(1, tiny_tower("clip"), TRIPLETS, np.ones(len(TRIPLETS)), dense=False)
    for _, _, again in found:
        check_close(again, alone)


# --- The command ----------------------------------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "alignbench", "run", "--model", "shapes-clip", "--wandb", "off", "--devices", "2"]


def start(output: Path, *options: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        command = [*COMMAND, "--output", str(output), "--loader-workers", "0", *options]
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc")
def test_a_killed_rank_ends_the_run_and_leaves_nothing(tmp_path: Path) -> None:
    output, log = tmp_path / "runs", tmp_path / "log"
    process = start(output, "--dataset", "shapes-low", "--batch-size", "4", log=log)
    try:
        wait_for(lambda: b"cpu x 2" in log.read_bytes())
        [other] = children(process.pid)
        os.kill(other, signal.SIGKILL)
        code = process.wait(30)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    said = log.read_text()
    assert "Traceback" not in said
    assert list(output.iterdir()) == []
    assert code in (1, -signal.SIGKILL)
    assert "another process of this run has ended" in said


def test_the_command_speaks_once_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    output = tmp_path / "runs"
    arguments = ["run", "--model", "shapes-clip", "--dataset", "shapes-middle,tid2013,shapes-high", "--limit", "60"]
    arguments += ["--devices", "2", "--output", str(output), "--loader-workers", "0", "--wandb", "off"]
    on_ranks(2, run_command, tmp_path, arguments, 1)
    said, errors = printed(tmp_path, 0, "out"), printed(tmp_path, 0, "err")
    assert printed(tmp_path, 1, "out") == printed(tmp_path, 1, "err") == ""
    assert errors.count("cpu x 2") == 2
    assert errors.count("tid2013 needs --data-root DIR") == 1
    assert "Traceback" not in errors
    assert "Lightning" not in errors
    folders = sorted(path.name for path in output.iterdir())
    assert [name.split("__")[1] for name in folders] == ["shapes-high", "shapes-middle"]
    assert all(said.count(f"{output / name}\n") == 1 for name in folders)
