"""`alignbench interpret search` through the command line: each analysis, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.datasets.images import images_digest
from alignbench.interpret.searching.search import read_search
from alignbench.interpret.store import StoreShape
from alignbench.models.families import load_tower
from extracted import refused, write_scenes
from head_stores import fill_store, random_contributions
from random_transforms import transform

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def store(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("heads")
    order = ["interpret", "decompose", "--model", "shapes-clip", "--images", str(pictures), "--output", str(output)]
    assert main([*order, "--loader-workers", "0"]) == 0
    return next(output.iterdir())


@pytest.fixture(scope="module")
def texts(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pool = tmp_path_factory.mktemp("texts") / "pool.txt"
    pool.write_text("a red circle\na blue star\na green ring\n")
    assert main(["interpret", "textspan", "--heads", str(store), "--texts", str(pool), "--picks", "2"]) == 0
    return next(folder for folder in store.parent.iterdir() if "__textspan__" in folder.name)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("transforms") / "mine.safetensors"
    fingerprint = load_tower("shapes-clip", protocol="corrected").fingerprint
    transform(64, model="shapes-clip", layer="projection", model_fingerprint=fingerprint).save(path)
    return path


@pytest.fixture(scope="module")
def places(store: Path, pictures: Path, texts: Path, aligned: Path) -> dict[str, Path]:
    return {"PICTURES": pictures, "STORE": store, "TEXTS": texts, "ALIGNED": aligned}


def _placed(word: str, places: dict[str, Path]) -> str:
    """A word with the place that it names."""
    for name, place in places.items():
        word = word.replace(name, str(place))
    return word


@pytest.mark.parametrize(
    ("words", "rows", "shown"),
    [
        (("property", "--picture", "b.png", "--group", "5.0,6.3"), 4, "5.0,6.3"),
        (("picture", "--picture", "b.png", "--count", "2"), 32, "6.3"),
        (("picture", "--picture", "PICTURES/c.png", "--group", "6.3"), 7, "c.png ("),
        (("text", "--text", "a red circle", "--measure", "centred"), 48, "3.0"),
        (("topic", "--picture", "PICTURES/c.png", "--text", "a red circle"), 64, "8 x 8 patches, "),
        (
            ("contrast", "--picture", "PICTURES/c.png", "--text", "a red circle", "--against", "a blue star"),
            *(64, "8 x 8 patches, "),
        ),
        (("attention", "--picture", "PICTURES/c.png", "--group", "6.0"), 64, "8 x 8 patches, "),
        (
            ("property", "--picture", "b.png", "--group", "5.0,6.3", "--why", "c.png", "--texts", "TEXTS"),
            *(5, "what no text takes up"),
        ),
        (
            ("text", "--text", "a red circle", "--group", "6.3", "--why", "c.png", "--texts", "TEXTS"),
            *(3, "Why c.png is near: "),
        ),
        (("property", "--picture", "b.png", "--why", "c.png", "--texts", "TEXTS"), 33, "22 more texts"),
        (("difference", "--picture", "b.png", "--than", "STORE", "--group", "6.3", "--count", "2"), 4, "after"),
        (
            (*("difference", "--picture", "b.png", "--than", "STORE"), "--group", "5.0,6.3", "--than-group", "6.0,6.1"),
            *(24, "6.1"),
        ),
        (("difference", "--picture", "b.png", "--transform", "ALIGNED", "--together"), 8, "correlation"),
    ],
)
def test_each_analysis_is_shown_and_kept(
    words: tuple[str, ...], rows: int, shown: str, places: dict[str, Path], capsys: Capture
) -> None:
    named = [_placed(word, places) for word in words]
    order = ["interpret", "search", *named, "--heads", str(places["STORE"])]
    capsys.readouterr()
    assert main(order) == 0
    told = capsys.readouterr().out
    assert shown in told
    folder = Path(told.splitlines()[-1])
    record, table = read_search(folder)
    assert (record["analysis"], len(table)) == (words[0], rows)
    assert main([*order, "--json"]) == 0
    told_again = capsys.readouterr()
    assert f"this was asked before: taken from {folder}" in told_again.err
    assert json.loads(told_again.out)["found"] == table.to_dict("records")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("topics", "--text", "x"), "unknown analysis 'topics': did you mean topic"),
        (("text",), "text takes a text: give --text"),
        (("picture",), "picture is asked about one: give --picture"),
        (("contrast", "--against", "x"), "--against is compared with --text: give --text too"),
        (("picture", "--picture", "nowhere"), "nowhere is neither a picture of"),
        (("topic", "--text", "x", "--picture", "b.png"), "b.png is not a file: a map takes the file of a picture"),
        (("picture", "--picture", "b.png", "--group", "1.0"), "holds no heads of layer 1"),
        (("picture", "--picture", "b.png", "--group", "one"), "--group one names no heads"),
        (("text", "--text", "x", "--model", "shapes-levels-vit"), "is of another model than shapes-levels-vit"),
        (("picture", "--picture", "b.png", "--why", "c.png"), "give both --why and --texts"),
        (("picture", "--picture", "b.png", "--texts", "x"), "give both --why and --texts"),
        (
            ("picture", "--picture", "b.png", "--why", "c.png", "--texts", "x", "--group", "6.0"),
            "x holds no textspan.json",
        ),
        (("picture", "--picture", "b.png", "--together"), "picture looks at one model: leave out --than"),
        (("text", "--text", "x", "--than", "x"), "text looks at one model: leave out --than"),
        (("difference", "--than", "x"), "difference compares a picture in two models: give --picture, and either"),
        (("difference", "--picture", "b.png"), "difference compares a picture in two models"),
        (("difference", "--picture", "b.png", "--than", "x", "--transform", "y"), "and either --than or --transform"),
        (
            ("difference", "--picture", "b.png", "--than", "x", "--text", "y"),
            "difference takes no texts: leave out --text",
        ),
        (("difference", "--picture", "b.png", "--than", "x"), "x is not there: name a folder of contributions"),
        (("difference", "--picture", "nowhere", "--than", "x"), "nowhere is no picture of"),
        (("difference", "--picture", "b.png", "--transform", "none.npz"), "the transform none.npz is not there"),
        (("difference", "--picture", "b.png", "--than", "x", "--than-group", "6"), "--than-group 6 names no heads"),
        (("attention",), "attention is asked about one: give --picture"),
        (("attention", "--picture", "b.png"), "b.png is not a file: a map takes the file of a picture"),
        (("attention", "--measure", "cosine"), "attention is no similarity: leave out --measure"),
        (("people",), "people takes a data set: give --dataset"),
        (("picture", "--picture", "b.png", "--dataset", "nights"), "picture takes no data set: leave out --dataset"),
        (("picture", "--picture", "b.png", "--data-root", "x"), "picture takes no data set: leave out --dataset"),
        (("people", "--dataset", "shapes-low", "--text", "x"), "people takes no texts: leave out --text"),
        (("people", "--dataset", "shapes-low", "--count", "0"), "--count 0: give 1 or more"),
        (("people", "--dataset", "shapes-low", "--picture", "nowhere"), "nowhere is no picture of"),
        (("people", "--dataset", "shapes-low"), "which is no picture of shapes-low: `alignbench interpret align"),
        (("people", "--dataset", "nights"), "nights needs --data-root DIR"),
    ],
)
def test_wrong_input_is_said_in_one_line(words: tuple[str, ...], said: str, store: Path, capsys: Capture) -> None:
    before = set(store.parent.iterdir())
    assert said in refused(capsys, ["interpret", "search", *words, "--heads", str(store)])
    assert set(store.parent.iterdir()) == before


def test_pairs_that_people_find_alike_are_shown_and_kept(tmp_path: Path, capsys: Capture) -> None:
    images = DATASETS.load("shapes-low").read(None, ("test",)).images.select(np.arange(60))
    shape = StoreShape(pictures=60, blocks=1, layers=(1,), heads=2, width=3, dtype="fp32")
    values, digest = random_contributions(60, 4, 3), images_digest(images.names, images.identities())
    store = fill_store(tmp_path / "own__heads__0", shape, values, images.names, images=digest)
    order = ["interpret", "search", "people", "--heads", str(store.folder), "--dataset", "shapes-low"]
    assert main([*order, "--count", "3", "--group", "1.1"]) == 0
    told = capsys.readouterr()
    assert "judgments are left out: the contributions lack a picture of them" in told.err
    assert "Pairs that people find alike (shapes-low)" in told.out
    record, table = read_search(Path(told.out.splitlines()[-1]))
    assert (record["analysis"], table["heads"].tolist()) == ("people", ["1.1"] * 3)
    name = str(table["second"].iloc[1])
    assert main([*order, "--picture", name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["found"]
    assert found
    assert all(name in (each["first"], each["second"]) for each in found)
