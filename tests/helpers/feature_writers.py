"""Features that exist, written in every form that can be read, by plain libraries alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from safetensors.numpy import save_file
from scipy.io import savemat

RNG: Final = np.random.default_rng(0)
NAMES: Final = ("b/x.png", "a.png", "nan", "c.png")
ROWS: Final = RNG.normal(size=(4, 6)).astype(np.float32)
TOKENS: Final = RNG.normal(size=(4, 5, 6)).astype(np.float32)
MAPS: Final = RNG.normal(size=(4, 6, 2, 3)).astype(np.float32)


def list_names(folder: Path, names: Sequence[str] = NAMES, as_json: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if as_json:
        (folder / "names.json").write_text(json.dumps(list(names)))
    else:
        (folder / "file_names.txt").write_text("".join(f"{name}\n" for name in names))
    return folder


def _npy(folder: Path) -> Path:
    np.save(list_names(folder) / "features.npy", ROWS)
    return folder


def _npy_of_doubles(folder: Path) -> Path:
    np.save(list_names(folder, as_json=True) / "it.npy", ROWS.astype(">f8"))
    return folder / "it.npy"


def _txt(folder: Path) -> Path:
    np.savetxt(list_names(folder) / "features.txt", ROWS)
    return folder


def _hdf5(folder: Path) -> Path:
    import h5py

    with h5py.File(list_names(folder) / "features.hdf5", "w") as file:
        file.create_dataset("features", data=ROWS)
    return folder


def _mat(folder: Path) -> Path:
    savemat(list_names(folder) / "features.mat", {"features": ROWS})
    return folder


def _mat_by_picture(folder: Path) -> Path:
    rows = {name.removesuffix(".png"): row for name, row in zip(NAMES, ROWS, strict=True)}
    savemat(list_names(folder) / "features.mat", dict(reversed(rows.items())))
    return folder


def _npz(folder: Path) -> Path:
    folder.mkdir()
    np.savez(folder / "it.npz", features=ROWS, names=np.array(NAMES), labels=np.arange(4))
    return folder / "it.npz"


def _safetensors(folder: Path) -> Path:
    folder.mkdir()
    save_file({"features": ROWS, "labels": np.arange(4)}, folder / "it.safetensors", {"names": json.dumps(NAMES)})
    return folder / "it.safetensors"


def table() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=[f"dim_{column}" for column in range(6)])


def _csv(folder: Path) -> Path:
    folder.mkdir()
    frame = table()
    frame.insert(3, "image", NAMES)
    frame.to_csv(folder / "it.csv", index=False)
    return folder / "it.csv"


def _tsv(folder: Path) -> Path:
    folder.mkdir()
    table().set_index(pd.Index(NAMES)).to_csv(folder / "it.tsv", sep="\t")
    return folder / "it.tsv"


def _parquet(folder: Path) -> Path:
    folder.mkdir()
    table().set_index(pd.Index(NAMES)).to_parquet(folder / "it.parquet")
    return folder / "it.parquet"


FORMS: Final[dict[str, Callable[[Path], Path]]] = {
    **{"npy": _npy, "npy of doubles": _npy_of_doubles, "txt": _txt, "hdf5": _hdf5, "mat": _mat},
    **{"mat by picture": _mat_by_picture, "npz": _npz, "safetensors": _safetensors},
    **{"csv": _csv, "tsv": _tsv, "parquet": _parquet},
}
"""What writes the same features into a folder that is not there yet, in each form; gives the path that names them."""


def features_of(names: Sequence[str], *shape: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Random features, (names, *shape), float32."""
    return np.random.default_rng(seed).normal(size=(len(names), *shape)).astype(np.float32)
