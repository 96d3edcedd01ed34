"""Studies of made-up runs that many tests read, each made once."""

from pathlib import Path

import pytest

from alignbench.study.study import Study
from factor_grid import LAION, MAIN, made, study_of
from labelled_runs import write_labels
from standings_by_hand import write_ranked
from studies import BASE_16, BASE_32, BIOMED, DISTANCES, LARGE_14, TOWERS, write_study


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The paper's towers at the low level, a further one, base-16 at the middle level, and two baselines."""
    towers = [made(model, distances=DISTANCES if model == BASE_16 else MAIN) for model in TOWERS]
    others = [made(LAION), made("ssim"), made("pixels"), made(BASE_16, "nights", "middle", distances=DISTANCES)]
    return study_of(tmp_path_factory.mktemp("grid"), *towers, *others, made(BIOMED, "nights", "middle"))


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Towers of two depths and a baseline at three levels."""
    root = tmp_path_factory.mktemp("study")
    write_study(root, ("ssim", LARGE_14, BASE_32), distances=("normalized_euclidean", "cosine"))
    return root


@pytest.fixture(scope="session")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with labels of their own, see `write_labels`."""
    return write_labels(tmp_path_factory.mktemp("labels") / "runs")


@pytest.fixture(scope="session")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models, untrained twins of one, and two baselines at three levels."""
    return write_ranked(tmp_path_factory.mktemp("ranked"))
