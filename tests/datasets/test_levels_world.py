"""The world with known similarities: its tree, its nuisance, and pictures that never change."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from alignbench.datasets import levels_world
from alignbench.datasets.image_folder import labelled_folder
from alignbench.datasets.images import FileImages
from alignbench.datasets.leaf_drawing import draw
from alignbench.datasets.levels_world import BASICS, HUES, LEAVES, PURPOSES, LevelsWorld
from alignbench.errors import UsageError

WORLD = LevelsWorld(0)


_DIGEST = """
import hashlib
import numpy as np
from alignbench.datasets.levels_world import PURPOSES, LevelsWorld

digest = hashlib.sha256()
for seed in (0, 7):
    for purpose in PURPOSES:
        images = LevelsWorld(seed).pictures(purpose, 1)
        digest.update("".join(images.identities()).encode())
        for index in range(0, 64, 5):
            digest.update(images.open(index).tobytes())
    digest.update(LevelsWorld(seed).similarity(np.arange(64)[:, None], np.arange(64)).tobytes())
found = digest.hexdigest()
"""


def test_pictures_are_the_same_in_every_call_and_process() -> None:
    here: dict[str, str] = {}
    exec(_DIGEST, here)
    elsewhere = subprocess.run(
        [sys.executable, "-c", f"{_DIGEST}\nprint(found)"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert here["found"] == elsewhere.stdout.strip()


# --- The tree -------------------------------------------------------------------------------------------------------


def parts(name: str) -> tuple[str, str, str, int]:
    """Superordinate, basic and subordinate kind, and number, as a picture's name says them."""
    superordinate, basic, file = name.split("/")
    leaf, _, number = file.removesuffix(".png").split("_")
    assert leaf.endswith(f"-{basic}")
    return superordinate, basic, leaf, int(number)


