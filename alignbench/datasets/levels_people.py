"""What simulated people say of a world with known similarities, at three levels and of objects. NOT human data.

Of three pictures a person keeps the pair x, y with the probability p = softmax(1.8 s*) over the three pairs, s* being
the world's true similarity of their leaves, and needs

    pace + 1.0 + 1.5 H(p) + noise   seconds, at least 0.2,

where H(p) is the entropy of p in nats, the pace of a person is ~ N(0, 0.2), and the noise ~ N(0, 0.3).

- coarse: three basic kinds; of 4 triplets in 5, two of these are of one superordinate kind.
- fine: one basic kind; two pictures of one leaf, and one of another.
- boundary: two pictures of one leaf, and one of another basic kind.
- objects: six pictures of each leaf are the objects. `trainset` has three of those whose basic kind is not held out,
  each triplet judged by 4: any three in 3 draws of 5, and three of one basic kind in the others, as any three hardly
  ever show what people make of leaves. `testset` has three of all, at least one of a held-out kind, each judged by 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.datasets.judgments import Judgments, Subset
from alignbench.datasets.levels_world import BASICS, EACH, LEAVES, SUPERORDINATES, VERSION, LeafImages, LevelsWorld
from alignbench.datasets.responses import Responses
from alignbench.datasets.things import distinct_triplets, odd_one_out

OBSERVERS: Final = "simulated observers"
CONSISTENCY: Final = 1.8
LEVELS: Final = ("coarse", "fine", "boundary")
SPLITS: Final = ("trainset", "testset")
TRIPLETS: Final = 1_000  # of each level
ANSWERS: Final = 5  # to each of them
PEOPLE: Final = 50
OBJECT_TRIPLETS: Final = {"trainset": 24_000, "testset": 500}
OBJECT_ANSWERS: Final = {"trainset": 4, "testset": 8}
_PICTURES: Final = 20  # of each leaf, at the three levels
OBJECTS: Final = 6  # of each leaf
_OF_ONE_KIND: Final = 0.4  # of the triplets to learn from
_PACE, _BASE, _PER_NAT, _NOISE, _SHORTEST = 0.2, 1.0, 1.5, 0.3, 0.2  # seconds
_STREAM: Final = 1_000  # of random numbers, beside those of the pictures


def choice_probabilities(world: LevelsWorld, triplets: Indices) -> Floats:
    """Return with which probability people keep each pair of three leaves.

    Args:
        world: The world.
        triplets: Numbers of leaves, (n, 3).

    Returns:
        Probabilities of the pairs (0, 1), (0, 2) and (1, 2), (n, 3).
    """
    i, j, k = triplets.T
    logits = CONSISTENCY * np.stack([world.similarity(a, b) for a, b in ((i, j), (i, k), (j, k))], axis=1)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def level_judgments(world: LevelsWorld, subsets: tuple[str, ...] = LEVELS) -> Judgments:
    """Make the judgments of a world at levels of abstraction, each level scored by itself.

    What of a level is of held-out basic kinds, one picture or more, is a part of its own, `type_LEVEL_held_out`.

    Args:
        world: The world.
        subsets: Some of `LEVELS`; what is said at one does not depend on the others.
    """
    images = world.pictures("levels", _PICTURES)
    pace = _generator(world, "pace").normal(0.0, _PACE, PEOPLE)
    said, people, times = {}, [], []
    for name in subsets:
        rng = _generator(world, name)
        said[name] = _choices(world, images, _distinct(partial(_LEVELS[name], rng), TRIPLETS), ANSWERS, rng)
        who = np.concatenate([rng.permutation(PEOPLE)[:ANSWERS] for _ in range(TRIPLETS)])
        p = choice_probabilities(world, images.leaves[said[name]])
        seconds = pace[who] + _BASE - _PER_NAT * (p * np.log(p)).sum(axis=1) + rng.normal(0.0, _NOISE, len(who))
        people.append(who)
        times.append(np.maximum(seconds, _SHORTEST))
    found = _judgments("shapes-levels", images, said)
    is_held_out = _is_held_out(images)[np.concatenate(list(said.values()))].any(axis=1)
    parts = [replace(s.kept(is_held_out[s.rows]), name=f"type_{s.name}_held_out", objects=None) for s in found.subsets]
    return replace(found, parts=tuple(parts), responses=Responses(np.concatenate(people), np.concatenate(times)))


def object_judgments(world: LevelsWorld, subsets: tuple[str, ...] = SPLITS[:1]) -> Judgments:
    """Make the judgments of a world's objects, of which a teacher can learn.

    Args:
        world: The world.
        subsets: Some of `SPLITS`; what is said in one does not depend on the other.
    """
    images = world.pictures("objects", OBJECTS)
    is_held_out = _is_held_out(images)
    said = {}
    for name in subsets:
        rng = _generator(world, name)
        shown = _distinct(_OfObjects(rng, is_held_out, name), OBJECT_TRIPLETS[name])
        said[name] = _choices(world, images, shown, OBJECT_ANSWERS[name], rng)
    return _judgments("shapes-objects", images, said)


def _generator(world: LevelsWorld, what: str) -> np.random.Generator:
    return np.random.default_rng((VERSION, world.seed, _STREAM, *what.encode()))


def _is_held_out(images: LeafImages) -> NDArray[np.bool_]:
    """Whether each picture is of a basic kind that is held out, (n,)."""
    return np.asarray(np.isin(images.leaves // EACH, images.world.drawn.held_out))


def _choices(world: LevelsWorld, images: LeafImages, shown: Indices, answers: int, rng: np.random.Generator) -> Indices:
    """What several people said of triplets: the pictures of each answer with the odd one last, (n x answers, 3)."""
    asked = np.repeat(shown, answers, axis=0)
    logits = np.log(choice_probabilities(world, images.leaves[asked]))
    kept = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # Gumbel noise makes it a draw from p
    return np.take_along_axis(asked, np.array([[0, 1, 2], [0, 2, 1], [1, 2, 0]])[kept], axis=1)


def _judgments(dataset: str, images: LeafImages, said: dict[str, Indices]) -> Judgments:
    """Judgments of triplets with the odd one last, by the subset that they are of."""
    subsets, start = [], 0
    for name, triplets in said.items():
        rows = np.arange(start, start + len(triplets))
        subsets.append(Subset(name, rows, distinct_triplets(triplets) + start, triplets))
        start += len(triplets)
    ids = tuple(f"{name}:{row:05d}" for name, triplets in said.items() for row in range(len(triplets)))
    found = odd_one_out(dataset, images, np.concatenate(list(said.values())), ids, tuple(subsets))
    return replace(found, observers=OBSERVERS)


# ------------------------------------------------------------------------------------------------ triplets


def _distinct(draw: Callable[[], Indices], count: int) -> Indices:
    """Draw so many distinct triplets of pictures, each in a random order, (count, 3)."""
    found: dict[tuple[int, ...], Indices] = {}
    while len(found) < count:
        drawn = draw()
        found.setdefault(tuple(sorted(drawn.tolist())), drawn)
    return np.stack(list(found.values()))


def _pictures_of(leaves: list[int], rng: np.random.Generator) -> Indices:
    """Different pictures of three leaves, which may be the same, in a random order."""
    numbers = rng.permutation(_PICTURES)[:3]
    return rng.permutation(np.array(leaves) * _PICTURES + numbers)


def _coarse(rng: np.random.Generator) -> Indices:
    kinds = rng.permutation(len(SUPERORDINATES))[:3]
    basics = [EACH * int(kind) + int(rng.integers(EACH)) for kind in kinds]
    if rng.integers(5) > 0:
        first, second = rng.permutation(EACH)[:2].tolist()
        basics[:2] = [EACH * int(kinds[0]) + first, EACH * int(kinds[0]) + second]
    return _pictures_of([EACH * basic + int(rng.integers(EACH)) for basic in basics], rng)


def _fine(rng: np.random.Generator) -> Indices:
    basic, (two, one) = int(rng.integers(len(BASICS))), rng.permutation(EACH)[:2].tolist()
    return _pictures_of([EACH * basic + two, EACH * basic + two, EACH * basic + one], rng)


def _boundary(rng: np.random.Generator) -> Indices:
    two, one = (EACH * int(basic) + int(rng.integers(EACH)) for basic in rng.permutation(len(BASICS))[:2])
    return _pictures_of([two, two, one], rng)


_LEVELS: Final[dict[str, Callable[[np.random.Generator], Indices]]] = {
    "coarse": _coarse,
    "fine": _fine,
    "boundary": _boundary,
}


@dataclass(frozen=True, eq=False)
class _OfObjects:
    """Draws three objects of a split.

    Attributes:
        rng: Generator of random numbers.
        is_held_out: Whether each object is of a held-out kind, (LEAVES x 2,).
        split: Name of the split.
    """

    rng: np.random.Generator
    is_held_out: NDArray[np.bool_]
    split: str

    def __call__(self) -> Indices:
        if self.split == "trainset":
            if self.rng.random() < _OF_ONE_KIND:
                size = EACH * OBJECTS
                kind = self.rng.choice(np.flatnonzero(~self.is_held_out[::size]))
                return np.asarray(size * kind + self.rng.choice(size, 3, replace=False))
            return self.rng.choice(np.flatnonzero(~self.is_held_out), 3, replace=False)
        first = self.rng.choice(np.flatnonzero(self.is_held_out))
        others = self.rng.permutation(LEAVES * OBJECTS)
        return self.rng.permutation(np.array([first, *others[others != first][:2]]))
