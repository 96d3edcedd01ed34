"""What ranks send each other: the same distances whoever does what."""

from pathlib import Path

import numpy as np
import pytest

from alignbench.arrays import Floats, Indices
from folders import Folders
from rank_processes import load, on_ranks, save
from scenery import random_graph
from shared_distances import MEMORY, TRIPLETS, distances_on

pytestmark = pytest.mark.slow

ONE_LAYER = 17 * 32 * 4  # bytes of an image of the tiny tower
STARS = np.array([(5 * star, 5 * star + leaf) for star in range(3) for leaf in range(1, 5)])
EVERY_PAIR = np.array([(a, b) for a in range(11) for b in range(a)])
GRAPHS = {"stars": STARS, "triplets": TRIPLETS, "one component": EVERY_PAIR}


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
