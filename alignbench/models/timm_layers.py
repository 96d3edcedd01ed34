"""Where models of timm keep their stem, stages, blocks and pooled output, found by what timm itself says of each.

Stages are those of `feature_info`. Blocks are those of `group_matcher`, by which timm gives each its own learning rate.
What the first block is given is the stem, or `layer_0` where all blocks are alike. The projection is what a model gives
without its classifier.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import nn

from alignbench.errors import UsageError, one_line
from alignbench.models.layer_names import PROJECTION
from alignbench.models.module_outputs import PICTURES, Arranged, Passed, Tap, arrange, passed_at
from alignbench.models.towers import Axes, Layer, block_depths

ROOT: Final = "model"
_WHOLE: Final = Tap(ROOT)
_COLOURS: Final = 3
_POOLINGS: Final = ("token", "avg", "max", "avgmax", "catavgmax", "map")
_BLOCKS: Final = r"(.+\.)?blocks\.\d+"  # where timm does not say which its blocks are


@dataclass(frozen=True)
class TimmLayers:
    """The layers of a model of timm.

    Attributes:
        layers: The usual ones.
        blocks: Those of every block; none where they are the same.
        class_token: Whether the first token is a class token.
        registers: Tokens that then come before those of patches.
        pooling: What the projection is.
    """

    layers: tuple[Layer, ...]
    blocks: tuple[Layer, ...]
    class_token: bool
    registers: int
    pooling: str


def refused(name: str, why: str) -> UsageError:
    """Make the error for a model whose features cannot be read.

    Args:
        name: Its name.
        why: What keeps them from being read.
    """
    return UsageError(f"{name} cannot be measured layer by layer: {why}; choose another model")


def find_anatomy(name: str, tower: nn.Module, size: tuple[int, int], root: str = ROOT) -> TimmLayers:
    """Find the layers of a model; a few pictures go through it, as shapes alone.

    A layer's depth is that of the last block that is done by then, on the axis of transformers (`block_depths`).

    Args:
        name: Its name, for messages.
        tower: Is on the meta device, and takes (B, 3, H, W) uint8. What its `model` gives is the projection.
        size: H and W.
        root: Path in the tower of the model of timm, which has no classifier.

    Raises:
        UsageError: If it gives no intermediate features as tensors, takes something else than one picture, or the
            number of its tokens is not fixed.
    """
    model: Any = tower.get_submodule(root)
    if type(model).__name__.startswith("NaFlex"):
        raise refused(name, "its number of tokens changes with the shape of a picture")
    said = [info["module"] for info in getattr(model, "feature_info", None) or ()]
    if not said:
        raise refused(name, "timm gives no intermediate features of it (feature_info)")
    branches = [path for path in said if said.count(path) > 1]
    if branches:
        raise refused(name, f"its part {branches[0]} gives the features of several branches at once")
    modules = {path for path, _ in model.named_modules() if path}
    named = _named_blocks(model, modules)
    outputs = _pass(name, tower, size, root, {*named, *said} & modules)
    blocks = sorted(named, key=outputs.when) if named and all(map(outputs.usable, named)) else []
    if modules.issuperset(said) and all(map(outputs.usable, said)):
        stages = sorted(set(said), key=outputs.when)
    elif len(blocks) == len(said):
        stages = blocks
    elif blocks:
        stages = list({path.rpartition(".")[0]: path for path in blocks}.values())  # the last of those side by side
    else:
        wrong = next(path for path in said if path not in modules or not outputs.usable(path))
        raise refused(name, f"its part {wrong} {outputs.fault(wrong)}")
    blocks = blocks or stages
    start = replace(outputs.tap(blocks[0]), is_input=True)
    entered = outputs.order.index(start)
    before = [path for path in stages if outputs.when(path) < entered]
    if before and not outputs.is_alone(start):  # DenseNet gives its blocks a list
        start = outputs.tap(before[-1])
    return _anatomy(model, outputs, blocks, stages[len(before) :], start)


def _named_blocks(model: Any, modules: Iterable[str]) -> list[str]:
    """Paths of the modules that timm says are blocks: those that have weights, and not the stem's alone."""
    try:
        groups = dict(model.group_matcher(coarse=False))
    except (AttributeError, TypeError):
        groups = {}
    stem, blocks = _patterns(groups.get("stem", ())), _patterns(groups.get("blocks", _BLOCKS))

    def is_block(path: str) -> bool:
        weights = model.get_submodule(path).named_parameters(prefix=path)
        is_named = any(re.fullmatch(pattern, path) for pattern in blocks)
        return is_named and any(not any(re.match(each, name) for each in stem) for name, _ in weights)

    return [path for path in modules if is_block(path)]


