"""The runs of a study: which are whole, in which order, which may be compared; and pairs come out as `compare`'s."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import DataError
from alignbench.study.study import Study, read_study
from damage import DAMAGE
from factor_grid import made
from studies import BASE_16, BASE_32, LARGE_14, SIGLIP, Made, as_published, write_made


def folders(study: Study) -> list[tuple[str, str]]:
    return [(run.dataset, run.label) for run in study.runs]


# --- Which runs there are -------------------------------------------------------------------------------------------


def test_runs_come_by_level_models_before_baselines_in_the_order_of_the_cards(root: Path, tmp_path: Path) -> None:
    twin = write_made(made(BASE_32, "nights", "middle", label=f"{BASE_32}@random-0"), tmp_path)
    study, refused = read_study([root, twin])
    assert folders(study) == [
        ("tid2013", BASE_32),
        ("tid2013", LARGE_14),
        ("tid2013", "ssim"),
        ("nights", BASE_32),
        ("nights", f"{BASE_32}@random-0"),
        ("nights", LARGE_14),
        ("nights", "ssim"),
        ("things", BASE_32),
        ("things", LARGE_14),
        ("things", "ssim"),
    ]
    assert (refused, study.remarks) == ((), ())
    assert [run.is_baseline for run in study.runs[:3]] == [False, False, True]
    assert [run.trained for run in study.runs[3:7]] == [True, False, True, False]


def test_a_run_that_is_given_twice_or_copied_counts_once(root: Path, tmp_path: Path) -> None:
    first = sorted(root.iterdir())[0]
    shutil.copytree(first, tmp_path / "copy")
    study, refused = read_study([root, first, tmp_path])
    assert len(study.runs) == 9
    assert (refused, study.remarks) == ((), ())


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_run_is_named_and_left_out(root: Path, tmp_path: Path, damage: str) -> None:
    whole = next(path for path in root.iterdir() if "large" in path.name and "tid2013" in path.name)
    shutil.copytree(whole, tmp_path / "damaged")
    name, change = DAMAGE[damage]
    change(tmp_path / "damaged" / name)
    study, [line] = read_study([root, tmp_path])
    assert len(study.runs) == 9
    assert str(tmp_path / "damaged") in line
    assert "\n" not in line


def test_a_run_whose_channels_cannot_be_used_is_left_out(tmp_path: Path) -> None:
    folder = write_made(Made(BASE_16, "tid2013", 40, as_published, ("cosine",), shares=(0.5,) * 14), tmp_path)
    other = write_made(Made(SIGLIP, "tid2013", 40, as_published, ("cosine",)), tmp_path)
    table = (folder / "channels.csv").read_text()
    (folder / "channels.csv").write_text(table.replace("0.5", "5"))
    study, [line] = read_study([tmp_path])
    assert [run.folder for run in study.runs] == [other]
    assert str(folder / "channels.csv") in line
    assert "not between 0 and 1" in line


def test_empty_folders_are_named_and_other_folders_are_not_looked_at(root: Path, tmp_path: Path) -> None:
    for name in ("empty", ".tmp-unfinished", "figures"):
        (tmp_path / name).mkdir()
    (tmp_path / "figures" / "mine.pdf").touch()
    study, [line] = read_study([root, tmp_path])
    assert str(tmp_path / "empty") in line
    assert len(study.runs) == 9


def test_without_any_run_there_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing"):
        read_study([tmp_path / "nothing"])


# --- Which may be put side by side ----------------------------------------------------------------------------------

UNLIKE: dict[str, tuple[dict[str, Any], str, Sequence[str]]] = {
    "protocol": ({"protocol": "corrected"}, "protocol", ("paper (", "corrected (")),
    "version of the data": ({"seed": 1}, "judgments", ("200 of data",)),
    "number of judgments": ({"size": 150, "settings": {"limit": 150}}, "judgments", ("200 of data", "150 of data")),
    "tokens": ({"settings": {"tokens": "cls"}}, "tokens", ("all (", "cls (")),
    "preparation": ({"settings": {"resize": "squash"}}, "preparation of pictures", ("checkpoint (", "squash (")),
    "precision": ({"settings": {"precision": "bf16"}}, "precision", ("fp32 (", "bf16 (")),
    "calibration": (
        {"settings": {"calibration_fingerprint": "f" * 64}, "distances": ("normalized_euclidean", "cosine")},
        "calibration",
        ("ffffff (",),
    ),
}


@pytest.mark.parametrize("way", UNLIKE)
def test_runs_that_were_measured_differently_are_said_and_not_put_together(tmp_path: Path, way: str) -> None:
    changes, name, ways = UNLIKE[way]
    for model in (BASE_16, SIGLIP):
        common = {"settings": {"calibration_fingerprint": "0" * 64}} if way == "calibration" else {}
        write_made(replace(made(model, "tid2013", "low"), **common), tmp_path)
    write_made(replace(made(BASE_32, "tid2013", "low"), **changes), tmp_path)
    study, _ = read_study([tmp_path])
    [line] = study.remarks
    assert line.startswith(f"TID2013 all: runs differ in {name} and are not put together: ")
    assert all(text in line for text in ways)
    assert f"({BASE_32})" in line
    assert sorted(sorted(run.label for run in group.runs) for group in study.groups) == [[SIGLIP, BASE_16], [BASE_32]]


def test_runs_of_one_label_and_other_weights_are_told_apart(tmp_path: Path) -> None:
    for fingerprint in ("a" * 64, "b" * 64):
        write_made(made(BASE_16, "tid2013", "low", settings={"model_fingerprint": fingerprint}), tmp_path)
    study, _ = read_study([tmp_path])
    [line] = study.remarks
    assert line.startswith(f"{BASE_16} is the label of different weights: ")
    assert line.endswith("give each its own by --label")
    assert all(run.folder.name in line for run in study.runs)
    [group] = study.groups
    assert {run.label: run.settings.model_fingerprint for run in study.runs} == {
        f"{BASE_16} [aaaaaaaa]": "a" * 64,
        f"{BASE_16} [bbbbbbbb]": "b" * 64,
    }
    assert [label for label, _ in group.series] == [run.label for run in study.runs for _ in run.distances]
    assert {run.published for run in study.runs} == {BASE_16}, "its name on the hub is still known"
