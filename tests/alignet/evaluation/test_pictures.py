"""Few shots and distribution shift against scikit-learn, and folders that cannot be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from alignbench.alignet.evaluation.gain import AboutGain, corrected_gains
from alignbench.alignet.evaluation.pictures import (
    ShiftedPictures,
    few_shot_gains,
    held_out_pictures,
    read_shift,
    shift_gains,
)
from alignbench.datasets.images import FileImages
from alignbench.errors import DataError
from alignbench.transforms.evaluation import downstream

ABOUT = AboutGain("distribution shift", "one to two", "", 0, "tested pictures", "unknown")
LABELS = np.repeat(np.arange(3), 20)


@pytest.fixture(autouse=True)
def one_penalty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downstream, "PENALTIES", (1.0,))


def blobs(spread: float, seed: int, moved: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(4.0 * np.eye(3)[LABELS] + moved + spread * rng.normal(size=(60, 3)))


def test_few_shots_are_compared_over_the_same_draws() -> None:
    before, after = blobs(4.0, 0), blobs(1.5, 0)
    (row,) = corrected_gains([few_shot_gains([before, after], LABELS, 4, ABOUT)])
    each = [np.array(downstream.few_shot(x, LABELS, shots=4).accuracies) for x in (before, after)]
    assert row.before[0] == pytest.approx(each[0].mean())
    assert row.difference[0] == pytest.approx((each[1] - each[0]).mean())
    assert (row.measure, row.n) == ("accuracy, 4 a class", 60)


def pictures() -> ShiftedPictures:
    images = FileImages(Path(), tuple(map(str, range(60))))
    return ShiftedPictures("one to two", images, images, (LABELS, LABELS[::-1].copy()))


def test_a_classifier_of_one_folder_is_tested_on_both() -> None:
    first = [blobs(3.0, 1), blobs(1.0, 1)]
    second = [blobs(3.0, 2, 1.0)[::-1], blobs(1.0, 2, 1.0)[::-1]]
    same, other = corrected_gains(shift_gains(pictures(), first, second, 7, ABOUT))
    held_out = held_out_pictures(LABELS, 7)
    for name, own, others in zip(("before", "after"), first, second, strict=True):
        model = LogisticRegression(C=1.0, max_iter=500).fit(own[~held_out], LABELS[~held_out])
        assert getattr(same, name)[0] == pytest.approx(model.score(own[held_out], LABELS[held_out]))
        assert getattr(other, name)[0] == pytest.approx(model.score(others, LABELS[::-1]))
    assert (same.subset, same.n, other.subset, other.n) == ("same kind", 15, "other kind", 60)
    assert other.difference[1] <= other.difference[0] <= other.difference[2]


def test_held_out_pictures_are_a_quarter_of_each_class() -> None:
    labels = np.repeat(np.arange(4), (3, 4, 20, 100))
    chosen = held_out_pictures(labels, 0)
    assert np.bincount(labels[chosen]).tolist() == [1, 1, 5, 25]
    np.testing.assert_array_equal(chosen, held_out_pictures(labels, 0))
    assert (chosen != held_out_pictures(labels, 1)).any()


def write(root: Path, **classes: int) -> Path:
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (8, 8), (number, 0, 0)).save(root / name / f"{number}.png")
    return root


def test_folders_are_read_in_pairs(tmp_path: Path) -> None:
    found = read_shift(write(tmp_path / "one", cat=3, dog=4), write(tmp_path / "two", cat=1, dog=2))
    assert found.name == "one to two"
    assert [labels.tolist() for labels in found.labels] == [[0, 0, 0, 1, 1, 1, 1], [0, 1, 1]]


def test_other_classes_and_too_few_pictures_are_refused_by_name(tmp_path: Path) -> None:
    one = write(tmp_path / "one", cat=3, dog=4, owl=3)
    two = write(tmp_path / "two", cat=3, dog=4, bee=1, elk=1, fox=1, hen=1)
    with pytest.raises(DataError, match=r"one lacks bee, elk, fox, \.\.\. and .*two lacks owl: leave others out"):
        read_shift(one, two)
    with pytest.raises(DataError, match="cat holds 2 pictures, where 3 are needed"):
        read_shift(write(tmp_path / "few", cat=2, dog=4), write(tmp_path / "more", cat=3, dog=3))
    wrong = [blobs(1.0, 0), np.full((60, 3), np.nan)]
    with pytest.raises(DataError, match="not finite"):
        shift_gains(pictures(), wrong, wrong, 0, ABOUT)
