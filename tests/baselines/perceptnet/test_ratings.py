"""Ratings to learn from: split by reference, and refused where they will not do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from baselines.perceptnet.__main__ import main as perceptnet
from baselines.perceptnet.ratings import read_ratings, split_by_reference
from perceptnet_weights import photograph, refused, train

# ------------------------------------------------------------------------------------------------ training


def test_references_are_not_split() -> None:
    pairs, _ = read_ratings("shapes-low", "trainset", None)
    for seed in range(3):
        training, held_out = split_by_reference(pairs, 0.2, seed)
        assert (len(training), len(held_out)) == (480, 120)
        assert not set(training.clusters) & set(held_out.clusters)
        assert sorted([*training.rows, *held_out.rows]) == list(range(600))
        seen, unseen = (
            set(part.judgments.pairs[part.judgments.judged[part.rows, 0]].ravel()) for part in (training, held_out)
        )
        assert not seen & unseen


# --------------------------------------------------------------------------- what training cannot be done with


def first_reference(root: Path) -> Path:
    return root / "reference_images" / "I01.BMP"


@pytest.mark.parametrize(
    ("size", "words"), [((40, 18), ("differ in size", "give them one size")), ((24, 9), ("differ in size",))]
)
def test_pairs_of_two_sizes_are_refused(
    size: tuple[int, int],
    words: tuple[str, ...],
    ratings_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = Path(shutil.copytree(ratings_root, tmp_path / "data"))
    photograph(*size).save(first_reference(root), format="BMP")
    refused(1, train(root, tmp_path / "w.safetensors"), capsys, "I01.BMP", *words)


def test_pictures_that_are_too_small_are_refused(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(ratings_root, tmp_path / "data"))
    for path in root.rglob("*.[bB][mM][pP]"):
        photograph(24, 13).save(path, format="BMP")
    refused(1, train(root, tmp_path / "w.safetensors"), capsys, "is 24x13 pixels", "at least 14")


def test_data_that_are_missing_or_too_few_are_refused(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    arguments = ["train", "--dataset", "tid2013", "--output", str(tmp_path / "w.safetensors")]
    refused(2, perceptnet(arguments), capsys, "tid2013 needs --data-root")
    root = Path(shutil.copytree(ratings_root, tmp_path / "data"))
    first_reference(root).unlink()
    refused(1, train(root, tmp_path / "w.safetensors"), capsys, "I01.BMP (missing)")
    shutil.copy(first_reference(ratings_root), first_reference(root))
    scores = (root / "mos_with_names.txt").read_text().splitlines()
    (root / "mos_with_names.txt").write_text("\n".join(scores[:8]) + "\n")
    (root / "mos_std.txt").unlink()
    refused(1, train(root, tmp_path / "w.safetensors"), capsys, "1 references", "at least two")
    assert not list(tmp_path.glob("w.*"))
