"""`run --transform`: an aligned layer beside the plain ones, against plain NumPy, and everywhere downstream."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

import alignbench
from alignbench.cli.console import score_table, twin_table
from alignbench.cli.main import main
from alignbench.errors import AlignbenchWarning
from alignbench.extraction.pair_extraction import layer_bytes
from alignbench.measurement.pipeline import measure_cell
from alignbench.models.families import load_tower
from alignbench.models.layer_names import is_aligned
from alignbench.report.figures.channels import channels_figure
from alignbench.report.figures.curves import curves_figure
from alignbench.report.tables.leaderboard import lead
from alignbench.report.tables.scores import score_sheet
from alignbench.report.tables.scores import score_table as paper_table
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.published import published_for
from alignbench.results.run_folder import run_hash
from alignbench.results.stored_run import StoredRun
from alignbench.study.alignment_factor import compare_alignment
from alignbench.study.comparison import compare
from alignbench.study.factors import compare_factors
from alignbench.study.study import read_study
from alignbench.tracking.payload import charts, configuration, scores_by_depth, summary
from alignbench.transforms import AffineTransform
from alignbench.transforms.aligned_layer import AffineReadout, Use, add_aligned_layer
from alignbench.transforms.named import resolve
from folders import Folders
from random_transforms import Capture, transform
from reference import (
    Array,
    TokenView,
    agreement,
    depths,
    embed,
    judgment_distances,
    read_nights,
    read_tid2013,
    token_view,
)
from run_folders import do_not_draw, read_curve, read_distances, read_record, refused, run_command
from studies import BASE_32, Made, as_published, write_made

Floats = NDArray[np.float64]


WIDTHS = {"clip": 24, "chinese_clip": 24, "siglip": 32}


NAMES = ("normalized_euclidean", "euclidean", "cosine")


TRUST = "ignore:.*is taken on trust"


def applied(tokens: list[Array], by: AffineTransform) -> list[Array]:
    """The formula, in float64, on the features of each image."""
    bias = np.zeros(by.weights.shape[1]) if by.bias is None else by.bias
    return [((image - by.mean) / by.std) @ by.weights.astype(float) + bias for image in tokens]


def curve_and_distances(
    model: Path, root: Path, by: Path | str | None, **options: Any
) -> tuple[LayerCurve, dict[str, dict[str, Floats]]]:
    """Scores, and distances of the distinct pairs by name and layer."""
    run = measure_cell(alignbench.Cell(str(model), "nights", root, transform=by, workers=0, **options))
    assert run is not None
    return run.curve, {name: dict(zip(run.layers, values, strict=True)) for name, values in run.distances.items()}


class Aligned:
    """Runs of one tower on TID2013: as it is, and with two transforms of its projection."""

    def __init__(self, model: Path, root: Path, place: Path) -> None:
        self.root = root
        told = {"model_fingerprint": load_tower(str(model)).fingerprint, "model": "clip"}
        self.transforms = {
            name: transform(24, seed=seed, **told).save(place / f"{name}.safetensors")
            for seed, name in enumerate(("turned", "other"))
        }
        self.plain, self.turned, self.other = (
            self._run(model, place / "runs", by) for by in (None, *self.transforms.values())
        )

    def _run(self, model: Path, output: Path, by: Path | None) -> Path:
        there = set(output.glob("*"))
        command = ["run", "--model", model, "--dataset", "tid2013", "--data-root", self.root, "--output", output]
        command += [] if by is None else ["--transform", by]
        assert main([*map(str, command), "--loader-workers", "0"]) == 0
        (made,) = set(output.glob("clip*")) - there
        return made


@pytest.fixture(scope="module")
def aligned(tiny_tower: Folders, tid2013_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Aligned:
    with pytest.MonkeyPatch.context() as patch:
        do_not_draw(patch)
        return Aligned(tiny_tower("clip"), tid2013_root, tmp_path_factory.mktemp("aligned"))


# --- Numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings(TRUST)
@pytest.mark.parametrize("family", WIDTHS)
def test_distances_are_those_of_the_transformed_raw_projection(
    tiny_tower: Folders, nights_root: Path, tmp_path: Path, capsys: Capture, family: str
) -> None:
    by, model = transform(WIDTHS[family], 10), tiny_tower(family)
    path = by.save(tmp_path / "turn.npz")
    options = ("--dataset", "nights", "--data-root", nights_root, "--output", tmp_path / "runs", "--transform", path)
    folder = run_command(capsys, "--model", model, *options)
    judgments = read_nights(nights_root)
    found = read_distances(folder, judgments, "all")
    raw, paper = (embed(model, judgments.images, unit)["projection"] for unit in (False, True))
    for layer, tokens in (("projection_aligned", applied(raw, by)), ("projection", paper)):
        expected = judgment_distances(tokens, judgments, "all", family != "siglip")
        for name in NAMES:
            np.testing.assert_allclose(found[name, layer], expected[name], rtol=2e-6, err_msg=f"{name} {layer}")
    assert not np.allclose(np.linalg.norm(np.concatenate(raw), axis=1), 1.0)
    row = read_curve(folder)["all", "cosine", "projection_aligned", "accuracy"]
    right = agreement(found["cosine", "projection_aligned"], judgments.values)
    assert float(row["value"]) == pytest.approx(right.mean())
    assert (row["model"], row["tokens"], float(row["depth"])) == (f"{family}@turn", "", 100.0)


@pytest.mark.filterwarnings(TRUST)
def test_the_identity_changes_nothing(tiny_tower: Folders, nights_root: Path, tmp_path: Path) -> None:
    path = AffineTransform(np.eye(24), 0.0, 1.0).save(tmp_path / "identity.safetensors")
    _, plain = curve_and_distances(tiny_tower("clip"), nights_root, None)
    curve, found = curve_and_distances(tiny_tower("clip"), nights_root, path)
    for name, layers in found.items():
        np.testing.assert_array_equal(layers.pop("projection_aligned"), layers["projection"])
        assert layers.keys() == plain[name].keys()
        for layer, values in layers.items():
            np.testing.assert_array_equal(values, plain[name][layer], err_msg="plain layers stay as they are")
    assert curve.label == "clip@identity"


@pytest.mark.parametrize(("view", "layer"), [("mean", "layer_2"), ("cls", "layer_1")])
def test_a_layer_is_aligned_in_the_view_it_was_learned_in(
    tiny_tower: Folders, nights_root: Path, tmp_path: Path, view: TokenView, layer: str
) -> None:
    model = tiny_tower("clip")
    told = {"layer": layer, "tokens": view, "model_fingerprint": load_tower(str(model)).fingerprint}
    by = transform(32, 40, **told)
    run = measure_cell(
        alignbench.Cell(
            str(model), "nights", nights_root, tokens=view, transform=by.save(tmp_path / "of.safetensors"), workers=0
        )
    )
    assert run is not None
    place = run.layers.index(layer)
    assert run.layers[place + 1] == f"{layer}_aligned", "directly after the layer"
    rows = run.curve.frame.drop_duplicates("layer").set_index("layer")
    assert rows.loc[f"{layer}_aligned", "depth"] == rows.loc[layer, "depth"] == depths(3)[layer]
    assert rows.loc[f"{layer}_aligned", "tokens"] == view
    judgments = read_nights(nights_root)
    seen = [token_view(image, view, True) for image in embed(model, judgments.images)[layer]]
    expected = judgment_distances(applied(seen, by), judgments, "all", True)
    for name in NAMES:
        found = run.distances[name][place + 1][run.judgments.judged]
        np.testing.assert_allclose(found, expected[name], rtol=2e-6, err_msg=name)


@pytest.mark.parametrize("bias", [True, False])
def test_a_readout_is_the_transform(bias: bool) -> None:
    by = transform(6, 4)
    by = by if bias else AffineTransform(by.weights, by.mean, by.std)
    features = np.random.default_rng(1).normal(size=(3, 1, 6))
    found = AffineReadout(by)(torch.from_numpy(features).float())
    np.testing.assert_allclose(found.numpy(), by.apply(features), rtol=1e-5, atol=1e-6)


def test_an_aligned_layer_counts_what_comes_out(tiny_tower: Folders, tmp_path: Path) -> None:
    tower = load_tower(str(tiny_tower("clip")))
    by = transform(24, 10, model_fingerprint=tower.fingerprint).save(tmp_path / "narrow.safetensors")
    add_aligned_layer(tower, resolve(by), Use("clip", "all"))
    *_, plain, aligned = tower.layers
    assert (aligned.width, aligned.channels, layer_bytes(aligned, "all")) == (24, 10, 4 * 10)
    assert (plain.width, plain.channels) == (24, 24)


# --- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "provenance", "options", "said"),
    [
        (23, {}, (), "takes 23 channels, and projection of .* has 24"),
        (24, {"layer": "layer_9"}, (), r"is for layer_9, which .* has not: it has layer_0, .*layer_3, projection"),
        (24, {"model_fingerprint": "0" * 64, "model": "other"}, (), "was learned on other, and .*force it"),
        (24, {"models": ["openai/clip-vit-large-patch14"]}, (), "is of openai/clip-vit-large-patch14, not of .*force"),
        (24, {"models": ["x/clip"]}, ("--random-init",), "not of .*clip with random weights"),
        (24, {"models": []}, (), "fits no model here"),
        (32, {"layer": "layer_1", "tokens": "mean"}, (), "'mean', not 'all': run with --tokens mean"),
        (32, {"layer": "layer_1", "tokens": "cls"}, ("--tokens", "mean"), "'cls', not 'mean': run with --tokens cls"),
        (32, {"layer": "layer_1", "tokens": "all"}, (), "token view 'all': learn it on .* cls or mean"),
        (32, {"layer": "layer_1"}, ("--tokens", "cls"), "does not say of which token view"),
    ],
)
def test_a_transform_of_something_else_is_refused(
    tiny_tower: Folders,
    tmp_path: Path,
    capsys: Capture,
    width: int,
    provenance: dict[str, Any],
    options: tuple[str, ...],
    said: str,
) -> None:
    path = transform(width, **provenance).save(tmp_path / "mine.safetensors")
    command = ("run", "--model", tiny_tower("clip"), "--dataset", "shapes-low", "--limit", "45", "--transform", path)
    line = refused(capsys, *command, *options, "--output", tmp_path / "runs")
    assert "mine" in line
    assert re.search(said, line), line


def test_what_can_be_refused_before_anything_is_read_is(tiny_tower: Folders, tmp_path: Path, capsys: Capture) -> None:
    np.save(tmp_path / "old.npy", np.eye(24))
    save_file({"weights": np.eye(24)}, tmp_path / "half.safetensors")
    model, path = tiny_tower("clip"), transform(24).save(tmp_path / "mine.npz")
    for arguments, said in (
        ((model, "--transform", tmp_path / "old.npy"), "old.npy holds no mean and std"),
        ((model, "--transform", tmp_path / "half.safetensors"), "has no mean and no std"),
        ((model, "--transform", tmp_path / "missing.npz"), "missing.npz is not there"),
        ((model, "--transform", "clip_ViT-L/15"), "did you mean clip_ViT-L/14"),
        ((model, "--force-transform"), "goes with --transform"),
        (("pixels", "--transform", path), "pixels has no layer to align: leave out --transform"),
    ):
        line = refused(capsys, "run", "--dataset", "nights", "--data-root", tmp_path / "none", "--model", *arguments)
        assert said in line


def test_a_transform_of_another_model_can_be_forced(tiny_tower: Folders, tmp_path: Path, capsys: Capture) -> None:
    path = transform(24, model_fingerprint="0" * 64).save(tmp_path / "mine.safetensors")
    options = ("--dataset", "shapes-low", "--limit", "45", "--output", tmp_path / "runs", "--distance", "cosine")
    forced = ("--transform", path, "--force-transform")
    folder = run_command(capsys, "--model", tiny_tower("clip"), *options, *forced, "--random-init", "--seed", "3")
    assert read_record(folder)["label"] == "clip@random-3@mine"
    assert folder.name.startswith("clip@random-3@mine__shapes-low__")
    curve = StoredRun(folder).curve
    assert (curve.model, curve.transform) == ("clip@random-3", "mine")
    header = [str(column.header) for column in twin_table([curve, curve], "t").columns]
    assert header[-2:] == ["aligned by mine, mean", "min .. max"]


def test_what_says_nothing_of_its_model_is_taken_with_a_warning(
    tiny_tower: Folders, nights_root: Path, tmp_path: Path
) -> None:
    path = transform(24).save(tmp_path / "mine.npz")
    with pytest.warns(AlignbenchWarning, match="mine does not say of which model it is"):
        curve_and_distances(tiny_tower("clip"), nights_root, path, limit=3)


# --- Names and settings ---------------------------------------------------------------------------------------------


def test_settings_without_a_transform_are_what_they_were(aligned: Aligned) -> None:
    plain, after = (read_record(folder)["settings"] for folder in (aligned.plain, aligned.turned))
    assert plain["transform"] is None
    assert list(plain) == [
        *("model", "dataset", "data_fingerprint", "calibration_fingerprint", "protocol", "subset", "parts", "limit"),
        *("random_init", "seed", "transform", "model_fingerprint", "distance", "tokens", "resize", "precision"),
    ]
    assert aligned.plain.name.endswith(run_hash(plain))
    assert "transform" not in read_record(aligned.plain)
    assert {name for name in plain if plain[name] != after[name]} == {"model", "transform"}
    assert after["transform"] == {
        "name": "turned",
        "layer": "projection",
        "sha256": resolve(aligned.transforms["turned"]).digest,
    }
    assert configuration(StoredRun(aligned.turned).record)["transform"] == "turned"


# --- Downstream -----------------------------------------------------------------------------------------------------


def scores(folder: Path, layer: str, distance: str) -> float:
    return float(read_curve(folder)["all", distance, layer, "spearman"]["value"])


def as_projection(folder: Path, copy: Path) -> Path:
    """The run as if its projection were the aligned one."""
    shutil.copytree(folder, copy)
    with safe_open(folder / "distances.safetensors", framework="np") as file:
        layers = json.loads(file.metadata()["layers"])
        kept = [layer for layer in layers if layer != "projection"]
        rows = [layers.index(layer) for layer in kept]
        arrays = {name: np.ascontiguousarray(file.get_tensor(name)[rows]) for name in NAMES}
    names = json.dumps([layer.removesuffix("_aligned") for layer in kept])
    save_file(arrays, copy / "distances.safetensors", metadata={"layers": names})
    frame = pd.read_csv(folder / "curve.csv", keep_default_na=False)
    frame = frame[frame["layer"] != "projection"]
    frame.assign(layer=frame["layer"].str.removesuffix("_aligned")).to_csv(copy / "curve.csv", index=False)
    return copy


def check_row(expected: dict[str, str], found: dict[str, str]) -> None:
    """Equal words, and numbers up to their last digits."""
    assert expected.keys() == found.keys()
    for name, text in expected.items():
        if name in ("value", "ci_low", "ci_high"):
            assert float(found[name] or "nan") == pytest.approx(float(text or "nan"), rel=1e-11, abs=1e-13, nan_ok=True)
        else:
            assert found[name] == text


def test_a_run_folder_reads_back_with_one_layer_more(aligned: Aligned) -> None:
    plain, after = read_curve(aligned.plain), read_curve(aligned.turned)
    extra = {key: row for key, row in after.items() if key[2] == "projection_aligned"}
    assert after.keys() - extra.keys() == plain.keys()
    assert {key[:2] for key in extra} == {key[:2] for key in plain if key[2] == "projection"}
    for key, row in plain.items():
        check_row(row | {"model": "clip@turned"}, after[key])
    record = read_record(aligned.turned)
    assert record["transform"]["provenance"]["model"] == "clip"
    judgments = read_tid2013(aligned.root)
    found, before = (read_distances(folder, judgments, "all") for folder in (aligned.turned, aligned.plain))
    assert {layer for _, layer in found.keys() - before.keys()} == {"projection_aligned"}
    for key, values in before.items():
        np.testing.assert_array_equal(found[key], values)


def test_the_printed_table_has_a_column_of_it(aligned: Aligned) -> None:
    plain, after = (StoredRun(folder).curve for folder in (aligned.plain, aligned.turned))
    table = score_table([plain, after], "t")
    header = [str(column.header) for column in table.columns]
    assert header[5:] == ["best (selected)", "95 % interval", "projection", "95 % interval", "aligned", "95 % interval"]
    column = list(table.columns[-2].cells)
    assert column == ["", "", "", *(f"{scores(aligned.turned, 'projection_aligned', name):.3f}" for name in NAMES)]
    assert len(score_table([plain], "t").columns) == 9


def test_comparing_leaves_it_out_unless_both_have_one(aligned: Aligned) -> None:
    table = compare(aligned.turned, aligned.plain)
    assert set(table["place"]) == {"projection", "best layer", "best layer, cross-fitted", "layer"}
    assert (table["difference"] == 0.0).all()
    assert not table["first_layer"].map(is_aligned).any()
    table = compare(aligned.turned, aligned.other)
    rows = table[table["place"] == "aligned"].set_index("distance")
    assert list(rows.index) == list(NAMES)
    for name, row in rows.iterrows():
        first, second = (scores(folder, "projection_aligned", str(name)) for folder in (aligned.turned, aligned.other))
        assert (row["first"], row["second"]) == pytest.approx((first, second), abs=1e-9)
        assert row["difference"] == pytest.approx(first - second, abs=1e-9)
        assert row["first_layer"] == "projection_aligned"
        assert row["ci_low"] < row["difference"] < row["ci_high"]
    assert (table.loc[table["place"] != "aligned", "difference"] == 0.0).all()
    assert main(["compare", str(aligned.turned), str(aligned.other)]) == 0


def test_layers_after_an_aligned_one_are_compared_with_themselves(
    tiny_tower: Folders, tid2013_root: Path, tmp_path: Path, capsys: Capture
) -> None:
    told = {"layer": "layer_1", "tokens": "mean", "model_fingerprint": load_tower(str(tiny_tower("clip"))).fingerprint}
    path = transform(32, **told).save(tmp_path / "first.safetensors")
    options = ("--model", tiny_tower("clip"), "--dataset", "tid2013", "--data-root", tid2013_root, "--tokens", "mean")
    runs = [run_command(capsys, *options, "--output", tmp_path / "runs", *more) for more in ((), ("--transform", path))]
    table = compare(*runs)
    assert set(table.loc[table["place"] == "layer", "first_layer"]) == {f"layer_{index}" for index in range(4)}
    assert (table["first_layer"] == table["second_layer"]).all()
    assert (table["difference"] == 0.0).all()


def test_it_is_a_star_beside_the_line(aligned: Aligned) -> None:
    curve = StoredRun(aligned.turned).curve
    figure = curves_figure([curve], ["cosine"])
    [axis] = figure.axes
    [line] = [line for line in axis.get_lines() if not str(line.get_label()).startswith(("_", "chance"))]
    [star] = [line for line in axis.get_lines() if line.get_marker() == "*"]
    assert len(line.get_xdata()) == 5, "the aligned layer is no point of the line"
    [depth] = star.get_xdata()
    assert 100.0 < depth < axis.get_xlim()[1] < 104.0, "just beside its layer"
    np.testing.assert_allclose(star.get_ydata(), [scores(aligned.turned, "projection_aligned", "cosine")])
    assert star.get_color() == line.get_color()
    [legend] = figure.legends
    assert "aligned by turned" in [text.get_text() for text in legend.get_texts()]
    channels = pd.read_csv(aligned.turned / "channels.csv")
    assert set(channels["layer"]) >= {"projection", "projection_aligned"}
    for axis in channels_figure(channels).axes:
        assert all(len(line.get_xdata()) <= 5 for line in axis.get_lines())


def test_the_summary_and_the_charts_of_wandb_have_it(aligned: Aligned) -> None:
    plain, after = (StoredRun(folder).curve for folder in (aligned.plain, aligned.turned))
    extra = {f"aligned/{name}": scores(aligned.turned, "projection_aligned", name) for name in NAMES}
    told, expected = summary(after), summary(plain) | extra
    assert told.keys() == expected.keys()
    for name, value in expected.items():
        assert told[name] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-11, nan_ok=True))
    points = [list(scores_by_depth(curve)) for curve in (after, plain)]
    assert all(point == pytest.approx(other, rel=1e-11, nan_ok=True) for point, other in zip(*points, strict=True))
    line, level = charts(after, [])["curves/cosine"]
    assert (line.name, level.name) == ("clip@turned", "aligned by turned")
    assert line.value == charts(plain, [])["curves/cosine"][0].value
    assert (level.depth, level.value) == ((0.0, 100.0), (extra["aligned/cosine"],) * 2)


def test_the_leaderboard_has_a_row_of_its_own_for_it(aligned: Aligned) -> None:
    study, _ = read_study([aligned.plain, aligned.turned, aligned.other])
    for at in ("projection", "best"):
        rows = {(row.model, row.kind): row.entry(0) for row in lead(study, ["cosine"], at).rows}
        expected = {
            ("clip@turned", "aligned"): scores(aligned.turned, "projection_aligned", "cosine"),
            ("clip@other", "aligned"): scores(aligned.other, "projection_aligned", "cosine"),
        }
        if at == "projection":
            expected["clip", "model"] = scores(aligned.plain, "projection", "cosine")
        assert {key: entry.value for key, entry in rows.items() if entry} | expected == {
            key: entry.value for key, entry in rows.items() if entry
        }
        assert len(rows) == 3, "plain layers count once"


def test_the_table_of_a_paper_has_a_column_of_it(aligned: Aligned) -> None:
    study, _ = read_study([aligned.plain, aligned.turned])
    table = paper_table(study.runs, ["cosine"])
    assert table["aligned_layer"].isna().tolist() == [True, False]
    assert table["aligned"].iloc[1] == scores(aligned.turned, "projection_aligned", "cosine")
    assert table["projection"].nunique() == 1
    sheet = score_sheet(table, study)
    shown = dict(zip(sheet.header, sheet.rows[1], strict=True))
    assert shown["aligned layer"].startswith(f"{table['aligned'].iloc[1]:.3f} [")
    assert "The aligned layer is the one that a transform aligned." in sheet.caption


def test_a_study_takes_the_plain_layers_once(aligned: Aligned) -> None:
    study, skipped = read_study([aligned.plain, aligned.turned, aligned.other])
    assert not skipped
    assert {run.label: run.trained for run in study.runs} == {
        "clip": True,
        "clip@other": False,
        "clip@turned": False,
    }
    assert {group.labels()[0] for group in study.groups} == {"clip"}
    alone, _ = read_study([aligned.turned])
    assert [run.trained for run in alone.runs] == [True], "there is no other run of the plain layers"
    [[together], [apart]] = [one.groups for one in (study, alone)]
    assert [distance for _, distance in together.series] == [distance for _, distance in apart.series] == [*NAMES]
    for one, other in zip(together.scores([*together.series]), apart.scores([*apart.series]), strict=True):
        np.testing.assert_array_equal(one, other)
        assert len(one) == 5
    distance = {factor.name: factor for factor in compare_factors(alone)}["distance"]
    assert not distance.differences[["first_layer", "second_layer"]].map(is_aligned).any(axis=None)


def test_what_aligning_changes_is_a_paired_difference(aligned: Aligned, tmp_path: Path) -> None:
    study, _ = read_study([aligned.plain, aligned.turned])
    factor = compare_alignment(study)
    assert factor is not None
    assert [option.label for option in factor.options] == ["clip@turned", "clip"]
    table = factor.differences.set_index("distance")
    for name in NAMES:
        before, after = (scores(aligned.turned, layer, name) for layer in ("projection", "projection_aligned"))
        row = table.loc[name]
        assert (row["value_first"], row["value_second"]) == pytest.approx((after, before), abs=1e-9)
        assert row["difference"] == pytest.approx(after - before, abs=1e-9)
        assert row["ci_low"] < row["difference"] < row["ci_high"]
    swapped = as_projection(aligned.turned, tmp_path / "swapped")
    other = compare(swapped, aligned.plain)
    other = other[other["place"] == "projection"].set_index("distance")
    for column in ("difference", "ci_low", "ci_high", "p", "n", "n_clusters"):
        np.testing.assert_allclose(table.loc[list(NAMES), column], other.loc[list(NAMES), column], err_msg=column)
    assert compare_alignment(read_study([aligned.plain])[0]) is None


def test_the_report_shows_before_and_after(aligned: Aligned, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    runs = [str(folder) for folder in (aligned.plain, aligned.turned)]
    assert main(["report", *runs, "--output", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    data = json.loads(text.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])
    stars = [line for line in data["charts"]["everything-0"]["lines"] if line["look"]["kind"] == "aligned"]
    assert len(stars) == 3
    for star, name in zip(stars, NAMES, strict=True):
        assert star["look"]["symbol"] == "star"
        curve = data["curves"][star["curve"]]
        assert (curve["layers"], curve["x"]) == (["projection_aligned"], [100.0])
        np.testing.assert_allclose(curve["y"], scores(aligned.turned, "projection_aligned", name), rtol=5e-5)
        before, after = (scores(aligned.turned, layer, name) for layer in ("projection", "projection_aligned"))
        assert f"{before:.3f} &rarr; {after:.3f}" in text
        assert f"{after - before:+.3f}" in text.partition("What does aligning a layer")[2]
    towers = [line for line in data["charts"]["everything-0"]["lines"] if line["look"]["kind"] == "tower"]
    assert {len(data["curves"][line["curve"]]["x"]) for line in towers} == {5}
    assert "turned at projection (" in text


def test_the_published_values_stand_beside_the_plain_layers(tmp_path: Path) -> None:
    folder = write_made(Made(BASE_32, "nights", 60, as_published, NAMES), tmp_path)
    plain = StoredRun(folder).curve
    after = plain.frame[plain.frame["layer"] == "projection"].assign(layer="projection_aligned")
    frame = pd.concat([plain.frame, after], ignore_index=True).assign(model=f"{BASE_32}@glocal")
    pd.testing.assert_frame_equal(published_for(LayerCurve(frame)), published_for(plain))
    assert len(published_for(plain)) == 14
