"""Gives the command line what it cannot use: it says so in one line that helps, and leaves nothing half-written."""

import csv
import io
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from alignbench.cli.main import main
from alignbench.datasets import things
from alignbench.datasets.images import FileImages, to_rgb
from alignbench.datasets.judgments import Judgments
from alignbench.errors import DataError
from alignbench.models.families import load_tower
from layouts import write_nights, write_things, write_tid2013
from reference import save_chinese_clip, save_clip, save_siglip

RUNNING, USAGE = 1, 2
FULL_TABLE = "triplets_large_final_correctednc_correctedorder.csv"
FIRST_BLOCK = "vision_model.encoder.layers.0.mlp.fc1.weight"
REMEDY = re.compile(
    r"did you mean|valid:|supported are|expected |must |needs |should be |is below \d|out of range|"
    r"\b(use|choose|check|complete|download|give|leave|raise|see|set|take out|correct|write|put) |--[a-z]",
    re.IGNORECASE,
)
PROGRESS = re.compile(r".+ on [a-z0-9-]+: [\d,]+ images, .+|.+ is finished: taken from .+|.+: downloading it")
TREE = {"tid2013": "reference_images", "nights": "ref", "things": "object_images"}


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str
    output: Path

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("alignbench: warning: ")]

    @property
    def complaints(self) -> list[str]:
        said = [line for line in self.err.splitlines() if line.startswith("alignbench: ")]
        return [line for line in said if line not in self.warnings]

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.output.iterdir()) if self.output.is_dir() else []

    def refused(self, code: int, *words: object) -> None:
        self.complained(code, *words)
        assert not self.left

    def complained(self, code: int, *words: object) -> None:
        assert "Traceback" not in self.err
        assert len(self.complaints) == 1, self.err
        (line,) = self.complaints
        rest = [other for other in self.err.splitlines() if other != line and other not in self.warnings]
        assert [other for other in rest if not PROGRESS.fullmatch(other)] == []
        assert self.code == code, line
        assert "unexpected" not in line
        for word in words:
            assert str(word) in line
        assert REMEDY.search(line), f"no remedy in: {line}"

    def succeeded(self) -> Path:
        assert self.code == 0, self.err
        assert not self.complaints
        assert not [name for name in self.left if name.startswith(".tmp-")]
        folder = Path(self.out.strip().splitlines()[-1])
        assert folder.parent == self.output
        assert (folder / "run.json").is_file()
        return folder


