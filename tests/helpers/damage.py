"""Ways in which a file of a run folder may be damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from safetensors import safe_open
from safetensors.numpy import save_file


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def fewer_pairs(path: Path) -> None:
    with safe_open(path, framework="np") as file:
        metadata, arrays = file.metadata(), {name: file.get_tensor(name)[:, :3] for name in file.keys()}  # noqa: SIM118
    save_file(arrays, path, metadata=metadata)


def without_layers(path: Path) -> None:
    with safe_open(path, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(arrays, path)


def without_settings(path: Path) -> None:
    record = json.loads(path.read_text())
    record["settings"] = {"dataset": "tid2013"}
    path.write_text(json.dumps(record))


def without_column(path: Path) -> None:
    pd.read_parquet(path).drop(columns="stimuli").to_parquet(path)


def without_layer(path: Path) -> None:
    frame = pd.read_csv(path)
    frame[frame["layer"] != "layer_1"].to_csv(path, index=False)


def with_other_layers(path: Path) -> None:
    with safe_open(path, framework="np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(arrays, path, metadata={"layers": '["layer_0", "projection"]'})


def with_a_word_for_a_score(path: Path) -> None:
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame.loc[0, "value"] = "high"
    frame.to_csv(path, index=False)


DAMAGE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "no run.json": ("run.json", Path.unlink),
    "no curve": ("curve.csv", Path.unlink),
    "no distances": ("distances.safetensors", Path.unlink),
    "no judgments": ("judgments.parquet", Path.unlink),
    "cut run.json": ("run.json", cut),
    "cut distances": ("distances.safetensors", cut),
    "cut judgments": ("judgments.parquet", cut),
    "cut curve": ("curve.csv", cut),
    "word for a score": ("curve.csv", with_a_word_for_a_score),
    "list for run.json": ("run.json", lambda path: path.write_text("[1, 2]") and None),
    "settings without entries": ("run.json", without_settings),
    "fewer pairs": ("distances.safetensors", fewer_pairs),
    "layers not named": ("distances.safetensors", without_layers),
    "other layers": ("distances.safetensors", with_other_layers),
    "a column less": ("judgments.parquet", without_column),
    "a layer less": ("curve.csv", without_layer),
}
