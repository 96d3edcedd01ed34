"""The pixel cache gives the pixels that decoding gives, whatever happens to its directory or to the files."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import pickle
import re
import resource
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from alignbench import Cell
from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.datasets.images import FileImages
from alignbench.errors import AlignbenchWarning, DataError, UsageError
from alignbench.extraction import cached_pixels
from alignbench.extraction.cached_pixels import CachedPixels, entry_bytes
from alignbench.extraction.loader import OrderedImages, stack
from alignbench.extraction.pixel_cache import PixelCache, Stock
from alignbench.measurement.pipeline import measure_cell
from alignbench.models.families import preparation
from alignbench.models.preparation import Described, Recipe, Sized
from alignbench.results.run_folder import Run
from reference import save_clip

Folders = Callable[[str], Path]
Prepare = Callable[[Image.Image], Tensor]
PLENTY = 10**9
SIDE = 32
ENTRY = entry_bytes((3, SIDE, SIDE))
SIZES = [(57, 40), (33, 97), (32, 32), (80, 35), (64, 64), (31, 200), (32, 35), (120, 90)]
BIOMEDCLIP = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"


@dataclass(frozen=True)
class CountedFiles(FileImages):
    """Pictures that count how often each is opened."""

    opened: Counter[int] = field(default_factory=Counter, compare=False)

    def open(self, index: int) -> Image.Image:
        self.opened[index] += 1
        return super().open(index)


def write_pictures(root: Path) -> tuple[str, ...]:
    """Pictures of all sizes and of several formats and modes."""
    root.mkdir()
    rng = np.random.default_rng(0)
    names = []
    for number, (width, height) in enumerate(SIZES):
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        image, name = Image.fromarray(pixels), f"{number}.{('jpg', 'png', 'bmp')[number % 3]}"
        if number == 1:
            image = image.convert("L")
        if number == 4:
            image.putalpha(Image.linear_gradient("L").resize(image.size))
        image.save(root / name)
        names.append(name)
    return tuple(names)


@pytest.fixture
def pictures(tmp_path: Path) -> CountedFiles:
    return CountedFiles(tmp_path / "pictures", write_pictures(tmp_path / "pictures"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def cache_at(place: Path, size: int = PLENTY) -> PixelCache:
    cache = PixelCache.open(place, size)
    assert cache is not None
    return cache


def stock_of(place: Path, images: FileImages, prepare: Prepare | None = None, size: int = PLENTY) -> Stock:
    stock = cache_at(place, size).stock(images, prepare or Sized(SIDE))
    assert stock is not None
    return stock


def read_all(stock: Stock) -> list[Tensor]:
    return [stock.pixels(index) for index in range(len(stock.pixels.images.names))]


def plainly(images: FileImages, prepare: Prepare | None = None) -> list[Tensor]:
    plain = FileImages(images.root, images.names)
    return [(prepare or Sized(SIDE))(plain.open(index)) for index in range(len(images.names))]


def same(found: list[Tensor], expected: list[Tensor]) -> bool:
    return len(found) == len(expected) and all(map(torch.equal, found, expected))


def files_in(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def write_open_clip(folder: Path, **preprocess: Any) -> str:
    """What a directory of open_clip needs for its pictures to be prepared; weights are not looked for."""
    vision = {"layers": 1, "width": 8, "head_width": 8, "patch_size": 8, "image_size": SIDE}
    config = {"model_cfg": {"embed_dim": 8, "vision_cfg": vision, "text_cfg": {}}, "preprocess_cfg": preprocess}
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return str(folder)


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


# --- Recipes --------------------------------------------------------------------------------------------------------


def recipe_of(prepare: Prepare) -> Recipe:
    assert isinstance(prepare, Described)
    assert prepare.recipe is not None
    return prepare.recipe


def test_models_that_prepare_alike_have_one_recipe() -> None:
    recipes = {
        name: recipe_of(preparation(name))
        for name in (
            *("openai/clip-vit-base-patch32", "openai/clip-vit-base-patch16", "openai/clip-vit-large-patch14"),
            *("openai/clip-vit-large-patch14-336", "OFA-Sys/chinese-clip-vit-base-patch16"),
            *("google/siglip-base-patch16-224", "google/siglip2-base-patch16-224", BIOMEDCLIP),
            *("open_clip:ViT-B-32/openai", "open_clip:ViT-L-14/laion2b_s32b_b82k", "open_clip:ViT-B-16-SigLIP/webli"),
        )
    }
    *openai, large = (recipe for name, recipe in recipes.items() if name.startswith("openai/"))
    assert len(set(openai)) == 1
    assert recipes["open_clip:ViT-B-32/openai"] == recipes["open_clip:ViT-L-14/laion2b_s32b_b82k"]  # other colours
    assert recipes["open_clip:ViT-B-32/openai"] == recipes[BIOMEDCLIP]
    assert recipes[BIOMEDCLIP].text == openai[0].text
    assert recipes[BIOMEDCLIP] != openai[0]
    squashed = recipe_of(Sized(224))
    assert recipes["OFA-Sys/chinese-clip-vit-base-patch16"] == recipes["google/siglip-base-patch16-224"] == squashed
    assert recipes["open_clip:ViT-B-16-SigLIP/webli"] == squashed
    assert (
        len({recipe.text for recipe in (openai[0], large, squashed, recipes["google/siglip2-base-patch16-224"])}) == 4
    )
    assert Sized(None).recipe is None


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_equal_recipes_of_two_libraries_mean_equal_pixels(tmp_path: Path, mode: str, interpolation: str) -> None:
    ours = {"resize_mode": mode, "interpolation": interpolation}
    of_open_clip = preparation(write_open_clip(tmp_path / "open_clip", **ours))
    save_clip(tmp_path / "clip")
    whole = {"size": {"height": SIDE, "width": SIDE}, "do_center_crop": False}
    values = json.loads((tmp_path / "clip" / "preprocessor_config.json").read_text())
    values |= {"resample": 3 if interpolation == "bicubic" else 2} | (whole if mode == "squash" else {})
    (tmp_path / "clip" / "preprocessor_config.json").write_text(json.dumps(values))
    of_transformers = preparation(str(tmp_path / "clip"))
    rng = np.random.default_rng(0)
    alike = Counter[tuple[bool, bool]]()
    for width in range(20, 60):
        for height in (31, 37, 44, 90):
            image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
            texts = [recipe_of(prepare).text_for(image.size) for prepare in (of_open_clip, of_transformers)]
            equal = torch.equal(of_open_clip(image), of_transformers(image))
            alike[texts[0] == texts[1], equal] += 1
    assert alike[True, False] == 0
    assert alike[True, True] > 50
    assert (alike[False, False] > 10) == (mode == "shortest")  # a square cut out one pixel further


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


@pytest.mark.parametrize(
    "change",
    [
        {"resample": 2},
        {"size": {"shortest_edge": 40}},
        {"size": {"shortest_edge": 40}, "crop_size": {"height": 40, "width": 40}},
        {"do_center_crop": False, "size": {"height": SIDE, "width": SIDE}},
        {"do_resize": False},
    ],
)
def test_what_changes_pixels_changes_the_recipe_and_colours_do_not(
    tiny_tower: Folders, pictures: CountedFiles, change: dict[str, Any]
) -> None:
    plain: Any = preparation(str(tiny_tower("clip")))

    def changed(**values: Any) -> Any:
        processor = type(plain.processor)(**{**plain.processor.to_dict(), **values})
        return type(plain)(processor)

    assert recipe_of(changed(image_mean=[0.1, 0.2, 0.3], image_std=[1.0, 1.0, 1.0])) == recipe_of(plain)
    assert recipe_of(changed(**change)) != recipe_of(plain)
    assert not same(plainly(pictures, changed(**change)), plainly(pictures, plain))


# --- Keys -----------------------------------------------------------------------------------------------------------


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


def test_what_is_not_known_to_stay_the_same_is_not_kept(place: Path, pictures: CountedFiles) -> None:
    cache = cache_at(place)
    drawn = DATASETS.load("shapes-low").read(None, ("test",)).images
    assert cache.stock(drawn, Sized(SIDE)) is None
    assert cache.stock(pictures, Sized(None)) is None
    assert cache.stock(pictures, lambda image: Sized(SIDE)(image)) is None  # a plug-in's, without a recipe
    assert cache.stock(pictures, Sized(SIDE)) is not None


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
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert found == [[pixels.sum().item() for pixels in plainly(pictures)]] * 2
    assert [path.stat().st_size for path in files_in(place)] == [ENTRY] * len(SIZES)
    assert same(read_all(stock_of(place, pictures)), plainly(pictures))
    assert not pictures.opened


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
    process.join(60)
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


# --- Runs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each picture file was decoded in this process."""
    count, plain = Counter[str](), FileImages.open

    def open_and_count(images: FileImages, index: int) -> Image.Image:
        count[images.names[index]] += 1
        return plain(images, index)

    monkeypatch.setattr(FileImages, "open", open_and_count)
    return count


