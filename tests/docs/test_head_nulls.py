"""What docs/interpret/nulls.md says of nulls: its command, its Python, its columns and its numbers."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.interpret.cumulative import Halvings
from alignbench.interpret.nulls.chance import beyond_chance
from alignbench.results.head_alignment import CUMULATIVE_COLUMNS, NULLS, PLACE
from documented import command_lines, pages
from head_folders import write_head_folder

PAGE = pages("interpret/nulls.md", "interpret/how_many_heads.md")


def test_the_page_of_heads_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_head_folder(tmp_path / "heads")
    monkeypatch.chdir(tmp_path)
    (command,) = [line for line in command_lines() if line.startswith("alignbench report heads")]
    assert main(shlex.split(command)[1:]) == 0
    assert "my/clip" in (tmp_path / "heads.html").read_text()


def test_the_documented_python_gives_what_it_says() -> None:
    (code,) = [
        block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if "beyond_chance(" in block
    ]
    names: dict[str, object] = {}
    exec(code, names)
    assert (names["p"] < 0.05).tolist() == [False, True, False]  # type: ignore[operator]


def test_columns_and_numbers_are_those_of_the_package() -> None:
    described = PAGE[: PAGE.index("## Weights")]
    first = re.findall(r"^\| (`[^|]+`) \|", described, flags=re.MULTILINE)
    named = [name for cell in first for name in re.findall(r"`(\w+)`", cell)]
    assert named == [*NULLS, *CUMULATIVE_COLUMNS[len(PLACE) :]]
    assert f"{inspect.signature(beyond_chance).parameters['draws'].default} permutations" in PAGE
    assert f"up to {Halvings().most} is" in PAGE
    assert f"{Halvings().splits} random halves" in PAGE
