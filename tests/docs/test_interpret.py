"""The commands and the Python of docs/interpret/heads.md and decompose.md, on pictures of the packaged world."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alignbench.cli.main import main
from alignbench.interpret.store import HeadStore
from documented import command_lines, pages

PAGE = pages("interpret/heads.md", "interpret/decompose.md", "interpret/store.md")
COMMANDS = [
    shlex.split(line)[1:]
    for line in command_lines()
    if line.startswith("alignbench interpret decompose") and f"{line}\n" in PAGE
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pictures").mkdir()
    for number in range(7):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_documented_stores_are_made_and_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS) == 2
    for words in COMMANDS:
        assert main(words) == 0
        store = HeadStore.open(capsys.readouterr().out.splitlines()[-1])
        files = {path.name for path in store.folder.iterdir()}
        assert files == {
            *(f"layer_{layer}.safetensors" for layer in store.layers),
            *("others.safetensors", "pictures.safetensors", "names.json", "heads.json"),
        }
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if "HeadStore" in block]
    names: dict[str, object] = {}
    exec(code, names)
    assert names["head"].shape == (7, 64)  # type: ignore[attr-defined]
    assert names["others"].shape == (7, 7, 64)  # type: ignore[attr-defined]
    assert {path.parent.name for path in here.rglob("heads.json")} == {path.name for path in (here / "heads").iterdir()}


def test_the_documented_python_gives_what_it_says() -> None:
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if "decompose(" in block]
    names: dict[str, object] = {}
    exec(code, names)
    found = names["found"]
    assert tuple(found.attention.shape) == (2, 6, 4, 64)  # type: ignore[attr-defined]
    assert tuple(found.others.shape) == (2, 7, 64)  # type: ignore[attr-defined]
    assert torch.allclose(found.total().norm(dim=1), torch.ones(2), atol=1e-5)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_documented_plan_is_what_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    (words,) = [shlex.split(line)[1:] for line in command_lines() if line.startswith("alignbench interpret plan")]
    assert main(words) == 0
    told = capsys.readouterr().out.splitlines()
    table = PAGE[PAGE.index("openai/clip-vit-large-patch14, 50,000 images") :].split("```")[0].splitlines()
    assert len(table) == 15
    assert [line.split("│") for line in told[: len(table)]] == [line.split("│") for line in table]


def test_documented_sizes_are_those_of_the_files() -> None:
    """Of ViT-B/32 on 50,000 pictures: 512 numbers of 48 or 144 heads, 12 MLPs and the embedding; and a sum."""
    some, every = (4 * 50_000 * components * 512 / 1e9 for components in (48 + 13 + 1, 144 + 13))
    assert f"{some:.1f} GB with the last four layers, and {every:.0f} GB with all" in " ".join(PAGE.split())