def measured(model: str, dataset: str, root: Path, **options: Any) -> Run:
    run = measure_cell(Cell(model, dataset, root, accelerator="cpu", workers=0, **options))
    assert run is not None
    return run


@pytest.mark.parametrize("dataset", ["nights", "things"])
def test_metrics_share_pixels_and_measure_the_same(
    data_root: Folders, place: Path, opened: Counter[str], dataset: str
) -> None:
    root = data_root(dataset)
    plain = measured("ssim", dataset, root, pixel_cache="off")
    assert plain.details["execution"]["pixel_cache"] is None
    images = len(opened)
    assert images > 5
    first = measured("pixels", dataset, root, pixel_cache=place)
    assert opened == dict.fromkeys(opened, 2)
    second = measured("ssim", dataset, root, pixel_cache=place)
    assert opened == dict.fromkeys(opened, 2)
    np.testing.assert_array_equal(second.distances["ssim"], plain.distances["ssim"])
    assert second.settings == plain.settings
    told = [run.details["execution"] for run in (first, second)]
    assert [(found["pixel_cache"], found["pixels_there"]) for found in told] == [(str(place), 0), (str(place), images)]


def test_metrics_at_native_size_and_packaged_sets_leave_nothing(tid2013_root: Path, place: Path) -> None:
    assert measured("pixels", "tid2013", tid2013_root, pixel_cache=place).details["execution"]["pixel_cache"] is None
    run = measure_cell(Cell("pixels", "shapes-low", limit=30, pixel_cache=place))
    assert run is not None
    assert run.details["execution"]["pixel_cache"] is None
    assert not files_in(place)


