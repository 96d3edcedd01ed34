"""Runs on features that exist: the scores of the tower that they come from, and everything downstream."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignbench import Cell
from alignbench.cli.main import main
from alignbench.datasets.image_folder import image_folder
from alignbench.errors import AlignbenchWarning, DataError, ModelError, UsageError
from alignbench.extraction.feature_files import read_features, write_features
from alignbench.measurement.pipeline import measure_cell
from alignbench.measurement.sources import check_possible, source_kind
from alignbench.results.run_folder import Run
from alignbench.results.stored_run import StoredRun
from alignbench.study.comparison import compare
from alignbench.tracking.payload import summary
from feature_writers import features_of, list_names
from folders import Folders
from layouts import CONCEPTS
from measured_cells import measured
from random_transforms import transform
from reference import pair_distances, read_things
from run_folders import do_not_draw, read_curve, read_distances, read_record, refused, run_command

Capture = pytest.CaptureFixture[str]
SETS = ("tid2013", "nights", "things")
ALIKE = ("subset", "distance", "layer", "depth", "tokens", "metric", "n", "n_clusters")


def extract(model: Path, pictures: Path, output: Path, *options: str) -> Path:
    given = ("--model", model, "--images", pictures, "--output", output, "--layers", "all", "--loader-workers", "0")
    assert main(["extract", *map(str, given), *options]) == 0
    return output


def agree(run: Run, other: Run) -> None:
    """The same layers, distances to 1e-6 of their size, and rows of scores."""
    assert (run.layers, run.distances.keys()) == (other.layers, other.distances.keys())
    for name, values in run.distances.items():
        np.testing.assert_allclose(other.distances[name], values, rtol=1e-6, atol=1e-9, err_msg=name)
    for column in ALIKE:
        pd.testing.assert_series_equal(run.curve.frame[column], other.curve.frame[column])
    np.testing.assert_allclose(run.curve.frame["value"], other.curve.frame["value"], atol=1e-6)
    assert run.channels is not None
    assert other.channels is not None
    pd.testing.assert_frame_equal(run.channels, other.channels, rtol=1e-5)


# --- The same as the tower ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def extracted(tiny_tower: Folders, data_root: Folders, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """All tokens of all layers of the tower, by name of the data set; as the protocol `paper` takes them."""
    folder = tmp_path_factory.mktemp("features")

    def file(name: str) -> Path:
        path = folder / f"{name}.safetensors"
        if not path.exists():
            extract(tiny_tower("siglip"), data_root(name), path, "--tokens", "all", "--normalize")
        return path

    return file


@pytest.mark.parametrize(("dataset", "tokens"), [*((dataset, "all") for dataset in SETS), ("nights", "mean")])
def test_a_run_on_a_tower_is_a_run_on_its_features(
    dataset: str, tokens: str, tiny_tower: Folders, data_root: Folders, extracted: Folders
) -> None:
    root, options = data_root(dataset), {"tokens": tokens}
    run = measured(str(tiny_tower("siglip")), dataset, root, **options)
    agree(run, measured(f"features:{extracted(dataset)}", dataset, root, **options))


@pytest.mark.parametrize("dataset", SETS)
def test_so_it_is_under_the_corrected_protocol(
    dataset: str, tiny_tower: Folders, data_root: Folders, tmp_path: Path
) -> None:
    path = extract(tiny_tower("siglip"), data_root(dataset), tmp_path / "it.npz", "--tokens", "mean")
    runs = [
        measured(model, dataset, data_root(dataset), tokens="mean", protocol="corrected")
        for model in (str(tiny_tower("siglip")), f"features:{path}")
    ]
    agree(*runs)


def test_the_view_and_the_precision_are_those_of_the_file(
    tiny_tower: Folders, nights_root: Path, tmp_path: Path
) -> None:
    options = ("--tokens", "cls", "--normalize", "--precision", "bf16")
    path = extract(tiny_tower("clip"), nights_root, tmp_path / "it.safetensors", *options)
    run = measured(f"features:{path}", "nights", nights_root)
    assert (run.settings.tokens, run.settings.precision, run.record.label) == ("cls", "bf16", "features:it.safetensors")
    agree(measured(str(tiny_tower("clip")), "nights", nights_root, tokens="cls", precision="bf16"), run)


def test_a_class_token_that_the_file_tells_of_can_be_chosen(
    tiny_tower: Folders, nights_root: Path, tmp_path: Path
) -> None:
    path = extract(tiny_tower("clip"), nights_root, tmp_path / "it.npz", "--tokens", "all", "--normalize")
    for tokens in ("cls", "mean"):
        run = measured(f"features:{path}", "nights", nights_root, tokens=tokens)
        agree(measured(str(tiny_tower("clip")), "nights", nights_root, tokens=tokens), run)


# --- Names ----------------------------------------------------------------------------------------------------------


def by_picture(folder: Path, root: Path, order: Sequence[int] | None = None, wrong: bool = False) -> Path:
    """Features of the pictures below a root, in thingsvision's form."""
    names = list(image_folder(root).names)
    rows = features_of(names, 6)
    order = range(len(names)) if order is None else order
    listed = [names[place] for place in order]
    np.save(list_names(folder, [*listed[1:], "other.png"] if wrong else listed) / "features.npy", rows[list(order)])
    return folder


