"""Runs on the packaged data sets that the tests of this room share, and a notebook that is made up."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from studies import Made, write_made


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as the kernel of a notebook without widgets."""
    shell = SimpleNamespace(kernel=object(), config={})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


@pytest.fixture(scope="session")
def some_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with made-up runs of `shapes-clip` and `pixels` on one data set, and of `pixels` on another."""
    place = tmp_path_factory.mktemp("python") / "runs"
    for model, dataset in (("shapes-clip", "shapes-low"), ("pixels", "shapes-low"), ("pixels", "shapes-middle")):
        write_made(Made(model, dataset, 90, _target), place)
    return place


def _target(label: str, dataset: str, distance: str, layer: str) -> float:
    """A score that rises over the layers, and falls at the projection."""
    return 0.6 if layer in ("projection", "image") else 0.45 + int(layer.removeprefix("layer_")) / 50
