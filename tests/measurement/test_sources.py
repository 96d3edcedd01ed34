"""What a run must know of a model before anything is loaded, and towers that are ready to be asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from alignbench import Cell
from alignbench.errors import AlignbenchError, UsageError
from alignbench.extraction.feature_files import FeatureFile, write_features
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.source_kinds import SourceNotes, SourceView
from alignbench.measurement.sources import (
    TowerRequest,
    check_possible,
    load_base,
    load_cell_tower,
    load_ready_tower,
    load_transform,
    source_kind,
)
from alignbench.models.pair_metrics import METRICS
from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.named import NamedTransform
from folders import Folders

NAMES = ("normalized_euclidean", "cosine")


def wide_picture() -> Image.Image:
    """Twice as wide as high, with a left edge that a central square lacks."""
    pixels = np.random.default_rng(0).integers(0, 200, (48, 96, 3), dtype=np.uint8)
    pixels[:, :20] = 255
    return Image.fromarray(pixels)


# --- Before anything is loaded --------------------------------------------------------------------------------------


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_here_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="accelerator cuda: there is no such device here, use --accelerator cpu"):
        check_possible(Cell("shapes-clip", "things", accelerator="cuda"))
    with pytest.raises(UsageError, match="accelerator cuda: there is no such device here, use --accelerator cpu"):
        load_ready_tower(TowerRequest("shapes-clip", "cls", accelerator="cuda"))


@pytest.mark.parametrize(
    ("model", "dataset", "view"),
    [
        ("shapes-clip", "things", SourceView(NAMES, "cls", "squash", "bf16")),
        ("pixels", "things", SourceView(("euclidean",), None, 224, "fp32")),
        ("pixels", "bapps", SourceView(("euclidean",), None, 64, "fp32")),
        ("ssim", "tid2013", SourceView(("ssim",), None, "native", "fp32")),
    ],
)
def test_a_view_holds_what_can_change_a_number_and_nothing_else(model: str, dataset: str, view: SourceView) -> None:
    cell = Cell(model, dataset, distances=NAMES, tokens="cls", resize="squash", precision="bf16")
    nothing: Any = None  # only features that exist are asked
    assert source_kind(cell).view(cell, nothing) == view


def test_a_metric_takes_one_process_no_channel_means_and_no_check_of_precision() -> None:
    options: dict[str, Any] = {"devices": 4, "nodes": 2, "precision": "bf16", "check_precision": 9}
    tower, metric = (Cell(model, "things", **options) for model in ("shapes-clip", "pixels"))
    assert source_kind(tower).processes(tower) == (4, 2)
    assert source_kind(metric).processes(metric) == (1, 1)
    asked = [
        (source_kind(cell).has_channel_means(cell), source_kind(cell).checks_precision(cell))
        for cell in (tower, metric)
    ]
    assert asked == [(True, True), (False, False)]
    cosine = Cell("shapes-clip", "things", distances=("cosine",))
    assert not source_kind(cosine).has_channel_means(cosine)
    assert not source_kind(cosine).checks_precision(cosine)


def test_pictures_are_prepared_as_the_checkpoint_says_or_as_a_whole(tiny_tower: Folders) -> None:
    picture, model = wide_picture(), str(tiny_tower("clip"))
    by_way = {}
    for resize in ("checkpoint", "squash"):
        cell = Cell(model, "things", resize=resize)
        by_way[resize] = source_kind(cell).preparation(cell)(picture).permute(1, 2, 0).numpy()
    assert by_way["checkpoint"].shape == by_way["squash"].shape == (32, 32, 3)
    np.testing.assert_array_equal(by_way["squash"], picture.resize((32, 32), Image.Resampling.BICUBIC))
    assert by_way["squash"][:, :3].mean() > 250
    assert by_way["checkpoint"][:, :3].mean() < 150, "the square is cut out of the middle"


@pytest.mark.parametrize(
    ("dataset", "shape"), [("nights", (3, 224, 224)), ("bapps", (3, 64, 64)), ("tid2013", (3, 48, 96))]
)
def test_a_metric_takes_pictures_at_the_side_of_the_data_set(dataset: str, shape: tuple[int, ...]) -> None:
    cell = Cell("pixels", dataset)
    assert source_kind(cell).preparation(cell)(wide_picture()).shape == shape
    loaded = source_kind(cell).load(cell, None, ProgressListener())
    assert loaded.prepare(wide_picture()).shape == shape


@dataclass(frozen=True)
class Learned:
    """A metric with a preparation of its own, which was trained on one of the data sets."""

    name: str = "learned"
    distance: str = "learned"
    min_side: int = 1
    side: int = 40

    @property
    def trained_on(self) -> dict[str, str]:
        return {"nights": "trained on some of it"}

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        return (first - second).abs().mean((1, 2, 3))


@pytest.mark.parametrize(("dataset", "told"), [("nights", "trained on some of it"), ("tid2013", "")])
def test_a_metric_has_its_own_side_and_says_what_it_was_trained_on(
    dataset: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = EntryPoint("learned", "nowhere:LEARNED", "alignbench.metrics")
    monkeypatch.setattr(METRICS, "_entries", lambda: {"learned": [entry]})
    monkeypatch.setattr(METRICS, "load", lambda name: Learned())
    cell = Cell("learned", dataset)
    kind = source_kind(cell)
    loaded = kind.load(cell, None, ProgressListener())
    for prepare in (kind.preparation(cell), loaded.prepare):
        assert prepare(wide_picture()).shape == (3, 40, 40)
    assert kind.view(cell, loaded) == SourceView(("learned",), None, 40, "fp32")
    assert kind.notes(cell, loaded) == SourceNotes(trained_on=told)


def test_a_tower_says_what_its_projection_is_where_that_is_measured(tiny_tower: Folders) -> None:
    model = str(tiny_tower("clip"))
    for layers, told in ((("all",), "class token after the last norm, projected"), (("layer_0",), "")):
        cell = Cell(model, "nights", layers=layers)
        kind = source_kind(cell)
        assert kind.notes(cell, kind.load(cell, None, ProgressListener())) == SourceNotes(projection=told)


@pytest.mark.parametrize(("model", "nearest"), [("sism", "ssim"), ("shapes-clop", "shapes-clip"), ("pixel", "pixels")])
def test_a_model_that_cannot_be_is_answered_by_the_nearest_of_both_kinds(model: str, nearest: str) -> None:
    cell = Cell(model, "things")
    for refuse in (check_possible, source_kind(cell).preparation):
        with pytest.raises(UsageError, match=f"'{model}'.*did you mean .*{nearest}"):
            refuse(cell)


def test_a_gpu_that_is_not_there_is_refused_only_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for accelerator in ("cpu", "auto"):
        check_possible(Cell("shapes-clip", "things", accelerator=accelerator))
    for model in ("shapes-clip", "pixels"):
        with pytest.raises(UsageError, match=r"accelerator cuda: .* use --accelerator cpu or auto"):
            check_possible(Cell(model, "things", accelerator="cuda"))


def test_a_cell_has_a_transform_only_by_name() -> None:
    assert load_transform(Cell("shapes-clip", "things")) is None
    with pytest.raises(UsageError, match="clip_ViT-L/15"):
        load_transform(Cell("shapes-clip", "things", transform="clip_ViT-L/15"))


# --- Towers that are ready ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absent", [True, False])
def test_a_download_is_told_before_it_begins(
    tiny_tower: Folders, monkeypatch: pytest.MonkeyPatch, absent: bool
) -> None:
    monkeypatch.setattr("alignbench.measurement.sources.needs_download", lambda name, random_init: absent)
    heard: list[str] = []
    model = str(tiny_tower("clip"))
    tower, selection = load_cell_tower(Cell(model, "things"), "paper", heard.append)
    assert (selection, tower.layers[0].name) == (None, "layer_0")
    assert heard == ([f"{model} is not in the local cache: downloading it"] if absent else [])


def test_a_command_gets_the_tower_that_it_asked_for(tiny_tower: Folders) -> None:
    asked = {"view": "mean", "precision": "bf16", "accelerator": "cpu", "batch_size": 3, "workers": 0}
    plain = load_ready_tower(TowerRequest(model=str(tiny_tower("clip")), **asked))  # type: ignore[arg-type]
    twins = [
        load_ready_tower(TowerRequest(model=str(tiny_tower("clip")), random_init=True, seed=seed, **asked))  # type: ignore[arg-type]
        for seed in (3, 3, 4)
    ]
    reading = plain.reading
    assert (reading.view, reading.precision, reading.device, reading.batch_size, reading.workers) == (
        "mean",
        "bf16",
        "cpu",
        3,
        0,
    )
    assert [ready.label for ready in (plain, *twins)] == ["clip", "clip@random-3", "clip@random-3", "clip@random-4"]
    prints = [ready.tower.fingerprint for ready in (plain, *twins)]
    assert prints[1] == prints[2]
    assert len(set(prints)) == 3


def test_a_tower_has_the_layers_that_are_asked_for(tiny_tower: Folders) -> None:
    model = str(tiny_tower("siglip"))
    cell = Cell(model, "things", layers=("projection", "layer_1"))
    tower, selection = load_cell_tower(cell, "paper", str)
    assert selection == ("layer_1", "projection") == tuple(layer.name for layer in tower.layers)
    source = source_kind(cell).load(cell, None, ProgressListener())
    assert (source.selection, source.layers) == (selection, selection)
    ready = load_ready_tower(TowerRequest(model, "cls", layers=("projection",)))
    assert [layer.name for layer in ready.tower.layers] == ["projection"], "where all views coincide"
    with pytest.raises(UsageError, match="the token view 'cls' needs a class token"):
        load_cell_tower(Cell(model, "things", tokens="cls", layers=("layer_1", "projection")), "paper", str)


def test_a_transform_of_a_layer_that_is_left_out_is_refused(tiny_tower: Folders) -> None:
    cell = Cell(str(tiny_tower("clip")), "things", layers=("layer_1",))
    chosen = NamedTransform("mine", AffineTransform(np.eye(3), mean=0.0, std=1.0))
    with pytest.raises(UsageError, match=r"^the transform mine is for projection, which --layers leaves out: give it"):
        source_kind(cell).load(cell, chosen, ProgressListener())


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (TowerRequest(model="ssim", view="cls"), "ssim compares pictures and has no features: name a model"),
        (TowerRequest(model="shapes-clop", view="cls"), "'shapes-clop': did you mean shapes-clip"),
        (TowerRequest(model="shapes-clip", view="clss"), "unknown token view 'clss': did you mean cls"),
        (TowerRequest(model="shapes-clip", view="cls", batch_size=0), "batch size 0 is below 1"),
    ],
)
def test_what_a_command_cannot_get_is_refused(asked: TowerRequest, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        load_ready_tower(asked)


# --- What a transform is learned on top of ---------------------------------------------------------------------------


def test_a_model_is_loaded_as_a_base_and_features_that_exist_are_opened(tmp_path: Path) -> None:
    base = load_base(TowerRequest("shapes-clip", "mean", layers=("projection", "layer_2")), "shapes-high")
    assert base.told.model == "shapes-clip"
    assert base.told.tokens == "mean"
    assert [layer.name for layer in base.layers(["all"])] == ["layer_2", "projection"]
    rows = np.eye(4, dtype=np.float32)
    origin = {"model": "own", "tokens": "mean"}
    write_features(tmp_path / "f.npz", FeatureFile({"layer_2": rows}, ("a", "b", "c", "d"), origin=origin))
    stored = load_base(TowerRequest(f"features:{tmp_path / 'f.npz'}", "all", accelerator="cpu"), "things")
    assert (stored.told.model, stored.told.tokens, stored.told.fingerprint) == ("own", "mean", None)
    assert (stored.device, stored.usual_layers()) == ("cpu", ("layer_2",))
    for request, message in (
        (TowerRequest(f"features:{tmp_path / 'none.npz'}", "all"), "none.npz is not there"),
        (TowerRequest(f"features:{tmp_path / 'f.npz'}", "all", random_init=True), "leave out --random-init"),
    ):
        with pytest.raises(AlignbenchError, match=message):
            load_base(request, "things")
