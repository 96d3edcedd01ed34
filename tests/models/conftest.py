"""What tests of models share: small checkpoints of open_clip, full-size towers of transformers, plug-ins."""

import importlib
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import open_clip
import pytest

from distributions import write_distribution
from family_plug_ins import PLUG_IN, Install
from openclip_towers import TOWERS, save


@pytest.fixture
def no_text_tower_and_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        pytest.fail("a text tower was built, or the network was used")

    monkeypatch.setattr("open_clip.hf_model.HFTextEncoder.__init__", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The directory of a small checkpoint of open_clip, by kind of tower."""
    root = tmp_path_factory.mktemp("open_clip")

    def folder(kind: str) -> Path:
        return root / kind if (root / kind).exists() else save(root / kind, TOWERS[kind])

    return folder


@pytest.fixture
def tiny_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small architectures that open_clip knows by name: `tiny`, and its sibling with QuickGELU."""
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", TOWERS["own"])
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-quickgelu", TOWERS["quick"])


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution with one module and one model family of it, for the time of a test."""
    modules = []

    def installed(package: str, entry: str, module: str) -> None:
        place = tmp_path / "installed"
        write_distribution(place, package, "1.0", f"[alignbench.models]\n{entry}\n")
        (place / f"{package}_family.py").write_text(module)
        monkeypatch.syspath_prepend(place)
        modules.append(f"{package}_family")

    yield installed
    for name in modules:
        sys.modules.pop(name, None)


@pytest.fixture
def plugged(install: Install) -> list[Any]:
    """An installed distribution with the family `plugged`; hands out what its loader was asked for."""
    install("plugged", "plugged = plugged_family:load", PLUG_IN)
    asked: list[Any] = importlib.import_module("plugged_family").asked
    return asked
