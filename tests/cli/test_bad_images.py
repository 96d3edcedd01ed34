"""Pictures that are missing or damaged are named in one line that helps; odd ones that can be read are measured."""

import os
import shutil
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignbench.models.families import load_tower
from command_bench import RUNNING, TREE, Bench, picture
from smooth_pictures import damage_png, smooth

pytestmark = pytest.mark.usefixtures("no_surroundings")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("dataset", list(TREE))
class TestImages:
    def test_missing(self, bench: Bench, dataset: str) -> None:
        root = bench.copy(dataset)
        path = picture(dataset, root)
        others = list(path.parent.iterdir()) if dataset == "things" else [path]
        for other in others:
            other.unlink()
        named = path.parent.name if dataset == "things" else path.name
        bench.run(dataset, root=root).refused(RUNNING, named, "missing", "complete the download")

    def test_folder_missing(self, bench: Bench, dataset: str) -> None:
        root = bench.copy(dataset)
        shutil.rmtree(root / TREE[dataset])
        bench.run(dataset, root=root).refused(RUNNING, TREE[dataset])

    def test_truncated(self, bench: Bench, dataset: str) -> None:
        root = bench.copy(dataset)
        path = picture(dataset, root)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        bench.run(dataset, root=root).refused(RUNNING, path.name, "truncated", "complete the download")

    @pytest.mark.parametrize("content", [b"", b"<html>404: not found</html>\n"])
    def test_not_an_image(self, bench: Bench, dataset: str, content: bytes) -> None:
        root = bench.copy(dataset)
        path = picture(dataset, root)
        path.write_bytes(content)
        bench.run(dataset, root=root).refused(RUNNING, path.name, "not an image", "complete the download")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("dataset", list(TREE))
def test_named_pipe_is_refused_and_not_waited_for(bench: Bench, dataset: str) -> None:
    root = bench.copy(dataset)
    path = picture(dataset, root)
    path.unlink()
    os.mkfifo(path)
    bench.run(dataset, root=root).refused(RUNNING, path.name, "a named pipe, where a file belongs")
    bench.command("datasets", "check", dataset, "--data-root", root).out.index(f"{path.name} (a named pipe")


@pytest.mark.usefixtures("no_model")
def test_picture_of_which_little_would_be_left_is_refused(bench: Bench) -> None:
    root = bench.copy("nights")
    Image.fromarray(np.asarray(smooth().convert("L"), dtype=np.uint16)).save(picture("nights", root), "PNG")
    bench.run("nights", root=root).refused(RUNNING, picture("nights", root).name, "one flat colour", "8 bits")


def damage_jpeg_scan(data: bytearray, filler: bytes) -> None:
    start = data.index(b"\xff\xda") + 200
    data[start:-200] = filler * (len(data) - 200 - start)


def cut_jpeg(data: bytearray) -> None:
    """Half of the data are gone, with the mark of the end behind the rest."""
    del data[(data.index(b"\xff\xda") + len(data)) // 2 : -2]


def damage_jpeg_tables(data: bytearray) -> None:
    start = data.index(b"\xff\xc4") + 5
    data[start : start + 20] = b"\xff" * 20


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("dataset", "damage"),
    [
        ("nights", lambda data: damage_png(data, 0.1)),
        ("nights", lambda data: damage_png(data, 0.5)),
        ("nights", lambda data: damage_png(data, 0.9)),
        ("nights", lambda data: damage_png(data, 0.999)),
        ("things", damage_jpeg_tables),
        ("things", lambda data: damage_jpeg_scan(data, b"\xff")),
        ("things", lambda data: damage_jpeg_scan(data, b"\0")),
        ("things", cut_jpeg),
    ],
    ids=["png-early", "png-middle", "png-late", "png-end", "jpeg-tables", "jpeg-scan", "jpeg-hole", "jpeg-cut"],
)
def test_image_damaged_in_the_middle_is_named_while_running(
    bench: Bench, dataset: str, damage: Callable[[bytearray], None], workers: int
) -> None:
    root = bench.copy(dataset)
    path = picture(dataset, root)
    data = bytearray(path.read_bytes())
    damage(data)
    path.write_bytes(data)
    bench.run(dataset, "--loader-workers", workers, root=root).refused(RUNNING, path.name, "download it again")


def test_image_damaged_in_the_middle_is_named_for_a_baseline_too(bench: Bench) -> None:
    root = bench.copy("nights")
    path = picture("nights", root)
    data = bytearray(path.read_bytes())
    damage_png(data, 0.5)
    path.write_bytes(data)
    bench.run("nights", model="pixels", root=root).refused(RUNNING, path.name, "download it again")


@pytest.mark.parametrize(
    ("dataset", "odd", "form"),
    [
        ("nights", smooth().convert("L"), "PNG"),
        ("nights", smooth().convert("1"), "PNG"),
        ("nights", smooth().convert("LA"), "PNG"),
        ("nights", smooth().convert("RGBA"), "PNG"),
        ("nights", smooth().quantize(16), "PNG"),
        ("nights", Image.fromarray(np.asarray(smooth().convert("L"), dtype=np.uint16) * 257), "PNG"),
        ("nights", Image.new("RGB", (1, 1), (200, 60, 10)), "PNG"),
        ("things", smooth().convert("CMYK"), "JPEG"),
        ("things", smooth().convert("L"), "JPEG"),
    ],
    ids=["grey", "bilevel", "grey-alpha", "rgba", "palette", "16-bit", "1x1", "cmyk-jpeg", "grey-jpeg"],
)
@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_readable_oddity_is_converted(bench: Bench, dataset: str, odd: Image.Image, form: str, family: str) -> None:
    root = bench.copy(dataset)
    odd.save(picture(dataset, root), form)
    folder = bench.run(dataset, model=bench.tower(family), root=root).succeeded()
    assert pd.read_csv(folder / "curve.csv")["value"].notna().all()


@pytest.mark.parametrize("size", [(1, 1), (1, 20), (20, 1), (3, 3), (3, 20), (20, 3)])
@pytest.mark.parametrize("family", ["clip", "siglip", "chinese_clip"])
def test_picture_of_few_pixels_keeps_its_colour(bench: Bench, family: str, size: tuple[int, int]) -> None:
    colour = (200, 60, 10)
    prepared = load_tower(str(bench.tower(family))).prepare(Image.new("RGB", size, colour))
    assert prepared.shape == (3, 32, 32)
    assert [channel.unique().tolist() for channel in prepared] == [[value] for value in colour]
