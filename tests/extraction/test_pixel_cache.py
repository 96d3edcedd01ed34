"""The directory of the pixel cache: what is kept there, where it may be, and how large it becomes."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.datasets import DATASETS
from alignbench.errors import AlignbenchWarning, UsageError
from alignbench.extraction import cached_pixels
from alignbench.extraction.cached_pixels import CachedPixels, entry_bytes
from alignbench.extraction.pixel_cache import PixelCache, Stock
from alignbench.models.preparation import Sized
from cached_pictures import (
    ENTRY,
    PLENTY,
    SIDE,
    SIZES,
    CountedFiles,
    cache_at,
    files_in,
    plainly,
    read_all,
    same,
    stock_of,
)
from patience import PATIENCE


def test_what_is_not_known_to_stay_the_same_is_not_kept(place: Path, pictures: CountedFiles) -> None:
    cache = cache_at(place)
    drawn = DATASETS.load("shapes-low").read(None, ("test",)).images
    assert cache.stock(drawn, Sized(SIDE)) is None
    assert cache.stock(pictures, Sized(None)) is None
    assert cache.stock(pictures, lambda image: Sized(SIDE)(image)) is None  # a plug-in's, without a recipe
    assert cache.stock(pictures, Sized(SIDE)) is not None


# --- Directories that cannot be written to --------------------------------------------------------------------------


@pytest.fixture(params=[errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def refusing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Writing fails: as a file is made, or, where the disk is full, after half of it. Gives the names tried."""
    number, tried = request.param, list[str]()
    whole = open

    class Half:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Half:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, data: Any) -> None:
            self.file.write(bytes(data)[:8])
            raise OSError(number, os.strerror(number))

    def opened(name: str, mode: str) -> Any:
        if mode == "rb":
            return whole(name, mode)
        tried.append(name)
        if number in (errno.EROFS, errno.EACCES):
            raise OSError(number, os.strerror(number), name)
        os.makedirs(os.path.dirname(name), exist_ok=True)
        return Half(whole(name, mode))

    monkeypatch.setattr(cached_pixels, "open", opened, raising=False)
    yield tried
    assert tried


def test_without_room_pictures_are_decoded_and_one_line_says_why(
    place: Path, pictures: CountedFiles, refusing: list[str]
) -> None:
    stock = stock_of(place, pictures)
    assert same(read_all(stock), plainly(pictures))
    assert len(refusing) == 1  # it is not tried again
    with pytest.warns(AlignbenchWarning) as said:
        assert cache_at(place).finish(stock) == len(SIZES)
    [line] = {str(warning.message) for warning in said}
    assert line.startswith(f"8 of 8 pictures are not in the pixel cache {place} (")
    reasons = {os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)}
    assert any(f"({reason})" in line for reason in reasons)
    assert "--pixel-cache" in line
    assert not files_in(place)


def _read_within(pixels: CachedPixels, limit: int, results: Any) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    results.put([pixels(index).sum().item() for index in range(len(SIZES))])


