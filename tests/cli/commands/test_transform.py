"""`alignbench transform apply` on features that exist: what is kept, and what is refused in one line."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from alignbench.cli.main import main
from alignbench.extraction.feature_files import FeatureFile, read_features, write_features
from alignbench.transforms import AffineTransform
from files_of_arrays import Trap

WIDTH = 4
RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(3, WIDTH)).astype(np.float32)
TOKENS = RNG.normal(size=(3, 2, WIDTH))
WEIGHTS, BIAS = RNG.normal(size=(WIDTH, WIDTH)), RNG.normal(size=WIDTH)
ORIGIN: dict[str, Any] = {"model": "m", "tokens": "all", "model_fingerprint": "f", "normalized": False}
LEARNED: dict[str, Any] = {"model": "m", "tokens": "cls", "model_fingerprint": "f", "layer": "projection"}
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with features and transforms; commands run in it."""
    monkeypatch.chdir(tmp_path)
    np.save("plain.npy", FEATURES)
    arrays = {"projection": FEATURES, "layer_1": TOKENS}
    write_features(Path("named.safetensors"), FeatureFile(arrays, ("c.png", "a.png", "b.png"), origin=ORIGIN))
    transform(**LEARNED).save("learned.safetensors")
    transform().save("plain.npz")
    return tmp_path


def transform(**provenance: Any) -> AffineTransform:
    return AffineTransform(WEIGHTS, 0.3, 1.7, BIAS, provenance)


def formula(x: np.ndarray) -> np.ndarray:
    return ((x.astype(np.float64) - 0.3) / 1.7) @ WEIGHTS + BIAS


def apply(features: str, by: str, *options: str, output: str = "out.npz") -> list[str]:
    return ["transform", "apply", "--features", features, "--transform", by, "--output", output, *options]


def test_a_plain_array_becomes_one(here: Path, capsys: Capture) -> None:
    assert main(apply("plain.npy", "plain.npz", output="new/out.npy")) == 0
    assert capsys.readouterr().out == "new/out.npy\n"
    found = np.load(here / "new" / "out.npy")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, formula(FEATURES), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.load("plain.npy"), FEATURES)


@pytest.mark.parametrize(("layer", "x"), [("projection", FEATURES), ("layer_1", TOKENS)])
def test_rows_names_and_other_layers_stay(here: Path, layer: str, x: np.ndarray) -> None:
    assert main(apply("named.safetensors", "plain.npz", "--layer", layer)) == 0
    found = read_features(here / "out.npz")
    assert found.names == ("c.png", "a.png", "b.png")
    assert found.arrays[layer].dtype == x.dtype
    np.testing.assert_allclose(found.arrays[layer], formula(x), rtol=1e-5, atol=1e-5)
    other = "layer_1" if layer == "projection" else "projection"
    np.testing.assert_array_equal(found.arrays[other], TOKENS if other == "layer_1" else FEATURES)
    assert found.origin == {**ORIGIN, "transforms": {layer: "plain"}}


def test_the_older_matrix_takes_its_scalars(here: Path) -> None:
    np.save("old.npy", np.column_stack([WEIGHTS, BIAS]))
    assert main(apply("plain.npy", "old.npy", "--mean", "0.3", "--std", "1.7", output="out.npy")) == 0
    np.testing.assert_allclose(np.load("out.npy"), formula(FEATURES), rtol=1e-5, atol=1e-6)


def test_features_may_be_replaced_in_their_place(here: Path) -> None:
    assert main(apply("plain.npy", "plain.npz", "--overwrite", output="plain.npy")) == 0
    np.testing.assert_allclose(np.load("plain.npy"), formula(FEATURES), rtol=1e-5, atol=1e-6)


def test_nothing_is_transformed_twice_unless_forced(here: Path, capsys: Capture) -> None:
    assert main(apply("named.safetensors", "learned.safetensors", "--layer", "projection", output="1.npz")) == 0
    again = apply("1.npz", "learned.safetensors", "--layer", "projection", output="2.npz")
    assert "projection has been transformed already, by learned" in refused(capsys, again)
    assert main(apply("1.npz", "plain.npz", "--layer", "layer_1", output="both.npz")) == 0
    assert main([*again, "--force"]) == 0
    twice = read_features(here / "2.npz").arrays["projection"]
    np.testing.assert_allclose(twice, formula(formula(FEATURES)), rtol=1e-4, atol=1e-4)


def refused(capsys: Capture, arguments: list[str]) -> str:
    """All that a command that fails says on stderr: one line."""
    before = set(Path.cwd().iterdir())
    capsys.readouterr()
    assert main(arguments) in (1, 2)
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert (line.startswith("alignbench: "), "unexpected" in line, printed.out) == (True, False, "")
    assert set(Path.cwd().iterdir()) == before
    return line