def _patterns(said: str | Iterable[tuple[str, object]]) -> list[str]:
    """The patterns of a group of weights, without those that timm moves to a fixed place."""
    return [said] if isinstance(said, str) else [pattern for pattern, place in said if place is None]


@dataclass(frozen=True)
class _Outputs:
    """What passes in a forward pass.

    Attributes:
        passed: By place, in the order in which it does; what passes several times at a place, or has no tokens or map
            of each picture in it, stands there as the reason why it cannot be read.
        places: Numbers of places of patches, as maps have them that timm makes of features.
        prefix: Tokens that may come before those.
        root: Path of the model in the tower.
    """

    passed: Mapping[Tap, Arranged | str]
    places: frozenset[int]
    prefix: int
    root: str

    @property
    def order(self) -> list[Tap]:
        return list(self.passed)

    def tap(self, path: str) -> Tap:
        return Tap(f"{self.root}.{path}")

    def when(self, path: str) -> int:
        return self.order.index(self.tap(path))

    def usable(self, path: str) -> bool:
        return isinstance(self.passed.get(self.tap(path)), Arranged)

    def is_alone(self, place: Tap) -> bool:
        found = self.passed[place]
        return isinstance(found, Arranged) and found.part is None

    def fault(self, path: str) -> str:
        return str(self.passed.get(self.tap(path), "is not called as a whole"))


def _pass(name: str, tower: nn.Module, size: tuple[int, int], root: str, paths: Iterable[str]) -> _Outputs:
    """Send pictures through a tower, and say what passes into modules, out of them, and at the end."""
    model: Any = tower.get_submodule(root)
    taps = [Tap(f"{root}.{path}", is_input) for path in sorted(paths) for is_input in (False, True)]
    try:
        found = passed_at(tower, [*taps, _WHOLE], size)
    except Exception as error:
        raise refused(name, f"a picture alone cannot go through it ({one_line(error)[:120]})") from error
    maps: Axes = "BHWC" if getattr(model, "output_fmt", "NCHW") == "NHWC" else "BCHW"
    prefix = int(getattr(model, "num_prefix_tokens", 0) or 0)
    has_tokens = any(len(shape) == 3 for each in found for shape in (each.shape, *each.parts))
    patches = _places(model, size) if has_tokens else frozenset()
    passed: dict[Tap, Arranged | str] = {}
    for each in found:
        if each.place in passed:
            passed.pop(each.place)
            passed[each.place] = "is called several times"
        else:
            passed[each.place] = _read(each, maps, patches, prefix)
    return _Outputs(passed, patches, prefix, root)


def _places(model: Any, size: tuple[int, int]) -> frozenset[int]:
    """Numbers of places of the maps that timm makes of a model's features; none if it makes none."""
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            maps = model.forward_intermediates(torch.zeros(1, 3, *size, device=device), intermediates_only=True)
    except Exception:
        return frozenset()
    return frozenset(
        each.shape[2] * each.shape[3] for each in maps if isinstance(each, torch.Tensor) and each.ndim == 4
    )