def test_names_say_the_tree() -> None:
    told = [parts(name) for name in WORLD.pictures("levels", 2).names]
    assert len(set(told)) == 128
    for place, count, below in ((0, 4, 32), (1, 16, 8), (2, 64, 2), (3, 2, 64)):
        assert Counter(Counter(each[place] for each in told).values()) == {below: count}
    assert len({each[:2] for each in told}) == 16, "a basic kind is of one superordinate kind"


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_similarity_is_the_sum_of_the_weights_of_shared_nodes(seed: int) -> None:
    world = LevelsWorld(seed)
    names = [parts(name)[:3] for name in world.pictures("levels", 1).names]
    weights = world.drawn.weights
    assert sorted(weights[16].tolist()) == [0.75, 0.9, 1.05, 1.2]
    for first in range(0, LEAVES, 3):
        for second in range(LEAVES):
            shared = [a == b for a, b in zip(names[first], names[second], strict=True)]
            expected = sum(
                float(weights[width][first // width]) for width, same in zip((16, 4, 1), shared, strict=True) if same
            )
            found = world.similarity(np.array([first]), np.array([second]))
            assert found[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_hues_say_a_basic_kind_no_superordinate_one(seed: int) -> None:
    world = LevelsWorld(seed)
    hues = [list(HUES).index(name.rsplit("-", 1)[0]) for name in world.leaf_names]
    sectors = np.array(hues).reshape(16, 4) // 4
    assert (sectors == sectors[:, :1]).all()
    assert Counter(sectors[:, 0].tolist()) == dict.fromkeys(range(4), 4)
    assert len(set(world.leaf_names)) == LEAVES
    assert sorted(world.drawn.stripes.tolist()) == [0, 1, 2, 3]
    assert [sorted(four) for four in world.drawn.marks.reshape(16, 4).tolist()] == [[0, 1, 2, 3]] * 16


@pytest.mark.parametrize("seed", range(5))
def test_one_basic_kind_of_each_superordinate_one_is_held_out(seed: int) -> None:
    world = LevelsWorld(seed)
    assert (world.drawn.held_out // 4 == np.arange(4)).all()
    assert len(world.seen_leaves) == 48
    assert not {BASICS[leaf // 4] for leaf in world.seen_leaves} & {BASICS[kind] for kind in world.drawn.held_out}


def test_worlds_differ() -> None:
    drawn = [LevelsWorld(seed).drawn for seed in range(4)]
    assert len({tuple(each.hues.tolist()) for each in drawn}) == 4
    assert len({tuple(each.favourites.ravel().tolist()) for each in drawn}) == 4


# --- Pictures -------------------------------------------------------------------------------------------------------


def test_a_figure_shows_its_leaf() -> None:
    for purpose in PURPOSES:
        for leaf in range(0, LEAVES, 7):
            figure = WORLD.figure(purpose, leaf, 3)
            assert figure.outline == BASICS[leaf // 4]
            hue = HUES[WORLD.leaf_names[leaf].rsplit("-", 1)[0]]
            assert np.abs(np.array(figure.ink) - hue).max() <= 14
            assert figure.stripes == WORLD.drawn.stripes[leaf // 16]
            assert figure.mark == WORLD.drawn.marks[leaf]


def test_the_whole_figure_is_in_the_picture() -> None:
    for purpose in PURPOSES:
        for number in range(200):
            figure = WORLD.figure(purpose, number % LEAVES, number)
            assert all(figure.radius <= at <= 2048 - figure.radius for at in figure.centre)


def test_nuisance_is_uniform_but_where_it_is_favoured_or_new() -> None:
    free = [WORLD.nuisance("alignment", leaf, number) for leaf in range(LEAVES) for number in range(40)]
    for values, count in (([n.paper for n in free], 8), ([n.size for n in free], 4), ([n.corner for n in free], 4)):
        assert stats.chisquare(np.bincount(values, minlength=count)).pvalue > 1e-3
    favoured = np.array(
        [
            [
                getattr(WORLD.nuisance("pretraining", leaf, number), name) == favourites[leaf]
                for leaf in range(LEAVES)
                for number in range(40)
            ]
            for name, favourites in zip(("paper", "size", "corner"), WORLD.drawn.favourites, strict=True)
        ]
    ).mean(axis=1)
    expected = np.array([0.8 + 0.2 / 8, 0.6 + 0.4 / 4, 0.6 + 0.4 / 4])
    assert np.abs(favoured - expected).max() < 4 * np.sqrt(0.25 / 2560)
    ordinary = [WORLD.figure("alignment", leaf, 0) for leaf in range(LEAVES)]
    shifted = [WORLD.figure("shifted", leaf, 0) for leaf in range(LEAVES)]
    radii = {figure.radius for figure in ordinary}
    assert not {figure.radius for figure in shifted} & set(range(min(radii), max(radii) + 1))
    for paper in {figure.paper for figure in shifted}:
        assert min(np.abs(np.subtract(paper, figure.paper)).max() for figure in ordinary) > 12


def test_pictures_of_two_purposes_differ() -> None:
    drawn = {purpose: WORLD.pictures(purpose, 1).open(9).tobytes() for purpose in PURPOSES}
    assert len(set(drawn.values())) == len(PURPOSES)
    files = [name.rpartition("/")[2] for purpose in PURPOSES for name in WORLD.pictures(purpose, 2).names]
    assert len(set(files)) == len(files), "pictures are known by their names, some by the names of their files alone"


def test_pictures_are_selected_and_opened_by_index() -> None:
    images = WORLD.pictures("alignment", 3, WORLD.seen_leaves)
    assert len(images.names) == 144
    chosen = images.select(np.array([5, 100]))
    assert chosen.names == [images.names[5], images.names[100]]
    assert chosen.open(1).size == (32, 32)
    assert chosen.open(1).mode == "RGB"
    expected = draw(WORLD.figure("alignment", int(WORLD.seen_leaves[33]), 1))
    np.testing.assert_array_equal(np.asarray(chosen.open(1)), expected)
    assert len(set(images.identities())) == 144
    assert not set(images.identities()) & set(LevelsWorld(1).pictures("alignment", 3).identities())


def test_pictures_are_written_whole_by_their_names(tmp_path: Path) -> None:
    images = WORLD.pictures("labelled", 2)
    images.write(tmp_path / "new" / "pictures")
    found, labels, classes = labelled_folder(tmp_path / "new" / "pictures")
    assert sorted(images.names) == list(found.names)
    assert classes == ("boxy", "branched", "pointed", "round")
    assert Counter(labels.tolist()) == dict.fromkeys(range(4), 32)
    for index in (0, 77):
        stored = FileImages(tmp_path / "new" / "pictures", (images.names[index],)).open(0)
        np.testing.assert_array_equal(np.asarray(stored), np.asarray(images.open(index)))
    with pytest.raises(UsageError, match="is there already"):
        images.write(tmp_path / "new" / "pictures")


def test_pictures_are_written_in_a_folder_for_each_leaf(tmp_path: Path) -> None:
    images = WORLD.pictures("labelled", 2)
    images.write(tmp_path / "pictures", by_leaf=True)
    found, labels, classes = labelled_folder(tmp_path / "pictures")
    assert set(classes) == set(WORLD.leaf_names)
    assert Counter(labels.tolist()) == dict.fromkeys(range(64), 2)
    for index in (0, 77):
        name = images.names[index].rpartition("/")[2]
        place = found.names.index(f"{WORLD.leaf_names[int(images.leaves[index])]}/{name}")
        np.testing.assert_array_equal(np.asarray(found.open(place)), np.asarray(images.open(index)))


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: object, index: int) -> Image.Image:
        raise KeyboardInterrupt

    monkeypatch.setattr(levels_world.LeafImages, "open", fails)
    with pytest.raises(KeyboardInterrupt):
        WORLD.pictures("labelled", 1).write(tmp_path / "pictures")
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_named() -> None:
    with pytest.raises(UsageError, match="seed -1"):
        LevelsWorld(-1)
    with pytest.raises(UsageError, match="did you mean alignment"):
        WORLD.pictures("alignmnt", 1)
