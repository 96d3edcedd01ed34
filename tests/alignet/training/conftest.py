"""Inputs that the tests of training share."""

from pathlib import Path

import pytest

from students import write_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("students"))
