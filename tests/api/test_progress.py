"""A bar is shown where a human looks, and nowhere else."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from types import SimpleNamespace

import pytest

import alignbench
from alignbench.api.progress import ImageBar, in_notebook, listening, somebody_looks
from alignbench.api.words import python_words
from alignbench.errors import UsageError
from alignbench.extraction import leader
from alignbench.extraction.progress import ProgressListener, RunSummary
from terminals import Terminal

SUMMARY = RunSummary("a model", "a set", images=100, pairs=70, passes=2, share=60)


@contextmanager
def on_terminal() -> Iterator[Terminal]:
    """Has stderr be a terminal."""
    with redirect_stderr(Terminal()) as terminal:
        yield terminal


def has_bar() -> bool:
    """Whether a run would show a bar now."""
    with listening(True) as listener:
        assert isinstance(listener, ImageBar) or type(listener) is ProgressListener
        return isinstance(listener, ImageBar)


def test_nothing_is_shown_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    assert not somebody_looks()
    assert not has_bar()
    alignbench.measure("shapes-clip", "shapes-low", limit=9)
    assert capfd.readouterr() == ("", "")


def test_a_bar_is_shown_on_a_terminal_and_taken_away(capfd: pytest.CaptureFixture[str]) -> None:
    with on_terminal() as terminal:
        alignbench.measure("shapes-clip", "shapes-low", limit=9)
    shown = terminal.getvalue()
    totals = set(re.findall(r"shapes-clip on shapes-low:.*?\| \d+/(\d+) \[", shown))
    assert len(totals) == 1
    assert "images/s" in shown
    for stage in ("reading the data set ...", "loading the model ...", "scoring ..."):
        assert stage in shown
    assert shown.rpartition("\r")[0].rpartition("\r")[2].strip() == "", "the last line is empty again"
    assert capfd.readouterr() == ("", ""), "and Lightning says nothing"


def test_there_is_no_bar_for_whoever_wants_none() -> None:
    with on_terminal() as terminal:
        alignbench.measure("shapes-clip", "shapes-low", limit=9, progress=False)
    assert terminal.getvalue() == ""


def test_a_listener_of_ones_own_hears_all() -> None:
    class Counting(ProgressListener):
        """How many images were announced and went through."""

        announced = done = 0

        def planned(self, outline: RunSummary) -> None:
            self.announced = outline.share * outline.passes

        def advanced(self, images: int) -> None:
            self.done += images

    heard = Counting()
    with listening(heard) as listener:
        assert listener is heard
    with on_terminal() as terminal:
        alignbench.measure("shapes-clip", "shapes-low", limit=9, progress=heard)
    assert heard.announced == heard.done > 0
    assert terminal.getvalue() == ""


def test_only_the_leading_process_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    with on_terminal():
        assert has_bar()
        monkeypatch.setattr(leader, "_led", [os.getpid()])
        assert not has_bar()
        monkeypatch.undo()
        monkeypatch.setenv("RANK", "1")
        assert not has_bar()


@pytest.mark.usefixtures("notebook")
def test_a_notebook_without_widgets_has_the_bar_of_a_terminal() -> None:
    assert in_notebook()
    assert has_bar()


def test_a_shell_of_ipython_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    for shell in (None, SimpleNamespace(config={})):
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda shell=shell: shell))
        assert not in_notebook()


def test_a_bar_counts_every_pass_and_there_is_one_for_the_whole_run() -> None:
    bar = ImageBar()
    with on_terminal() as terminal:
        bar.advanced(3)  # before anything is planned, as a plug-in may
        bar.began("model")
        assert terminal.getvalue().rpartition("\r")[2] == "loading the model ..."
        only = bar._bar
        bar.planned(SUMMARY)
        assert "a model on a set:   0%" in terminal.getvalue()
        assert "0/120 " in terminal.getvalue()
        bar.advanced(50)
        bar._bar.refresh()
        assert " 50/120 " in terminal.getvalue().rpartition("\r")[2]
        bar.finished()
        bar.began("score")
        assert terminal.getvalue().rpartition("\r")[2].rstrip() == "scoring ..."
        assert bar._bar is only
        bar.close()
        bar.close()
        assert terminal.getvalue().rpartition("\r")[0].rpartition("\r")[2].strip() == ""


def test_a_run_that_fails_takes_its_bar_away() -> None:
    def fail() -> None:
        with listening(True) as heard:
            heard.began("data")
            raise UsageError("nothing")

    with on_terminal() as terminal, pytest.raises(UsageError):
        fail()
    assert "reading the data set ..." in terminal.getvalue()
    assert terminal.getvalue().rpartition("\r")[0].rpartition("\r")[2].strip() == ""


def test_a_notice_is_a_line_in_pythons_words() -> None:
    with on_terminal() as terminal, python_words():
        ImageBar().notice("give each a --label of its own")
    assert terminal.getvalue() == "give each a `label` of its own\n"
