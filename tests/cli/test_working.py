"""The sign that something is being done is on terminals only, and goes when it is done."""

from __future__ import annotations

import pytest

from alignbench.cli.working import working
from terminals import Terminal, stand_in


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return stand_in(monkeypatch)


def test_a_terminal_is_shown_what_is_done_until_it_is(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    with working("reading [the] runs"):
        assert "reading [the] runs" in terminal.getvalue()
        assert "0:00:0" in terminal.getvalue(), "for how long"
        print("a result")
        assert not terminal.has_wiped("reading")
    assert terminal.has_wiped("reading")
    assert capsys.readouterr().out == "a result\n", "which may go to a file"


def test_a_notice_ends_what_is_shown(terminal: Terminal) -> None:
    with working("preparing") as notice:
        notice("m is not in the local cache: downloading it")
        assert terminal.has_wiped("preparing")
        assert terminal.getvalue().endswith("m is not in the local cache: downloading it\n")


def test_elsewhere_nothing_is_shown_but_notices(capsys: pytest.CaptureFixture[str]) -> None:
    with working("loading") as notice:
        notice("downloading it")
    assert capsys.readouterr() == ("", "downloading it\n")