@pytest.mark.parametrize("dataset", SETS)
def test_the_order_of_rows_changes_no_score(dataset: str, data_root: Folders, tmp_path: Path) -> None:
    root = data_root(dataset)
    order = np.random.default_rng(1).permutation(len(image_folder(root).names))
    plain = measured(f"features:{by_picture(tmp_path / 'a', root)}", dataset, root)
    other = measured(f"features:{by_picture(tmp_path / 'b', root, order.tolist())}", dataset, root)
    agree(plain, other)
    with pytest.raises(DataError, match=rf"wrong has no row for 1 of the \d+ pictures of {dataset} by path"):
        measured(f"features:{by_picture(tmp_path / 'wrong', root, wrong=True)}", dataset, root)


def test_an_embedding_of_things_has_a_row_for_each_concept(
    things_root: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_not_draw(monkeypatch)
    concepts = sorted(CONCEPTS)
    embedding = np.abs(features_of(concepts, 49))
    frame = pd.DataFrame(embedding, columns=[f"dim_{number}" for number in range(49)])
    frame.insert(0, "concept", concepts)
    frame.to_csv(tmp_path / "spose.csv", index=False)
    folder = run_command(
        capsys,
        *("--model", f"features:{tmp_path / 'spose.csv'}", "--dataset", "things", "--data-root", things_root),
        *("--output", tmp_path / "runs"),
    )
    judgments = read_things(things_root)
    tokens = [embedding[concepts.index(path.parent.name)][None] for path in map(Path, judgments.images)]  # type: ignore[arg-type]
    wanted = pair_distances(tokens, [pair for pairs in judgments.pairs for pair in pairs])
    found = read_distances(folder, judgments, "testset1")
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name, "features"].ravel(), values, rtol=1e-6, err_msg=name)
    assert {row["depth"] for row in read_curve(folder).values()} == {"100.0"}
    settings = read_record(folder)["settings"]
    assert settings["model"] == "features:spose.csv"
    assert len(settings["model_fingerprint"]) == 64


# --- Downstream -----------------------------------------------------------------------------------------------------


