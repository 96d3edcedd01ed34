"""Agreement with a teacher: shares by hand, pictures found by name, and a draw where there are many triplets."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.alignet.evaluation import agreement
from alignbench.alignet.evaluation.agreement import TeacherTriplets, agreement_gain, read_teacher_triplets
from alignbench.alignet.evaluation.gain import AboutGain, corrected_gains
from alignbench.datasets.images import FileImages
from alignbench.errors import DataError

ABOUT = AboutGain("agreement with the teacher", "border", "", 0, "pictures", "unknown", distance="cosine")
TRIPLETS = np.array(list(combinations(range(9), 3)))


def of(triplets: np.ndarray) -> TeacherTriplets:
    images = FileImages(Path(), tuple(map(str, range(9))))
    return TeacherTriplets("border", images, triplets, len(triplets))


def share(x: np.ndarray, triplets: np.ndarray, unit: bool) -> float:
    x = x / np.linalg.norm(x, axis=1, keepdims=True) if unit else x
    i, j, k = (x[column] for column in triplets.T)
    first, second, third = ((a * b).sum(axis=1) for a, b in ((i, j), (i, k), (j, k)))
    return float(((first > second) & (first > third)).mean())


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_it_is_the_share_of_triplets_with_the_teachers_odd_one(similarity: str) -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=(2, 9, 4))
    about = AboutGain("agreement with the teacher", "border", "", 0, "pictures", "unknown", distance=similarity)
    (row,) = corrected_gains([agreement_gain(of(TRIPLETS), (before, after), 0, about)])
    expected = [share(x, TRIPLETS, similarity == "cosine") for x in (before, after)]
    assert (row.before[0], row.after[0]) == pytest.approx(expected)
    assert row.difference[0] == pytest.approx(expected[1] - expected[0])
    assert row.difference[1] < row.difference[0] < row.difference[2]
    assert (row.measure, row.n) == ("agreement with the teacher", len(TRIPLETS))


def test_a_teacher_agrees_with_itself_and_a_tie_is_no_agreement() -> None:
    x = np.random.default_rng(1).normal(size=(9, 4))
    ordered = []
    for triplet in TRIPLETS:
        unit = x[triplet] / np.linalg.norm(x[triplet], axis=1, keepdims=True)
        alike = unit @ unit.T
        odd = 2 - int(np.argmax([alike[0, 1], alike[0, 2], alike[1, 2]]))
        ordered.append([*np.delete(triplet, odd), triplet[odd]])
    same = np.ones((9, 4))
    (row,) = corrected_gains([agreement_gain(of(np.array(ordered)), (same, x), 0, ABOUT)])
    assert (row.before[0], row.after[0]) == (0.0, 1.0)


def write(root: Path, names: list[str], triplets: list[list[int]]) -> Path:
    folder = root / "labels"
    folder.mkdir(parents=True)
    (folder / "labels.json").write_text(json.dumps({"settings": {}}))
    (folder / "names.json").write_text(json.dumps(names))
    np.save(folder / "triplets.npy", np.array(triplets, dtype=np.int32))
    np.save(folder / "similarities.npy", np.tile(np.float32([3.0, 1.0, 2.0]), (len(triplets), 1)))
    return folder


def test_pictures_are_found_by_name_and_those_alone_that_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("c.png", "b/a.png", "d.png", "e.png")):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    folder = write(tmp_path, ["d.png", "b/a.png", "c.png", "e.png"], [[0, 1, 2], [2, 0, 1]])
    found = read_teacher_triplets(folder, tmp_path / "pictures", 0)
    assert found.images.names == ("b/a.png", "c.png", "d.png")
    assert found.triplets.tolist() == [[2, 0, 1], [1, 2, 0]]
    assert found.of == 2
    monkeypatch.setattr(agreement, "MOST", 1)
    few = read_teacher_triplets(folder, tmp_path / "pictures", 0)
    assert (len(few.triplets), few.of) == (1, 2)
    (tmp_path / "pictures/d.png").unlink()
    with pytest.raises(DataError, match=r"lacks 1 of the 4 pictures"):
        read_teacher_triplets(folder, tmp_path / "pictures", 0)
