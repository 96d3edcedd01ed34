"""What is shown of work under way: signs and bars on a terminal, and one line or nothing elsewhere."""

from __future__ import annotations

import pytest

from alignbench.cli.progress import ConsoleListener, ImageProgress, LearningProgress
from alignbench.extraction.progress import RunSummary
from terminals import Terminal, stand_in


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return stand_in(monkeypatch)


def test_the_stages_of_a_run_are_shown_one_after_the_other(terminal: Terminal) -> None:
    listener, outline = ConsoleListener(), RunSummary("m", "nights", 8, 4, share=8)
    for stage, text in (("data", "reading the data set"), ("model", "loading the model"), ("score", "scoring")):
        listener.began(stage)
        assert text in terminal.getvalue()
        listener.ended()
        assert terminal.has_wiped(text)
    listener.began("extract")
    listener.planned(outline)
    assert terminal.has_wiped("preparing the pictures")
    assert "m on nights: 8 images, 4 pairs, 1 layer, 1 pass, cpu\n" in terminal.getvalue()
    listener.advanced(8)
    listener.finished()
    listener.ended()
    assert "8/8" in terminal.getvalue()
    assert terminal.has_wiped("embedding")


def test_the_stages_are_silent_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    listener = ConsoleListener()
    for stage in ("launch", "data", "model"):
        listener.began(stage)
        listener.ended()
    assert capsys.readouterr() == ("", "")


def test_after_the_last_picture_it_is_shown_that_there_is_more_to_do(terminal: Terminal) -> None:
    with LearningProgress() as listener:
        listener.planned("8 images, 2 layers, cpu", 8)
        listener.embedded(4)
        assert "computing" not in terminal.getvalue()
        listener.embedded(4)
        assert terminal.has_wiped("embedding")
        assert "computing" in terminal.getvalue()
        listener.learning("learning global")
    assert terminal.has_wiped("computing")


def test_a_log_hears_once_how_long_it_will_take(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 10.0, 11.0])
    monkeypatch.setattr("alignbench.cli.progress.time.monotonic", lambda: next(clock))
    images = ImageProgress()
    images.started(400)
    for _ in range(3):
        images.advanced(50)
    assert capsys.readouterr().err == "10.0 images/s, about 0.5 minutes to go\n"
