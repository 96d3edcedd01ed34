"""Errors as visitors read them: no folder of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.interpret.browser.plain_errors import without_paths


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/home/ann/heads/store holds no head 9: count on", "store holds no head 9: count on"),
        ("pictures/a.png cannot be decoded", "pictures/a.png cannot be decoded"),
        ("see /srv/data/x.png, and /y/z", "see x.png, and z"),
        ("('/srv/data/x.png') is \"/a/b\"", "('x.png') is \"b\""),
        ("~/data/x is gone", "x is gone"),
        ("C:\\data\\x.png is gone", "x.png is gone"),
        ("give and/or take 3/4 at 2 x 2", "give and/or take 3/4 at 2 x 2"),
        ("name it with --images", "name it with --images"),
    ],
)
def test_of_a_path_its_last_name_is_left(text: str, said: str) -> None:
    assert without_paths(text) == said


def test_known_folders_may_have_blanks_and_be_spelt_in_several_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my own; heads, (all)"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    relative = Path("my own; heads, (all)")
    for spelt in (folder, relative, relative.absolute()):
        assert without_paths(f"{spelt}/a.png is gone", [relative]) == "my own; heads, (all)/a.png is gone"


def test_an_error_has_an_end() -> None:
    assert len(without_paths("x" * 10_000)) == 500
