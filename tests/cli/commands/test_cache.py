"""`alignbench datasets cache`: which pictures it prepares for whom, what it says, and wrong input."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from alignbench.cli.commands.cache import paper_models
from alignbench.extraction.cached_pixels import entry_bytes
from cache_command import PAPER, Caching, refuse_weights
from folders import Folders


@pytest.fixture
def caching(nights_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Caching:
    return Caching(nights_root, tmp_path / "cache", capsys)


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_weights(monkeypatch)


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


def test_what_was_prepared_is_told_to_programs(caching: Caching) -> None:
    code, out, said = caching.run("--model", "pixels,openai/clip-vit-base-patch32", "--json")
    assert code == 0
    rows = json.loads("\n".join(out))
    assert sorted(model for row in rows for model in row["models"]) == ["openai/clip-vit-base-patch32", "pixels"]
    sizes = caching.sizes()
    assert sum(row["written"] for row in rows) == len(sizes)
    assert {(row["there"], row["absent"], row["folder"]) for row in rows} == {(0, 0, str(caching.place))}
    assert len(said) == len(rows), "the lines that are shown otherwise"


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
        ("nights", ("--resize", "squish"), r"unknown way to resize 'squish': did you mean squash"),
        ("nights", ("--protocol", "papr"), r"did you mean paper\?"),
        ("nights", ("--pixel-cache-size", "much"), r"'much' is not a size"),
        ("nights", ("--pixel-cache", "off"), r"there is no pixel cache to fill: name a folder with --pixel-cache"),
        ("nights", ("--loader-workers", "-1"), r"loader workers -1 is below 0"),
    ],
)
def test_wrong_use_is_refused_in_a_line(caching: Caching, dataset: str, options: tuple[str, ...], said: str) -> None:
    caching.refused(2, said, *options, dataset=dataset)


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
