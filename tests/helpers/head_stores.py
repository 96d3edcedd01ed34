"""Small stores of contributions, of numbers that are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from alignbench.interpret.store import HeadStore, StoreShape, write_record
from alignbench.results.run_folder import run_hash


def random_contributions(pictures: int, components: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """(pictures, components, width)."""
    return np.random.default_rng(seed).normal(size=(pictures, components, width)).astype(np.float32)


def write_store(folder: Path, shape: StoreShape, seed: int = 0, label: str = "own", **settings: object) -> HeadStore:
    """A store of random numbers: `random_contributions` of the kept heads, then of the others, from one seed."""
    components = len(shape.layers) * shape.heads + shape.blocks + 1
    names = [f"{number}.png" for number in range(shape.pictures)]
    return fill_store(
        folder, shape, random_contributions(shape.pictures, components, shape.width, seed), names, label, **settings
    )


def fill_store(
    folder: Path,
    shape: StoreShape,
    contributions: NDArray[np.float32],
    names: Sequence[str],
    label: str = "own",
    **settings: object,
) -> HeadStore:
    """A store of the contributions of the kept heads, then of the others, (pictures, components, width).

    What the class token reads of itself is the first head times the number of the layer; heads that are not kept add
    nothing. Further settings stand in the record.
    """
    folder.mkdir(parents=True)
    settings = {"model": label, "model_fingerprint": "0", "images": "0"} | settings
    shape = replace(shape, origin=run_hash(settings))
    kept = len(shape.layers) * shape.heads
    values = torch.from_numpy(contributions)
    for shard in shape.shards(folder):
        shard.create()
    for number, layer in enumerate(shape.layers):
        with shape.layer_shard(folder, layer).mapped() as tensors:
            for head in range(shape.heads):
                tensors[f"head_{head}"][:] = values[:, number * shape.heads + head]
    with shape.others_shard(folder).mapped() as tensors:
        for number, name in enumerate(["embedding", *(f"mlp_{layer}" for layer in range(1, shape.blocks + 1))]):
            tensors[name][:] = values[:, kept + number]
        for layer in range(1, shape.blocks + 1) if shape.has_class else ():
            tensors[f"class_{layer}"][:] = layer * values[:, 0]
    with shape.pictures_shard(folder).mapped() as tensors:
        tensors["norms"][:] = torch.linspace(1, 2, shape.pictures)
        if shape.has_constant:
            tensors["constant"][:] = 0.5
    write_record(folder, shape, names, {"settings": settings, "closure": {"largest": 0.0}})
    return HeadStore.open(folder)
