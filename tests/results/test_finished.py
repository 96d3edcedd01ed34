"""Folders that no run has finished are refused in a line that says what can be done."""

from pathlib import Path

import pytest

from alignbench.errors import DataError
from alignbench.results.finished import check_finished, read_bytes, unreadable


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("curve.csv",), "holds no finished run: measure it again"),
        (("other.txt",), "holds no finished run: name a folder that `alignbench run` made"),
        ((), "holds no finished run: name a folder"),
        (None, "is not there: name a folder"),
    ],
)
def test_what_no_run_has_finished_is_refused(tmp_path: Path, files: tuple[str, ...] | None, words: str) -> None:
    folder = tmp_path / "run"
    if files is not None:
        folder.mkdir()
        for name in files:
            (folder / name).touch()
    with pytest.raises(DataError) as caught:
        check_finished(folder)
    assert str(caught.value).startswith(f"{folder} {words}")


def test_a_finished_run_passes(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    check_finished(tmp_path)
    assert read_bytes(tmp_path / "run.json") == b"{}"


def test_what_may_not_be_read_need_not_be_made_again(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    denied = str(unreadable(path, PermissionError(13, "Permission denied")))
    assert denied == f"{path} cannot be read (Permission denied): ask its owner to make it readable"
    assert str(unreadable(path, ValueError("it is odd"), "used")) == (
        f"{path} cannot be used (it is odd): measure it again with --overwrite"
    )
