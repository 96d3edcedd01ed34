"""What docs/interpret/texts.md says: its commands, its Python, its columns and its numbers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from alignbench.cli.main import main
from alignbench.interpret.texts import packaged_texts
from alignbench.results.head_texts import read_span
from documented import command_lines, pages
from extracted import write_scenes

pytestmark = pytest.mark.slow

PAGE = pages("interpret/texts.md")
COMMANDS = [
    shlex.split(line)[1:]
    for line in command_lines()
    if line.startswith("alignbench interpret textspan") and f"{line}\n" in PAGE
]


def test_documented_texts_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_scenes(tmp_path / "pictures")
    (tmp_path / "own.txt").write_text("a red circle\na blue star\nsomething striped\n")
    monkeypatch.chdir(tmp_path)
    assert main(["interpret", "decompose", "--model", "shapes-clip", "--images", "pictures"]) == 0
    store = capsys.readouterr().out.splitlines()[-1]
    assert len(COMMANDS) == 2
    for words in COMMANDS:
        assert main([store if "__heads__" in word else "4" if word == "200" else word for word in words]) == 0
        folder = Path(capsys.readouterr().out.splitlines()[-1])
        drawn = {"draws.safetensors", "drawn.csv"} if "--resamples" in words else set()
        assert {path.name for path in folder.iterdir()} == {"texts.csv", "textspan.json"} | drawn
        assert all(name in PAGE for name in drawn)
    columns = set(read_span(folder)[1].columns)
    assert columns == {name for row in re.findall(r"^\| (`[^|]+`) \|", PAGE[PAGE.index("| column |") :], re.MULTILINE)
                       for name in re.findall(r"`(\w+)`", row)}  # fmt: skip


def test_the_documented_python_gives_what_it_says() -> None:
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if "textspan(" in block]
    names: dict[str, object] = {}
    exec(code, names)
    assert names["found"].indices.tolist() == [1]  # type: ignore[attr-defined]
    assert np.allclose(names["found"].explained_variance, 1)  # type: ignore[attr-defined]


def test_the_pool_is_as_large_as_is_said() -> None:
    assert f"the packaged pool of {len(packaged_texts()):,} short descriptions" in PAGE
