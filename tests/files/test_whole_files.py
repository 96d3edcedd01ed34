"""Files that are there whole or not at all."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from alignbench.errors import AlignbenchError
from alignbench.files import (
    check_place,
    claim_room,
    make_folder,
    open_plain,
    whole_file,
    write_safetensors,
    write_whole,
)


def test_a_file_comes_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "t.npz"
    with whole_file(path) as scratch:
        scratch.write_bytes(b"half")
        assert scratch.suffix == ".npz"  # NumPy would add one
        assert not path.exists()
    assert path.read_bytes() == b"half"
    write_whole(path, b"other")
    assert path.read_bytes() == b"other"
    assert list(path.parent.iterdir()) == [path]


def fail(path: Path, error: BaseException) -> None:
    with whole_file(path) as scratch:
        scratch.write_bytes(b"half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("no")])
def test_what_fails_leaves_the_old_one(tmp_path: Path, error: BaseException) -> None:
    write_whole(tmp_path / "f", b"old")
    with pytest.raises(type(error)):
        fail(tmp_path / "f", error)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("400 requested and 0 written"), "400 requested and 0 written"),  # so NumPy tells of a full disk
    ],
)
def test_a_full_disk_is_said_in_a_line(tmp_path: Path, error: OSError, said: str) -> None:
    with pytest.raises(AlignbenchError) as found:
        fail(tmp_path / "f", error)
    assert str(found.value) == f"{tmp_path / 'f'} cannot be written ({said}): choose another place"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_is_said_in_a_line(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"")
    with pytest.raises(AlignbenchError, match=r"file/below cannot be written"):
        write_whole(tmp_path / "file" / "below", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(AlignbenchError, match="folder cannot be written"):
        write_whole(tmp_path / "folder", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_place_that_can_be_is_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("old")
    for place in ("there.csv", "new.csv", "a/b/new.csv"):
        check_place(tmp_path / place)
    assert [path.name for path in tmp_path.rglob("*")] == ["there.csv"]
    assert (tmp_path / "there.csv").read_text() == "old"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("folder", "Is a directory"),
        ("file/a/b.csv", "file is no folder"),
        (f"new/{'x' * 300}.csv", "File name too long"),
        ("pipe", "No such device"),
        ("null", "it is no file"),
    ],
)
def test_a_place_that_cannot_be_is_known_beforehand(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to(os.devnull)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(AlignbenchError, match=f"cannot be written .*{said}.*: choose another place"):
        check_place(tmp_path / place)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
@pytest.mark.parametrize("closed", ["", "table.csv"])
def test_what_is_closed_to_us_is_known_beforehand(tmp_path: Path, closed: str) -> None:
    (tmp_path / "table.csv").write_text("old")
    (tmp_path / closed).chmod(0o500)
    with pytest.raises(AlignbenchError, match="Permission denied"):
        check_place(tmp_path / "table.csv")
    tmp_path.chmod(0o700)


def test_what_is_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/a/b"):
        with pytest.raises(NotADirectoryError, match="file is no folder"):
            make_folder(tmp_path / folder)
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_is_opened_through_links_and_what_is_none_never(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    (tmp_path / "link").symlink_to("f")
    with open_plain(tmp_path / "link") as file:
        assert file.read() == b"content"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name, kind in (("pipe", "a named pipe"), ("zero", "a device"), (".", "a folder")):
        with pytest.raises(OSError, match=re.escape(f"{kind}, where a file belongs")):
            open_plain(tmp_path / name)


# --- Room -----------------------------------------------------------------------------------------------------------


def test_claimed_room_keeps_size_and_content(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b"some" + bytes(1_000_000))
    before = path.read_bytes()
    with path.open("r+b") as file:
        claim_room(file.fileno(), len(before))
    assert path.read_bytes() == before


def test_more_than_is_free_is_refused_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed: list[int] = []
    monkeypatch.setattr(os, "posix_fallocate", lambda _, start, size: claimed.append(size), raising=False)
    free = os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize
    with (tmp_path / "rows").open("wb") as file, pytest.raises(OSError, match="No space left on device"):
        claim_room(file.fileno(), 2 * free + 1_000_000_000)
    assert claimed == []
    with (tmp_path / "rows").open("r+b") as file:
        claim_room(file.fileno(), 1_000)
    assert claimed == [1_000]


def test_room_that_is_held_already_need_not_be_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows"
    with path.open("wb") as written:  # on disk, and not of zeros, which some file systems do not keep
        written.write(os.urandom(1_000_000))
        os.fsync(written.fileno())
    full = SimpleNamespace(f_blocks=1_000, f_bavail=0, f_frsize=4_096)
    monkeypatch.setattr(os, "fstatvfs", lambda _: full)
    with path.open("r+b") as file:
        claim_room(file.fileno(), 1_000_000)
        with pytest.raises(OSError, match="No space left on device") as refused:
            claim_room(file.fileno(), 3_000_000)
        assert refused.value.strerror.endswith(": 2.0 MB needed, 0.0 kB free")


def test_arrays_come_back_from_safetensors(tmp_path: Path) -> None:
    across = np.arange(6.0).reshape(2, 3).T  # not contiguous
    write_safetensors(tmp_path / "it.safetensors", {"across": across}, {})
    assert np.array_equal(load_file(tmp_path / "it.safetensors")["across"], across)


def test_what_safetensors_cannot_write_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - in the words of the library
        write_safetensors(tmp_path, {"it": np.zeros(3)}, {})
