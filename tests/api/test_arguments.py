"""Arguments of a script are taken as Python has them, and what they cannot be is said in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.api.arguments import as_path
from alignbench.errors import UsageError


def test_a_folder_is_a_text_or_a_path_below_the_home_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path("~/runs", "output") == as_path(Path("~/runs"), "output") == tmp_path / "runs"


@pytest.mark.parametrize("given", [3, None, ["runs"]])
def test_what_is_neither_is_refused_by_the_name_of_the_argument(given: object) -> None:
    with pytest.raises(UsageError, match=r" is no folder: give `output` a text or a `pathlib.Path`$"):
        as_path(given, "output")
