"""What docs/interpret/people.md says: its commands on fewer judgments, its Python, its columns, files and numbers."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from alignbench.cli.commands.interpret.align import align
from alignbench.cli.main import main
from alignbench.cli.options import read_options
from alignbench.cli.swept_commands import swept_commands
from alignbench.results.head_alignment import COLUMNS, read_head_alignment
from alignbench.results.head_differences import COLUMNS as DIFFERENCES
from alignbench.results.head_differences import read_comparison
from alignbench.sweeps import read_sweep
from alignbench.sweeps.cells import list_cells
from documented import ROOT, command_lines, pages
from random_transforms import transform

PAGE = pages("interpret/people.md", "interpret/reweighted.md")
COMMANDS = [
    shlex.split(line)[1:]
    for line in command_lines()
    if line.startswith("alignbench interpret align") and f"{line}\n" in PAGE
]
ALONE = ("--draws", "0", "--splits", "0", "--twins", "0", "--loader-workers", "0", "--wandb", "off")
FEW = ("--limit", "40", *ALONE)


def named(heading: str) -> list[str]:
    """Names in the first column of a table."""
    table = PAGE[PAGE.index(heading) :].split("\n\n")[0]
    cells = re.findall(r"^\| ([^|]+) \|", table, flags=re.MULTILINE)[1:]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.slow
def test_documented_heads_are_scored_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plain, transformed = COMMANDS
    assert main([*plain, *ALONE]) == 0
    check_shown(read_head_alignment(Path(capsys.readouterr().out.splitlines()[-1]))[0])
    transform(64).save(tmp_path / "T.safetensors")
    start = transformed[: transformed.index("--transform")]
    capsys.readouterr()
    assert main([*start, *FEW]) == 0
    before = capsys.readouterr().out.splitlines()[-1]
    folder = re.compile(r"heads/shapes-clip__align__[0-9a-f]{8}")
    assert folder.fullmatch(before)
    assert main([*(before if folder.fullmatch(word) else word for word in transformed), *FEW]) == 0
    scored, compared = map(Path, capsys.readouterr().out.splitlines()[-2:])
    assert tuple(read_comparison(compared)[1].columns) == DIFFERENCES
    assert {path.name for path in scored.iterdir()} == set(named("| file | what"))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(code, {})
    printed = capsys.readouterr().out.splitlines()
    tables = [read_head_alignment(path)[0] for path in Path("heads").glob("*__align__*")]
    best = {float(alone(table)["value"].max()) for table in tables}
    assert {float(line.split()[-1]) for line in printed} == best
    assert len(printed) == 3


def check_shown(table: pd.DataFrame) -> None:
    """The scores that the page shows, on whatever processor: one of 600 choices may fall otherwise."""
    values = table[table["measure"] == "accuracy"].set_index(["kind", "layer", "head", "way"])["value"]
    shown = re.findall(r"accuracy │ (all of it|head \d\.\d) +│ ([\d.]+) │.*?│ +([\d.]*) │$", PAGE, flags=re.MULTILINE)
    assert len(shown) == 6
    for what, score, without in shown:
        layer, head = map(int, what.removeprefix("head ").split(".")) if what != "all of it" else (0, -1)
        if head < 0:
            own = table[(table["kind"] == "all") & (table["distance"] == "centred_cosine")]
            assert own.loc[own["measure"] == "accuracy", "value"].iloc[0] == pytest.approx(float(score), abs=0.004)
            continue
        assert values["head", layer, head, "alone"] == pytest.approx(float(score), abs=0.004)
        assert values["head", layer, head, "left_out"] == pytest.approx(float(without), abs=0.004)


def alone(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[(table["kind"] == "head") & (table["way"] == "alone")]
    return rows[rows["measure"].isin(["spearman", "accuracy"])]


def test_columns_and_options_are_those_of_the_package() -> None:
    assert sorted(named("| column of `alignment.csv`")) == sorted(COLUMNS)
    own = named("| column of `differences.csv`")
    assert own == [*DIFFERENCES[-7:-4], *DIFFERENCES[-4:]]
    options = read_options(align)
    for text in named("| option | what"):
        for name in re.findall(r"--([a-z-]+)", text):
            assert name in options
    defaults = {name: parameter.default for name, parameter in inspect.signature(align).parameters.items()}
    for name in ("draws", "twins", "splits"):
        assert f"`--{name} {defaults[name]}`" in PAGE
    assert f"`--protocol {defaults['protocol']}`" in PAGE
    assert f"[default: {defaults['output']}]" in PAGE


def test_the_documented_sweep_has_six_models_on_three_levels() -> None:
    assert "alignbench sweep heads --output heads" in command_lines()
    cells = list_cells(read_sweep("heads", swept_commands()))
    assert len({cell.parameters["model"] for cell in cells}) == 6
    assert {cell.parameters["dataset"] for cell in cells} == {"tid2013", "nights", "things"}
    (command,) = re.findall(r"`command: (\[.*?\])`", PAGE)
    assert command in (ROOT / "sweeps/heads.yaml").read_text()


def test_documented_sizes_are_those_of_the_files() -> None:
    """Of ViT-L/14: 24 layers of 16 heads, 24 MLPs and the embedding, 768 numbers of each."""
    whole, test = (4 * pictures * (24 * 16 + 25) * 768 / 1e9 for pictures in (3 * 20_019, 3 * 1_824))
    assert f"pictures of NIGHTS {whole:.0f} GB" in " ".join(PAGE.split())
    assert f"the {3 * 1_824:,} pictures of its test split, and {test:.0f} GB" in " ".join(PAGE.split())
