"""What modules give in a forward pass, as shapes: a few pictures go through a model, and nothing of them is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from alignbench.models.towers import Axes, parts_given

PICTURES: Final = 5  # so many that no other axis is likely to be as long: windows of pictures are told from pictures


@dataclass(frozen=True)
class Tap:
    """A place in a model.

    Attributes:
        module: Path of a module.
        is_input: Whether it is what the module is given, and not what it gives.
    """

    module: str
    is_input: bool = False


@dataclass(frozen=True)
class Passed:
    """What passed at a place.

    Attributes:
        place: The place.
        kind: Type of what passed, e.g. `Tensor` or `tuple`.
        shape: Its shape for these pictures; empty of anything but a tensor.
        parts: Shapes of what is in a tuple or a list, or of all that a module is given, each empty of anything but a
            tensor.
    """

    place: Tap
    kind: str
    shape: tuple[int, ...]
    parts: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Arranged:
    """How an output is to be read.

    Attributes:
        axes: See `Layer`.
        tokens: Tokens of a picture.
        channels: Channels of a token.
        part: See `Layer`.
    """

    axes: Axes
    tokens: int
    channels: int
    part: int | None = None


def passed_at(model: nn.Module, places: Sequence[Tap], side: tuple[int, int]) -> list[Passed]:
    """Say what passes at places of a model, in the order in which it does; once for each time.

    Args:
        model: Takes (B, 3, H, W) uint8; it may be on the meta device.
        places: The places.
        side: H and W.
    """
    found: list[Passed] = []

    def note(place: Tap, passing: object, several: object) -> None:
        parts = tuple(map(_shape, several)) if isinstance(several, tuple | list) else ()
        found.append(Passed(place, type(passing).__name__, _shape(passing), parts))

    handles = [_attach(model, place, note) for place in dict.fromkeys(places)]
    device = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    try:
        with torch.inference_mode():
            model(torch.zeros(PICTURES, 3, *side, dtype=torch.uint8, device=device))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _shape(passing: object) -> tuple[int, ...]:
    return tuple(passing.shape) if isinstance(passing, Tensor) else ()


def _attach(model: nn.Module, place: Tap, note: Callable[[Tap, object, object], None]) -> RemovableHandle:
    module = model.get_submodule(place.module)
    if place.is_input:
        return module.register_forward_pre_hook(
            lambda _, given: note(place, given[0] if given else None, parts_given(given))
        )
    return module.register_forward_hook(lambda _, given, output: note(place, output, output))


def arrange(shape: tuple[int, ...], maps: Axes | None = None) -> Arranged | None:
    """Tell how the output for so many pictures is laid out; none if that cannot be told.

    Args:
        shape: Its shape.
        maps: `BCHW` or `BHWC`, as maps of this model usually are: which of a map's axes is that of channels can be told
            by the two others alone, which are equal, and not where all three are.
    """
    match shape:
        case (first, channels) if first == PICTURES:
            return Arranged("BC", 1, channels)
        case (first, tokens, channels) if first == PICTURES:
            return Arranged("BTC", tokens, channels)
        case (tokens, second, channels) if second == PICTURES:
            return Arranged("TBC", tokens, channels)
        case (first, a, b, c) if first == PICTURES and (a == b or b == c):
            axes: Axes | None = maps if a == b == c else "BHWC" if a == b else "BCHW"
            if axes is not None:
                return Arranged(axes, b * c, a) if axes == "BCHW" else Arranged(axes, a * b, c)
    return None
