"""The folder of triplets: what it holds, that it is reused, and what opens as triplets."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignbench.alignet.picture_groups import class_groups
from alignbench.alignet.released_triplets import write_released
from alignbench.alignet.sampled_triplets import SampledTriplets, SamplingJob, draw_triplets, said_small
from alignbench.alignet.sampling import SamplingOptions, sample_triplets
from alignbench.alignet.stage_folders import read_record
from alignbench.errors import AlignbenchError, DataError

NAMES = tuple(f"{kind}/{number}.png" for kind, count in (("a", 3), ("b", 1), ("c", 4)) for number in range(count))
OPTIONS = SamplingOptions("class-border", seed=5)


def test_the_folder_holds_what_is_drawn(tmp_path: Path) -> None:
    groups = class_groups(NAMES)
    job = SamplingJob(groups, 400, OPTIONS, tmp_path)
    folder, finished = draw_triplets(job)
    assert not finished
    found = SampledTriplets.open(folder)
    assert found.names == NAMES
    assert isinstance(found.triplets, np.memmap)
    np.testing.assert_array_equal(found.triplets, sample_triplets(groups.numbers, 400, OPTIONS))
    record = read_record(folder, "sampling")
    assert (record["pictures"], record["groups"], record["too_small"]) == (8, 3, ["b"])
    assert record["settings"] == found.settings
    assert draw_triplets(job) == (folder, True)
    assert draw_triplets(replace(job, overwrite=True)) == (folder, False)
    others = [
        replace(job, count=401),
        replace(job, options=replace(OPTIONS, seed=6)),
        replace(job, options=replace(OPTIONS, weighing="size")),
        replace(job, groups=class_groups(tuple(reversed(NAMES)))),
    ]
    assert len({folder, *(draw_triplets(other)[0] for other in others)}) == 5


def test_groups_that_give_none_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"class-border takes pictures of 2 classes, and there is 1 \(a\)"):
        draw_triplets(SamplingJob(class_groups(NAMES[:3]), 10, OPTIONS, tmp_path))
    room = os.statvfs(tmp_path)
    for too_many in (2 * room.f_bavail * room.f_frsize // 12, 10**15, 10**20):  # more than a file can be long, too
        with pytest.raises(
            AlignbenchError, match=r"No space left on device: .*B needed, .*B free\): choose another --o"
        ):
            draw_triplets(SamplingJob(class_groups(NAMES), too_many, OPTIONS, tmp_path))
    assert not list(tmp_path.iterdir())


def test_published_triplets_open_too(tmp_path: Path) -> None:
    triplets = np.array([[0, 4, 3]], dtype=np.int32)
    path = tmp_path / "alignet_valid.npz"
    write_released(path, ["u.png", "v.png", "w.png", "x.png", "y.png"], triplets, np.zeros((1, 3), dtype=np.float32))
    found = SampledTriplets.open(path)
    assert [found.names[number] for number in found.triplets[0]] == ["u.png", "y.png", "x.png"]
    assert found.settings == {"released": "alignet_valid.npz", "split": "validation"}


def test_triplets_that_name_no_picture_are_refused(tmp_path: Path) -> None:
    folder, _ = draw_triplets(SamplingJob(class_groups(NAMES), 4, OPTIONS, tmp_path))
    triplets = np.load(folder / "triplets.npy")
    one = SampledTriplets.open(folder).digest()
    np.save(folder / "triplets.npy", triplets[:, ::-1].copy())
    assert SampledTriplets.open(folder).digest() != one
    triplets[2] = [0, 1, 8]
    np.save(folder / "triplets.npy", triplets)
    with pytest.raises(DataError, match=r"row 2 holds the numbers \[0, 1, 8\], of 8 pictures"):
        SampledTriplets.open(folder)
    np.save(folder / "triplets.npy", triplets[:0])
    with pytest.raises(DataError, match="holds no triplets: draw some by `alignbench alignet sample`"):
        SampledTriplets.open(folder)


def test_small_groups_are_said() -> None:
    assert said_small([]) == ""
    assert said_small(["a", "b", "c", "d"]) == "too few pictures to draw from in 4 groups (a, b, c, ...)"
