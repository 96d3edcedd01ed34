"""The packaged world's judgments: `shapes-low`, `shapes-middle` and `shapes-high`, with simulated observers.

They have the form of the three human data sets (rated distortions, same-class triplets, odd-one-out of concepts), need
no files, and are NOT human data: the observers are the formulas below, with noise. Every set has two disjoint subsets,
`test` and `trainset`, with scenes, and at the high level concepts, of their own.

- low: rating = 9 - annoyance(distortion) * level + noise, noise ~ N(0, 0.5). The observers mind what hides the things
  that a caption names: `ANNOYANCE` per level is high where shape, texture or colour is lost (mosaic, blur, blocks,
  contrast, saturation), low where they can still be seen (noise, a shift of brightness).
- middle: a reference and two scenes with the same shape and colour in which one to four other attributes differ. An
  observer chooses a side with probability softmax(-1.5 cost), the cost being the sum of `IMPORTANCE` over the changed
  attributes; of nine observers the majority is the vote.
- high: a concept is a (shape, colour, texture), in a tree of kinds (round, boxy, pointed) and colour families (warm,
  cool). Two concepts are as similar as the sum of `KINSHIP` over what they share; an observer keeps a pair of the
  three with probability softmax(1.5 similarity).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from alignbench.arrays import Floats, Indices
from alignbench.datasets import distortions, scenes
from alignbench.datasets.data_set import Corrected, DataSet
from alignbench.datasets.judgments import Judgments, Kind, Subset, unique_pairs
from alignbench.datasets.scenes import Scene
from alignbench.datasets.things import distinct_triplets
from alignbench.errors import UsageError, unknown

OBSERVERS: Final = "simulated observers"
VERSION: Final = 1  # raise when a change moves any judgment or pixel: it enters the fingerprint
_SEEDS: Final = {"test": 0, "trainset": 1}

ANNOYANCE: Final = {
    "noise": 0.6,
    "impulse": 0.8,
    "blur": 1.2,
    "blocks": 1.1,
    "mosaic": 1.3,
    "contrast": 1.3,
    "saturation": 1.2,
    "brightness": 0.5,
}
IMPORTANCE: Final = {"texture": 1.0, "count": 1.2, "size": 0.6, "position": 0.5, "background": 0.9}
KINSHIP: Final = {"kind": 0.8, "shape": 1.2, "family": 0.5, "colour": 1.0, "texture": 0.5}

_REFERENCES: Final = {"test": 25, "trainset": 15}
_TRIPLETS: Final = {"test": 600, "trainset": 600}
_VOTERS: Final = 9
_CONCEPTS: Final = {"test": 240, "trainset": 80}
_ODD_TRIPLETS: Final = {"test": 20_000, "trainset": 6_000}
_REPEATED: Final = 1000
_REPEATS: Final = 16
_COUNTS: Final = {"low": (1_000, 600), "middle": (600, 600), "high": (35_000, 6_000)}  # judgments of each subset


@dataclass(frozen=True)
class Drawing:
    """A scene, and what was done to it: (distortion, level, seed), or nothing."""

    scene: Scene
    damage: tuple[str, int, int] | None = None

    @property
    def name(self) -> str:
        """Everything that settles the picture, in one line."""
        s = self.scene
        words = f"{s.count}-{s.size}-{s.colour}-{s.texture}-{s.shape}-{s.background}-{s.position}-{s.seed}"
        return words if self.damage is None else words + "+" + "-".join(map(str, self.damage))


@dataclass(frozen=True)
class SceneImages:
    """Pictures drawn when they are asked for."""

    drawings: tuple[Drawing, ...]

    @cached_property
    def names(self) -> Sequence[str]:
        """A name for each picture that says what is on it."""
        return [drawing.name for drawing in self.drawings]

    def open(self, index: int) -> Image.Image:
        """Draw the picture at an index, 64 x 64 RGB."""
        drawing = self.drawings[index]
        pixels = scenes.render(drawing.scene)
        if drawing.damage is not None:
            pixels = distortions.distort(pixels, *drawing.damage)
        return Image.fromarray(pixels)

    def select(self, indices: Indices) -> SceneImages:
        """Select the pictures at some indices, in that order."""
        return SceneImages(tuple(self.drawings[int(i)] for i in indices))

    def identities(self) -> list[str]:
        """Name what each picture is drawn from, which settles its pixels."""
        return [f"v{VERSION}:{name}" for name in self.names]


@dataclass(frozen=True)
class _Part:
    """The judgments of one subset, before they are joined."""

    drawings: list[Drawing]
    ends: Indices  # image indices, (N, options, 2)
    human: Floats
    ids: list[str]
    clusters: Indices
    objects: Indices | None = None  # pictures of each judgment, (N, 3)


def _low(subset: str, rng: np.random.Generator) -> _Part:
    drawings: list[Drawing] = []
    ends, human, ids, clusters = [], [], [], []
    for reference in range(_REFERENCES[subset]):
        scene = scenes.sample_scene(rng)
        start = len(drawings)
        drawings.append(Drawing(scene))
        for distortion, level in itertools.product(distortions.DISTORTIONS, range(1, distortions.LEVELS + 1)):
            ends.append([(start, len(drawings))])
            drawings.append(Drawing(scene, (distortion, level, int(rng.integers(2**31)))))
            human.append(9.0 - ANNOYANCE[distortion] * level + rng.normal(0.0, 0.5))
            ids.append(f"{subset}:{reference:02d}_{distortion}_{level}")
            clusters.append([reference])
    return _Part(drawings, np.array(ends), np.array(human), ids, np.array(clusters))


def _middle(subset: str, rng: np.random.Generator) -> _Part:
    drawings: list[Drawing] = []
    ends, human, ids = [], [], []
    for triplet in range(_TRIPLETS[subset]):
        reference = scenes.sample_scene(rng)
        options = [_varied(reference, rng) for _ in range(2)]
        costs = [sum(IMPORTANCE[name] for name in changed) for _, changed in options]
        share = 1.0 / (1.0 + np.exp(-1.5 * (costs[0] - costs[1])))  # of observers who choose the right one
        votes = int(rng.binomial(_VOTERS, share))
        start = len(drawings)
        drawings += [Drawing(reference), *(Drawing(scene) for scene, _ in options)]
        ends.append([(start, start + 1), (start, start + 2)])
        human.append(float(votes > _VOTERS // 2))
        ids.append(f"{subset}:{triplet:04d}")
    return _Part(drawings, np.array(ends), np.array(human), ids, np.arange(len(ids))[:, None])


def _varied(scene: Scene, rng: np.random.Generator) -> tuple[Scene, list[str]]:
    """A scene with one to four attributes other than shape and colour changed, and their names."""
    names = list(IMPORTANCE)
    changed = [names[int(i)] for i in rng.permutation(len(names))[: int(rng.integers(1, 5))]]
    new = {}
    for name in changed:
        others = [value for value in scenes.ATTRIBUTES[name] if value != getattr(scene, name)]
        new[name] = others[int(rng.integers(len(others)))]
    return replace(scene, seed=int(rng.integers(2**31)), **new), changed  # type: ignore[arg-type]


def concepts(subset: str) -> list[tuple[str, str, str]]:
    """List the (shape, colour, texture) concepts of a subset of `shapes-high`; the two subsets share none."""
    combinations = list(itertools.product(scenes.SHAPES, scenes.COLOURS, scenes.TEXTURES))
    order = np.random.default_rng(2).permutation(len(combinations))
    count = _CONCEPTS["test"]
    chosen = order[:count] if subset == "test" else order[count : count + _CONCEPTS["trainset"]]
    return [combinations[int(i)] for i in chosen]


def kinship(first: tuple[str, str, str], second: tuple[str, str, str]) -> float:
    """Return how similar two concepts are to the simulated observers: the sum of `KINSHIP` over what they share."""
    (shape_a, colour_a, texture_a), (shape_b, colour_b, texture_b) = first, second
    shared = {
        "kind": scenes.KIND_OF[shape_a] == scenes.KIND_OF[shape_b],
        "shape": shape_a == shape_b,
        "family": scenes.FAMILY_OF[colour_a] == scenes.FAMILY_OF[colour_b],
        "colour": colour_a == colour_b,
        "texture": texture_a == texture_b,
    }
    return sum(KINSHIP[name] for name, same in shared.items() if same)


def _high(subset: str, rng: np.random.Generator) -> _Part:
    named = concepts(subset)
    drawings = []
    for shape, colour, texture in named:
        drawn = replace(scenes.sample_scene(rng), shape=shape, colour=colour, texture=texture, count=1)
        drawings.append(Drawing(drawn))
    similar = np.array([[kinship(a, b) for b in named] for a in named])
    chosen: dict[tuple[int, ...], None] = {}
    while len(chosen) < _ODD_TRIPLETS[subset]:
        chosen.setdefault(tuple(sorted(int(i) for i in rng.choice(len(named), 3, replace=False))))
    distinct = np.array(list(chosen))
    repeats = np.ones(len(distinct), dtype=np.int64)
    if subset == "test":
        repeats[:_REPEATED] = _REPEATS
    triplets = np.repeat(distinct, repeats, axis=0)
    i, j, k = triplets.T
    logits = 1.5 * np.stack([similar[i, j], similar[i, k], similar[j, k]], axis=1)
    kept = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # Gumbel noise makes it a softmax
    columns = np.array([[0, 1, 2], [0, 2, 1], [1, 2, 0]])[kept]
    odd_last = np.take_along_axis(triplets, columns, axis=1)
    ends = np.stack([odd_last[:, [0, 1]], odd_last[:, [0, 2]], odd_last[:, [1, 2]]], axis=1)
    ids = [f"{subset}:{row:05d}" for row in range(len(ends))]
    return _Part(drawings, ends, np.zeros(len(ends)), ids, distinct_triplets(odd_last), odd_last)


_PARTS: Final[dict[str, tuple[Kind, Callable[[str, np.random.Generator], _Part]]]] = {
    "low": ("rating", _low),
    "middle": ("choice", _middle),
    "high": ("choice", _high),
}


def read(level: str, root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Make the judgments of one level.

    Args:
        level: `low`, `middle` or `high`.
        root: Must be none, as there are no files.
        subsets: `test`, `trainset`, or `all` (both).

    Raises:
        UsageError: If a root was given, or a subset is unknown (names the nearest).
    """
    name = f"shapes-{level}"
    if root is not None:
        raise UsageError(f"{name} is drawn on demand and takes no --data-root")
    for subset in subsets:
        if subset not in (*_SEEDS, "all"):
            raise unknown(f"subset of {name}", subset, (*_SEEDS, "all"))
    kind, build = _PARTS[level]
    wanted = [s for s in _SEEDS if s in subsets or "all" in subsets]
    seeds = {"low": 0, "middle": 1, "high": 2}
    parts = {s: build(s, np.random.default_rng((VERSION, seeds[level], _SEEDS[s]))) for s in wanted}
    images = np.cumsum([0, *(len(part.drawings) for part in parts.values())])
    shifted = [part.ends + offset for part, offset in zip(parts.values(), images, strict=False)]
    pairs, judged = unique_pairs(np.concatenate(shifted))
    return Judgments(
        dataset=name,
        level=level,
        kind=kind,
        images=SceneImages(tuple(drawing for part in parts.values() for drawing in part.drawings)),
        pairs=pairs,
        judged=judged,
        human=np.concatenate([part.human for part in parts.values()]),
        ids=tuple(name for part in parts.values() for name in part.ids),
        subsets=tuple(_subset(name, parts) for name in subsets),
        observers=OBSERVERS,
    )