def test_features_are_compared_reported_and_logged_like_a_tower(
    tiny_tower: Folders,
    tid2013_root: Path,
    extracted: Folders,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    do_not_draw(monkeypatch)
    path = tmp_path / "mine.safetensors"
    path.write_bytes(extracted("tid2013").read_bytes())
    (tmp_path / "mine.alignbench.toml").write_text('label = "mine"\n[factors]\nstep = 1000\n')
    runs = [
        run_command(
            capsys,
            *("--model", model, "--dataset", "tid2013", "--data-root", tid2013_root),
            *("--output", tmp_path / "runs", "--accelerator", "cpu"),
        )
        for model in (tiny_tower("siglip"), f"features:{path}", "pixels")
    ]
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == len(runs)
    mine = next(StoredRun(folder) for folder in folders if folder.name.startswith("mine"))
    assert (mine.record.label, mine.record.factors["step"]) == ("mine", 1000)
    table = compare(runs[0], runs[1])
    assert {"projection", "layer_1"} <= {*table["place"], *table["layer"]} if "layer" in table else len(table) > 3
    np.testing.assert_allclose(table["difference"].dropna(), 0, atol=1e-6)
    logged = [summary(StoredRun(folder).curve) for folder in runs[:2]]
    assert {key: value for key, value in logged[0].items() if isinstance(value, str)}.keys() <= logged[1].keys()
    assert logged[0].keys() == logged[1].keys()
    assert main(["report", str(tmp_path / "runs"), "--output", str(tmp_path / "page.html")]) == 0
    assert "mine" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_transform_makes_a_further_layer_of_features(tiny_tower: Folders, nights_root: Path, tmp_path: Path) -> None:
    path = extract(tiny_tower("siglip"), nights_root, tmp_path / "it.npz", "--tokens", "mean")
    learned = transform(
        32,
        layer="layer_1",
        tokens="mean",
        model="siglip",
        model_fingerprint=read_features(path).origin["model_fingerprint"],
    )
    learned.save(tmp_path / "turn.safetensors")
    options: dict[str, Any] = {"transform": tmp_path / "turn.safetensors", "protocol": "corrected"}
    run = measured(f"features:{path}", "nights", nights_root, **options)
    agree(measured(str(tiny_tower("siglip")), "nights", nights_root, tokens="mean", **options), run)
    assert "layer_1_aligned" in run.layers
    assert run.record.label == "features:it.npz@turn"


@pytest.mark.parametrize(
    ("provenance", "width", "said"),
    [
        ({"layer": "layer_9"}, 32, "the transform turn is for layer_9, which features:it.npz has not: it has layer_0"),
        ({"layer": "layer_1"}, 16, "takes 16 channels, and layer_1 of features:it.npz has 32"),
        (
            {"layer": "layer_1", "tokens": "cls"},
            32,
            "turn is of the view cls, and these features of the view mean: add --force-transform",
        ),
        (
            {"layer": "layer_1", "model_fingerprint": "other", "model": "vit"},
            32,
            "turn is of vit, and these features of siglip: add --force-transform",
        ),
    ],
)
def test_a_transform_that_does_not_fit_is_refused(
    provenance: dict[str, str],
    width: int,
    said: str,
    tiny_tower: Folders,
    nights_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    extract(tiny_tower("siglip"), nights_root, Path("it.npz"), "--tokens", "mean")
    transform(width, **provenance).save(Path("turn.safetensors"))
    options: dict[str, Any] = {"transform": "turn.safetensors"}
    with pytest.raises(UsageError, match=re.escape(said)):
        measured("features:it.npz", "nights", nights_root, **options)
    if "add" in said:
        assert (
            "layer_1_aligned"
            in measured("features:it.npz", "nights", nights_root, force_transform=True, **options).layers
        )


def test_features_of_no_known_model_take_a_transform_on_trust(nights_root: Path, tmp_path: Path) -> None:
    transform(6).save(tmp_path / "turn.safetensors")
    model = f"features:{by_picture(tmp_path / 'it', nights_root)}"
    with pytest.warns(AlignbenchWarning, match="that turn belongs to it is taken on trust"):
        run = measured(model, "nights", nights_root, transform=tmp_path / "turn.safetensors")
    assert run.layers == ("features", "features_aligned")
    np.save(tmp_path / "it/features.npy", features_of(list(image_folder(nights_root).names), 3, 6))
    with pytest.raises(UsageError, match="the transform turn takes one token of a picture, and features of features:"):
        measured(model, "nights", nights_root, transform=tmp_path / "turn.safetensors")


def test_a_transform_is_never_of_a_layer_that_happens_to_be_left(nights_root: Path, tmp_path: Path) -> None:
    folder = by_picture(tmp_path / "it", nights_root)
    np.save(folder / "conv.npy", np.load(folder / "features.npy"))
    transform(6, layer="conv").save(tmp_path / "turn.safetensors")
    options: dict[str, Any] = {"transform": tmp_path / "turn.safetensors"}
    with pytest.raises(UsageError, match="is for conv, which --layers leaves out: give it there, too"):
        measured(f"features:{folder}", "nights", nights_root, layers=("features",), **options)
    with pytest.warns(AlignbenchWarning, match="taken on trust"):
        run = measured(f"features:{folder}", "nights", nights_root, layers=("conv",), **options)
    assert run.layers == ("conv", "conv_aligned")


def test_layers_can_be_chosen(nights_root: Path, extracted: Folders) -> None:
    model = f"features:{extracted('nights')}"
    whole, some = (
        measured(model, "nights", nights_root, layers=layers) for layers in (("all",), ("layer_1", "projection"))
    )
    assert some.layers == ("layer_1", "projection")
    assert (whole.settings.layers, some.settings.layers) == (None, some.layers)
    rows = [whole.layers.index(name) for name in some.layers]
    for name, values in some.distances.items():
        np.testing.assert_array_equal(values, whole.distances[name][rows])
    with pytest.raises(UsageError, match="unknown layer 'blocks'"):
        measured(model, "nights", nights_root, layers=("blocks",))


# --- Options and commands -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"random_init": True}, "features:it has no weights to randomise: leave out --random-init"),
        ({"resize": "squash"}, "features:it holds features already, of pictures as they were: leave out --resize"),
    ],
)
def test_options_of_towers_that_would_say_something_else_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Cell("features:it", "nights", **options).checked()
    if options.get("random_init"):
        with pytest.raises(UsageError, match=said):
            Cell("random:features:it", "nights").checked()


