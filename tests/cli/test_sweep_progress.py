"""Progress of a sweep, in lines and live."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from alignbench.cli.sweep_progress import Display, Lines
from sweep_folders import make_cell


def test_progress_is_told_in_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines("mine: 3 cells", 3, 1, 2)
    lines.started(0, make_cell(0), Path("a.log"))
    lines.settled(2)
    lines.finished(0, make_cell(0), 12.3)
    lines.failed(0, make_cell(1), "no data", Path("b.log"))
    for cells in (2, 2, 1):
        lines.waits(cells)
    for cells in (2, 2, 1, 0, 0):
        lines.queued(cells)
    assert capsys.readouterr().err.splitlines() == [
        "mine: 3 cells, 1 finished before; 2 at a time",
        "started: seed 0",
        "finished: seed 0, 12 s (2 of 3)",
        "failed: seed 1: no data (b.log)",
        "waiting for 2 cells that run in another process",
        "waiting for 1 cell that runs in another process",
        "2 cells in the queue of Slurm",
        "1 cell in the queue of Slurm",
    ]


def test_live_display_shows_each_worker_with_what_its_process_said_last(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    display = Display(console, "mine: 3 cells", 3, 1)

    def shown() -> str:
        with console.capture() as capture:
            console.print(display.shown)
        return capture.get()

    log = tmp_path / "a.log"
    display.started(0, make_cell(0), log)
    assert "seed 0" in shown()
    log.write_text("begun\n12.0 images/s, about 3.0 minutes to go\n\n")
    display.started(1, make_cell(1), tmp_path / "b.log")
    assert "12.0 images/s, about 3.0 minutes to go" in shown()
    assert "1/3" in shown()
    display.finished(0, make_cell(0), 12.0)
    assert "seed 0" not in shown()
    assert "1/3" in shown()
    with console.capture() as capture:
        display.failed(1, make_cell(1), "no data [really]", tmp_path / "b.log")
    assert "failed: seed 1: no data [really]" in capture.get()
    display.settled(3)
    assert "3/3" in shown()
    display.waits(1)
    assert "waiting for 1 cell" in shown()
    display.queued(2)
    assert "2 cells in the queue of Slurm" in shown()
    display.queued(0)
    assert "queue" not in shown()
