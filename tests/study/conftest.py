"""The paper's models and two baselines, made once for all tests of factors."""

import pytest

from alignbench.study.study import Study
from factor_grid import LAION, MAIN, made, study_of
from studies import BASE_16, BIOMED, DISTANCES, TOWERS


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The paper's towers at the low level, a further one, base-16 at the middle level, and two baselines."""
    towers = [made(model, distances=DISTANCES if model == BASE_16 else MAIN) for model in TOWERS]
    others = [made(LAION), made("ssim"), made("pixels"), made(BASE_16, "nights", "middle", distances=DISTANCES)]
    return study_of(tmp_path_factory.mktemp("grid"), *towers, *others, made(BIOMED, "nights", "middle"))
