"""`alignbench interpret textspan` through the command line: what it leaves and shows, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoModel, AutoTokenizer

from alignbench.cli.main import main
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_span import textspan
from alignbench.models.checkpoints import checkpoint_folder
from alignbench.results.head_texts import heads_of, read_span
from extracted import refused, write_scenes
from text_towers import save_clip_texts, save_openclip_texts

Capture = pytest.CaptureFixture[str]
OWN = "a red circle\na blue square\ntwo green stars\nsomething striped\na large cross\n"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def stored(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The store of a model."""
    made: dict[str, Path] = {}

    def store(model: str, *further: str) -> Path:
        if model not in made:
            output = tmp_path_factory.mktemp("heads")
            order = ["interpret", "decompose", "--model", model, "--images", str(pictures), "--output", str(output)]
            assert main([*order, "--loader-workers", "0", *further]) == 0
            made[model] = next(output.iterdir())
        return made[model]

    return store


def span(store: Path, *further: str) -> list[str]:
    return ["interpret", "textspan", "--heads", str(store), *further]


def test_texts_are_found_shown_and_taken_again(stored: Callable[[str], Path], tmp_path: Path, capsys: Capture) -> None:
    store = stored("shapes-clip")
    (tmp_path / "own.txt").write_text(OWN)
    order = span(store, "--texts", str(tmp_path / "own.txt"), "--picks", "3", "--rank", "auto")
    capsys.readouterr()
    assert main(order) == 0
    told = capsys.readouterr()
    folder = Path(told.out.splitlines()[-1])
    assert folder.parent == store.parent
    assert {path.name for path in folder.iterdir()} == {"texts.csv", "textspan.json"}
    opened = HeadStore.open(store)
    assert f"16 heads, {len(opened.names)} images, 5 texts, 64 numbers each" in told.err
    texts = OWN.splitlines()
    path = checkpoint_folder("shapes-clip")
    tokens = AutoTokenizer.from_pretrained(path)(texts, padding=True, return_tensors="pt")
    rows = AutoModel.from_pretrained(path).eval().get_text_features(**tokens).pooler_output.detach().double().numpy()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for layer, head, found in heads_of(read_span(folder)[1]):
        expected = textspan(opened.head(layer, head), rows, 3)
        assert found["text"].tolist() == [texts[index] for index in expected.indices]
        assert "; ".join(found["text"]) in told.out
    assert main([*order, "--json"]) == 0
    told = capsys.readouterr()
    shown = json.loads(told.out)
    assert shown["folder"] == str(folder)
    assert len(shown["texts"]) == len(read_span(folder)[1])
    assert f"these texts were picked before: taken from {folder}" in told.err


def test_the_packaged_pool_is_the_default(stored: Callable[[str], Path], capsys: Capture) -> None:
    store = stored("shapes-clip")
    assert main(span(store, "--picks", "2", "--resamples", "3")) == 0
    told = capsys.readouterr()
    assert "texts are the same as an earlier one to the tokenizer of shapes-clip" in told.err
    _, table = read_span(Path(told.out.splitlines()[-1]))
    assert {"again", "in_place"} <= set(table.columns)
    assert table["again"].between(0, 1).all()


@pytest.mark.parametrize("kind", ["transformers", "open_clip"])
def test_models_in_folders_are_named_again(
    kind: str, stored: Callable[..., Path], tmp_path: Path, capsys: Capture
) -> None:
    make = save_clip_texts if kind == "transformers" else lambda folder: save_openclip_texts(folder, "own")
    model = make(tmp_path / kind)
    store = stored(str(model), "--layers", "all")
    (tmp_path / "own.txt").write_text("a red dog\na green cat\n")
    order = span(store, "--texts", str(tmp_path / "own.txt"))
    assert f"the model of {store} is not found by its name there, {kind}: name it with --model" in refused(
        capsys, order
    )
    assert main([*order, "--model", str(model)]) == 0
    assert read_span(Path(capsys.readouterr().out.splitlines()[-1]))[1]["text"].isin(["a red dog", "a green cat"]).all()


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (("--rank", "many"), "--rank many is neither a number nor auto"),
        (("--rank", "0"), "--rank 0: give 1 or more"),
        (("--picks", "0"), "--picks 0: give 1 or more"),
        (("--resamples", "-2"), "--resamples -2: give 0 or more"),
        (("--texts", "nowhere.txt"), "the texts nowhere.txt cannot be read"),
        (("--heads", "nowhere"), "nowhere is not there: name a folder of contributions"),
        (("--model", "shapes-levels-vit"), "is of another model than shapes-levels-vit: name its model with --model"),
    ],
)
def test_wrong_input_is_said_in_one_line(
    further: tuple[str, ...], said: str, stored: Callable[[str], Path], capsys: Capture
) -> None:
    store = stored("shapes-clip")
    before = set(store.parent.iterdir())
    assert said in refused(capsys, span(store, *further))
    assert set(store.parent.iterdir()) == before


def test_weights_at_random_have_no_texts(pictures: Path, tmp_path: Path, capsys: Capture) -> None:
    order = ["interpret", "decompose", "--model", "shapes-clip", "--random-init", "--images", str(pictures)]
    assert main([*order, "--loader-workers", "0", "--output", str(tmp_path / "heads")]) == 0
    (store,) = (tmp_path / "heads").iterdir()
    assert "is of weights at random, to which texts mean nothing" in refused(capsys, span(store))


def test_a_text_tower_without_tokenizer_is_refused(
    stored: Callable[..., Path], tmp_path: Path, capsys: Capture
) -> None:
    model = save_clip_texts(tmp_path / "clip")
    store = stored(str(model), "--layers", "all")
    shutil.copytree(model, tmp_path / "without")
    (tmp_path / "without/tokenizer.json").unlink()
    line = refused(capsys, span(store, "--model", str(tmp_path / "without")))
    assert "without has a text tower and no tokenizer: put its tokenizer.json beside the weights" in line
