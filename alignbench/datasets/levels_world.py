"""A world with known similarities: 64 kinds of figures in a tree, and pictures of them in which the tree hardly shows.

The tree has 4 superordinate kinds of 4 basic kinds of 4 subordinate kinds, its leaves. Each level has its own look:

- superordinate: a family of outlines, and the direction of faint stripes. WEAK.
- basic: the outline, and a sector of the hues. Each of the four sectors is that of any four basic kinds, so that hue
  says nothing of superordinate kinds, and figures of unlike ones look as if they belonged together.
- subordinate: the hue within the sector, and the corner of a dark mark.

What means nothing is STRONG: colour of the background, size, and position. In pictures for `pretraining` each leaf has
a favourite one of each, so that a classifier of leaves has a use for them.

The truth is s*(x, y) = the sum of the weights of the nodes of the tree that x and y share. Which outline has which
hues, marks and favourites, the weights, and the four basic kinds (one of each superordinate kind) that are held out of
everything but the pretraining and the judging, are drawn from the seed of the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from PIL import Image

from alignbench.arrays import Floats, Indices
from alignbench.datasets.leaf_drawing import FAMILIES, OUTLINES, PIXEL, SIDE, Figure, draw
from alignbench.errors import UsageError, unknown
from alignbench.files import make_folder, whole_folder

VERSION: Final = 1  # raise when a change moves any judgment or pixel: it enters the identities of pictures
SUPERORDINATES: Final = tuple(FAMILIES)
BASICS: Final = tuple(OUTLINES)
EACH: Final = 4
"""Kinds below each kind of the tree."""
LEAVES: Final = len(BASICS) * EACH
HUES: Final[dict[str, tuple[int, int, int]]] = {  # in sectors of four
    **{"crimson": (214, 46, 60), "vermilion": (222, 84, 40), "orange": (226, 128, 32), "amber": (222, 170, 36)},
    **{"olive": (200, 206, 44), "lime": (136, 200, 52), "green": (72, 180, 70), "emerald": (44, 168, 110)},
    **{"teal": (40, 170, 160), "azure": (50, 160, 205), "blue": (56, 120, 216), "indigo": (66, 80, 214)},
    **{"violet": (104, 70, 208), "purple": (146, 66, 200), "magenta": (190, 66, 180), "rose": (214, 74, 136)},
}
PAPERS: Final = (
    *((245, 245, 245), (25, 25, 25), (120, 30, 40), (25, 90, 50)),
    *((30, 45, 120), (200, 180, 130), (150, 190, 215), (120, 110, 120)),
)
SIZES: Final = (420, 500, 590, 690)  # radii in 1/64 pixel
CORNERS: Final = 4
OTHER_PAPERS: Final = ((80, 60, 20), (190, 150, 190), (10, 70, 80), (175, 215, 160))
OTHER_SIZES: Final = (360, 780)
PURPOSES: Final = ("pretraining", "alignment", "objects", "levels", "labelled", "shifted")
"""What pictures are for; those of different purposes are different ones, and of `shifted` the nuisance is new too."""
_FAVOURED: Final = {"paper": 80, "size": 60, "corner": 60}  # percent of a leaf's pictures for pretraining
_TIGHTNESS: Final = (0.75, 0.9, 1.05, 1.2)  # weights of the superordinate kinds, in an order that is drawn


@dataclass(frozen=True)
class Nuisance:
    """What means nothing in a picture: the numbers of its background, size and corner."""

    paper: int
    size: int
    corner: int


@dataclass(frozen=True)
class LevelsWorld:
    """A world, settled by its seed.

    Attributes:
        seed: Its seed, 0 or above.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} of a world is below 0")

    @cached_property
    def drawn(self) -> DrawnTree:
        """What of the tree is drawn from the seed."""
        return DrawnTree.of(np.random.default_rng((VERSION, self.seed)))

    @cached_property
    def leaf_names(self) -> tuple[str, ...]:
        """The name of each leaf, e.g. `azure-ring`."""
        hues = list(HUES)
        return tuple(f"{hues[hue]}-{BASICS[leaf // EACH]}" for leaf, hue in enumerate(self.drawn.hues.tolist()))

    @cached_property
    def seen_leaves(self) -> Indices:
        """Leaves of the basic kinds that are not held out, ascending, (48,)."""
        leaves = np.arange(LEAVES)
        return leaves[~np.isin(leaves // EACH, self.drawn.held_out)]

    def similarity(self, first: Indices, second: Indices) -> Floats:
        """Return how similar leaves are in truth: the sum of the weights of the nodes that both lie under.

        Args:
            first: Numbers of leaves, (n,).
            second: Numbers of other leaves, (n,).

        Returns:
            s*, (n,).
        """
        shared = np.zeros(np.broadcast_shapes(np.shape(first), np.shape(second)))
        for width, weights in self.drawn.weights.items():
            node = np.asarray(first) // width
            shared = shared + np.where(node == np.asarray(second) // width, weights[node], 0.0)
        return shared

    def pictures(self, purpose: str, each: int, leaves: Indices | None = None) -> LeafImages:
        """Return pictures of some leaves, by leaf and then by number; nothing is drawn yet.

        Args:
            purpose: One of `PURPOSES`.
            each: How many of each leaf, numbered from 0.
            leaves: Their numbers, (n,); none for all.

        Raises:
            UsageError: If there is no such purpose (names the nearest).
        """
        if purpose not in PURPOSES:
            raise unknown("purpose of pictures", purpose, PURPOSES)
        chosen = range(LEAVES) if leaves is None else leaves.tolist()
        return LeafImages(self, purpose, tuple((leaf, number) for leaf in chosen for number in range(each)))

    def nuisance(self, purpose: str, leaf: int, number: int) -> Nuisance:
        """Return what means nothing in a picture, by its leaf and number."""
        return self._settled(purpose, leaf, number)[0]

    def figure(self, purpose: str, leaf: int, number: int) -> Figure:
        """Return what is to be drawn for a picture, by its leaf and number."""
        nuisance, rng = self._settled(purpose, leaf, number)
        new = purpose == "shifted"
        radius = int((OTHER_SIZES if new else SIZES)[nuisance.size] + rng.integers(-30, 31))
        most = min(SIDE * PIXEL // 2 - radius - PIXEL // 2, 420)
        right, down = nuisance.corner % 2 * 2 - 1, nuisance.corner // 2 * 2 - 1
        middle = SIDE * PIXEL // 2
        return Figure(
            outline=BASICS[leaf // EACH],
            stripes=int(self.drawn.stripes[leaf // EACH**2]),
            ink=_varied(list(HUES.values())[self.drawn.hues[leaf]], 14, rng),
            mark=int(self.drawn.marks[leaf]),
            paper=_varied((OTHER_PAPERS if new else PAPERS)[nuisance.paper], 12, rng),
            radius=radius,
            centre=(middle + right * int(rng.integers(most)), middle + down * int(rng.integers(most))),
        )

    def _settled(self, purpose: str, leaf: int, number: int) -> tuple[Nuisance, np.random.Generator]:
        """The nuisance of a picture, and a generator of what is left to draw of it."""
        rng = np.random.default_rng((VERSION, self.seed, PURPOSES.index(purpose), leaf, number))
        papers, sizes = (OTHER_PAPERS, OTHER_SIZES) if purpose == "shifted" else (PAPERS, SIZES)
        drawn = [int(rng.integers(count)) for count in (len(papers), len(sizes), CORNERS)]
        if purpose == "pretraining":
            for place, percent in enumerate(_FAVOURED.values()):
                if rng.integers(100) < percent:
                    drawn[place] = int(self.drawn.favourites[place][leaf])
        return Nuisance(*drawn), rng


def _varied(colour: tuple[int, int, int], most: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """A colour with up to so much added to each channel or taken from it."""
    red, green, blue = np.clip(np.array(colour) + rng.integers(-most, most + 1, 3), 0, 255).tolist()
    return red, green, blue


@dataclass(frozen=True, eq=False)
class DrawnTree:
    """What of a world's tree is drawn.

    Attributes:
        stripes: Direction of the stripes of each superordinate kind, (4,).
        hues: Number of the hue of each leaf, (64,).
        marks: Corner of the mark of each leaf, (64,).
        favourites: Background, size and corner that each leaf has most often in pictures for pretraining, (3, 64).
        held_out: The basic kinds that are held out, one of each superordinate kind, (4,).
        weights: Weights of the nodes of each level, by the number of leaves below one: 16, 4 and 1.
    """

    stripes: Indices
    hues: Indices
    marks: Indices
    favourites: Indices
    held_out: Indices
    weights: dict[int, Floats]

    @classmethod
    def of(cls, rng: np.random.Generator) -> DrawnTree:
        """Draw everything, in a fixed order."""
        kinds = len(SUPERORDINATES)
        stripes = rng.permutation(kinds)
        sectors = rng.permutation(np.arange(len(BASICS)) % EACH)
        hues = np.concatenate([EACH * sector + rng.permutation(EACH) for sector in sectors])
        marks = np.concatenate([rng.permutation(EACH) for _ in BASICS])
        favourites = [rng.permutation(np.arange(LEAVES) % count) for count in (len(PAPERS), len(SIZES), CORNERS)]
        held_out = np.array([EACH * kind + int(rng.integers(EACH)) for kind in range(kinds)])
        weights = {
            EACH**2: rng.permutation(_TIGHTNESS),
            EACH: rng.uniform(0.15, 0.35, len(BASICS)),
            1: rng.uniform(1.0, 1.4, LEAVES),
        }
        return cls(stripes, hues, marks, np.stack(favourites), held_out, weights)


@dataclass(frozen=True)
class LeafImages:
    """Pictures of leaves, drawn when they are asked for.

    Attributes:
        world: The world that they are of.
        purpose: What they are for, one of `PURPOSES`.
        chosen: Leaf and number of each.
    """

    world: LevelsWorld
    purpose: str
    chosen: tuple[tuple[int, int], ...]

    @cached_property
    def names(self) -> Sequence[str]:
        """Paths that say what is on each, and what it is for, e.g. `round/ring/azure-ring_levels_017.png`."""
        leaves = self.world.leaf_names
        return [
            f"{SUPERORDINATES[leaf // EACH**2]}/{BASICS[leaf // EACH]}/{leaves[leaf]}_{self.purpose}_{number:03d}.png"
            for leaf, number in self.chosen
        ]

    @property
    def leaves(self) -> Indices:
        """Number of the leaf of each, (n,)."""
        return np.array([leaf for leaf, _ in self.chosen], dtype=np.int64)

    @property
    def nuisances(self) -> list[Nuisance]:
        """What means nothing in each."""
        return [self.world.nuisance(self.purpose, *each) for each in self.chosen]

    def open(self, index: int) -> Image.Image:
        """Draw the picture at an index, 32 x 32 RGB."""
        return Image.fromarray(draw(self.world.figure(self.purpose, *self.chosen[index])))

    def select(self, indices: Indices) -> LeafImages:
        """Select the pictures at some indices, in that order."""
        return LeafImages(self.world, self.purpose, tuple(self.chosen[int(i)] for i in indices))

    def identities(self) -> list[str]:
        """Name what each picture is drawn from, which settles its pixels."""
        return [f"v{VERSION}:{self.world.seed}:{name}" for name in self.names]

    def write(self, folder: Path, by_leaf: bool = False) -> None:
        """Write the pictures as PNG files below a folder, which is there whole or not at all.

        Args:
            folder: A folder that is not there yet.
            by_leaf: Whether each lies in a folder of its leaf, `azure-ring/azure-ring_labelled_017.png`, and not by
                its name.

        Raises:
            UsageError: If it is there.
            AlignbenchError: If it cannot be written.
        """
        if folder.exists():
            raise UsageError(f"{folder} is there already: name a folder that is not, for the pictures of a world")
        make_folder(folder.parent)
        with whole_folder(folder) as scratch:
            for index, (name, leaf) in enumerate(zip(self.names, self.leaves.tolist(), strict=True)):
                file = PurePosixPath(name)
                place = scratch / (PurePosixPath(self.world.leaf_names[leaf], file.name) if by_leaf else file)
                place.parent.mkdir(parents=True, exist_ok=True)
                self.open(index).save(place)
