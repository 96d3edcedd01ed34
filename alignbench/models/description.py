"""What a model is made of, as it is told before it is measured: its layers, its size, how it is fed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from alignbench.errors import UsageError
from alignbench.models.cards import cards
from alignbench.models.cost import tower_cost
from alignbench.models.families import RANDOM_PREFIX, check_name, skeleton
from alignbench.models.layer_choice import choose_layers
from alignbench.models.pair_metrics import METRICS
from alignbench.models.preparation import Described
from alignbench.models.towers import Tower


@dataclass(frozen=True)
class LayerDescription:
    """A layer of a model.

    Attributes:
        name: What it is called in results.
        depth: Percent of the network.
        tokens: Tokens of a picture there.
        channels: Channels of a token.
        module: Path of its module, as `--layers` takes it.
        is_input: Whether it is what that module is given, and not what it gives.
    """

    name: str
    depth: float
    tokens: int
    channels: int
    module: str
    is_input: bool


@dataclass(frozen=True)
class ModelDescription:
    """What a model is made of.

    Attributes:
        name: Its name.
        parameters: Number of its weights.
        flops: Operations of one picture, two for each multiplication and addition.
        height: Height in pixels of what it takes.
        width: Width in pixels of what it takes.
        preparation: How pictures are brought to that size.
        class_token: Whether the first token is a class token.
        registers: How many tokens then come before those of patches.
        projection: What its projection is.
        layers: Its layers, in the order of depth.
    """

    name: str
    parameters: int
    flops: int
    height: int
    width: int
    preparation: str
    class_token: bool
    registers: int
    projection: str
    layers: tuple[LayerDescription, ...]


def describe(name: str, layers: Sequence[str], protocol: str) -> ModelDescription:
    """Describe a model; no weights are loaded, and nothing is downloaded.

    Args:
        name: See `load_tower`; also with `random:`.
        layers: See `choose_layers`.
        protocol: See `load_tower`.

    Raises:
        UsageError: If there is no such model or layer, it is a baseline, or it is known only once it is loaded.
        ModelError: If its configuration is not on this machine.
    """
    name = name.removeprefix(RANDOM_PREFIX)
    if name in METRICS and name not in cards():
        raise UsageError(f"{name} is a baseline, which has no layers: name a model (see `alignbench models`)")
    check_name(name, METRICS.names())
    tower = skeleton(name, protocol=protocol)
    cost = tower_cost(tower)
    chosen = choose_layers(tower, layers)
    height, width = tower.prepare(Image.new("RGB", (64, 64))).shape[-2:]
    recipe = tower.prepare.recipe if isinstance(tower.prepare, Described) else None
    return ModelDescription(
        name,
        cost.parameters,
        cost.flops,
        int(height),
        int(width),
        "of its own" if recipe is None else recipe.text,
        tower.has_class_token,
        tower.registers,
        tower.projection or "none",
        tuple(
            LayerDescription(
                layer.name,
                layer.depth,
                layer.tokens,
                layer.channels,
                _module(tower, layer.module),
                layer.is_input,
            )
            for layer in chosen
        ),
    )


def _module(tower: Tower, path: str) -> str:
    """A path as `--layers` takes it."""
    home = tower.roots.get("", "")
    if path == home and home:
        return next((written for written, there in tower.roots.items() if written and there == path), path)
    return path.removeprefix(f"{home}.") if home else path
