"""A store whose heads each carry an attribute of their own, and people who see one of these only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from alignbench import Cell
from alignbench.arrays import Floats
from alignbench.datasets import DATASETS
from alignbench.datasets.images import FileImages
from alignbench.datasets.judgments import Subset
from alignbench.datasets.things import distinct_triplets, odd_one_out
from alignbench.interpret.components import Component, OutputParts
from alignbench.interpret.part_scores import ProtocolData
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.measurement.pair_distances import CellData
from head_stores import write_store

PLANTED = Component("head", 2, 1)
SHAPE = StoreShape(pictures=48, blocks=2, layers=(1, 2), heads=3, width=24, dtype="fp32")
RANK = 3
_ERRS = 0.1


@dataclass(frozen=True)
class PlantedWorld:
    """Parts of an output, and choices by what one head carries, of which a tenth is random.

    Attributes:
        scored: What is scored.
        attributes: What each head carries, (pictures, RANK) by layer and head.
    """

    scored: ProtocolData
    attributes: dict[tuple[int, int], Floats]


def plant(folder: Path, seed: int = 0, protocol: str = "corrected") -> PlantedWorld:
    """Heads whose attributes are independent of each other; people choose by the cosine of what `PLANTED` carries."""
    rng = np.random.default_rng(seed)
    store = write_store(folder, SHAPE)
    attributes = {(layer, head): rng.normal(size=(48, RANK)) for layer in (1, 2) for head in range(3)}
    axes = np.linalg.qr(rng.normal(size=(24, 24)))[0]
    for layer in (1, 2):
        with SHAPE.layer_shard(store.folder, layer).mapped() as tensors:
            for head in range(3):
                into = axes[RANK * (3 * (layer - 1) + head) :][:RANK]
                tensors[f"head_{head}"][:] = torch.from_numpy(attributes[layer, head] @ into + rng.normal(size=24))
    with SHAPE.others_shard(store.folder).mapped() as tensors:
        for name in ("embedding", "mlp_1", "mlp_2"):
            tensors[name][:] = torch.from_numpy(0.1 * rng.normal(size=(48, 24)))
    with SHAPE.pictures_shard(store.folder).mapped() as tensors:
        tensors["norms"][:] = 1.0
    return PlantedWorld(_choices(HeadStore.open(folder), attributes[2, 1], rng, protocol), attributes)


def _choices(store: HeadStore, attribute: Floats, rng: np.random.Generator, protocol: str) -> ProtocolData:
    said = attribute - attribute.mean(axis=0)
    said /= np.linalg.norm(said, axis=1, keepdims=True)
    triplets = np.stack([rng.choice(48, 3, replace=False) for _ in range(150)]).repeat(3, axis=0)
    alike = np.stack([(said[triplets[:, a]] * said[triplets[:, b]]).sum(axis=1) for a, b in ((1, 2), (0, 2), (0, 1))])
    odd = np.where(rng.random(len(triplets)) < _ERRS, rng.integers(0, 3, len(triplets)), alike.argmax(axis=0))
    rows = np.arange(len(triplets))
    kept = np.array([[1, 2], [0, 2], [0, 1]])[odd]
    ordered = np.stack([triplets[rows, kept[:, 0]], triplets[rows, kept[:, 1]], triplets[rows, odd]], axis=1)
    subset = Subset("testset1", rows, distinct_triplets(ordered))
    images = FileImages(store.folder, store.names)
    judgments = odd_one_out("things", images, ordered, [str(row) for row in rows], (subset,))
    cell = Cell("shapes-clip", "things", protocol=protocol, accelerator="cpu", distances=("cosine",))
    return ProtocolData(cell, CellData(DATASETS.load("things"), judgments, judgments.images.names), OutputParts(store))
