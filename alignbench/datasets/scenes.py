"""The packaged world's pictures: scenes of simple objects, drawn on demand from a few attributes.

A scene is data (`Scene`); `render` draws it, and `caption` describes it. Everything is arithmetic on arrays with seeded
generators, so that a scene looks the same on every machine and needs no file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats

Pixels = NDArray[np.uint8]

SIDE: Final = 64

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "round": ("disc", "oval", "ring", "crescent"),
    "boxy": ("square", "bar", "cross"),
    "pointed": ("triangle", "star", "arrow"),
}
KIND_OF: Final = {shape: kind for kind, shapes in KINDS.items() for shape in shapes}
SHAPES: Final = tuple(KIND_OF)
COLOURS: Final[dict[str, tuple[float, float, float]]] = {
    "red": (0.85, 0.10, 0.12),
    "orange": (0.96, 0.52, 0.08),
    "yellow": (0.95, 0.86, 0.15),
    "pink": (0.96, 0.52, 0.72),
    "green": (0.13, 0.62, 0.20),
    "cyan": (0.20, 0.80, 0.84),
    "blue": (0.15, 0.32, 0.88),
    "purple": (0.52, 0.18, 0.72),
}
FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "warm": ("red", "orange", "yellow", "pink"),
    "cool": ("green", "cyan", "blue", "purple"),
}
FAMILY_OF: Final = {colour: family for family, colours in FAMILIES.items() for colour in colours}
TEXTURES: Final = ("plain", "striped", "dotted", "checked")
COUNTS: Final = (1, 2, 3)
SIZES: Final[dict[str, float]] = {"small": 7.2, "large": 10.4}  # radius in pixels
POSITIONS: Final = ("left", "right", "top", "bottom")
BACKGROUNDS: Final[dict[str, tuple[float, float, float]]] = {
    "white": (0.96, 0.96, 0.96),
    "grey": (0.58, 0.58, 0.58),
    "black": (0.07, 0.07, 0.07),
    "sandy": (0.80, 0.72, 0.55),
    "navy": (0.10, 0.13, 0.30),
}
ATTRIBUTES: Final[dict[str, tuple[str, ...] | tuple[int, ...]]] = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "texture": TEXTURES,
    "count": COUNTS,
    "size": tuple(SIZES),
    "position": POSITIONS,
    "background": tuple(BACKGROUNDS),
}


@dataclass(frozen=True)
class Scene:
    """What is in a picture; `seed` settles where exactly the objects stand and how they are turned."""

    shape: str
    colour: str
    texture: str
    count: int
    size: str
    position: str
    background: str
    seed: int


def sample_scene(rng: np.random.Generator) -> Scene:
    """Make a scene with every attribute drawn uniformly and independently."""
    drawn = {name: values[int(rng.integers(len(values)))] for name, values in ATTRIBUTES.items()}
    return Scene(seed=int(rng.integers(2**31)), **drawn)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ drawing


def render(scene: Scene) -> Pixels:
    """Draw a scene.

    Returns:
        RGB pixels, (64, 64, 3) uint8.
    """
    rng = np.random.default_rng(scene.seed)
    colour = np.array(COLOURS[scene.colour])
    canvas = np.broadcast_to(np.array(BACKGROUNDS[scene.background]), (SIDE, SIDE, 3)).copy()
    for x, y in _places(scene, rng):
        radius = SIZES[scene.size] * rng.uniform(0.95, 1.05)
        angle = rng.uniform(0.0, 2.0 * math.pi)
        window = (_span(y, radius), _span(x, radius))  # only the pixels that the object can touch
        rows, columns = (np.arange(span.start, span.stop) + 0.5 for span in window)
        down, right = rows[:, None] - y, columns[None, :] - x
        u = (right * math.cos(angle) + down * math.sin(angle)) / radius
        v = (down * math.cos(angle) - right * math.sin(angle)) / radius
        outline = _OUTLINES[scene.shape](u, v)
        cover = np.clip(0.5 - outline * radius, 0.0, 1.0)[..., None]  # one pixel of soft edge
        ink = colour * _shade(scene.texture, u * radius, v * radius)[..., None]
        canvas[window] = canvas[window] * (1.0 - cover) + ink * cover
    return np.asarray(np.rint(canvas * 255.0), dtype=np.uint8)


def _span(centre: float, radius: float) -> slice:
    """Pixels within 1.3 radii of a centre, along one axis, clipped to the picture."""
    reach = 1.3 * radius + 1.0
    return slice(max(0, math.floor(centre - reach)), min(SIDE, math.ceil(centre + reach)))


def _places(scene: Scene, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Centres (x, y) of the objects: side by side along the half of the picture that `position` names."""
    near = SIDE * 0.27
    across = near if scene.position in ("left", "top") else SIDE - near
    step = SIDE / max(scene.count, 2)
    start = (SIDE - step * (scene.count - 1)) / 2.0
    slack = {1: 10.0, 2: 4.0, 3: 0.8}[scene.count]
    places = []
    for index in range(scene.count):
        along = start + step * index + rng.uniform(-slack, slack)
        offset = across + rng.uniform(-3.0, 3.0)
        places.append((offset, along) if scene.position in ("left", "right") else (along, offset))
    return places