class Bench:
    """Runs commands in this process, on small data and tiny towers."""

    def __init__(self, world: Path, scratch: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.world, self.scratch, self.capture, self.output = world, scratch, capture, scratch / "out"

    def command(self, *arguments: object) -> Outcome:
        self.capture.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self.capture.readouterr()
        return Outcome(code, out, err, self.output)

    def run(self, dataset: str, *options: object, model: object = None, root: Path | None = None) -> Outcome:
        place = () if root is None else ("--data-root", root)
        given = {"--loader-workers": 0, "--output": self.output}
        defaults = [part for option, value in given.items() if option not in options for part in (option, value)]
        model = self.tower("clip") if model is None else model
        return self.command("run", "--model", model, "--dataset", dataset, *place, *defaults, *options)

    def tower(self, family: str) -> Path:
        return self.world / family

    def data(self, dataset: str) -> Path:
        return self.world / dataset

    def copy(self, name: str) -> Path:
        return Path(shutil.copytree(self.world / name, self.scratch / name))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    for name, save in {"clip": save_clip, "siglip": save_siglip, "chinese_clip": save_chinese_clip}.items():
        save(root / name)
    write_tid2013(root / "tid2013", references=2, distortions=2, levels=2)
    write_nights(root / "nights", triplets=4)
    write_things(root / "things", objects=5, triplets=20)
    return root


@pytest.fixture(autouse=True)
def no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def bench(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bench:
    return Bench(world, tmp_path, capsys)


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        pytest.fail("the model was loaded before the fault was found")

    monkeypatch.setattr("alignbench.models.families.load_tower", load)


def picture(dataset: str, root: Path) -> Path:
    """A picture that is needed."""
    if dataset == "tid2013":
        return root / "distorted_images" / "i01_01_1.bmp"
    if dataset == "nights":
        return min((root / "ref").rglob("*.png"))
    first = (root / "triplets" / "testset1.txt").read_text().split()[0]
    concept = (root / "unique_id.txt").read_text().split()[int(first)]
    return min((root / "object_images" / concept).iterdir())


def put_line(path: Path, number: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[number - 1] = text
    path.write_text("\n".join(lines) + "\n")


def change_table(path: Path, row: int, **values: str) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[row].update(values)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def smooth(size: tuple[int, int] = (96, 72)) -> Image.Image:
    coarse = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


# ------------------------------------------------------------------------------------- names and options


@pytest.mark.parametrize(
    ("dataset", "options", "given", "nearest"),
    [
        ("tid2031", (), "tid2031", "tid2013"),
        ("tid2013,nigths", (), "nigths", "nights"),
        ("shape-low", (), "shape-low", "shapes-low"),
        ("tid2013", ("--distance", "cosin"), "cosin", "cosine"),
        ("tid2013", ("--distance", "cosine,euclidian"), "euclidian", "euclidean"),
        ("tid2013", ("--tokens", "clss"), "clss", "cls"),
        ("tid2013", ("--protocol", "papre"), "papre", "paper"),
        ("tid2013", ("--precision", "pf16"), "pf16", "bf16"),
        ("tid2013", ("--accelerator", "cdua"), "cdua", "cuda"),
        ("tid2013", ("--distance", "nothing-like-it"), "nothing-like-it", "normalized_euclidean"),
        ("tid2013", ("--modle", "clip"), "--modle", "--model"),
    ],
)
@pytest.mark.usefixtures("no_model")
def test_unknown_name_is_answered_by_the_nearest(
    bench: Bench, dataset: str, options: tuple[str, ...], given: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIGNBENCH_DATA", str(bench.world))
    bench.run(dataset, *options).refused(USAGE, given, nearest)


@pytest.mark.parametrize(
    ("model", "nearest"),
    [("shapes-clop", "shapes-clip"), ("random:shapes-clop", "shapes-clip"), ("pixel", "pixels")],
)
def test_unknown_model_is_answered_by_the_nearest(bench: Bench, model: str, nearest: str) -> None:
    given = model.removeprefix("random:")
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(USAGE, f"'{given}'", nearest)


@pytest.mark.parametrize(
    ("dataset", "given", "nearest"),
    [
        ("tid2013", "distortion_001", "distortion_01"),
        ("tid2013", "distortion_25", "distortion_2"),
        ("nights", "tests", "test"),
        ("things", "testset11", "testset1"),
        ("things", "testset1,validation", "validationset"),
        ("shapes-low", "trainsett", "trainset"),
    ],
)
@pytest.mark.usefixtures("no_model")
def test_unknown_subset_is_answered_by_the_nearest(bench: Bench, dataset: str, given: str, nearest: str) -> None:
    root = None if dataset.startswith("shapes") else bench.data(dataset)
    bench.run(dataset, "--subset", given, root=root).refused(USAGE, f"'{given.split(',')[-1]}'", nearest)


def test_unknown_data_set_to_check_is_answered_by_the_nearest(bench: Bench) -> None:
    bench.command("datasets", "check", "nigths").refused(USAGE, "nigths", "nights")


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--batch-size", "0", "batch size 0"),
        ("--batch-size", "-3", "batch size -3"),
        ("--batch-size", "many", "--batch-size"),
        ("--batch-size", "1.5", "--batch-size"),
        ("--devices", "0", "devices 0"),
        ("--num-nodes", "-1", "number of nodes -1"),
        ("--num-nodes", "2", "--num-nodes 2"),
        ("--check-precision", "-1", "-1"),
        ("--check-precision", "9", "--precision bf16"),
        ("--limit", "0", "limit 0"),
        ("--loader-workers", "-1", "loader workers -1"),
        ("--feature-memory", "lots", "'lots'"),
        ("--feature-memory", "0GB", "feature memory 0"),
        ("--seed", "-1", "seed -1"),
        ("--seed", "99999999999999999999", "seed 99999999999999999999"),
        ("--distance", "", "distance"),
    ],
)
@pytest.mark.usefixtures("no_model")
def test_number_out_of_range_is_refused(bench: Bench, option: str, value: str, named: str) -> None:
    bench.run("tid2013", option, value, root=bench.data("tid2013")).refused(USAGE, named)


def test_feature_memory_too_small_for_one_layer_is_refused(bench: Bench) -> None:
    outcome = bench.run("tid2013", "--feature-memory", "1KB", root=bench.data("tid2013"))
    outcome.refused(USAGE, "--feature-memory", "raise it")


@pytest.mark.parametrize(("model", "options"), [("pixels", ("--random-init",)), ("random:pixels", ())])
def test_baseline_has_no_weights_to_randomise(bench: Bench, model: str, options: tuple[str, ...]) -> None:
    bench.run("tid2013", *options, model=model, root=bench.data("tid2013")).refused(USAGE, "pixels", "--random-init")


def test_class_token_of_a_siglip_is_refused(bench: Bench) -> None:
    outcome = bench.run("tid2013", "--tokens", "cls", model=bench.tower("siglip"), root=bench.data("tid2013"))
    outcome.refused(USAGE, "'cls'", "'all'", "'mean'")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_that_is_not_there_is_refused(bench: Bench) -> None:
    bench.run("tid2013", "--accelerator", "cuda", root=bench.data("tid2013")).refused(USAGE, "cuda")


# ----------------------------------------------------------------------------------------- data and output


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("dataset", list(TREE))
class TestDataRoot:
    def test_missing(self, bench: Bench, dataset: str) -> None:
        root = bench.scratch / "nowhere"
        bench.run(dataset, root=root).refused(RUNNING, root, "--data-root")

    def test_empty(self, bench: Bench, dataset: str) -> None:
        root = bench.scratch / "empty"
        root.mkdir()
        bench.run(dataset, root=root).refused(RUNNING, root, "alignbench datasets")

    def test_not_given(self, bench: Bench, dataset: str) -> None:
        bench.run(dataset).refused(USAGE, dataset, "--data-root", "ALIGNBENCH_DATA")

    def test_of_something_else(self, bench: Bench, dataset: str) -> None:
        root = bench.scratch / "other"
        root.mkdir()
        (root / "notes.txt").write_text("nothing of the kind\n")
        bench.run(dataset, root=root).refused(RUNNING, root)


@pytest.mark.usefixtures("no_model")
def test_data_root_with_several_data_sets_is_refused(bench: Bench) -> None:
    bench.run("tid2013,nights", root=bench.data("tid2013")).refused(USAGE, "--data-root", "ALIGNBENCH_DATA")


@pytest.mark.usefixtures("no_model")
def test_data_root_of_a_packaged_set_is_refused(bench: Bench) -> None:
    bench.run("shapes-low", root=bench.data("tid2013")).refused(USAGE, "shapes-low", "--data-root")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("below", ["", "deeper"])
def test_output_that_is_a_file_is_refused(bench: Bench, below: str) -> None:
    blocked = bench.scratch / "blocked"
    blocked.write_text("in the way\n")
    outcome = bench.run("tid2013", "--output", blocked / below, root=bench.data("tid2013"))
    outcome.refused(RUNNING, blocked, "--output")
    assert blocked.read_text() == "in the way\n"


# -------------------------------------------------------------------------------------------------- images


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


def damage_png(data: bytearray, part: float) -> None:
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    data[start + 4 + int(part * length)] ^= 0x10


def damage_jpeg_scan(data: bytearray, filler: bytes) -> None:
    start = data.index(b"\xff\xda") + 200
    data[start:-200] = filler * (len(data) - 200 - start)


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
        pytest.param(
            "things",
            lambda data: damage_jpeg_scan(data, b"\0"),
            marks=pytest.mark.xfail(strict=True, reason="libjpeg only warns of a hole, which Pillow does not pass on"),
        ),
    ],
    ids=["png-early", "png-middle", "png-late", "png-end", "jpeg-tables", "jpeg-scan", "jpeg-hole"],
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


def test_no_flipped_bit_of_a_png_goes_unnoticed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    smooth().save(buffer, "PNG")
    for percent in range(1, 100):
        data = bytearray(buffer.getvalue())
        damage_png(data, percent / 100)
        (tmp_path / "damaged.png").write_bytes(data)
        with pytest.raises(DataError, match=r"damaged\.png"):
            FileImages(tmp_path, ("damaged.png",)).open(0)


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


@pytest.mark.parametrize("step", [256, 257])
def test_16_bit_ramp_becomes_the_8_bit_ramp(tmp_path: Path, step: int) -> None:
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(ramp * step).save(tmp_path / "ramp.png")
    with Image.open(tmp_path / "ramp.png") as image:
        found = np.asarray(to_rgb(image))
    assert np.array_equal(found, np.repeat(ramp[..., None], 3, axis=2))
    assert np.array_equal(found, np.asarray(FileImages(tmp_path, ("ramp.png",)).open(0)))


def test_dark_16_bit_picture_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16)).save(tmp_path / "dark.png")
    assert np.asarray(FileImages(tmp_path, ("dark.png",)).open(0)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 20), (20, 1), (3, 3), (3, 20), (20, 3)])
