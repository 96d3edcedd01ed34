"""Answers that are kept: found again, and not believed where they are damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import AlignbenchWarning
from alignbench.interpret.labelling.answers import answer_key, keep_answer, kept_answer, read_answer


def test_an_answer_is_found_by_its_whole_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path))
    key = answer_key({"model": "m", "messages": ["a"]})
    assert kept_answer(key) is None
    keep_answer(key, '{"answer": "ä"}')
    assert kept_answer(key) == '{"answer": "ä"}'
    assert answer_key({"messages": ["a"], "model": "m"}) == key
    for other in ({"model": "n", "messages": ["a"]}, {"model": "m", "messages": ["b"]}):
        assert kept_answer(answer_key(other)) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": "other", "answer": "x"}', '{"key": "k"}', '{"key": 1}'])
def test_what_is_damaged_is_no_answer(content: str, tmp_path: Path) -> None:
    (tmp_path / "it.json").write_text(content)
    assert read_answer(tmp_path / "it.json", "k") is None


def test_a_place_that_takes_nothing_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "file"))
    with pytest.warns(AlignbenchWarning, match="answers are not kept: .*choose another place by ALIGNBENCH_CACHE"):
        keep_answer("k", "x")
