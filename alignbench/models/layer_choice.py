"""Which layers of a tower are meant: its usual ones, every block, or any module by its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image

from alignbench.errors import UsageError, did_you_mean
from alignbench.models.layer_names import PROJECTION
from alignbench.models.module_outputs import PICTURES, Arranged, Passed, Tap, arrange, passed_at
from alignbench.models.towers import Axes, Layer, Tower, block_depths

ALL: Final = "all"
BLOCKS: Final = "blocks"
_START: Final = block_depths(1)[0]  # no block is done yet


def choose_layers(tower: Tower, names: Sequence[str]) -> tuple[Layer, ...]:
    """Find the layers that some names stand for.

    Args:
        tower: The tower; where a module is named, a few pictures go through it, as shapes alone if it is on the meta
            device.
        names: `all` for the usual layers, `blocks` for every block, names of layers of either, and paths of modules as
            the model's own library has them (`avgpool`, `classifier.3`, `visual`).

    Returns:
        The layers in the order of their depth, the projection last. A module has the depth of the last block that is
        done before it gives its output.

    Raises:
        UsageError: If nothing is named, there is no layer and no module of a name, or a module is none that features
            can be read of; names the reason.
    """
    blocks = tower.blocks or tower.layers
    known = {layer.name: layer for layer in (*tower.layers, *blocks)}
    if not names:
        raise UsageError(f"no layer is named: there are {', '.join(known)}")
    chosen: dict[str, Layer] = {}
    paths: dict[str, str] = {}
    for name in names:
        if name in (ALL, BLOCKS):
            chosen |= {layer.name: layer for layer in (tower.layers if name == ALL else blocks)}
        elif name in known:
            chosen[name] = known[name]
        else:
            paths[name] = _module_path(tower, name, known)
    if chosen.keys() == {layer.name for layer in tower.layers} and not paths:
        return tower.layers
    order = [layer.name for layer in (*blocks, *tower.layers)]  # a stage is done after its last block
    if paths:
        found, when = _modules(tower, paths, known)
        chosen |= found
        order = sorted([*order, *found], key=when.__getitem__)
    return tuple(
        sorted(chosen.values(), key=lambda layer: (layer.name == PROJECTION, layer.depth, order.index(layer.name)))
    )


def narrow(tower: Tower, names: Sequence[str]) -> tuple[str, ...] | None:
    """Leave a tower the layers that some names stand for.

    Args:
        tower: The tower, whose `layers` are replaced.
        names: See `choose_layers`.

    Returns:
        The names of its layers; none if they are its usual ones.

    Raises:
        UsageError: See `choose_layers`.
    """
    usual, tower.layers = tower.layers, choose_layers(tower, names)
    return None if tower.layers == usual else tuple(layer.name for layer in tower.layers)


def _module_path(tower: Tower, name: str, known: Mapping[str, Layer]) -> str:
    """The path in a tower of a module as users name it."""
    modules = dict(tower.named_modules())
    for written, there in tower.roots.items():
        rest = name if not written else name.removeprefix(written).removeprefix(".")
        if name == written or not written or name.startswith(f"{written}."):
            path = ".".join(filter(None, (there, rest)))
            if path in modules and path:
                return path
    if name in modules:
        return name
    home = f"{tower.roots['']}." if tower.roots.get("") else ""
    paths = [path.removeprefix(home) for path in modules if path]
    hint = did_you_mean(name, [*known, *paths]) or f"there are {', '.join(known)}, and any module by its path"
    raise UsageError(f"unknown layer '{name}': {hint}")


@dataclass(frozen=True)
class _OwnLayers:
    """What a tower's own layers tell of others.

    Attributes:
        depths: Depth of each, by its place.
        places: The places of a picture that each has features of, by its place: tokens without class token and
            registers.
        prefix: How many class tokens and registers there are.
        tokens: Numbers of tokens with these among them.
        maps: How its maps are laid out, if it has any and they agree.
    """

    depths: Mapping[Tap, float]
    places: Mapping[Tap, int]
    prefix: int
    tokens: frozenset[int]
    maps: Axes | None


def _reference(tower: Tower, layers: Sequence[Layer]) -> _OwnLayers:
    maps = {layer.axes for layer in layers if layer.axes in ("BCHW", "BHWC")}
    taps = {Tap(layer.module, layer.is_input): layer for layer in reversed(layers)}
    prefixed = [layer for layer in layers if layer.has_prefix and not layer.one_token]
    return _OwnLayers(
        {place: layer.depth for place, layer in taps.items()},
        {
            place: 1 if layer.one_token else layer.tokens - tower.prefix_tokens * layer.has_prefix
            for place, layer in taps.items()
        },
        tower.prefix_tokens if prefixed else 0,
        frozenset(layer.tokens for layer in prefixed),
        maps.pop() if len(maps) == 1 else None,
    )


def _modules(
    tower: Tower, paths: Mapping[str, str], known: Mapping[str, Layer]
) -> tuple[dict[str, Layer], dict[str, int]]:
    """Layers of modules by the names that users gave them; and when, in a forward pass, each layer is come by."""
    reference = _reference(tower, list(known.values()))
    places = {name: Tap(path) for name, path in paths.items()}
    height, width = map(int, tower.prepare(Image.new("RGB", (64, 64))).shape[-2:])
    passed = passed_at(tower, [*places.values(), *reference.depths], (height, width))
    found: dict[str, Layer] = {}
    for name, place in places.items():
        times = [number for number, each in enumerate(passed) if each.place == place]
        if len(times) != 1:
            raise UsageError(
                f"{name} is no layer: a forward pass does not call it; give a module that it calls"
                if not times
                else f"{name} is no layer: a forward pass calls it {len(times)} times; give a module that it calls once"
            )
        before = [each.place for each in passed[: times[0]] if each.place in reference.depths]
        after = [each.place for each in passed[times[0] :] if each.place in reference.depths]
        around = (
            reference.places[before[-1]] if before else height * width,
            reference.places[after[0]] if after else 1,
        )
        depth = max((reference.depths[each] for each in before), default=_START)
        found[name] = _layer(name, passed[times[0]], depth, reference, (min(around), max(around)))
    order = [each.place for each in passed]
    return found, {name: order.index(Tap(layer.module, layer.is_input)) for name, layer in {**known, **found}.items()}


def _layer(name: str, passed: Passed, depth: float, reference: _OwnLayers, around: tuple[int, int]) -> Layer:
    if not passed.shape:
        raise UsageError(f"{name} is no layer: it gives a {passed.kind} and no tensor; give a module in it or after it")
    arranged = arrange(passed.shape, reference.maps)
    if arranged is None:
        raise UsageError(
            f"{name} is no layer: for {PICTURES} pictures it gives {' x '.join(map(str, passed.shape))} numbers, which "
            "are not tokens or a map of each picture; give a module around it or after it"
        )
    fewest, most = around
    if not _has_places(arranged, fewest, most, reference.prefix):
        there = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
        raise UsageError(
            f"{name} is no layer: for {PICTURES} pictures it gives {' x '.join(map(str, passed.shape))} numbers, which "
            f"would be features of {arranged.tokens:,} places of a picture where the layers around it have {there}; "
            "give a module around it or after it"
        )
    has_prefix = arranged.axes in ("BTC", "TBC") and arranged.tokens in reference.tokens
    return Layer(
        name,
        depth,
        passed.place.module,
        arranged.tokens,
        arranged.channels,
        axes=arranged.axes,
        has_prefix=has_prefix,
    )


def _has_places(arranged: Arranged, fewest: int, most: int, prefix: int) -> bool:
    """Whether an output is of as many places of a picture as the layers around it.

    Attention weights (B, heads, N, N), queries of N tokens and N channels, and tokens that were turned (B, channels, N)
    have the shape of features too. Between two blocks with maps of N places they would be of N x N places, or of as
    many as there are channels.
    """
    if arranged.tokens == 1:  # pooled
        return True
    if arranged.axes in ("BTC", "TBC"):
        return fewest <= arranged.tokens <= most + prefix
    return fewest <= arranged.tokens <= most