@pytest.mark.parametrize("family", ["clip", "siglip", "chinese_clip"])
def test_picture_of_few_pixels_keeps_its_colour(bench: Bench, family: str, size: tuple[int, int]) -> None:
    colour = (200, 60, 10)
    prepared = load_tower(str(bench.tower(family))).prepare(Image.new("RGB", size, colour))
    assert prepared.shape == (3, 32, 32)
    assert [channel.unique().tolist() for channel in prepared] == [[value] for value in colour]


# ----------------------------------------------------------------------------------------------- judgments


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    "line",
    [
        "good i01_02_1.bmp",
        "4.0",
        "4.0 i01_02_1.jpg",
        "4.0 i01_02_1.bmp more",
        "i01_02_1.bmp 4.0",
        "4,0 i01_02_1.bmp",
        "nan i01_02_1.bmp",
        "inf i01_02_1.bmp",
    ],
)
def test_malformed_rating_is_named_by_its_line(bench: Bench, line: str) -> None:
    root = bench.copy("tid2013")
    put_line(root / "mos_with_names.txt", 3, f"\n{line}")
    bench.run("tid2013", root=root).refused(RUNNING, "mos_with_names.txt, line 4")


@pytest.mark.usefixtures("no_model")
def test_fewer_than_three_ratings_are_too_few(bench: Bench) -> None:
    bench.run("tid2013", "--limit", 2, root=bench.data("tid2013")).refused(RUNNING, "tid2013", "2 ratings", "3")


