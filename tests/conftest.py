"""What tests share: tiny towers and small data sets on disk, each made once, no network, nothing logged or drawn."""

import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # ranks are forked, and what has started threads cannot be
os.environ["ALIGNBENCH_CACHE"] = tempfile.mkdtemp(prefix="alignbench-cache-")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["WANDB_MODE"] = "disabled"

import pytest
from hypothesis import settings

import old_processor
from drawing import do_not_draw
from folders import Folders
from layouts import write_nights, write_things, write_tid2013

settings.register_profile("alignbench", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("alignbench")


def pytest_configure(config: pytest.Config) -> None:
    """Where the tests are to run as on an old processor, they do."""
    if old_processor.MARK in os.environ and not hasattr(config, "workerinput"):
        problems = old_processor.problems()
        if problems:
            raise pytest.UsageError(f"this is not as on an old processor: {'; '.join(problems)}")
        print("as on an old processor: no AVX, no FMA")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that are slow as a whole go first, so that no worker is left with one at the end."""
    quick = {item.path for item in items if not item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path in quick)


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["ALIGNBENCH_CACHE"], ignore_errors=True)


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs within a test draw nothing, unless it is marked `draws`."""
    if request.node.get_closest_marker("draws") is None:
        do_not_draw(monkeypatch)


@pytest.fixture(scope="session")
def tiny_tower(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folder of a tiny random checkpoint, by family."""
    root = tmp_path_factory.mktemp("towers")

    def folder(family: str) -> Path:
        from reference import save_chinese_clip, save_clip, save_siglip

        save = {"clip": save_clip, "chinese_clip": save_chinese_clip, "siglip": save_siglip}[family]
        if not (root / family).exists():
            save(root / family)
        return root / family

    return folder


@pytest.fixture(scope="session")
def tid2013_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "tid2013"
    write_tid2013(root)
    return root


@pytest.fixture(scope="session")
def nights_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "nights"
    write_nights(root)
    return root


@pytest.fixture(scope="session")
def things_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "things"
    write_things(root)
    return root


@pytest.fixture(scope="session")
def data_root(tid2013_root: Path, nights_root: Path, things_root: Path) -> Folders:
    """The folder of a small data set, by name."""
    roots = {"tid2013": tid2013_root, "nights": nights_root, "things": things_root}
    return roots.__getitem__
