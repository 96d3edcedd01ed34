"""The twelve published transforms on their models: layer, width, pictures and numbers, by the libraries alone.

The transforms are random ones in the place of the published ones, and so are the weights.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

import alignbench
from alignbench.cli.main import main
from alignbench.errors import UsageError
from alignbench.extraction.feature_files import read_features
from alignbench.models.families import load_tower, skeleton
from alignbench.models.torch_cache import cached_path
from alignbench.report.page.transforms import collect_costs, read_transforms
from alignbench.study.study import read_study
from alignbench.transforms import PUBLISHED
from alignbench.transforms.aligned_layer import planned_layers
from alignbench.transforms.evaluation import downstream
from alignbench.transforms.evaluation.folder import read_evaluation
from backbones import save_backbone
from layouts import write_things
from published_transforms import applied, make_shallow, own_features, plant
from random_transforms import Capture
from reference import HumanJudgments, judgment_distances, read_things
from run_folders import read_distances, read_record, refused, run_command

EVERY = [(name, model) for name, known in PUBLISHED.items() for model in known.models]
SUPERVISED = ["resnet18", "resnet50", "vgg16", "alexnet"]
EXPECTED = "ignore:.*lowers performance downstream", "ignore:.*byte for byte"


@pytest.fixture(scope="module")
def few_things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Choices among four pictures, which are larger than what any of the models takes."""
    root = tmp_path_factory.mktemp("few-things")
    write_things(root, objects=4, triplets=8)
    return root


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def torch_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of torch with random weights under the name of those of resnet18."""
    home = tmp_path_factory.mktemp("torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        place = cached_path(models.ResNet18_Weights.DEFAULT.url)
        place.parent.mkdir(parents=True)
        with torch.random.fork_rng():
            torch.manual_seed(5)
            torch.save(models.resnet18(weights=None).state_dict(), place)
    return home


# --- Every name -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "model"), [each for each in EVERY if "/CLIP-ViT" not in each[1]])  # not on the hub
def test_every_model_has_the_layer_that_its_transform_takes(name: str, model: str) -> None:
    tower = skeleton(model)
    *_, plain, aligned = planned_layers(tower.layers, name, model)
    assert (plain.name, aligned.name) == ("projection", "projection_aligned")
    assert (aligned.channels, plain.channels, aligned.one_token) == (PUBLISHED[name].width,) * 2 + (True,)
    if PUBLISHED[name].module in ("classifier.3", "classifier.4"):
        assert plain.module == f"model.{PUBLISHED[name].module}"
    other = next(each for each, known in PUBLISHED.items() if model not in known.models)
    with pytest.raises(UsageError, match=re.escape(f"not of {model}: take another")):
        planned_layers(tower.layers, other, model)


@pytest.mark.parametrize("name", SUPERVISED)
def test_weights_are_those_that_torchvision_has_as_its_default(name: str) -> None:
    default = models.get_model_weights(name).DEFAULT.name
    assert PUBLISHED[name].models == (f"torchvision:{name}", f"torchvision:{name}/{default}")
    assert default == ("IMAGENET1K_V2" if name == "resnet50" else "IMAGENET1K_V1")


@pytest.mark.parametrize(("name", "model"), EVERY)
def test_published_is_the_one_of_the_model(name: str, model: str) -> None:
    cell = alignbench.Cell(model, "things", transform="published", resize="published").checked()
    assert cell.transform == name
    assert cell == alignbench.Cell(model, "things", transform=name, resize="published").checked()


# --- Numbers --------------------------------------------------------------------------------------------------------


def check_numbers(model: str, judgments: HumanJudgments, root: Path, cache: Path, folder: Path) -> None:
    """The aligned row of a run, with random weights, is the formula on what the library itself gives."""
    cell = alignbench.Cell(model, "things", root, transform="published", resize="published", workers=0, batch_size=4)
    name = str(cell.checked().transform)
    by = plant(cache, name)
    run = alignbench.run(
        replace(cell, random_init=True, force_transform=True, layers=("projection",), protocol="corrected"), folder
    )
    tower = load_tower(model, random_init=True, protocol="corrected")
    features = own_features(tower, model, PUBLISHED[name].module, judgments.images)
    found = read_distances(Path(run.folder), judgments, "testset1")
    for layer, numbers in (("projection", features), ("projection_aligned", applied(features, by))):
        expected = judgment_distances([row[None] for row in numbers], judgments, "all", False)
        for distance in ("cosine", "euclidean"):
            values = found[distance, layer]
            np.testing.assert_allclose(values, expected[distance], rtol=2e-4, atol=1e-9, err_msg=f"{distance} {layer}")
            assert values.std() > 1e-3 * values.mean(), "pictures that cannot be told apart prove nothing"


@pytest.mark.filterwarnings(*EXPECTED)
@pytest.mark.parametrize(
    "model",
    [
        "torchvision:resnet18",
        *(
            pytest.param(model, marks=pytest.mark.slow)
            for model in (
                *("torchvision:resnet50", "torchvision:vgg16", "torchvision:alexnet", "open_clip:RN50/openai"),
                *("openai/clip-vit-large-patch14", "open_clip:ViT-L-14/openai"),
                *("open_clip:ViT-L-14/laion400m_e32", "open_clip:ViT-L-14/laion2b_s32b_b82k"),
                *("timm:vit_base_patch16_224.dino", "timm:vit_base_patch8_224.dino"),
                *("facebook/dino-vitb16", "facebook/dino-vitb8", "facebook/dinov2-base", "facebook/dinov2-large"),
            )
        ),
    ],
)
def test_an_aligned_row_is_the_formula_on_what_the_library_gives(
    few_things: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    make_shallow(monkeypatch)
    check_numbers(model, read_things(few_things), few_things, cache, tmp_path / "runs")


# --- By the commands ------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings(*EXPECTED)
def test_published_and_its_name_are_one_run_which_says_what_to_mind(
    few_things: Path,
    cache: Path,
    torch_home: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    plant(cache, "resnet18")
    told = ("--dataset", "things", "--data-root", few_things, "--subset", "testset1", "--output", tmp_path / "runs")
    options = ("--model", "torchvision:resnet18", *told, "--layers", "projection", "--distance", "cosine")
    folder = run_command(capsys, *options, "--transform", "published")
    assert run_command(capsys, *options, "--transform", "resnet18") == folder
    record = read_record(folder)
    assert (record["label"], record["settings"]["resize"]) == ("torchvision:resnet18@resnet18", "checkpoint")
    caution = record["transform"]["provenance"]["caution"]
    assert "lowers performance downstream" in caution
    study, _ = read_study([folder])
    assert study.remarks == (caution,)
    other = run_command(capsys, *options, "--transform", "published", "--limit", "6")
    assert f"{caution}." in alignbench.compare(folder, other).remarks
    line = refused(capsys, "run", *options, "--transform", "published", "--resize", "squash")
    assert "learned on other pictures (as the model's own code prepares them): add --resize published" in line


@pytest.mark.filterwarnings(*EXPECTED, "ignore:.*as published")
def test_what_it_costs_downstream_is_shown_with_what_to_mind(
    few_things: Path, cache: Path, torch_home: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    monkeypatch.setattr(downstream, "PENALTIES", (1.0,))
    plant(cache, "resnet18")
    rng = np.random.default_rng(0)
    for level, name in ((60, "dark"), (180, "bright")):
        (tmp_path / "classes" / name).mkdir(parents=True)
        for number in range(12):
            pixels = rng.integers(level - 50, level + 50, (40, 40, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "classes" / name / f"{number}.png")
    command = ("transform", "evaluate", "--model", "torchvision:resnet18", "--transform", "published")
    options = ("--dataset", "none", "--labelled", tmp_path / "classes", "--output", tmp_path / "judged")
    assert main([*map(str, (*command, *options)), "--loader-workers", "0"]) == 0
    *_, caution, folder = capsys.readouterr().out.splitlines()
    assert "lowers performance downstream" in caution
    frame, record = read_evaluation(Path(folder))
    assert set(frame["task"]) == {"few-shot", "anomaly"}
    assert record["settings"]["transform"]["name"] == "resnet18"
    assert frame[["before", "after"]].notna().all().all()
    assert (frame["sample"] == "may be in-sample").all()
    [cost] = collect_costs(read_transforms([Path(folder)])[0].judged)
    assert cost.note.endswith(caution.removesuffix("."))


def small_dino(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of DINO's name that takes 224 pixels, and has 16 channels as its published transform then has."""
    monkeypatch.setitem(PUBLISHED, "dino-vit-base-p16", replace(PUBLISHED["dino-vit-base-p16"], width=16))
    save_backbone(place / "dino-vitb16", "vit", image_size=224, patch_size=32)
    told = {"image_processor_type": "ViTImageProcessor", "size": {"height": 224, "width": 224}}
    colours = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (place / "dino-vitb16" / "preprocessor_config.json").write_text(json.dumps(told | colours))
    return place / "dino-vitb16"