def test_a_process_that_the_system_lets_write_no_more_leaves_nothing_half_written(
    place: Path, pictures: CountedFiles
) -> None:
    stock = stock_of(place, pictures)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    process = context.Process(target=_read_within, args=(stock.pixels, ENTRY // 2, results))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0
    assert results.get() == [pixels.sum().item() for pixels in plainly(pictures)]
    assert not files_in(place)
    with pytest.warns(AlignbenchWarning, match=r"^8 of 8 pictures are not in the pixel cache .*--pixel-cache$"):
        cache_at(place).finish(stock)


def test_what_is_there_can_be_read_where_nothing_can_be_written(
    place: Path, pictures: CountedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_all(stock_of(place, pictures))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("utime", "replace", "unlink"):
        monkeypatch.setattr(os, name, refuse)
    stock = stock_of(place, pictures, size=10 * ENTRY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(read_all(stock), plainly(pictures))
        assert cache_at(place, ENTRY).finish(stock) == 0
    assert stock.there == len(SIZES)


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_directory_that_cannot_be_is_refused_if_it_was_asked_for(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UsageError, match=r"^the pixel cache \S+ (is a file|cannot be made .*): choose another"
    ) as error:
        PixelCache.open(tmp_path / "file" / below, PLENTY)
    assert "\n" not in str(error.value)


def test_a_default_directory_that_cannot_be_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pixels").write_text("")
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path))
    with pytest.warns(AlignbenchWarning, match=rf"^the pixel cache {tmp_path}/pixels is a file, .*--pixel-cache DIR$"):
        assert PixelCache.open(None, PLENTY) is None


def test_where_the_default_directory_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def directory() -> Path:
        cache = PixelCache.open(None, PLENTY)
        assert cache is not None
        return cache.directory

    for name in ("ALIGNBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert directory() == tmp_path / "home" / ".cache" / "alignbench" / "pixels"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert directory() == tmp_path / "xdg" / "alignbench" / "pixels"
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "own"))
    assert directory() == tmp_path / "own" / "pixels"
    assert directory().is_dir()
    assert PixelCache.open("off", PLENTY) is None


# --- Size -----------------------------------------------------------------------------------------------------------


def aged(paths: list[Path], seconds: float) -> list[Path]:
    """Entries, last used so long ago."""
    for path in paths:
        os.utime(path, (time.time() - seconds,) * 2)
    return paths


def test_room_is_made_from_what_was_used_longest_ago(place: Path, pictures: CountedFiles) -> None:
    first, second = CountedFiles(pictures.root, pictures.names[:4]), CountedFiles(pictures.root, pictures.names[4:])
    read_all(stock_of(place, first))
    of_first = aged(files_in(place), 2000)
    read_all(stock_of(place, second))
    of_second = aged([path for path in files_in(place) if path not in of_first], 1000)
    assert stock_of(place, first, size=8 * ENTRY).there == 4  # used again, just now; nothing has to go yet
    assert files_in(place) == sorted(of_first + of_second)
    smaller = entry_bytes((3, SIDE // 2, SIDE // 2))
    size = 4 * ENTRY + 4 * smaller
    stock = stock_of(place, first, Sized(SIDE // 2), size=size)
    assert files_in(place) == of_first
    read_all(stock)
    assert cache_at(place, size).finish(stock) == 0
    assert sum(path.stat().st_size for path in files_in(place)) == size


def test_room_is_made_from_the_oldest_only(place: Path, pictures: CountedFiles) -> None:
    read_all(stock_of(place, pictures))
    ages = {path: age for age, path in enumerate(files_in(place), start=100)}
    for path, age in ages.items():
        aged([path], age)
    cache_at(place, 5 * ENTRY + ENTRY // 2).finish(Stock(stock_of(place, pictures, Sized(9)).pixels, np.empty(0, int)))
    assert files_in(place) == [path for path, age in ages.items() if age < 105]


def test_more_pictures_than_the_cache_may_take_are_kept_in_part(place: Path, pictures: CountedFiles) -> None:
    size = 3 * ENTRY + 100
    for opened in (8, 8 + 5):
        with pytest.warns(AlignbenchWarning) as said:
            stock = stock_of(place, pictures, size=size)
        [line] = [str(warning.message) for warning in said]
        assert line == "the pixel cache holds 3 of these 8 pictures: raise --pixel-cache-size to 0.0GB for all"
        assert same(read_all(stock), plainly(pictures))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nothing else is amiss
            assert cache_at(place, size).finish(stock) == 0
        assert len(files_in(place)) == 3
        assert sum(pictures.opened.values()) == opened
    assert {index for index, count in pictures.opened.items() if count == 1} == {0, 1, 2}


def test_a_smaller_size_holds_at_the_end_of_the_next_run(place: Path, pictures: CountedFiles) -> None:
    read_all(stock_of(place, pictures))
    aged(files_in(place), 100)
    with pytest.warns(AlignbenchWarning, match="holds 2 of these 8"):
        stock = stock_of(place, pictures, size=2 * ENTRY)
    cache_at(place, 2 * ENTRY).finish(stock)
    assert len(files_in(place)) == 2
    with pytest.warns(AlignbenchWarning, match="holds 2 of these 8"):
        assert stock_of(place, pictures, size=2 * ENTRY).missing.tolist() == list(range(2, 8))


def test_nothing_but_entries_is_ever_removed(pictures: CountedFiles) -> None:
    place = pictures.root
    others = {path: path.read_bytes() for path in files_in(place)}
    for name in (
        *("0123456789abcdef/ab/notes.txt", f"0123456789abcdef/notes/{'0' * 64}", f"objects/ab/{'0' * 64}", "0" * 64),
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"mine" * ENTRY)
        others[place / name] = b"mine" * ENTRY
    stock = stock_of(place, pictures)
    read_all(stock)
    assert len(files_in(place)) == len(SIZES) + len(others)
    cache_at(place, 0).finish(stock)
    assert {path: path.read_bytes() for path in files_in(place)} == others


def test_files_that_vanish_meanwhile_do_not_matter(
    place: Path, pictures: CountedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = stock_of(place, pictures)
    read_all(stock)
    paths = aged(files_in(place), 1000)
    remove, gone = os.unlink, list[str]()

    def after_another(path: str) -> None:
        remove(path)
        gone.append(path)
        raise FileNotFoundError(path)  # as if another process had been faster

    monkeypatch.setattr(os, "unlink", after_another)
    cache_at(place, 6 * ENTRY).finish(Stock(stock.pixels, stock.missing[:0]))
    assert set(gone) <= set(map(str, paths))
    monkeypatch.undo()
    with pytest.warns(
        AlignbenchWarning, match=rf"^8 of 8 pictures .*{place} \(the disk was full for a while, or other"
    ):
        cache_at(place, 0).finish(stock)
    assert not files_in(place)


def test_what_was_left_half_written_is_removed_once_it_is_old(place: Path, pictures: CountedFiles) -> None:
    stock = stock_of(place, pictures)
    read_all(stock)
    folder = files_in(place)[0].parent
    old, young = folder / ".0123-host-1-1.tmp", folder / ".0123-host-2-2.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    assert cache_at(place).finish(stock) == 0
    assert not old.exists()
    assert young.exists()
    assert len(files_in(place)) == len(SIZES) + 1
