"""Features that exist, before they are read: their names, layers and depths."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from alignbench.errors import DataError, UsageError
from alignbench.extraction.feature_files import FeatureFile, read_features, write_features
from alignbench.extraction.stored_features import open_features
from feature_writers import MAPS, NAMES, ROWS, TOKENS, list_names


def _own(path: Path, **origin: Any) -> Path:
    write_features(path, FeatureFile({"layer_2": TOKENS, "layer_10": ROWS, "projection": ROWS}, NAMES, origin=origin))
    return path


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_depths_are_those_that_the_file_says(suffix: str, tmp_path: Path) -> None:
    layers = {"layer_10": {"depth": 97.5}, "layer_2": {"depth": 7}, "projection": {"depth": 100}}
    found = open_features(_own(tmp_path / f"it{suffix}", layers=layers, model="m"))
    assert ([layer.name for layer in found.layers], found.depths) == (
        ["layer_2", "layer_10", "projection"],
        (7, 97.5, 100),
    )
    assert found.origin == {"layers": layers, "model": "m"}
    assert read_features(tmp_path / f"it{suffix}").origin == found.origin


def test_else_they_are_even_in_the_order_of_their_numbers_or_of_the_archive(tmp_path: Path) -> None:
    found = open_features(_own(tmp_path / "it.safetensors"))
    assert ([layer.name for layer in found.layers], found.depths) == (
        ["layer_2", "layer_10", "projection"],
        (0, 50, 100),
    )
    np.savez(tmp_path / "it.npz", names=np.array(NAMES), projection=ROWS, fc=ROWS, conv=MAPS)
    found = open_features(tmp_path / "it.npz")
    assert ([layer.name for layer in found.layers], found.depths) == (["fc", "conv", "projection"], (0, 50, 100))


def test_layers_can_be_named(tmp_path: Path) -> None:
    whole = open_features(_own(tmp_path / "it.npz"))
    some = whole.only(("projection", "layer_2"))
    assert ([layer.name for layer in some.layers], some.depths) == (["layer_2", "projection"], (0, 100))
    assert whole.only(("all",)) == whole
    with pytest.raises(UsageError, match="unknown layer 'projektion': did you mean projection"):
        whole.only(("projektion",))


def test_a_fingerprint_tells_what_can_change_a_curve(tmp_path: Path) -> None:
    made = [
        ({"a": ROWS, "b": TOKENS}, NAMES),
        ({"a": ROWS, "c": TOKENS}, NAMES),
        ({"a": ROWS, "b": TOKENS[::-1]}, NAMES),
        ({"a": ROWS, "b": TOKENS}, NAMES[::-1]),
        ({"a": ROWS, "b": TOKENS.reshape(4, 6, 5)}, NAMES),
        ({"a": ROWS}, NAMES),
    ]
    prints = set()
    for number, (arrays, names) in enumerate(made):
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        save_file(contiguous, tmp_path / f"{number}.safetensors", {"names": json.dumps(names)})
        prints.add(open_features(tmp_path / f"{number}.safetensors").fingerprint())
    assert len(prints) == len(made)


@pytest.mark.parametrize("fault", [np.nan, np.inf, 1e39])
def test_numbers_that_are_not_finite_are_said_with_their_row(fault: float, tmp_path: Path) -> None:
    rows = ROWS.astype(np.float64)
    rows[2, 5] = fault
    np.save(list_names(tmp_path, ("x", "y", "z", "w")) / "conv.npy", rows)
    with pytest.raises(
        DataError, match="conv holds numbers that are not finite, or too large for float32, in the row of z"
    ):
        open_features(tmp_path).fingerprint()


@pytest.mark.parametrize(
    ("layers", "names", "said"),
    [
        ({"a": ROWS}, ("x", "y", "x", "z"), "has several rows for 1 names (x): leave one row for each"),
        ({"a": ROWS}, ("x", "y", "z"), "a has 4 rows, and 3 names: give each row its name"),
        ({"a": ROWS, "b": ROWS[:3]}, NAMES, "b has 3 rows, and 4 names"),
        ({"a": ROWS}, ("x", "y", " ", "z"), "has a row without a name"),
        ({"image": ROWS}, NAMES, "no layer can be called 'image'"),
        ({"a_aligned": ROWS}, NAMES, "no layer can be called 'a_aligned'"),
        ({"a\nb": ROWS}, NAMES, "no layer can be called"),
        ({"projection": TOKENS}, NAMES, "projection has 5 tokens, and a projection has one"),
        ({"labels": np.arange(4)}, NAMES, "holds no features: arrays of numbers, (n, channels)"),
    ],
)
def test_what_does_not_go_together_is_said(
    layers: dict[str, np.ndarray], names: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    save_file(layers, tmp_path / "it.safetensors", {"names": json.dumps(names)})
    with pytest.raises(DataError, match=re.escape(said)):
        open_features(tmp_path / "it.safetensors")
