"""A terminal in memory, and what is still to be seen on it."""

from __future__ import annotations

import io

import pytest
import rich.console

Console = rich.console.Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def has_wiped(self, text: str) -> bool:
        """Whether the last line that was drawn with a text has been wiped out again: `CSI 2K` clears a line."""
        return "\x1b[2K" in self.getvalue().rpartition(text)[2]


def stand_in(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal in the place of stderr, for signs, bars and lines."""
    shown = Terminal()
    for module in ("rich.console", "alignbench.cli.progress"):
        monkeypatch.setattr(f"{module}.Console", lambda **_: Console(file=shown, force_terminal=True, width=100))
    for module in ("working", "progress"):
        monkeypatch.setattr(f"alignbench.cli.{module}.print_status", lambda text: print(text, file=shown))
    return shown