def test_what_changes_no_number_is_passed_over_as_for_baselines(nights_root: Path, tmp_path: Path) -> None:
    model = f"features:{by_picture(tmp_path / 'it', nights_root)}"
    options: dict[str, Any] = {
        "precision": "bf16",
        "check_precision": 5,
        "compiled": True,
        "devices": 2,
        "batch_size": "auto",
    }
    plain, other = (measured(model, "nights", nights_root, **given) for given in ({}, options))
    agree(plain, other)
    assert other.settings == plain.settings
    assert other.record.precision_check is None
    cell = Cell(model, "nights", **options)
    assert source_kind(cell).processes(cell) == (1, 1)


def test_what_is_not_there_is_refused_before_data_are_looked_at(tmp_path: Path) -> None:
    for refuse in (check_possible, lambda cell: measure_cell(cell)):
        with pytest.raises(ModelError, match=r"nothing\.npz is not there: check the path of the features"):
            refuse(Cell(f"features:{tmp_path / 'nothing.npz'}", "nights", tmp_path / "no data"))


@pytest.mark.parametrize(
    "command",
    [
        ("extract", "--images", ".", "--output", "out.npz"),
        ("transform", "learn", "--dataset", "things", "--data-root", "things", "--objective", "global"),
        ("plan", "--dataset", "nights"),
    ],
)
def test_commands_that_need_a_model_say_so(
    command: tuple[str, ...], nights_root: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_picture(tmp_path / "it", nights_root)
    (tmp_path / "a.png").write_bytes(next(nights_root.rglob("*.png")).read_bytes())
    monkeypatch.chdir(tmp_path)
    assert "features:it holds features, and this needs a model that makes them" in refused(
        capsys, *command, "--model", "features:it"
    )


def test_a_cache_of_pictures_has_no_use_for_them(nights_root: Path, tmp_path: Path) -> None:
    cell = Cell(f"features:{by_picture(tmp_path / 'it', nights_root)}", "nights")
    with pytest.raises(UsageError, match="holds features already, and prepares no pictures: leave it out"):
        source_kind(cell).preparation(cell)


def test_a_file_of_features_that_a_transform_was_applied_to_is_measured(
    tiny_tower: Folders, nights_root: Path, tmp_path: Path
) -> None:
    plain = extract(tiny_tower("siglip"), nights_root, tmp_path / "it.npz", "--tokens", "mean")
    file = read_features(plain)
    write_features(tmp_path / "turned.npz", file.with_transformed("layer_1", file.arrays["layer_1"] * 2, "double"))
    transform(32, layer="layer_1").save(tmp_path / "turn.safetensors")
    with pytest.raises(UsageError, match="layer_1 has been transformed already, by double: add --force-transform"):
        measured(f"features:{tmp_path / 'turned.npz'}", "nights", nights_root, transform=tmp_path / "turn.safetensors")