@pytest.mark.usefixtures("no_model")
def test_constant_ratings_are_refused(bench: Bench) -> None:
    root = bench.copy("tid2013")
    path = root / "mos_with_names.txt"
    path.write_text("".join(f"4.0 {line.split()[1]}\n" for line in path.read_text().splitlines()))
    bench.run("tid2013", root=root).refused(RUNNING, "tid2013", "8 ratings are equal")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("file", ["mos_with_names.txt", "data.csv", "testset1.txt"])
def test_file_of_judgments_without_any_is_refused(bench: Bench, file: str) -> None:
    dataset = {"mos_with_names.txt": "tid2013", "data.csv": "nights", "testset1.txt": "things"}[file]
    root = bench.copy(dataset)
    path = next(root.rglob(file))
    path.write_text(path.read_text().splitlines()[0] + "\n" if dataset == "nights" else "\n")
    bench.run(dataset, root=root).refused(RUNNING, file)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 1", "three"),
        ("a b c", "three"),
        ("0 1 2 3", "three"),
        ("0 1 2.5", "three"),
        ("0 1\n2 3 4 0", "three"),
        ("0 1 99999999999999999999", ""),
        ("0 1 5", "object 5"),
        ("0 1 -2", "object -2"),
        ("3 1 3", "twice"),
    ],
)
def test_malformed_triplet_is_named_by_its_line(bench: Bench, line: str, why: str) -> None:
    root = bench.copy("things")
    put_line(root / "triplets" / "testset1.txt", 3, f"\n{line}")
    bench.run("things", root=root).refused(RUNNING, "testset1.txt, line 4", why)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"left_vote": "1", "right_vote": "1"}, "exactly one"),
        ({"left_vote": "0", "right_vote": "0"}, "exactly one"),
        ({"right_vote": "maybe"}, "'maybe'"),
        ({"left_vote": ""}, "left_vote"),
        ({"left_vote": "nan"}, "'nan'"),
        ({"is_imagenet": "perhaps"}, "'perhaps'"),
        ({"ref_path": "SAME", "left_path": "SAME"}, "twice"),
        ({"left_path": "SAME", "right_path": "SAME"}, "twice"),
    ],
)
def test_malformed_vote_is_named_by_its_line(bench: Bench, values: dict[str, str], why: str) -> None:
    root = bench.copy("nights")
    path = picture("nights", root).relative_to(root).as_posix()
    change_table(root / "data.csv", 1, **{name: value.replace("SAME", path) for name, value in values.items()})
    bench.run("nights", root=root).refused(RUNNING, "data.csv, line 3", why)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("column", ["id", "left_vote", "right_vote", "ref_path", "split"])
