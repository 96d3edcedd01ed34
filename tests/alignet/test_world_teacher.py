"""Features of factors: what they hold, by correlations that share no code with them, and as a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.alignet.world_teacher import LAYER, factor_features, write_factor_features
from alignbench.datasets.levels_world import LevelsWorld
from alignbench.extraction.feature_files import read_features

WORLD = LevelsWorld(1)
IMAGES = WORLD.pictures("alignment", 8)


def parts(name: str) -> tuple[str, str, str]:
    superordinate, basic, file = name.split("/")
    return superordinate, basic, file.split("_")[0]


def test_inner_products_are_those_of_the_documented_codes() -> None:
    """The rotation keeps inner products: over many pairs they follow the strengths of what pictures share."""
    features = factor_features(IMAGES).astype(np.float64)
    assert features.shape == (512, 112)
    told = [parts(name) for name in IMAGES.names]
    hues = [leaf.rsplit("-", 1)[0] for *_, leaf in told]
    tree, nuisances = WORLD.drawn, IMAGES.nuisances
    leaves = IMAGES.leaves
    rng = np.random.default_rng(0)
    first, second = rng.integers(512, size=(2, 40_000))
    first, second = first[first != second], second[first != second]
    columns = [
        [told[a][0] == told[b][0] for a, b in zip(first, second, strict=True)],
        [told[a][1] == told[b][1] for a, b in zip(first, second, strict=True)],
        tree.hues[leaves[first]] // 4 == tree.hues[leaves[second]] // 4,
        [hues[a] == hues[b] for a, b in zip(first, second, strict=True)],
        tree.marks[leaves[first]] == tree.marks[leaves[second]],
        [nuisances[a].paper == nuisances[b].paper for a, b in zip(first, second, strict=True)],
        [nuisances[a].size == nuisances[b].size for a, b in zip(first, second, strict=True)],
        [nuisances[a].corner == nuisances[b].corner for a, b in zip(first, second, strict=True)],
        leaves[first] == leaves[second],
    ]
    design = np.array([*columns, np.ones(len(first))], dtype=np.float64).T
    products = (features[first] * features[second]).sum(axis=1)
    found = np.linalg.lstsq(design, products, rcond=None)[0][:-1]
    expected = np.array([0.25, 1.0, 1.0, 1.0, 1.0, 0.16, 0.04, 0.04, 5.76])
    assert np.abs(found[5:8] - expected[5:8]).max() < 0.05
    assert np.abs(found - expected)[[0, 2, 3, 4]].max() < 0.25, "random directions are not quite at right angles"
    assert found[[1, 8]].tolist() == pytest.approx(expected[[1, 8]].tolist(), abs=0.35)


def test_noise_is_a_tenth_in_each_channel() -> None:
    """Two pictures with the same leaf and nuisance differ by noise alone."""
    images = WORLD.pictures("alignment", 200, np.array([5]))
    features, alike = factor_features(images).astype(np.float64), images.nuisances
    pairs = [(a, b) for b in range(200) for a in range(b) if alike[a] == alike[b]]
    assert len(pairs) > 50
    apart = np.array([features[a] - features[b] for a, b in pairs])
    assert np.sqrt((apart**2).mean() / 2.0) == pytest.approx(0.1, rel=0.1)


def test_features_do_not_depend_on_the_other_pictures() -> None:
    some = factor_features(IMAGES.select(np.array([300, 7])))
    np.testing.assert_allclose(some, factor_features(IMAGES)[[300, 7]], atol=1e-6)
    other = factor_features(LevelsWorld(0).pictures("alignment", 8))
    assert np.abs(other - factor_features(IMAGES)).max() > 0.5


def test_new_nuisance_has_channels_of_its_own() -> None:
    """Pictures with new backgrounds are further from ordinary ones than these are from each other."""
    ordinary, shifted = (factor_features(WORLD.pictures(p, 8)).astype(np.float64) for p in ("alignment", "shifted"))
    within = np.mean([((ordinary[i] - ordinary[i + 1]) ** 2).sum() for i in range(0, 512, 2)])
    across = np.mean([((ordinary[i] - shifted[i]) ** 2).sum() for i in range(0, 512, 2)])
    assert within < across < within + 2 * 0.16 + 2 * 0.04


def test_they_are_a_file_as_extract_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "factors.safetensors"
    write_factor_features(path, IMAGES)
    found = read_features(path)
    assert list(found.arrays) == [LAYER]
    assert found.names == tuple(IMAGES.names)
    np.testing.assert_array_equal(found.arrays[LAYER], factor_features(IMAGES))
    assert found.origin["model"] == "shapes-levels-factors-1"
    assert found.origin["layers"] == {LAYER: {"depth": 100.0, "prefix_tokens": 0}}
