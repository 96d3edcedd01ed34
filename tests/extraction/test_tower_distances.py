"""Distances through a tower do not depend on passes, on files that hold them, nor on matrix products."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alignbench.arrays import Floats, Indices
from alignbench.datasets.judgments import Judgments
from alignbench.distances.names import DISTANCES
from alignbench.errors import AlignbenchError
from alignbench.extraction import tower_distances as mapped
from alignbench.extraction import tower_distances as towers
from alignbench.extraction.tower_distances import mapped_zeros
from alignbench.models.towers import Tower
from features import check_close
from measured_cells import MEMORY, distances_of
from pair_graphs import pair_graphs
from scenery import Scenery

# --- Towers ---------------------------------------------------------------------------------------------------------


def test_several_passes_do_not_matter(tower: Tower, things: Judgments, plain: dict[str, Floats]) -> None:
    one_layer = 10 * 17 * 32 * 4
    check_close(distances_of(tower, things.images, things.pairs, things.multiplicity(), memory=2 * one_layer), plain)


# --- Where and how the work is done ---------------------------------------------------------------------------------


def test_what_is_kept_in_a_file_is_the_same(
    tower: Tower, things: Judgments, plain: dict[str, Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counted(rows: int, columns: int) -> Tensor:
        made.append((rows, columns))
        return mapped_zeros(rows, columns)

    monkeypatch.setattr(towers, "mapped_zeros", counted)
    one_layer = 10 * 17 * 32 * 4
    fits_memory = len(things.pairs) * 32 * 4 * 2
    assert fits_memory < one_layer
    found = distances_of(tower, things.images, things.pairs, things.multiplicity(), memory=one_layer)
    assert made == []
    check_close(found, plain)
    stars = np.repeat(things.pairs, 40, axis=0)  # pair by pair, and more of it than of features
    expected = distances_of(tower, things.images, stars, np.ones(len(stars)), dense=False)
    found = distances_of(tower, things.images, stars, np.ones(len(stars)), memory=one_layer, dense=False)
    assert made == [(len(stars), channels) for channels in (32, 32, 32, 32, 24)]
    for name in DISTANCES:
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("memory", [MEMORY, 2 * 10 * 17 * 32 * 4])
def test_matrix_products_give_the_same(tower: Tower, things: Judgments, plain: dict[str, Floats], memory: int) -> None:
    check_close(
        distances_of(tower, things.images, things.pairs, things.multiplicity(), memory=memory, dense=True), plain
    )


@pytest.mark.slow
def test_a_compiled_tower_gives_the_same(tower: Tower, things: Judgments, plain: dict[str, Floats]) -> None:
    for batch_size in (4, 10):  # the last batch is smaller, or the only one
        found = distances_of(tower, things.images, things.pairs, things.multiplicity(), batch_size, compiled=True)
        check_close(found, plain)
    assert not any(module._forward_hooks for module in tower.modules())


@given(pair_graphs(), st.integers(1, 5), st.integers(0, 3))
@settings(max_examples=12)
def test_all_paths_agree_on_random_graphs(
    tower: Tower, graph: tuple[Indices, int], batch_size: int, first_picture: int
) -> None:
    """Streaming, several passes, in a file, and matrix products: whatever the pairs, in whatever batches."""
    pairs, count = graph
    images = Scenery(first_picture + count).select(np.arange(first_picture, first_picture + count))
    weights = np.random.default_rng(count).integers(0, 4, len(pairs)) + np.eye(len(pairs))[0]
    one_layer = count * 17 * 32 * 4
    ways = {
        "streaming": {"dense": False},
        "several passes": {"dense": False, "memory": one_layer},
        "matrix products": {"dense": True},
        "matrix products in several passes": {"dense": True, "memory": one_layer},
    }
    found = {
        way: distances_of(tower, images, pairs, weights, batch_size, check_passes=False, **options)
        for way, options in ways.items()
    }
    often = 17 * count // len(pairs) + 1  # so that what is kept per pair takes more room than features may
    repeated = np.repeat(pairs, often, axis=0), np.repeat(weights, often)
    kept = distances_of(tower, images, *repeated, batch_size, memory=one_layer, dense=False, check_passes=False)
    found["in a file"] = {name: values[:, ::often] for name, values in kept.items()}
    for way, values in found.items():
        for name in DISTANCES:
            expected = found["streaming"][name]
            atol = 1e-5 * np.median(expected) if way.startswith("matrix") else 1e-12
            np.testing.assert_allclose(values[name], expected, rtol=1e-5, atol=atol, err_msg=f"{way}, {name}")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mapped.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_zero_and_keeps_what_is_written(scratch: Path) -> None:
    found = mapped_zeros(7, 5)
    assert found.shape == (7, 5)
    assert found.dtype == torch.float32
    assert not found.any()
    values = torch.arange(35.0).view(7, 5)
    found[2:] = values[2:]
    assert torch.equal(found[2:], values[2:])
    assert not found[:2].any()


def test_it_lies_on_disk_and_has_no_name(scratch: Path) -> None:
    found = mapped_zeros(1000, 1000)
    assert list(scratch.iterdir()) == []
    if Path("/proc/self/maps").exists():
        lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(scratch) in line]
        sizes = [int(end, 16) - int(start, 16) for start, end in (line.split()[0].split("-") for line in lines)]
        assert max(sizes) >= found.numel() * 4


def test_a_full_disk_is_said_before_anything_is_written(scratch: Path) -> None:
    if not hasattr(os, "posix_fallocate"):
        pytest.skip("this system does not claim room in advance")
    free = os.statvfs(scratch).f_bavail * os.statvfs(scratch).f_frsize
    with pytest.raises(AlignbenchError, match=r"has no room for .* GB .*TMPDIR"):
        mapped_zeros(free // 4 + 1_000_000_000, 4)
    assert list(scratch.iterdir()) == []