def labelled_scenes(each: int = 20) -> tuple[SceneImages, Indices]:
    """Return `each` scenes of every shape from the `test` of `shapes-middle`, and the number of each one's shape, (n,).

    The local term of a transform is learned on scenes of its `trainset`.
    """
    drawings = _middle("test", np.random.default_rng((VERSION, 1, _SEEDS["test"]))).drawings
    chosen = [drawing for shape in scenes.SHAPES for drawing in [d for d in drawings if d.scene.shape == shape][:each]]
    labels = [scenes.SHAPES.index(drawing.scene.shape) for drawing in chosen]
    return SceneImages(tuple(chosen)), np.array(labels, dtype=np.int64)


def _subset(name: str, parts: dict[str, _Part]) -> Subset:
    rows, clusters, objects = [], [], []
    row = cluster = image = 0
    for part_name, part in parts.items():
        if name in (part_name, "all"):
            rows.append(np.arange(row, row + len(part.ids)))
            clusters.append(part.clusters + cluster)
            objects += [] if part.objects is None else [part.objects + image]
        row, image = row + len(part.ids), image + len(part.drawings)
        cluster += int(part.clusters.max()) + 1
    found = Subset(name, np.concatenate(rows), np.concatenate(clusters))
    return replace(found, objects=np.concatenate(objects)) if objects else found


def _data_set(level: str, summary: str) -> DataSet:
    return DataSet(
        name=f"shapes-{level}",
        level=level,
        kind=_PARTS[level][0],
        summary=f"{summary} ({OBSERVERS}, not human data)",
        home="packaged: drawn on demand",
        terms="part of the package",
        default_subset="test",
        subsets=(*_SEEDS, "all"),
        read=partial(read, level),
        packaged=True,
        corrected=Corrected(("test",), None if level == "low" else "trainset"),
        counts=dict(zip(_SEEDS, _COUNTS[level], strict=True)),
    )


LOW = _data_set("low", "1,000 distorted scenes rated for similarity to their 25 references")
MIDDLE = _data_set("middle", "600 triplets: which of two variations of a scene looks closer to it")
HIGH = _data_set("high", "20,000 odd-one-out triplets among 240 concepts, 1,000 of them judged 16 times")
