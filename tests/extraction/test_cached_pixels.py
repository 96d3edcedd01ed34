"""Cached pixels are those that decoding gives, whatever happens to the pictures or to the entries."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from alignbench.datasets.images import FileImages
from alignbench.errors import DataError
from alignbench.extraction.cached_pixels import CachedPixels
from alignbench.extraction.loader import OrderedImages, stack
from alignbench.models.families import preparation
from alignbench.models.preparation import Sized
from cached_pictures import (
    ENTRY,
    SIDE,
    SIZES,
    CountedFiles,
    Prepare,
    files_in,
    plainly,
    read_all,
    same,
    stock_of,
    write_open_clip,
)
from folders import Folders
from patience import PATIENCE

BIOMEDCLIP = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"


# --- Pixels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["clip", "chinese_clip", "siglip", "open_clip", "longest", "sized"])
def test_pixels_are_those_of_the_uncached_path_bit_for_bit(
    tiny_tower: Folders, tmp_path: Path, place: Path, pictures: CountedFiles, kind: str
) -> None:
    if kind == "sized":
        prepare: Prepare = Sized(SIDE)
    elif kind in ("open_clip", "longest"):
        mode = {"resize_mode": "longest", "fill_color": 90} if kind == "longest" else {}
        prepare = preparation(write_open_clip(tmp_path / kind, **mode))
    else:
        prepare = preparation(str(tiny_tower(kind)))
    expected = plainly(pictures, prepare)
    assert same(read_all(stock_of(place, pictures, prepare)), expected)
    assert pictures.opened == dict.fromkeys(range(len(SIZES)), 1)
    again = read_all(stock_of(place, pictures, prepare))
    assert same(again, expected)
    assert {(pixels.dtype, tuple(pixels.shape)) for pixels in again} == {(torch.uint8, (3, SIDE, SIDE))}
    assert pictures.opened == dict.fromkeys(range(len(SIZES)), 1)
    assert len(files_in(place)) == len(SIZES)


def test_what_is_read_may_be_written_to(place: Path, pictures: CountedFiles) -> None:
    read_all(stock_of(place, pictures))
    stock = stock_of(place, pictures)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns of memory that may not be written to
        stock.pixels(0).zero_()
    assert same(read_all(stock), plainly(pictures))


def test_four_clip_models_at_224_pixels_decode_each_picture_once(place: Path, pictures: CountedFiles) -> None:
    square_or_even = CountedFiles(pictures.root, tuple(pictures.names[i] for i in (2, 4, 7)))
    for size, name in zip([(32, 32), (64, 64), (120, 90)], square_or_even.names, strict=True):
        assert Image.open(pictures.root / name).size == size
    patches = ("base-patch32", "base-patch16", "large-patch14")
    for model in (*(f"openai/clip-vit-{patch}" for patch in patches), BIOMEDCLIP):
        prepare = preparation(model)
        assert same(read_all(stock_of(place, square_or_even, prepare)), plainly(square_or_even, prepare))
        assert square_or_even.opened == dict.fromkeys(range(3), 1)


def test_processes_of_the_loader_fill_the_cache_and_read_from_it(place: Path, pictures: CountedFiles) -> None:
    order = np.array([5, 0, 7, 2, 1, 3])
    expected = [plainly(pictures)[index] for index in order]
    for there in (0, len(order)):
        stock = stock_of(place, pictures)
        assert stock.there == there
        dataset = OrderedImages(pictures, order, Sized(SIDE), stock.pixels)
        batches: Any = list(DataLoader(dataset, 3, num_workers=2, collate_fn=stack))
        assert torch.equal(torch.cat([pixels for pixels, _ in batches]), torch.stack(expected))
        assert torch.cat([indices for _, indices in batches]).tolist() == order.tolist()
    assert len(files_in(place)) == len(order)
    assert not pictures.opened  # here, that is


def test_a_reader_travels_to_other_processes(place: Path, pictures: CountedFiles) -> None:
    stock = stock_of(place, pictures)
    expected = read_all(stock)
    travelled: CachedPixels = pickle.loads(pickle.dumps(stock.pixels))
    (pictures.root / pictures.names[0]).touch()  # not to be found under its old name
    assert torch.equal(travelled(3), expected[3])
    assert torch.equal(travelled(0), expected[0])
    assert len(files_in(place)) == len(SIZES) + 1


# --- Keys -----------------------------------------------------------------------------------------------------------


def test_two_libraries_that_place_a_square_differently_share_the_rest_only(
    tiny_tower: Folders, tmp_path: Path, place: Path, pictures: CountedFiles
) -> None:
    both = [preparation(str(tiny_tower("clip"))), preparation(write_open_clip(tmp_path / "open_clip"))]
    expected = [plainly(pictures, prepare) for prepare in both]
    assert [torch.equal(a, b) for a, b in zip(*expected, strict=True)].index(False) == 6  # 35 pixels over 32
    for prepare, own in zip(both, expected, strict=True):
        for _ in range(2):
            assert same(read_all(stock_of(place, pictures, prepare)), own)
    over = [int(SIDE * max(size) / min(size)) - SIDE for size in SIZES]
    assert [pictures.opened[index] for index in range(len(SIZES))] == [1 + number % 2 for number in over]


def other_content(path: Path) -> None:
    state = path.stat()
    path.write_bytes(path.read_bytes() + b"\0")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def other_time(path: Path) -> None:
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))


@pytest.mark.parametrize("change", [other_content, other_time])
def test_a_file_that_changed_is_decoded_again(
    place: Path, pictures: CountedFiles, change: Callable[[Path], None]
) -> None:
    read_all(stock_of(place, pictures))
    change(pictures.root / pictures.names[6])
    stock = stock_of(place, pictures)
    assert stock.missing.tolist() == [6]
    assert same(read_all(stock), plainly(pictures))
    assert pictures.opened == dict.fromkeys(range(len(SIZES)), 1) | {6: 2}


def test_another_path_or_recipe_or_kind_of_source_is_another_entry(place: Path, pictures: CountedFiles) -> None:
    read_all(stock_of(place, pictures))
    moved = CountedFiles(pictures.root.rename(pictures.root.with_name("moved")), pictures.names)
    assert stock_of(place, moved).there == 0
    read_all(stock_of(place, moved))
    assert stock_of(place, moved, Sized(33)).there == 0
    assert stock_of(place, FileImages(moved.root, moved.names)).there == 0  # it may decode otherwise
    assert stock_of(place, moved).there == len(SIZES)


def test_a_library_that_makes_other_pixels_finds_nothing(place: Path, pictures: CountedFiles) -> None:
    @dataclass(frozen=True)
    class Newer:
        """The same recipe in words, and a pixel that differs."""

        recipe = Sized(SIDE).recipe

        def __call__(self, image: Image.Image) -> Tensor:
            pixels = Sized(SIDE)(image).clone()
            pixels[0, 0, 0] ^= 1
            return pixels

    read_all(stock_of(place, pictures))
    stock = stock_of(place, pictures, Newer())
    assert stock.there == 0
    assert same(read_all(stock), plainly(pictures, Newer()))


def test_a_relative_root_is_the_same_place(
    place: Path, pictures: CountedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_all(stock_of(place, pictures))
    monkeypatch.chdir(pictures.root.parent)
    assert stock_of(place, CountedFiles(Path(pictures.root.name), pictures.names)).there == len(SIZES)


def test_a_file_that_changes_while_it_is_read_is_not_kept(place: Path, pictures: CountedFiles) -> None:
    class Changing(CountedFiles):
        def open(self, index: int) -> Image.Image:
            image = super().open(index)
            if index == 3:
                (self.root / self.names[index]).touch()
            return image

    images = Changing(pictures.root, pictures.names)
    assert same(read_all(stock_of(place, images)), plainly(pictures))
    assert stock_of(place, images).missing.tolist() == [3]
    assert len(files_in(place)) == len(SIZES) - 1


def test_a_damaged_picture_is_never_kept(place: Path, pictures: CountedFiles) -> None:
    path = pictures.root / pictures.names[2]
    path.write_bytes(path.read_bytes()[:-40])
    stock = stock_of(place, pictures)
    for _ in range(2):
        with pytest.raises(DataError, match=f"{pictures.names[2]} cannot be decoded"):
            stock.pixels(2)
    path.unlink()
    with pytest.raises(DataError, match=f"{pictures.names[2]} cannot be decoded"):
        stock.pixels(2)
    assert not files_in(place)


def test_what_an_older_version_left_is_decoded_and_checked_again(
    place: Path, pictures: CountedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr("alignbench.extraction.cached_pixels._MAGIC", b"abpixel1")
        read_all(stock_of(place, pictures))
        assert stock_of(place, pictures).there == len(SIZES)
    assert stock_of(place, pictures).there == 0


# --- Entries --------------------------------------------------------------------------------------------------------


def cut(data: bytes) -> bytes:
    return data[:-100]


def emptied(data: bytes) -> bytes:
    return b""


def lengthened(data: bytes) -> bytes:
    return data + b"\0"


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def zeroed(data: bytes) -> bytes:
    return bytes(len(data))


def of_another_format(data: bytes) -> bytes:
    return data[:7] + b"0" + data[8:]


def turned(data: bytes) -> bytes:
    return data[:12] + (SIDE // 2).to_bytes(4, "little") + (SIDE * 2).to_bytes(4, "little") + data[20:]


@pytest.mark.parametrize("damage", [cut, emptied, lengthened, flipped, zeroed, of_another_format, turned])
def test_a_damaged_entry_is_decoded_and_written_again(
    place: Path, pictures: CountedFiles, damage: Callable[[bytes], bytes]
) -> None:
    read_all(stock_of(place, pictures))
    whole = {path: path.read_bytes() for path in files_in(place)}
    for path, data in list(whole.items())[::2]:
        path.write_bytes(damage(data))
    assert same(read_all(stock_of(place, pictures)), plainly(pictures))
    assert {path: path.read_bytes() for path in files_in(place)} == whole
    assert sum(pictures.opened.values()) == len(SIZES) * 3 // 2


def _read_in_turn(pixels: CachedPixels, step: int, barrier: Any, results: Any) -> None:
    barrier.wait()
    results.put([pixels(index).sum().item() for index in range(len(SIZES))[::step]][::step])


def test_two_processes_fill_it_at_once(place: Path, pictures: CountedFiles) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    stock = stock_of(place, pictures)
    processes = [context.Process(target=_read_in_turn, args=(stock.pixels, step, barrier, results)) for step in (1, -1)]
    for process in processes:
        process.start()
    found = [results.get(timeout=PATIENCE) for _ in processes]
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0
    assert found == [[pixels.sum().item() for pixels in plainly(pictures)]] * 2
    assert [path.stat().st_size for path in files_in(place)] == [ENTRY] * len(SIZES)
    assert same(read_all(stock_of(place, pictures)), plainly(pictures))
    assert not pictures.opened
