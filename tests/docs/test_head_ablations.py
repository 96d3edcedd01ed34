"""What docs/interpret/ablations.md says: its pictures, commands, numbers, columns and the published values."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.results.head_ablations import COLUMNS, read_ablation
from documented import command_lines, draw_documented_pictures, pages

PAGE = pages("interpret/ablations.md", "interpret/worst_groups.md")
COMMANDS = [shlex.split(line)[1:] for line in command_lines() if line.startswith("alignbench interpret ablate")]


def _numbers(line: str) -> list[float]:
    return [float(number) for number in re.findall(r"[+-]?\d\.\d{3}", line)]


@pytest.mark.slow
def test_documented_ablations_give_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_documented_pictures()
    names = [path.relative_to("pictures") for path in Path("pictures").rglob("*.png")]
    rows = [f"{name},{name.parts[0]},{name.parts[1]}" for name in names]
    Path("metadata.csv").write_text("\n".join(["img_filename,y,place", *rows]) + "\n")
    Path("classes.csv").write_text("class,text\nstar,a star\nsquare,a square\nring,a ring\nring,some rings\n")
    assert main(["interpret", "decompose", "--model", "shapes-clip", "--images", "pictures"]) == 0
    store = capsys.readouterr().out.splitlines()[-1]
    assert len(COMMANDS) == 3
    told = ""
    for words in COMMANDS:
        assert main([store if "__heads__" in word else word for word in words]) == 0
        shown = capsys.readouterr()
        assert "240 images of 3 classes, 3 classes in texts" in shown.err
        table = read_ablation(Path(shown.out.splitlines()[-1]))[1]
        assert tuple(table.columns) == COLUMNS
        told += shown.out
    lines = {tuple(cell.strip() for cell in line.split("│")[1:4]): line for line in told.splitlines() if "│" in line}
    documented = [line for line in PAGE.splitlines() if line.startswith("│")]
    assert len(documented) == 11
    for line in documented:
        ablated, way, score = (cell.strip() for cell in line.split("│")[1:4])
        assert (ablated, way, score) in lines
        assert _numbers(lines[ablated, way, score]) == pytest.approx(_numbers(line), abs=0.03)


def test_the_documented_columns_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", PAGE[PAGE.index("| column |") :], re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(COLUMNS)
