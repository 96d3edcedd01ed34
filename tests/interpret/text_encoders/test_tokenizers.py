"""Files of tokenizers: which are enough, what they may not want, and where they come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from alignbench.errors import ModelError
from alignbench.interpret.text_encoders import tokenizers
from alignbench.interpret.text_encoders.tokenizers import (
    downloaded_tokenizer,
    has_tokenizer,
    read_tokenizer,
    tokenizer_digest,
)


@pytest.mark.parametrize(
    ("files", "enough"),
    [
        (("tokenizer.json",), True),
        (("vocab.txt", "config.json"), True),
        (("vocab.json", "merges.txt"), True),
        (("vocab.json",), False),
        (("merges.txt", "tokenizer_config.json"), False),
        (("spiece.model",), True),
        ((), False),
    ],
)
def test_an_empty_tokenizer_is_never_made(files: tuple[str, ...], enough: bool, tmp_path: Path) -> None:
    for file in files:
        (tmp_path / file).write_text("{}")
    assert has_tokenizer(tmp_path) == enough
    if enough:
        assert read_tokenizer("m", tmp_path, lambda: 7) == 7
    else:
        with pytest.raises(ModelError, match="m has a text tower and no tokenizer"):
            read_tokenizer("m", tmp_path, lambda: 7)


def test_no_pipe_is_waited_for_and_errors_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a")
    os.mkfifo(tmp_path / "tokenizer.json")
    with pytest.raises(ModelError, match=r"tokenizer.json cannot be read \(a named pipe"):
        read_tokenizer("m", tmp_path, lambda: 7)
    with pytest.raises(ModelError, match=r"tokenizer.json cannot be read \(a named pipe"):
        tokenizer_digest(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"the tokenizer of m cannot be read \(invalid literal .*\): download"):
        read_tokenizer("m", tmp_path, lambda: int("seven"))


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("a")
    first = tokenizer_digest(tmp_path)
    (tmp_path / "weights.bin").write_text("no part of it")
    assert tokenizer_digest(tmp_path) == first
    (tmp_path / "vocab.txt").write_text("b")
    second = tokenizer_digest(tmp_path)
    (tmp_path / "vocab.txt").rename(tmp_path / "merges.txt")
    assert len({first, second, tokenizer_digest(tmp_path)}) == 3


def test_the_cache_is_asked_before_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any, bool]] = []

    def snapshot(repository: str, revision: str | None, allow_patterns: Any, local_files_only: bool = False) -> str:
        asked.append((repository, revision, local_files_only))
        if local_files_only:
            return str(tmp_path)
        raise LocalEntryNotFoundError("there is no network")

    monkeypatch.setattr(tokenizers, "snapshot_download", snapshot)
    with pytest.raises(
        ModelError, match=r"the tokenizer of m \(some/body\) is not in the local cache .* \(there is no network\)"
    ):
        downloaded_tokenizer("m", "some/body", "abc")
    assert asked == [("some/body", "abc", True), ("some/body", "abc", False)]
    (tmp_path / "tokenizer.json").write_text("{}")
    assert downloaded_tokenizer("m", "some/body") == tmp_path
    assert asked[2:] == [("some/body", None, True)]