def test_pictures_of_dino_are_those_of_its_transform_or_it_is_refused(
    few_things: Path, cache: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small_dino(tmp_path, monkeypatch)
    by = plant(cache, "dino-vit-base-p16")
    told = ("--dataset", "things", "--data-root", few_things, "--subset", "testset1", "--output", tmp_path / "runs")
    options = ("--model", model, *told, "--layers", "projection", "--transform", "published")
    line = refused(capsys, "run", *options)
    assert "other pictures (shortest side to 256, bilinear, central square of 224): add --resize published" in line
    folder = run_command(capsys, *options, "--resize", "published")
    assert read_record(folder)["settings"]["resize"] == "published"
    judgments = read_things(few_things)
    features = own_features(load_tower(str(model)), "facebook/dino-vitb16", "norm", judgments.images)
    expected = judgment_distances([row[None] for row in applied(features, by)], judgments, "all", False)
    found = read_distances(folder, judgments, "testset1")["cosine", "projection_aligned"]
    np.testing.assert_allclose(found, expected["cosine"], rtol=2e-4)
    forced = run_command(capsys, *options, "--force-transform")
    assert not np.allclose(read_distances(forced, judgments, "testset1")["cosine", "projection_aligned"], found)


@pytest.mark.parametrize(
    ("resize", "said"), [("checkpoint", "extract them by `alignbench extract --resize published`"), ("published", "")]
)
def test_features_of_dino_are_those_of_such_pictures_too(
    few_things: Path,
    cache: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    resize: str,
    said: str,
) -> None:
    model, file = small_dino(tmp_path, monkeypatch), tmp_path / "features.safetensors"
    by = plant(cache, "dino-vit-base-p16")
    extract = ("extract", "--model", model, "--images", few_things / "object_images", "--output", file)
    assert main([*map(str, extract), "--resize", resize, "--loader-workers", "0"]) == 0
    plain = read_features(file)
    assert plain.origin.get("resize", "checkpoint") == resize
    command = ("transform", "apply", "--transform", "published", "--features", file, "--output", tmp_path / "out.npz")
    if said:
        assert said in refused(capsys, *command)
        return
    assert main([*map(str, command)]) == 0
    expected = applied(plain.arrays["projection"], by)
    found = read_features(tmp_path / "out.npz").arrays["projection"]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_what_has_no_published_transform_is_refused_with_those_that_have(tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "plain.npy", np.ones((2, 3), dtype=np.float32))
    having = "no transform is published for openai/clip-vit-base-patch32: there are those of openai/clip-vit-large"
    for option in ("--transform", "--resize"):
        line = refused(
            capsys, "run", "--model", "openai/clip-vit-base-patch32", "--dataset", "things", option, "published"
        )
        assert having in line
        assert all(known.models[0] in line for known in PUBLISHED.values())
    told = ("--model", "openai/clip-vit-base-patch32", "--dataset", "things", "--transform", "published")
    assert having in refused(capsys, "plan", *told)
    features = ("--features", tmp_path / "plain.npy", "--output", tmp_path / "out.npy")
    line = refused(capsys, "transform", "apply", "--transform", "published", *features)
    assert "the features do not say of which model they are: name its published transform itself" in line
    line = refused(
        capsys,
        "run",
        "--model",
        f"features:{tmp_path / 'plain.npy'}",
        "--dataset",
        "things",
        "--transform",
        "published",
    )
    assert "holds features, of whichever model: name the transform itself" in line


def test_a_plan_counts_the_aligned_layer(capsys: Capture) -> None:
    told = ("plan", "--model", "torchvision:resnet18", "--dataset", "things", "--layers", "projection", "--json")
    features = []
    for options in ((), ("--transform", "published")):
        assert main([*told, *options]) == 0
        features.append(json.loads(capsys.readouterr().out)[0]["feature_bytes"])
    assert features[1] == 2 * features[0] > 0