def test_missing_column_is_named(bench: Bench, column: str) -> None:
    root = bench.copy("nights")
    path = root / "data.csv"
    header, rest = path.read_text().split("\n", 1)
    path.write_text("\n".join([header.replace(column, "something_else"), rest]))
    bench.run("nights", root=root).refused(RUNNING, "data.csv", column)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("file", ["mos_with_names.txt", "data.csv", "triplets/testset1.txt", "unique_id.txt"])
def test_binary_in_place_of_text_is_refused(bench: Bench, file: str) -> None:
    dataset = {"mos_with_names.txt": "tid2013", "data.csv": "nights"}.get(file, "things")
    root = bench.copy(dataset)
    (root / file).write_bytes(bytes(range(256)) * 3)
    bench.run(dataset, root=root).refused(RUNNING, file)


class Trap:
    """Makes a folder when unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.sprung),)


def archive(rows: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, rows)
    return buffer.getvalue()


def array(rows: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, rows)
    return buffer.getvalue()


ROWS = np.array([[0, 1, 2], [2, 3, 4], [1, 0, 3]])


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (array(ROWS[:, :2]), "(3, 2)"),
        (array(ROWS.ravel()), "(9,)"),
        (array(ROWS[:0]), ""),
        (array(ROWS + 0.5), "whole"),
        (array(np.where(ROWS == 4, np.nan, ROWS)), ""),
        (array(ROWS + 1j), ""),
        (array(ROWS.astype(str)), ""),
        (array(ROWS + 2), "row 1: object 5"),
        (array(ROWS - 1), "row 0: object -1"),
        (array(ROWS * 0), "row 0"),
        (array(ROWS)[:-8], ""),
        (archive(ROWS), ""),
        (b"0 1 2\n", ""),
    ],
    ids=[
        *("two-columns", "flat", "no-rows", "halves", "nan", "complex", "text", "too-large", "negative", "twice"),
        *("truncated", "archive", "plain-text"),
    ],
)
def test_malformed_array_of_triplets_is_refused(bench: Bench, content: bytes, why: str) -> None:
    root = bench.copy("things")
    (root / "triplets" / "testset1.txt").unlink()
    (root / "triplets" / "testset1.npy").write_bytes(content)
    bench.run("things", root=root).refused(RUNNING, "testset1.npy", why)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("bare", [False, True])
def test_pickled_triplets_are_refused_unopened(bench: Bench, bare: bool) -> None:
    root, sprung = bench.copy("things"), bench.scratch / "sprung"
    (root / "triplets" / "testset1.txt").unlink()
    path = root / "triplets" / "testset1.npy"
    if bare:
        path.write_bytes(pickle.dumps(Trap(sprung)))
    else:
        np.save(path, np.array([[Trap(sprung)] * 3], dtype=object), allow_pickle=True)
    bench.run("things", root=root).refused(RUNNING, "testset1.npy")
    assert not sprung.exists()


def write_full_table(root: Path) -> None:
    """The rows of `testset1.txt` as the 1-based table, the odd one in any of the three places."""
    rng = np.random.default_rng(3)
    lines = ["image1\timage2\timage3\tchoice\tsubject"]
    for row in np.loadtxt(root / "triplets" / "testset1.txt", dtype=int) + 1:
        order = rng.permutation(3)
        lines.append("\t".join(map(str, [*row[order], int(order.argmax()) + 1, "x"])))
    (root / FULL_TABLE).write_text("\n".join(lines) + "\n")


def kept_and_odd(judgments: Judgments) -> list[tuple[frozenset[str], str]]:
    names = judgments.images.names
    found = []
    for options in judgments.judged:
        kept, *others = (frozenset(names[int(image)] for image in judgments.pairs[pair]) for pair in options)
        (odd,) = frozenset.union(*others) - kept
        found.append((kept, odd))
    return found


def test_full_table_says_the_same_as_the_text_file(bench: Bench) -> None:
    root = bench.copy("things")
    write_full_table(root)
    assert kept_and_odd(things.read(root, ("all",))) == kept_and_odd(things.read(root, ("testset1",)))
    folders = [bench.run("things", "--subset", subset, root=root).succeeded() for subset in ("all", "testset1")]
    values = [pd.read_csv(folder / "curve.csv")["value"] for folder in folders]
    np.testing.assert_allclose(*values, rtol=1e-12)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1\t2\t3\t0\tx", "choice"),
        ("1\t2\t3\t4\tx", "choice"),
        ("1\t2\t3\tlast\tx", "choice"),
        ("1\t2\tthree\t1\tx", "object numbers"),
        ("1\t2\t6\t3\tx", "object 6"),
        ("0\t1\t2\t3\tx", "object 0"),
        ("1\t2\t2\t3\tx", "twice"),
        ("1\t2", ""),
    ],
)
def test_malformed_row_of_the_full_table_is_named_by_its_line(bench: Bench, row: str, why: str) -> None:
    root = bench.copy("things")
    write_full_table(root)
    put_line(root / FULL_TABLE, 4, row)
    bench.run("things", "--subset", "all", root=root).refused(RUNNING, FULL_TABLE, "line 4", why)


@pytest.mark.usefixtures("no_model")
def test_missing_column_of_the_full_table_is_named(bench: Bench) -> None:
    root = bench.copy("things")
    write_full_table(root)
    put_line(root / FULL_TABLE, 1, "image1\timage2\timage3\tanswer\tsubject")
    bench.run("things", "--subset", "all", root=root).refused(RUNNING, FULL_TABLE, "choice")


def test_objects_in_alphabetical_order_are_warned_of(bench: Bench) -> None:
    root = bench.copy("things")
    (root / "unique_id.txt").unlink()
    outcome = bench.run("things", root=root)
    outcome.succeeded()
    (warning,) = [line for line in outcome.warnings if "unique_id.txt" in line]
    assert str(root) in warning


def test_part_of_a_data_set_is_measured_with_a_warning(bench: Bench) -> None:
    outcome = bench.run("tid2013", root=bench.data("tid2013"))
    outcome.succeeded()
    (warning,) = outcome.warnings
    assert "3,000" in warning


# ---------------------------------------------------------------------------------------------- checkpoints


def edit_weights(directory: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    weights = load_file(directory / "model.safetensors")
    change(weights)
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})


def edit_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("family", "tensor"),
    [
        ("clip", FIRST_BLOCK),
        ("clip", "visual_projection.weight"),
        ("siglip", "vision_model.head.probe"),
        ("chinese_clip", "vision_model.embeddings.class_embedding"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "wrong shape"])
def test_checkpoint_with_a_wrong_tensor_is_refused(bench: Bench, family: str, tensor: str, how: str) -> None:
    def change(weights: dict[str, torch.Tensor]) -> None:
        found = weights.pop(tensor)
        if how != "missing":
            weights[tensor] = torch.cat([found, found]).contiguous()

    model = bench.copy(family)
    edit_weights(model, change)
    named = tensor.removeprefix("vision_model.")
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, named)


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.99])
def test_checkpoint_with_cut_weights_is_refused(bench: Bench, kept: float) -> None:
    model = bench.copy("clip")
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, "download")


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_checkpoint_without_one_of_its_files_is_refused(bench: Bench, file: str) -> None:
    model = bench.copy("clip")
    (model / file).unlink()
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, file)


@pytest.mark.parametrize(
    "content", ['{"model_type": "clip",', "[]", "", "\0\0\0"], ids=["cut", "list", "empty", "zeros"]
)
@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_checkpoint_with_broken_json_is_refused(bench: Bench, file: str, content: str) -> None:
    model = bench.copy("clip")
    (model / file).write_text(content)
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, file)


@pytest.mark.parametrize(
    "values",
    [{"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}, {"image_mean": [0.5]}],
    ids=["size", "mean"],
)
def test_checkpoint_whose_preprocessing_does_not_fit_is_refused(bench: Bench, values: dict[str, object]) -> None:
    model = bench.copy("clip")
    edit_json(model / "preprocessor_config.json", **values)
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(RUNNING, model, "preprocessor_config.json")


@pytest.mark.parametrize(
    ("kind", "words"), [("vit", ("'vit'", "siglip")), ("siglip2", ("NaFlex", "siglip2-base-patch16-224"))]
)
def test_checkpoint_of_another_type_is_refused(bench: Bench, kind: str, words: tuple[str, ...]) -> None:
    model = bench.copy("siglip")
    edit_json(model / "config.json", model_type=kind)
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(USAGE, model, *words)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "no/such/folder", "./no-such-folder"])
def test_model_that_is_nowhere_is_refused_without_network(bench: Bench, name: str) -> None:
    bench.run("tid2013", model=name, root=bench.data("tid2013")).refused(RUNNING, name, "local directory")


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("vision_model.embeddings.class_embedding", "layer_0"),
        ("vision_model.encoder.layers.1.mlp.fc2.bias", "layer_2"),
        ("visual_projection.weight", "projection"),
    ],
)
@pytest.mark.parametrize("family", ["clip", "chinese_clip"])
def test_layer_that_is_not_finite_is_named(bench: Bench, family: str, tensor: str, layer: str) -> None:
    model = bench.copy(family)
    edit_weights(model, lambda weights: weights[tensor].fill_(torch.nan))
    outcome = bench.run("tid2013", model=model, root=bench.data("tid2013"))
    outcome.refused(RUNNING, layer, ".bmp", "not finite", "checkpoint")


def test_layer_that_is_zero_has_no_cosine(bench: Bench) -> None:
    model = bench.copy("clip")
    edit_weights(model, lambda weights: weights["visual_projection.weight"].zero_())
    outcome = bench.run("tid2013", model=model, root=bench.data("tid2013"))
    outcome.refused(RUNNING, "projection", ".bmp", "cosine")
    (remedy,) = re.findall(r"--distance [a-z_,]+", outcome.complaints[0])
    bench.run("tid2013", *remedy.split(), model=model, root=bench.data("tid2013")).succeeded()


# ------------------------------------------------------------------------------------- report, runs, Ctrl-C


@pytest.fixture(scope="module")
def finished(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished")
    assert main(["run", "--model", "pixels", *_place(world, "tid2013"), "--output", str(output)]) == 0
    return output


def _place(world: Path, dataset: str) -> list[str]:
    return ["--dataset", dataset, "--data-root", str(world / dataset), "--loader-workers", "0"]


@pytest.mark.parametrize("name", ["empty", "nowhere"])
def test_report_on_a_folder_without_runs_is_refused(bench: Bench, name: str) -> None:
    folder, figure = bench.scratch / name, bench.scratch / "figure.png"
    if name == "empty":
        folder.mkdir()
    bench.command("report", folder, "--output", figure).refused(RUNNING, folder, "alignbench run")
    assert not figure.exists()


@pytest.mark.parametrize("name", ["figure.docx", "figure"])
def test_report_with_an_unknown_ending_is_refused(bench: Bench, finished: Path, name: str) -> None:
    figure = bench.scratch / name
    bench.command("report", finished, "--output", figure).refused(USAGE, figure, ".png", ".svg", ".pdf")
    assert not figure.exists()


def test_report_with_an_unknown_distance_is_refused(bench: Bench, finished: Path) -> None:
    figure = bench.scratch / "figure.png"
    bench.command("report", finished, "--output", figure, "--distance", "euclidian").refused(
        USAGE, "euclidian", "euclidean"
    )
    assert not figure.exists()


def test_report_below_a_file_is_refused(bench: Bench, finished: Path) -> None:
    (bench.scratch / "blocked").write_text("in the way\n")
    figure = bench.scratch / "blocked" / "figure.png"
    bench.command("report", finished, "--output", figure).refused(RUNNING, figure, "--output")


@pytest.mark.parametrize("content", ["", "model,dataset\n", "\0"], ids=["empty", "cut", "zero"])
def test_report_on_a_broken_curve_is_refused(bench: Bench, finished: Path, content: str) -> None:
    folder = Path(shutil.copytree(next(finished.iterdir()), bench.scratch / "run"))
    (folder / "curve.csv").write_text(content)
    bench.command("report", folder, "--output", bench.scratch / "figure.png").refused(RUNNING, folder)


@pytest.mark.parametrize("broken", ["tid2013", "nights"])
def test_failure_of_one_data_set_leaves_the_others(bench: Bench, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = {dataset: bench.copy(dataset) for dataset in TREE}
    path = picture(broken, roots[broken])
    path.unlink()
    monkeypatch.setenv("ALIGNBENCH_DATA", str(bench.scratch))
    outcome = bench.run(",".join(TREE))
    outcome.complained(RUNNING, f" on {broken}: ", path.name)
    assert [name.split("__")[1] for name in outcome.left] == sorted(set(TREE) - {broken})


def test_identical_run_is_taken_and_overwrite_makes_it_anew(bench: Bench) -> None:
    def stamps(folder: Path) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    root = bench.data("tid2013")
    folder = bench.run("tid2013", root=root).succeeded()
    before, curve = stamps(folder), (folder / "curve.csv").read_bytes()
    again = bench.run("tid2013", root=root)
    assert again.succeeded() == folder
    assert stamps(folder) == before
    assert "is finished" in again.err
    assert bench.run("tid2013", "--overwrite", root=root).succeeded() == folder
    anew = stamps(folder)
    assert anew.keys() == before.keys()
    assert all(anew[name] > before[name] for name in before)
    assert (folder / "curve.csv").read_bytes() == curve
    assert again.left == [folder.name]


@pytest.mark.parametrize("lost", ["run.json", "curve.csv"])
def test_run_folder_that_lost_a_file_is_made_whole(bench: Bench, lost: str) -> None:
    folder = bench.run("tid2013", root=bench.data("tid2013")).succeeded()
    (folder / lost).unlink()
    outcome = bench.run("tid2013", root=bench.data("tid2013"))
    if outcome.code:
        outcome.complained(RUNNING, folder, "--overwrite")
        outcome = bench.run("tid2013", "--overwrite", root=bench.data("tid2013"))
    assert outcome.succeeded() == folder
    assert (folder / lost).is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "delay"), [(0, 0.0), (1, 2.0)])
def test_ctrl_c_leaves_nothing(tmp_path: Path, workers: int, delay: float) -> None:
    output = tmp_path / "out"
    options = ("--model", "random:shapes-clip", "--dataset", "shapes-low", "--output", str(output))
    process = subprocess.Popen(
        [sys.executable, "-m", "alignbench", "run", *options, "--loader-workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        start_new_session=True,  # a terminal's Ctrl-C reaches the loader's processes too
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a shell that runs us in its background ignores it
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert " on shapes-low: " in said
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    outcome = Outcome(process.returncode, out, said + err, output)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert not outcome.left
    assert [line for line in err.splitlines() if not line.startswith("alignbench: ")] == []
    assert len(outcome.complaints) == 1
    assert "interrupted" in outcome.complaints[0]
