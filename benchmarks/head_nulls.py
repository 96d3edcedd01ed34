"""How often the nulls of heads take chance for more, and whether they find the head that was planted.

    python benchmarks/head_nulls.py [--worlds 400] [--draws 999] [--triplets 400] [--only NAME] [--time]

Worlds have 4 layers of 12 heads. Under a null the share of worlds in which any head is called, at 0.05, is to be 0.05;
beside it stands what p-values would say that are not corrected for the number of heads. With a planted head people go
by it alone, with noise, and the share of worlds in which it is called is shown, and that in which another one is.

chance: people choose without looking, among 2 or 3 options, or rate at random within 20 references; heads are like each
other, unless one is planted. subspaces: heads are random subspaces of their layer, whose directions differ in energy,
and people go by the whole layer. twin: heads are random projections of the pictures, and people go by the pictures.

`--time` times the nulls at the size of a ViT-L/14 instead.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alignbench.arrays import Floats, Indices
from alignbench.distances.protocols import PAPER
from alignbench.interpret.nulls.chance import beyond_chance
from alignbench.interpret.nulls.subspaces import beyond_subspaces, layer_in_span, subspace_scores
from alignbench.interpret.nulls.twin import beyond_twin
from alignbench.scoring.judged_part import JudgedPart
from alignbench.scoring.own_scores import own_scores
from workload import machine, verdict

LAYERS, HEADS, PLANTED = 4, 12, 17
LEVEL = 0.05
RANK, SPAN, PICTURES, WIDTH = 8, 40, 90, 64
LAYER_OF = np.repeat(np.arange(LAYERS), HEADS)
Rows = NDArray[Any]


@dataclass(frozen=True)
class Size:
    """How large worlds are.

    Attributes:
        triplets: Judgments.
        draws: Permutations, or subspaces.
    """

    triplets: int
    draws: int


@dataclass(frozen=True)
class Found:
    """What a null says of the heads of a world.

    Attributes:
        p: p-values, corrected, (heads,).
        plain: p-values of each head by itself, (heads,).
    """

    p: Floats
    plain: Floats


Draw = Callable[[np.random.Generator, Size, bool], Found]


def chance(kind: str, options: int) -> Draw:
    """Worlds of distances that are like each other."""

    def draw(rng: np.random.Generator, size: Size, is_planted: bool) -> Found:
        count = size.triplets
        distances = 0.5 * (not is_planted) * rng.standard_normal((1, count * options)) + rng.standard_normal(
            (48, count * options)
        )
        truth = distances[PLANTED].reshape(count, options) + 2.5 * rng.standard_normal((count, options))
        seen = truth if is_planted else rng.standard_normal((count, options))
        human = -seen[:, 0] if kind == "rating" else seen.argmin(axis=1).astype(np.float64)
        references = np.arange(count) % 20 if kind == "rating" else np.arange(count)
        part = JudgedPart("all", kind, np.arange(count * options).reshape(count, -1), human, references[:, None])
        p = beyond_chance(part, distances, PAPER, size.draws, int(rng.integers(2**31)))
        scores = own_scores(part, distances, PAPER)
        if kind == "rating":
            t = scores * np.sqrt(count - 1.0)
        else:
            t = (scores - 1.0 / options) / np.sqrt((options - 1.0) / options**2 / count)
        return Found(p, stats.norm.sf(t))

    return draw


def distances_of(features: Rows, pairs: Indices) -> Floats:
    """One minus the cosine of centred features, (pairs,)."""
    centred = features - features.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(1.0 - (unit[pairs[:, 0]] * unit[pairs[:, 1]]).sum(axis=1), dtype=np.float64)


def judged(rng: np.random.Generator, features: Rows, count: int) -> tuple[JudgedPart, Indices]:
    """Triplets of pictures: people take the closer of two, with noise; and the pairs."""
    pictures = np.stack([rng.choice(len(features), 3, replace=False) for _ in range(count)])
    pairs = np.concatenate([pictures[:, [0, 1]], pictures[:, [0, 2]]])
    options = np.stack([np.arange(count), count + np.arange(count)], axis=1)
    seen = distances_of(features, pairs)[options]
    human = (seen + 0.7 * seen.std() * rng.standard_normal(seen.shape)).argmin(axis=1).astype(np.float64)
    return JudgedPart("all", "choice", options, human, np.arange(count)[:, None]), pairs


def subspaces(rng: np.random.Generator, size: Size, is_planted: bool) -> Found:
    """Worlds of layers whose directions differ in energy."""
    energy = np.geomspace(1.0, 0.1, SPAN)
    layers = [
        (rng.standard_normal((PICTURES, SPAN)) * energy).astype(np.float32) @ turned(rng, WIDTH, SPAN).T
        for _ in range(LAYERS)
    ]
    heads = []
    for layer in layers:
        span = turned(rng, SPAN, SPAN)
        within = layer_in_span([layer])
        heads += [within @ span[:, rng.permutation(SPAN)[:RANK]] for _ in range(HEADS)]
    if is_planted:
        heads[PLANTED] = rng.standard_normal((PICTURES, RANK)).astype(np.float32)
        layers[LAYER_OF[PLANTED]] = layers[LAYER_OF[PLANTED]] + heads[PLANTED] @ turned(rng, WIDTH, RANK).T
    part, pairs = judged(rng, heads[PLANTED] if is_planted else np.concatenate(layers, axis=1), size.triplets)

    def score(features: Rows) -> float:
        return float(own_scores(part, distances_of(features, pairs)[None], PAPER)[0])

    pools = [
        subspace_scores(layer_in_span([layer]), RANK, score, size.draws, (int(rng.integers(2**31)), number))
        for number, layer in enumerate(layers)
    ]
    scores = np.array([score(head) for head in heads])
    p = beyond_subspaces(scores, pools, LAYER_OF)
    plain = [(1 + (pools[of] >= one).sum()) / (1 + size.draws) for one, of in zip(scores, LAYER_OF, strict=True)]
    return Found(p, np.array(plain))


def turned(rng: np.random.Generator, rows: int, columns: int) -> Rows:
    """Random orthonormal columns, (rows, columns)."""
    return np.linalg.qr(rng.standard_normal((rows, columns)))[0].astype(np.float32)


def twin(rng: np.random.Generator, size: Size, is_planted: bool) -> Found:
    """Worlds of random projections; later layers keep less of the pictures."""
    pictures = rng.standard_normal((PICTURES, WIDTH)).astype(np.float32)
    part, pairs = judged(rng, pictures, size.triplets)

    def untrained() -> Floats:
        heads = []
        for layer in LAYER_OF:
            seen = np.maximum(pictures @ rng.standard_normal((WIDTH, RANK)).astype(np.float32), 0.0)
            heads.append(distances_of(seen + layer * rng.standard_normal(seen.shape), pairs))
        return own_scores(part, np.stack(heads), PAPER)

    scores, untrained_scores = untrained(), untrained()[None]
    if is_planted:
        scores[PLANTED] = own_scores(part, distances_of(pictures, pairs)[None], PAPER)[0]
    p = beyond_twin(scores, untrained_scores, LAYER_OF)
    t = [
        (one - untrained_scores[0, of == LAYER_OF].mean()) / untrained_scores[0, of == LAYER_OF].std(ddof=1)
        for one, of in zip(scores, LAYER_OF, strict=True)
    ]
    return Found(p, stats.t.sf(np.array(t) / np.sqrt(1.0 + 1.0 / HEADS), HEADS - 1))


NULLS: dict[str, Draw] = {
    "chance, 2 options": chance("choice", 2),
    "chance, 3 options": chance("choice", 3),
    "chance, ratings": chance("rating", 1),
    "subspaces": subspaces,
    "twin": twin,
}


def rates(draw: Draw, size: Size, worlds: int) -> Iterator[float]:
    """Shares of worlds: any head called under the null, without a correction, the planted one, and another."""
    rng = np.random.default_rng(7)
    null = [draw(rng, size, False) for _ in range(worlds)]
    yield float(np.mean([(found.p <= LEVEL).any() for found in null]))
    yield float(np.mean([(found.plain <= LEVEL).any() for found in null]))
    planted = [draw(rng, size, True).p <= LEVEL for _ in range(max(1, worlds // 4))]
    yield float(np.mean([called[PLANTED] for called in planted]))
    yield float(np.mean([np.delete(called, PLANTED).any() for called in planted]))


def main(given: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("worlds", 400), ("draws", 999), ("triplets", 400)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", choices=NULLS)
    parser.add_argument("--time", action="store_true")
    asked = parser.parse_args(given)
    if asked.time:
        time_them(Size(asked.triplets, asked.draws))
        return 0
    print(f"{asked.worlds} worlds, {asked.triplets} judgments, {asked.draws} draws, {LAYERS} x {HEADS} heads")
    print(f"{'null':20s} {'any called':>12s} {'uncorrected':>12s} {'planted':>12s} {'another':>12s}")
    most = LEVEL + 3.0 * float(np.sqrt(LEVEL * (1.0 - LEVEL) / asked.worlds))
    failed = False
    for name, draw in NULLS.items():
        if asked.only not in (None, name):
            continue
        found = list(rates(draw, Size(asked.triplets, asked.draws), asked.worlds))
        failed |= found[0] > most
        shares = " ".join(f"{share:12.3f}" for share in found)
        print(f"{name:20s} {shares}{'  NO' if found[0] > most else ''}", flush=True)
    print(f"any called: at most {most:.3f}, which is 0.05 and three standard errors")
    return int(failed)


def time_them(size: Size) -> None:
    """Time the nulls at the size of a ViT-L/14, 384 heads and 24 MLPs, by triplets of three pairs of 1,854 pictures."""
    rng = np.random.default_rng(0)
    print(f"408 components, {size.triplets} triplets, {size.draws} draws; {machine()}")
    distances = rng.random((408, 3 * size.triplets))
    options = np.arange(3 * size.triplets).reshape(-1, 3)
    human = rng.integers(0, 3, size.triplets).astype(np.float64)
    part = JudgedPart("all", "choice", options, human, np.arange(size.triplets)[:, None])
    start = time.perf_counter()
    beyond_chance(part, distances, PAPER, size.draws)
    print(verdict("chance, seconds", time.perf_counter() - start))
    layer = rng.standard_normal((1854, 768)).astype(np.float32)
    pairs = rng.integers(0, 1854, (3 * size.triplets, 2))
    draws = min(20, size.draws)
    start = time.perf_counter()
    subspace_scores(
        layer, 67, lambda rows: float(own_scores(part, distances_of(rows, pairs)[None], PAPER)[0]), draws, 0
    )
    each = (time.perf_counter() - start) / draws
    print(verdict("subspaces, seconds for a layer", each * size.draws))


if __name__ == "__main__":
    raise SystemExit(main())
