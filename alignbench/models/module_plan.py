"""Where a model keeps its stem, stages, blocks and pooled output, and the layers that follow from it.

A few pictures go through the model as shapes alone, which tells how each output is laid out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from torch import nn

from alignbench.models.module_outputs import Arranged, Tap, arrange, passed_at
from alignbench.models.towers import Axes, Layer, block_depths

ROOT: Final = "model"
AVERAGE: Final = "average over the last map, which the classifier is given"


@dataclass(frozen=True)
class ModulePlan:
    """Paths of a model's modules.

    Attributes:
        blocks: Its blocks.
        stages: Its stages, each a block or a module that ends with one; none of a transformer.
        stem: What gives the first block its input; empty if that is the picture.
        projection: Where its pooled output is; none if that is the logits.
        pooling: What that is.
        hidden: Hidden layers of the classifier before the projection, which count as blocks.
        maps: How its maps are laid out.
        class_token: Whether it is a transformer whose token 0 is the class token.
    """

    blocks: tuple[str, ...]
    stages: tuple[str, ...]
    stem: str = ""
    projection: Tap | None = None
    pooling: str = AVERAGE
    hidden: tuple[str, ...] = ()
    maps: Axes = "BCHW"
    class_token: bool = False


def find_layers(anatomy: ModulePlan, tower: nn.Module, side: int) -> tuple[tuple[Layer, ...], tuple[Layer, ...]]:
    """Find the usual layers of a tower, and those of every block.

    A layer's depth is that of the last block that is done by then, on the axis of transformers (`block_depths`).

    Args:
        anatomy: Where its model has what.
        tower: Has the model as `model`, on the meta device, and takes (B, 3, H, W) uint8.
        side: H and W.

    Returns:
        The usual layers, and those of every block; these are none where they are the same.
    """
    counted = (*anatomy.blocks, *anatomy.hidden)
    start, *depths = block_depths(len(counted))
    depth = dict(zip(counted, depths, strict=True))
    stem = {"layer_0" if anatomy.class_token else "stem": (Tap(anatomy.stem), start)} if anatomy.stem else {}
    kind = "layer" if anatomy.class_token else "block"
    blocks = {f"{kind}_{number + 1}": (Tap(path), depth[path]) for number, path in enumerate(anatomy.blocks)}
    stages = {
        f"stage_{number + 1}": (
            Tap(path),
            max(at for block, at in depth.items() if block == path or block.startswith(f"{path}.")),
        )
        for number, path in enumerate(anatomy.stages)
    }
    end = {f"fc_{number + 1}": (Tap(path), depth[path]) for number, path in enumerate(anatomy.hidden)}
    if anatomy.projection is not None:
        end["projection"] = (anatomy.projection, 100.0)
    places = {**stem, **blocks, **stages, **end}
    inner = {place: Tap(f"{ROOT}.{place.module}", place.is_input) for place, _ in places.values()}
    passed = passed_at(tower, list(inner.values()), (side, side))
    arranged = {each.place: arrange(each.shape, anatomy.maps) for each in passed}
    layers = {name: _layer(name, inner[place], at, arranged[inner[place]]) for name, (place, at) in places.items()}
    every = tuple(layers[name] for name in (*stem, *blocks, *end))
    if not stages:
        return every, ()
    return tuple(layers[name] for name in (*stem, *stages, *end)), every


def _layer(name: str, place: Tap, depth: float, arranged: Arranged | None) -> Layer:
    assert arranged is not None, f"{name} is neither tokens nor a map"
    return Layer(
        name,
        depth,
        place.module,
        arranged.tokens,
        arranged.channels,
        axes=arranged.axes,
        is_input=place.is_input,
        has_prefix=arranged.axes == "BTC",
    )
