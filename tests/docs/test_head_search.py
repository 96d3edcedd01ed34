"""What docs/head_search.md says: its commands, its numbers and its Python."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.interpret.searching.search import ANALYSES, COUNTS, read_search
from documented import PAGES, ROOT, command_lines

PAGE = PAGES[ROOT / "docs/head_search.md"]
DRAWING = PAGES[ROOT / "docs/head_ablations.md"]
COMMANDS = [shlex.split(line)[1:] for line in command_lines() if line.startswith("alignbench interpret search")]


@pytest.mark.slow
def test_documented_analyses_give_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", DRAWING, flags=re.DOTALL)
    exec(code, {})
    assert main(["interpret", "decompose", "--model", "shapes-clip", "--images", "pictures"]) == 0
    store = capsys.readouterr().out.splitlines()[-1]
    assert {words[2] for words in COMMANDS} == set(ANALYSES)
    for words in COMMANDS:
        assert main([store if "__heads__" in word else word for word in words]) == 0
        shown = capsys.readouterr().out
        folder = Path(shown.splitlines()[-1])
        record, table = read_search(folder)
        assert record["analysis"] == words[2]
        assert (folder / "map.png").is_file() == (words[2] in ("topic", "contrast"))
        for column in table.columns:
            assert f"`{column}`" in PAGE
        if "--count" not in words and words[2] in COUNTS:
            assert (table.groupby("heads").size() == COUNTS[words[2]]).all()
        if words == COMMANDS[0]:
            for heads, rows in table.groupby("heads"):
                (line,) = [line for line in PAGE.splitlines() if line.startswith(f"│ {heads} ")]
                found = re.findall(r"(\S+\.png) \((.*?)\)", line)
                assert [float(value) for _, value in found] == pytest.approx(rows["value"].tolist(), rel=0.02)
                assert {name for name, _ in found} == set(rows["picture"])


def test_the_documented_python_gives_what_it_says() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)
    assert names["found"].pictures.tolist() == [1, 2]  # type: ignore[attr-defined]
    assert eval("topic_map(patches, np.array([0.0, 1.0]))", names).tolist() == [0.0, 2.0]


def test_the_documented_numbers_of_neighbours_are_the_defaults() -> None:
    for analysis, count in COUNTS.items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{analysis}` |")]
        assert f"; {count} " in row
