"""Writes small human similarity matrices in the layouts in which they were published."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

Floats = NDArray[np.float64]


def people(subjects: int, pictures: int, seed: int = 0) -> Floats:
    """Symmetric matrices of several subjects who agree in part, (subjects, n, n), with a diagonal of 0."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(pictures, 3))
    found = []
    for _ in range(subjects):
        own = seen + 0.4 * rng.normal(size=seen.shape)
        apart = np.sqrt(((own[:, None] - own[None]) ** 2).sum(axis=2))
        found.append((apart + apart.T) / 2.0)
    return np.stack(found)


def draw(folder: Path, pictures: int, seed: int = 0) -> None:
    """Pictures `p0.jpg`, `p1.jpg` and so on, which differ clearly; from 11 on as `p00.jpg`."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    digits = len(str(pictures - 1))
    for number in range(pictures):
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        small.resize((64, 48), Image.Resampling.BICUBIC).save(folder / f"p{number:0{digits}d}.jpg", quality=95)


def write_cichy(root: Path, matrices: Floats) -> Path:
    """Multi-arrangement, from the matrices of subjects, (subjects, n, n)."""
    draw(root / "images", matrices.shape[1])
    (root / "sim_judgements").mkdir()
    savemat(root / "sim_judgements/judgments_general.mat", {"judgments": matrices})
    return root


def write_king(root: Path, sets: dict[str, Floats]) -> Path:
    """Free arrangement, from the matrices of each set."""
    fields = {}
    for number, (name, matrices) in enumerate(sets.items()):
        draw(root / "images" / name, matrices.shape[1], seed=number)
        fields[name] = {"pairwisedistances": matrices[:, *np.triu_indices(matrices.shape[1], 1)]}
    (root / "sim_judgements").mkdir()
    savemat(root / "sim_judgements/BEHAVIOR.mat", {"BEHAVIOR": fields})
    return root


def write_peterson(root: Path, category: str, similarities: Floats) -> Path:
    """Ratings of one category, (n, n)."""
    draw(root / category / "images", len(similarities))
    (root / category / "sim_judgements").mkdir()
    savemat(root / category / f"sim_judgements/{category}SimMat.mat", {"simMatrix": similarities})
    return root