def _shade(texture: str, x: Floats, y: Floats) -> Floats:
    """Brightness factor of a surface at object coordinates in pixels."""
    dark, period = 0.35, 5.0
    if texture == "striped":
        marked = np.sin(2.0 * math.pi * x / period) > 0.0
    elif texture == "dotted":
        wave = np.cos(2.0 * math.pi * x / period) + np.cos(2.0 * math.pi * y / period)
        marked = wave > 0.7
    elif texture == "checked":
        marked = np.sin(math.pi * x / period) * np.sin(math.pi * y / period) > 0.0
    else:
        return np.ones_like(x)
    return np.where(marked, dark, 1.0)


def _box(u: Floats, v: Floats, half_width: float, half_height: float) -> Floats:
    return np.asarray(np.maximum(np.abs(u) - half_width, np.abs(v) - half_height))


def _radius(u: Floats, v: Floats) -> Floats:
    return np.asarray(np.sqrt(u * u + v * v))


def _triangle(u: Floats, v: Floats) -> Floats:
    edges = [u * math.cos(a) + v * math.sin(a) for a in (math.pi / 2, math.pi * 7 / 6, math.pi * 11 / 6)]
    return np.asarray(np.maximum.reduce(edges) - 0.55)


def _star(u: Floats, v: Floats) -> Floats:
    sector = 2.0 * math.pi / 5.0
    angle = np.abs((np.arctan2(v, u) + sector / 2.0) % sector - sector / 2.0)
    x, y = _radius(u, v) * np.cos(angle), _radius(u, v) * np.sin(angle)
    inner_x, inner_y = 0.42 * math.cos(sector / 2.0), 0.42 * math.sin(sector / 2.0)
    normal = np.array([inner_y, 1.05 - inner_x])
    normal /= np.linalg.norm(normal)
    return np.asarray((x - 1.05) * normal[0] + y * normal[1])


def _arrow(u: Floats, v: Floats) -> Floats:
    shaft = _box(u + 0.4, v, 0.6, 0.2)
    head = np.maximum(-u, (u - 1.05) * 0.64 + np.abs(v) * 0.77)
    return np.minimum(shaft, head)


# Each outline is negative inside, and near the edge about the distance to it, in units of the object's radius.
_OUTLINES: Final[dict[str, Callable[[Floats, Floats], Floats]]] = {
    "disc": lambda u, v: _radius(u, v) - 0.9,
    "oval": lambda u, v: (_radius(u, v / 0.5) - 1.05) * 0.6,
    "ring": lambda u, v: np.abs(_radius(u, v) - 0.72) - 0.26,
    "crescent": lambda u, v: np.maximum(_radius(u, v) - 1.0, 0.8 - _radius(u - 0.5, v)),
    "square": lambda u, v: _box(u, v, 0.8, 0.8),
    "bar": lambda u, v: _box(u, v, 1.1, 0.36),
    "cross": lambda u, v: np.minimum(_box(u, v, 1.0, 0.32), _box(u, v, 0.32, 1.0)),
    "triangle": _triangle,
    "star": _star,
    "arrow": _arrow,
}

# --------------------------------------------------------------------------------------------- describing

_NUMBERS: Final = {1: "one", 2: "two", 3: "three"}
_PLACES: Final = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}
_PLURAL: Final = {"cross": "crosses"}


def _noun(word: str, count: int) -> str:
    return word if count == 1 else _PLURAL.get(word, word + "s")


def words_of(attribute: str, value: object) -> str:
    """Say the value of an attribute as captions do, e.g. `three`, `red`, `on a white background`, `at the top`."""
    match attribute, value:
        case "count", int():
            return _NUMBERS[value]
        case "position", str():
            return _PLACES[value]
        case "background", _:
            return f"on a {value} background"
    return str(value)


def caption(scene: Scene, rng: np.random.Generator | None = None) -> str:
    """Describe a scene in words, e.g. `two small red striped stars on a black background at the top`.

    Args:
        scene: What to describe.
        rng: With a generator the caption is as loose as captions on the web are: an attribute is named only
            sometimes, the object as itself (`star`), by its kind (`pointed thing`) or not at all (`thing`), the
            colour as itself or by its family (`warm`). Without one, everything is named.
    """

    def named(probability: float) -> bool:
        return rng is None or bool(rng.random() < probability)

    words: list[str] = []
    if named(0.7):
        words.append(words_of("count", scene.count))
    if named(0.6):
        words.append(scene.size)
    if named(0.75):
        words.append(scene.colour)
    elif named(0.6):
        words.append(FAMILY_OF[scene.colour])
    if named(0.7):
        words.append(scene.texture)
    if named(0.7):
        words.append(_noun(scene.shape, scene.count))
    else:
        if named(0.75):
            words.append(KIND_OF[scene.shape])
        words.append(_noun("thing", scene.count))
    if named(0.6):
        words.append(words_of("background", scene.background))
    if named(0.6):
        words.append(words_of("position", scene.position))
    return " ".join(words)


def vocabulary() -> tuple[str, ...]:
    """List every word that `caption` can say, in a fixed order."""
    nouns = [_noun(noun, count) for noun in (*SHAPES, "thing") for count in (1, 2)]
    words = [*_NUMBERS.values(), *SIZES, *COLOURS, *FAMILIES, *TEXTURES, *KINDS, *nouns, *BACKGROUNDS, *POSITIONS]
    return tuple(dict.fromkeys([*words, "on", "at", "the", "a", "background"]))