@pytest.mark.parametrize("resize", ["checkpoint", "squash"])
def test_towers_share_pixels_and_measure_the_same(
    tiny_tower: Folders, tmp_path: Path, tid2013_root: Path, place: Path, opened: Counter[str], resize: str
) -> None:
    save_clip(tmp_path / "other", seed=1, blocks=2)
    plain = measured(str(tmp_path / "other"), "tid2013", tid2013_root, pixel_cache="off", resize=resize)
    measured(str(tiny_tower("clip")), "tid2013", tid2013_root, pixel_cache=place, resize=resize)
    assert opened == dict.fromkeys(opened, 2)
    second = measured(str(tmp_path / "other"), "tid2013", tid2013_root, pixel_cache=place, resize=resize)
    assert opened == dict.fromkeys(opened, 2)
    assert second.details["execution"]["pixels_there"] == len(opened) == len(files_in(place))
    for name, values in plain.distances.items():
        np.testing.assert_array_equal(second.distances[name], values)
    assert second.settings == plain.settings


def command(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_run_takes_its_cache_from_its_options(
    nights_root: Path, tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("run", "--model", "pixels", "--dataset", "nights", "--data-root", nights_root, "--wandb", "off")
    out = ("--output", tmp_path / "runs", "--overwrite")
    assert command(*common, *out, "--pixel-cache", place) == 0
    assert files_in(place)
    shared = Path(os.environ["ALIGNBENCH_CACHE"]) / "pixels"
    before = set(files_in(shared))
    assert command(*common, *out, "--pixel-cache", "off") == 0
    assert set(files_in(shared)) == before
    capsys.readouterr()
    assert command(*common, *out, "--pixel-cache", place, "--pixel-cache-size", "400KB") == 0
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if "the pixel cache holds 2 of these" in line]) == 1
    assert sum(path.stat().st_size for path in files_in(place)) <= 400_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pixel-cache", "FILE"), r"the pixel cache \S+ is a file: choose another directory"),
        (("--pixel-cache-size", "lots"), r"'lots' is not a size: write for instance"),
        (("--pixel-cache-size", "0"), r"pixel cache size 0 is below 1"),
    ],
)
def test_wrong_options_are_refused_before_a_model_is_loaded(
    nights_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, str],
    said: str,
) -> None:
    monkeypatch.setattr("alignbench.models.families.load_tower", lambda *_, **__: pytest.fail("the model was loaded"))
    (tmp_path / "file").write_text("")
    options = (options[0], options[1].replace("FILE", str(tmp_path / "file")))
    where = ("--data-root", nights_root, "--output", tmp_path / "runs", "--wandb", "off")
    assert command("run", "--model", "shapes-clip", "--dataset", "nights", *where, *options) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(said, line)