def _read(each: Passed, maps: Axes, patches: frozenset[int], prefix: int) -> Arranged | str:
    """How what passes is laid out, or why that cannot be told; of several things the first counts that can be read."""

    def read(shape: tuple[int, ...]) -> Arranged | str:
        arranged = arrange(shape, maps)
        numbers = f"gives {' x '.join(map(str, shape))} numbers for {PICTURES} pictures"
        if arranged is None:
            return f"{numbers}, which are not tokens or a map of each"
        if arranged.axes in ("BTC", "TBC") and not {arranged.tokens, arranged.tokens - prefix} & patches:
            return f"{numbers}, of which it is not said what is of patches"
        return arranged

    found = read(each.shape) if each.shape else f"gives a {each.kind} and no tensor"
    if isinstance(found, Arranged):
        return found
    parts = [(number, read(shape)) for number, shape in enumerate(each.parts)]
    return next((replace(part, part=number) for number, part in parts if isinstance(part, Arranged)), found)


def _anatomy(model: Any, outputs: _Outputs, blocks: Sequence[str], stages: Sequence[str], start: Tap) -> TimmLayers:
    """Name the places, and say how deep they are."""
    first, *depths = block_depths(len(blocks))
    depth, tap = dict(zip(blocks, depths, strict=True)), outputs.tap
    widths = {_width(outputs, path) for path in blocks}
    alike = list(stages) == list(blocks) and len(widths) == 1
    enters = outputs.passed[start]
    is_read = isinstance(enters, Arranged) and enters.channels > _COLOURS  # else it is the picture
    stem = {"layer_0" if alike else "stem": (start, first)} if is_read else {}
    names = "layer" if alike else "block"
    every = {f"{names}_{k + 1}": (tap(path), depth[path]) for k, path in enumerate(blocks)}
    few = {
        f"stage_{k + 1}": (
            tap(path),
            max((depth[block] for block in blocks if outputs.when(block) <= outputs.when(path)), default=first),
        )
        for k, path in enumerate(stages)
    }
    end = {PROJECTION: (_WHOLE, 100.0)} if _is_pooled(outputs) else {}
    layers = {name: _layer(name, *place, outputs) for name, place in {**stem, **every, **few, **end}.items()}
    has_prefix = any(layer.has_prefix for layer in layers.values() if not layer.one_token)
    class_token = has_prefix and getattr(model, "cls_token", None) is not None
    chosen = [tuple(layers[name] for name in (*stem, *those, *end)) for those in (few, every)]
    return TimmLayers(
        chosen[1] if alike else chosen[0],
        () if alike else chosen[1],
        class_token,
        outputs.prefix - class_token if has_prefix else 0,
        _pooling(model),
    )


def _width(outputs: _Outputs, path: str) -> int:
    found = outputs.passed[outputs.tap(path)]
    return found.channels if isinstance(found, Arranged) else 0


def _is_pooled(outputs: _Outputs) -> bool:
    whole = outputs.passed[_WHOLE]
    return isinstance(whole, Arranged) and whole.axes == "BC"


def _layer(name: str, place: Tap, depth: float, outputs: _Outputs) -> Layer:
    found = outputs.passed[place]
    assert isinstance(found, Arranged), f"{name} {found}"
    has_prefix = found.axes in ("BTC", "TBC") and found.tokens not in outputs.places and outputs.prefix > 0
    return Layer(
        name,
        depth,
        place.module,
        found.tokens,
        found.channels,
        axes=found.axes,
        is_input=place.is_input,
        part=found.part,
        has_prefix=has_prefix,
    )


def _pooling(model: Any) -> str:
    """What the projection is, in words."""
    kinds = [getattr(each, "global_pool", None) for each in (model, getattr(model, "head", None))]
    said = [kind if isinstance(kind, str) else getattr(kind, "pool_type", None) for kind in kinds if kind is not None]
    kind = next((f" (pooling of timm: {each})" for each in said if each in _POOLINGS), "")
    return f"what the classifier is given{kind}"
