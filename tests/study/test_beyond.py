"""What a run says beyond another: layer by layer, on the same judgments, against plain formulas."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from scipy import stats

from alignbench.errors import DataError, UsageError
from alignbench.study.beyond import COLUMNS, beyond
from studies import BASE_16, BASE_32, Made, as_published, write_made

NAMES = ("normalized_euclidean", "cosine")


def made(root: Path, model: str, dataset: str, names: tuple[str, ...] = NAMES, size: int = 120) -> Path:
    return write_made(Made(model, dataset, size, as_published, names), root)


def residuals(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    """What a straight line through other values leaves of some."""
    slope = np.polyfit(given, values, 1)
    return np.asarray(values - np.polyval(slope, given))


def test_of_ratings_it_is_the_correlation_of_what_the_other_leaves_of_both(tmp_path: Path) -> None:
    run, pixels = made(tmp_path, BASE_16, "tid2013"), made(tmp_path, "pixels", "tid2013")
    found = beyond(run, pixels)
    assert tuple(found.columns) == COLUMNS
    assert set(found["metric"]) == {"spearman_beyond"}
    assert (set(found["model"]), set(found["given"])) == ({BASE_16}, {"pixels"})
    judgments = pd.read_parquet(run / "judgments.parquet")
    place = judgments["pairs"].str[0].to_numpy()
    [known] = load_file(pixels / "distances.safetensors").values()
    ratings, given = (stats.rankdata(each) for each in (judgments["value"], known[0][place]))
    distances = load_file(run / "distances.safetensors")
    for name in NAMES:
        rows = found[found["distance"] == name]
        assert len(rows) == 14
        for value, curve in zip(rows["value"], distances[name], strict=True):
            of = stats.rankdata(-curve[place])
            assert value == pytest.approx(np.corrcoef(residuals(of, given), residuals(ratings, given))[0, 1], abs=1e-9)
        assert (rows["ci_low"] < rows["value"]).all()
        assert (rows["value"] < rows["ci_high"]).all()
    assert set(found["n"]) == {120}


@pytest.mark.parametrize("dataset", ["nights", "things"])
def test_of_choices_there_are_two_gains_and_a_run_says_nothing_beyond_itself(dataset: str, tmp_path: Path) -> None:
    one, other = made(tmp_path, BASE_16, dataset, NAMES[:1]), made(tmp_path, BASE_32, dataset, NAMES[:1])
    found = beyond(one, other)
    assert set(found["metric"]) == {"log_likelihood_beyond", "accuracy_beyond"}
    itself = beyond(one, one)
    last = itself[itself["layer"] == "projection"]
    assert last["value"].isna().all(), "the projection is what is given"


def test_a_tower_is_given_by_its_projection_with_the_same_distance(tmp_path: Path) -> None:
    run = made(tmp_path, BASE_16, "tid2013", NAMES[:1])
    both, one = made(tmp_path / "both", BASE_32, "tid2013"), made(tmp_path / "one", BASE_32, "tid2013", NAMES[:1])
    pd.testing.assert_frame_equal(beyond(run, both), beyond(run, one))
    with pytest.raises(UsageError, match=r"has no distance euclidean \(only normalized_euclidean, cosine\)"):
        beyond(made(tmp_path / "other", BASE_16, "tid2013", ("euclidean",)), both)


def test_a_run_on_other_judgments_is_refused(tmp_path: Path) -> None:
    run = made(tmp_path, BASE_16, "tid2013")
    fewer = made(tmp_path / "fewer", "pixels", "tid2013", size=60)
    with pytest.raises(DataError):
        beyond(run, fewer)
    elsewhere = made(tmp_path, "pixels", "nights")
    with pytest.raises(DataError, match="share no judgments"):
        beyond(run, elsewhere)


def test_a_folder_that_lost_its_judgments_is_refused(tmp_path: Path) -> None:
    run, pixels = made(tmp_path, BASE_16, "tid2013"), made(tmp_path, "pixels", "tid2013")
    copy = tmp_path / "copy"
    shutil.copytree(pixels, copy)
    (copy / "judgments.parquet").unlink()
    with pytest.raises(DataError, match=r"judgments\.parquet"):
        beyond(run, copy)
