"""The cells of a sweep file: known by what they run, named by what varies, each with a log of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from alignbench.sweeps import read_sweep
from alignbench.sweeps.cells import SweepCell, list_cells
from sweep_files import COMMANDS, FOLDER, sweep_file, sweep_text
from sweep_folders import make_cell


def listed(folder: Path, parameters: dict[str, Any], **changes: Any) -> tuple[SweepCell, ...]:
    """The cells of a good file with these parameters beside 45 judgments of `shapes-low`."""
    usual = {"dataset": {"value": "shapes-low"}, "limit": {"value": 45}}
    return list_cells(read_sweep(sweep_file(folder, sweep_text(parameters=usual | parameters, **changes)), COMMANDS))


def test_cells_are_known_by_what_they_run_and_named_by_what_varies(tmp_path: Path) -> None:
    cells = list_cells(read_sweep(FOLDER / "distance.yaml", COMMANDS))
    first, second = cells[:2]
    assert first.arguments == (
        *("--dataset=tid2013", "--distance=normalized_euclidean", "--model=openai/clip-vit-base-patch16"),
    )
    assert first.name == "tid2013, distance normalized_euclidean"
    assert second.name == "tid2013, distance euclidean"
    assert first.log == f"tid2013-distance-normalized_euclidean-{first.key}.log"
    assert len({cell.key for cell in cells}) == 9
    (_, clip) = listed(tmp_path, {"model": {"values": ["pixels", "random:shapes-clip"]}})
    assert clip.name == "random:shapes-clip"
    assert clip.log == f"random-shapes-clip-{clip.key}.log"
    pixels = {"model": {"value": "pixels"}}
    (changed,) = listed(tmp_path, pixels, command=["alignbench", "run", "--precision=bf16", "${args}"])
    assert changed.name == "pixels, shapes-low, limit 45"
    (plain,) = listed(tmp_path, pixels)
    assert plain.parameters == changed.parameters
    assert plain.key != changed.key


def test_cells_that_score_heads_are_others_than_runs(tmp_path: Path) -> None:
    model = {"model": {"value": "shapes-clip"}}
    (run,) = listed(tmp_path, model)
    (heads,) = listed(tmp_path, model, command=["alignbench", "interpret", "align", "${args}"])
    assert (run.runs, heads.runs) == ("run", "interpret align")
    assert run.arguments == heads.arguments
    assert run.key != heads.key
    words = '["interpret align", "--dataset=shapes-low", "--limit=45", "--model=shapes-clip"]'
    assert heads.key == hashlib.sha256(words.encode()).hexdigest()[:12]


def test_values_that_give_one_command_line_are_one_cell(tmp_path: Path) -> None:
    cells = listed(tmp_path, {"model": {"value": "shapes-clip"}, "feature-memory": {"values": [16, "16", 8]}})
    assert [cell.name for cell in cells] == ["feature-memory 16", "feature-memory 8"]


def test_a_key_is_the_same_in_every_version() -> None:
    """By it a ledger of before is understood: SHA-256 of `["--model=pixels", "--seed=0"]`, by another program."""
    assert make_cell(0).key == "7d83377da701"


def test_the_name_of_a_log_fits_a_file_system(tmp_path: Path) -> None:
    for letter in ("a", "\u00e4", "\u6a21", "\U0001f9e0", "/"):
        cell = SweepCell({}, (f"--model={letter * 300}",), letter * 300)
        (tmp_path / cell.log).touch()
        assert cell.log.endswith(f"-{cell.key}.log")
    assert len(list(tmp_path.iterdir())) == 5
