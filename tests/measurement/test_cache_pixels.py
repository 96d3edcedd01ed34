"""`alignbench datasets cache` prepares beforehand what runs then find."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from alignbench.cli.commands.cache import paper_models
from alignbench.cli.main import main
from alignbench.datasets.images import FileImages
from alignbench.extraction.cached_pixels import entry_bytes
from alignbench.models.family import as_family
from reference import save_clip

Folders = Callable[[str], Path]
SMALL = entry_bytes((3, 32, 32))
PAPER = entry_bytes((3, 224, 224))
LINE = re.compile(r"(.+): ([\d,]+) pictures, ([\d,]+) there before, ([\d,]+) written, ([\d,.]+) MB, [\d.]+ s \((.+)\)")


class Caching:
    """Runs the command on NIGHTS, unless told otherwise, and reads what it says."""

    def __init__(self, root: Path, place: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root, self.place, self.capture = root, place, capture

    def run(self, *options: object, dataset: str = "nights", workers: int = 0) -> tuple[int, list[str], list[str]]:
        self.capture.readouterr()
        where = ("--data-root", self.root, "--pixel-cache", self.place, "--loader-workers", workers)
        code = main(["datasets", "cache", dataset, *map(str, where), *map(str, options)])
        out, err = self.capture.readouterr()
        assert "Traceback" not in err
        said = [line for line in err.splitlines() if "as published: only a part" not in line]
        return code, out.splitlines(), said

    def filled(self, *options: object, **others: object) -> list[tuple[str, int, int, int, str]]:
        """Recipe, pictures, those there before, those written, and models of each line."""
        code, out, said = self.run(*options, **others)  # type: ignore[arg-type]
        assert (code, said) == (0, [])
        assert out[-1] == str(self.place)
        found = []
        for line in out[:-1]:
            match = LINE.fullmatch(line)
            assert match, line
            recipe, pictures, there, written, _, models = match.groups()
            found.append((recipe, int(pictures), int(there), int(written), models))
        return found

    def refused(self, code: int, said: str, *options: object, **others: object) -> None:
        given, out, err = self.run(*options, **others)  # type: ignore[arg-type]
        assert len(err) == 1, err
        assert re.search(said, err[0]), err[0]
        assert (given, out) == (code, [])
        assert not self.sizes()

    def sizes(self) -> list[int]:
        return [path.stat().st_size for path in self.place.rglob("*") if path.is_file()] if self.place.is_dir() else []


@pytest.fixture
def caching(nights_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Caching:
    return Caching(nights_root, tmp_path / "cache", capsys)


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("huggingface._pretrained", "huggingface._random", "openclip.read_visual"):
        monkeypatch.setattr(f"alignbench.models.{name}", lambda *_, **__: pytest.fail("weights were wanted"))


def test_the_papers_models_are_served_and_then_found(caching: Caching) -> None:
    lines = caching.filled()
    models = [model for *_, names in lines for model in names.split(", ")]
    assert Counter(models) == Counter(paper_models())
    assert len(models) == 7
    by_recipe = {recipe: (tuple(counts), names) for recipe, *counts, names in lines}
    (*_, count), of_large = by_recipe.pop("shortest side to 336, bicubic, central square, rounded down")
    assert of_large == "openai/clip-vit-large-patch14-336"
    assert count > 20
    (made, squashing) = by_recipe.pop("whole picture to 224 x 224, bicubic")
    assert made == (count, 0, count)
    assert squashing == "OFA-Sys/chinese-clip-vit-base-patch16, google/siglip-base-patch16-224"
    square = "shortest side to 224, bicubic, central square, rounded "
    (made, of_biomedclip), (found, of_clip) = by_recipe[f"{square}to even"], by_recipe[f"{square}down"]
    assert "BiomedCLIP" in of_biomedclip
    assert of_clip.count("openai/") == 3
    assert (made, found) == ((count, 0, count), (count, count, 0))  # square pictures: both libraries make the same
    assert Counter(caching.sizes()) == {PAPER: 2 * count, entry_bytes((3, 336, 336)): count}
    assert [line[1:4] for line in caching.filled()] == [(count, count, 0)] * 4


def test_what_was_lost_is_prepared_again_by_several_processes(caching: Caching, tiny_tower: Folders) -> None:
    [(_, count, *_)] = caching.filled("--model", tiny_tower("clip"))
    entries = [path for path in caching.place.rglob("*") if path.is_file()]
    whole = {path: path.read_bytes() for path in entries}
    entries[0].unlink()
    entries[1].write_bytes(whole[entries[1]][:-1])
    [line] = caching.filled("--model", tiny_tower("clip"), workers=2)
    assert line[1:4] == (count, count - 2, 2)
    assert {path: path.read_bytes() for path in entries} == whole


@pytest.mark.parametrize("resize", ["checkpoint", "squash"])
def test_a_run_decodes_nothing_of_what_is_there(
    caching: Caching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resize: str
) -> None:
    save_clip(tmp_path / "clip")
    recipes = caching.filled("--model", f"{tmp_path / 'clip'},ssim", "--resize", resize)
    assert [line[4] for line in recipes] == [str(tmp_path / "clip"), "ssim"]
    assert (recipes[0][0] == "whole picture to 32 x 32, bicubic") == (resize == "squash")

    def refuse(images: FileImages, index: int) -> Image.Image:
        pytest.fail(f"{images.names[index]} was decoded")

    monkeypatch.undo()
    monkeypatch.setattr(FileImages, "open", refuse)
    for model in ("ssim", str(tmp_path / "clip")):
        where = ("--data-root", caching.root, "--output", tmp_path / "runs", "--loader-workers", 0)
        options = (*where, "--resize", resize, "--pixel-cache", caching.place)
        assert main(["run", "--model", model, "--dataset", "nights", *map(str, options), "--wandb", "off"]) == 0


def test_subsets_and_the_protocol_say_which_pictures(caching: Caching, things_root: Path) -> None:
    caching.root = things_root
    few = caching.filled("--model", "pixels", "--subset", "validationset", dataset="things")[0][1]
    [(_, count, there, *_)] = caching.filled("--model", "pixels", "--protocol", "corrected", dataset="things")
    assert 0 < few == there <= count


@pytest.mark.parametrize(
    ("dataset", "options", "said"),
    [
        ("shapes-low", (), r"shapes-low is drawn on demand and needs no cache: choose a data set with files"),
        ("nihgts", (), r"unknown data set 'nihgts': did you mean nights\?"),
        ("nights", ("--model", "clipp"), r"unknown model 'clipp'"),
        ("nights", ("--model", "sism"), r"unknown model 'sism': did you mean ssim"),
        ("nights", ("--resize", "squish"), r"unknown way to resize 'squish': did you mean squash\?"),
        ("nights", ("--protocol", "papr"), r"did you mean paper\?"),
        ("nights", ("--pixel-cache-size", "much"), r"'much' is not a size"),
        ("nights", ("--pixel-cache", "off"), r"there is no pixel cache to fill: name a folder with --pixel-cache"),
        ("nights", ("--loader-workers", "-1"), r"loader workers -1 is below 0"),
    ],
)
def test_wrong_use_is_refused_in_a_line(caching: Caching, dataset: str, options: tuple[str, ...], said: str) -> None:
    caching.refused(2, said, *options, dataset=dataset)


def test_metrics_at_native_size_have_nothing_to_keep(caching: Caching, tid2013_root: Path) -> None:
    caching.root = tid2013_root
    caching.refused(
        2,
        r"ssim takes the pictures of tid2013 at their native size, .*: leave it out",
        "--model",
        "ssim",
        dataset="tid2013",
    )


def test_a_plug_ins_model_is_refused(caching: Caching, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = as_family("theirs", lambda *_, **__: pytest.fail("the model was loaded"))
    monkeypatch.setattr("alignbench.models.families.find_family", lambda name: theirs)
    caching.refused(2, r"how theirs:one prepares pictures is known only once it is loaded", "--model", "theirs:one")


def test_a_cache_that_cannot_hold_all_is_refused_before_it_is_filled(caching: Caching, tiny_tower: Folders) -> None:
    [(_, count, *_)] = caching.filled("--model", tiny_tower("clip"), "--pixel-cache-size", "1MB")
    assert caching.sizes() == [SMALL] * count
    code, _, said = caching.run("--model", f"{tiny_tower('clip')},pixels", "--pixel-cache-size", count * PAPER)
    assert code == 2
    size = rf"{count} pictures prepared in 2 ways take 0\.\d\dGB, and the pixel cache may take 0\.\d\dGB: raise"
    assert re.search(size, said[0])
    assert caching.sizes() == [SMALL] * count


def test_what_cannot_be_written_ends_in_a_warning_and_a_failure(
    caching: Caching, tiny_tower: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for module in ("cached_pixels", "pixel_cache"):
        monkeypatch.setattr(f"alignbench.extraction.{module}.write_entry", refuse)
    code, out, [said] = caching.run("--model", tiny_tower("clip"))
    assert code == 1
    assert " 0 written, 0.0 MB" in out[0]
    assert re.search(r"warning: (\d+) of \1 pictures are not in the pixel cache \S+ \(No space left on device\)", said)


def test_a_damaged_picture_ends_in_a_line(
    caching: Caching, tiny_tower: Folders, tmp_path: Path, nights_root: Path
) -> None:
    caching.root = Path(shutil.copytree(nights_root, tmp_path / "nights"))
    path = min((caching.root / "ref").rglob("*.png"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255  # both ends are as they should be
    path.write_bytes(data)
    code, _, [said] = caching.run("--model", tiny_tower("clip"))
    assert code == 1
    assert f"{path} cannot be decoded" in said
    assert "download it again" in said
