"""The packaged world in files: whose pictures and features they are, and that they are taken again."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from alignbench.alignet.world_files import WorldFiles, write_world
from alignbench.alignet.world_teacher import factor_features
from alignbench.datasets.image_folder import image_folder, labelled_folder
from alignbench.datasets.shapes_levels import WORLD, read_objects
from alignbench.errors import UsageError
from alignbench.extraction.stored_features import open_features

EACH, LABELLED = 3, 2


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    found, was_finished = write_world(EACH, LABELLED, tmp_path_factory.mktemp("world"))
    assert not was_finished
    return found


def test_taught_are_the_kinds_that_are_not_held_out(files: WorldFiles) -> None:
    names = image_folder(files.pictures).names
    shown = {name.split("/")[2].split("_")[0] for name in names}
    assert len(names) == 48 * EACH
    assert shown == {WORLD.leaf_names[leaf] for leaf in WORLD.seen_leaves.tolist()}


def test_features_are_those_of_the_pictures_by_their_names(files: WorldFiles) -> None:
    assert sorted(open_features(files.features).names) == list(image_folder(files.pictures).names)
    expected = factor_features(WORLD.pictures("alignment", EACH, WORLD.seen_leaves))
    np.testing.assert_array_equal(load_file(files.features)["projection"].reshape(expected.shape), expected)
    asked = read_objects(None, ("all",)).images
    assert open_features(files.objects).names == tuple(asked.names)
    expected = factor_features(WORLD.pictures("objects", 6))
    np.testing.assert_array_equal(load_file(files.objects)["projection"].reshape(expected.shape), expected)


def test_what_is_classified_has_a_folder_a_leaf_and_a_superordinate(files: WorldFiles) -> None:
    for folder, purpose in ((files.labelled, "labelled"), (files.shifted, "shifted")):
        images, labels, classes = labelled_folder(folder)
        assert sorted(classes) == sorted(WORLD.leaf_names)
        assert np.bincount(labels).tolist() == [LABELLED] * 64
        assert all(f"_{purpose}_" in name for name in images.names)
    with files.superordinates.open(encoding="utf-8") as file:
        told = {row["class"]: row["superordinate"] for row in csv.DictReader(file)}
    for name in WORLD.pictures("objects", 1).names:  # SUPERORDINATE/BASIC/LEAF_...
        superordinate, _, picture = name.split("/")
        assert told.pop(picture.split("_")[0]) == superordinate
    assert not told


def test_it_is_taken_again_and_told_apart(files: WorldFiles) -> None:
    output = files.folder.parent
    record = files.folder / "world.json"
    before = record.stat().st_mtime_ns
    assert write_world(EACH, LABELLED, output) == (files, True)
    assert record.stat().st_mtime_ns == before
    other, was_finished = write_world(1, LABELLED, output)
    assert not was_finished
    assert other.folder != files.folder


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_no_pictures_are_refused(counts: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="0 pictures of each leaf are none: ask for one or more"):
        write_world(*counts, tmp_path)
    assert not list(tmp_path.iterdir())
