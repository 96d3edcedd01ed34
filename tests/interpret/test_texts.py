"""Texts: the packaged pool and its making, and files that others write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alignbench.errors import DataError
from alignbench.interpret.texts import packaged_texts, read_texts, texts_digest
from documented import ROOT
from make_texts import article, lines


def test_the_pool_is_what_its_tool_makes() -> None:
    texts = packaged_texts()
    assert list(texts) == lines()
    assert len(set(texts)) == len(texts) >= 3000
    assert all(text.isascii() and text == text.strip() and 0 < len(text) < 80 for text in texts)
    assert read_texts(ROOT / "alignbench/assets/texts.txt") == texts


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a owl", "an owl"),
        ("a photo of a umbrella", "a photo of an umbrella"),
        ("a red owl", "a red owl"),
        ("a one-way street", "a one-way street"),
        ("something a", "something a"),
    ],
)
def test_articles(line: str, said: str) -> None:
    assert article(line) == said


@pytest.mark.parametrize(
    "content", [b"a dog\na cat\n", b"a dog\r\na cat", b"\xef\xbb\xbf a dog \na cat\t\n"], ids=["plain", "dos", "mark"]
)
def test_texts_are_read_a_line_each(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    assert read_texts(path) == ("a dog", "a cat")
    path.write_text("寿司\nein Bär\n", encoding="utf-8")
    assert read_texts(path) == ("寿司", "ein Bär")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "are empty: give a text a line"),
        (b"\n", "line 1 of .* is empty: leave it out"),
        (b"a dog\n\na cat\n", "line 2 of .* is empty"),
        (b"a dog\na cat\n  \n", "line 3 of .* is empty"),
        (b"a dog\na cat\n a dog\n", r"lines 1 and 3 of .* are the same \(a dog\): leave one out"),
        ("a dog\nein Bär\n".encode("latin-1"), r"are not UTF-8 \(line 2\): save the file as UTF-8"),
        ("a dog\n".encode("utf-16"), r"are not UTF-8 \(line 1\)"),
        (b"a dog\na \x00 cat\n", r"line 2 of .* is no text: it has control characters"),
        (b"a" * 20_000, "line 1 of .* is longer than any text"),
    ],
)
def test_other_files_are_refused_by_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_texts(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("nowhere", "No such file"), ("pipe", "a named pipe"), (".", "a folder")):
        with pytest.raises(DataError, match=f"cannot be read .*{said}"):
            read_texts(tmp_path / name)


def test_the_digest_is_of_texts_and_order() -> None:
    assert len({texts_digest(each) for each in (("a", "b"), ("b", "a"), ("a b",), ("a",))}) == 4
    assert texts_digest(["a", "b"]) == texts_digest(("a", "b"))
