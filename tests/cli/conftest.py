"""What tests of the command line share: a bench with small data and tiny towers, and nothing around it."""

from pathlib import Path

import huggingface_hub.constants
import pytest

from command_bench import Bench
from layouts import write_nights, write_things, write_tid2013
from reference import save_chinese_clip, save_clip, save_siglip


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    for name, save in {"clip": save_clip, "siglip": save_siglip, "chinese_clip": save_chinese_clip}.items():
        save(root / name)
    write_tid2013(root / "tid2013", references=2, distortions=2, levels=2)
    write_nights(root / "nights", triplets=4)
    write_things(root / "things", objects=5, triplets=20)
    return root


@pytest.fixture
def no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def bench(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(world, tmp_path, capsys)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        pytest.fail("the model was loaded before the fault was found")

    monkeypatch.setattr("alignbench.measurement.sources.load_tower", load)
