"""Equal pictures under two names of which people said different things, in worlds that are written and then copied."""

from __future__ import annotations

import re
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from alignbench.datasets import DATASETS
from alignbench.datasets.contradictions import warn_of_contradictions
from alignbench.datasets.judgments import Judgments, Subset, unique_pairs
from alignbench.errors import AlignbenchWarning
from layouts import write_bapps, write_tid2013
from made_judgments import NamedImages


def made(triplets: list[tuple[int, int, int]], human: list[float]) -> Judgments:
    """Judgments of two pairs with a common picture each."""
    rows = np.array(triplets)
    pairs, judged = unique_pairs(np.stack([rows[:, [0, 1]], rows[:, [0, 2]]], axis=1))
    numbers = np.arange(len(rows))
    return Judgments(
        dataset="by hand",
        level="middle",
        kind="preference",
        images=NamedImages(tuple("abcdef")),
        pairs=pairs,
        judged=judged,
        human=np.array(human),
        ids=tuple(f"row {number}" for number in numbers),
        subsets=(Subset("all", numbers, numbers[:, None]),),
    )


def silent(judgments: Judgments, identities: list[str]) -> bool:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_contradictions(judgments, identities)
    return not caught


def test_what_contradicts_is_counted_and_one_is_named() -> None:
    judgments = made([(0, 1, 2), (3, 4, 5), (3, 1, 5), (0, 1, 5)], [0.0, 1.0, 0.5, 0.0])
    with pytest.warns(AlignbenchWarning) as caught:
        warn_of_contradictions(judgments, list("xyzxyz"))
    [said] = [str(warning.message) for warning in caught]
    assert said.startswith("2 judgments of by hand contradict others of equal pictures: d has the bytes of a, and ")
    assert "people said 1 of one and 0 of the other (row 1, row 0)" in said


def test_equal_answers_other_pictures_and_people_who_judged_again_are_no_contradiction() -> None:
    assert silent(made([(0, 1, 2), (3, 4, 5)], [0.5, 0.5]), list("xyzxyz"))
    assert silent(made([(0, 1, 2), (3, 4, 5)], [0.0, 1.0]), list("xyzxyw"))
    assert silent(made([(0, 1, 2), (3, 5, 4)], [0.0, 1.0]), list("xyzxyz")), "the options are the other way round"
    assert silent(made([(0, 1, 2), (0, 1, 2)], [0.0, 1.0]), list("xyzxyz"))
    assert silent(made([(0, 1, 2), (3, 4, 5)], [0.0, 1.0]), list("abcdef"))


def test_a_distorted_picture_in_the_place_of_another(tmp_path: Path) -> None:
    write_tid2013(tmp_path)
    judgments = DATASETS.load("tid2013").read(tmp_path, ("all",))
    assert silent(judgments, judgments.images.identities())
    first, _, second = sorted((tmp_path / "distorted_images").iterdir())[:3]
    shutil.copy(first, second)
    with pytest.warns(
        AlignbenchWarning, match=r"^1 judgments of tid2013 contradict others of equal pictures"
    ) as caught:
        warn_of_contradictions(judgments, judgments.images.identities())
    assert {first.name, second.name} <= {Path(word).name for word in re.split(r"[, ]+", str(caught[0].message))}


def test_three_patches_under_two_numbers(tmp_path: Path) -> None:
    write_bapps(tmp_path)
    part = tmp_path / "2afc/val/cnn"
    for kind in ("ref", "p0", "p1"):
        shutil.copy(part / kind / "000000.png", part / kind / "000099.png")
    np.save(part / "judge/000099.npy", np.array([0.9]))
    data_set = DATASETS.load("bapps")
    judgments = data_set.read(tmp_path, (data_set.default_subset,))
    with pytest.warns(AlignbenchWarning, match=r"^1 judgments of bapps contradict others of equal pictures"):
        warn_of_contradictions(judgments, judgments.images.identities())


@pytest.mark.parametrize("name", ["shapes-low", "shapes-middle", "shapes-high"])
def test_the_packaged_sets_do_not_contradict_themselves(name: str) -> None:
    data_set = DATASETS.load(name)
    judgments = data_set.read(None, (data_set.default_subset,))
    assert silent(judgments, judgments.images.identities())