def test_transforms_that_are_none_are_said_in_a_line(here: Path, capsys: Capture) -> None:
    np.savez("half.npz", weights=WEIGHTS, mean=0.0)
    np.savez("nan.npz", weights=np.where(np.eye(WIDTH) > 0, np.nan, WEIGHTS), mean=0.0, std=1.0)
    np.savez("flat.npz", weights=WEIGHTS, mean=0.0, std=0.0)
    AffineTransform(np.eye(3), 0.0, 1.0).save("narrow.npz")
    save_file({"weights": WEIGHTS}, "weights.safetensors")
    np.save("old.npy", WEIGHTS)
    cases = [
        (("narrow.npz",), "shape (3, 4) do not fit a transform of width 3"),
        (("half.npz",), "half.npz has no std (it holds mean, weights)"),
        (("weights.safetensors",), "weights.safetensors has no mean and no std"),
        (("nan.npz",), "nan.npz: weights holds numbers that are not finite"),
        (("flat.npz",), "flat.npz: std 0.0 is not positive"),
        (("none.npz",), "none.npz is not there: name a file"),
        (("./none",), "the transform ./none is not there: name a file"),
        (("old.npy",), "old.npy holds no mean and std"),
        (("old.npy", "--mean", "0"), "old.npy holds no mean and std"),
        (("old.npy", "--mean", "0", "--std", "-1"), "old.npy: std -1.0 is not positive"),
        (("plain.npz", "--mean", "0"), "plain.npz holds a mean and std of its own"),
        (("clip_ViT-L14",), "did you mean clip_ViT-L/14"),
        (("clip_RN50", "--std", "1"), "clip_RN50 has a mean and std of its own"),
    ]
    for arguments, text in cases:
        assert text in refused(capsys, apply("plain.npy", *arguments)), arguments


def test_results_that_are_not_finite_are_refused(here: Path, capsys: Capture) -> None:
    np.save("old.npy", WEIGHTS)
    line = refused(capsys, apply("plain.npy", "old.npy", "--mean", "1e308", "--std", "1e-308"))
    assert "makes numbers of plain.npy that are not finite: its mean, std or weights are not those" in line
    assert not (here / "out.npz").exists()


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors"])
def test_a_pickle_is_never_opened(here: Path, capsys: Capture, suffix: str) -> None:
    place = here / f"trap{suffix}"
    place.write_bytes(pickle.dumps(Trap(here / "sprung")))
    scalars = ("--mean", "0", "--std", "1") if suffix == ".npy" else ()
    assert place.name in refused(capsys, apply("plain.npy", place.name, *scalars))
    assert place.name in refused(capsys, apply(place.name, "plain.npz"))
    assert not (here / "sprung").exists()


def test_features_that_do_not_fit_are_said_in_a_line(here: Path, capsys: Capture) -> None:
    np.savez("rows.npz", a=FEATURES, b=FEATURES[:2])
    np.savez("names.npz", a=FEATURES, names=np.array(["x.png"]))
    np.save("nan.npy", np.full((2, WIDTH), np.nan))
    np.save("whole.npy", np.ones((2, WIDTH), dtype=int))
    transform(**LEARNED | {"layer": "layer_1"}).save("cls.safetensors")
    transform(**LEARNED | {"model": "other", "model_fingerprint": "g"}).save("other.safetensors")
    named = "named.safetensors"
    cases = [
        (("rows.npz", "plain.npz"), "rows.npz: b has 2 rows, and another layer 3"),
        (("names.npz", "plain.npz"), "names.npz names 1 pictures, and has 3 rows"),
        (("nan.npy", "plain.npz"), "nan.npy: features holds numbers that are not finite"),
        (("whole.npy", "plain.npz"), "whole.npy: features is int64"),
        (("none.npy", "plain.npz"), "none.npy is not there"),
        (("plain.csv", "plain.npz"), "plain.csv is no file of features"),
        ((named, "plain.npz"), "several layers (layer_1, projection): name one with --layer"),
        ((named, "plain.npz", "--layer", "layer_2"), "no layer layer_2: it holds layer_1, projection"),
        ((named, "learned.safetensors", "--layer", "layer_1"), "is for projection, not for layer_1: add --force"),
        ((named, "cls.safetensors", "--layer", "layer_1"), "the view cls, and these features of the view all"),
        ((named, "other.safetensors", "--layer", "projection"), "of other, and these features of m: add --force"),
    ]
    for (features, by, *options), text in cases:
        assert text in refused(capsys, apply(features, by, *options)), text
    for by, layer in (("other", "projection"), ("cls", "layer_1")):
        forced = apply(named, f"{by}.safetensors", "--layer", layer, "--force", output=f"{by}-out.npz")
        assert main(forced) == 0
    both = apply(named, "plain.npz", "--layer", "layer_1", output="out.npy")
    assert "out.npy: a .npy holds one layer, and there are 2" in refused(capsys, both)
    there = apply("plain.npy", "plain.npz", output="named.safetensors")
    assert "named.safetensors is there: name another --output, or add --overwrite" in refused(capsys, there)
    assert "out.csv has no ending that tells what to write: use .safetensors" in refused(
        capsys, apply("plain.npy", "plain.npz", output="out.csv")
    )
    assert "plain.npy/out.npz cannot be written" in refused(
        capsys, apply("plain.npy", "plain.npz", output="plain.npy/out.npz")
    )


def test_the_published_ones_are_listed(capsys: Capture) -> None:
    from alignbench.transforms import PUBLISHED

    assert main(["transform", "list"]) == 0
    shown = capsys.readouterr().out
    for name, known in PUBLISHED.items():
        (line,) = [line for line in shown.splitlines() if f" {name} " in line]
        assert known.module in line
        assert str(known.width) in line
        assert ("lowers performance" in line) == known.supervised
