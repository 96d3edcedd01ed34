"""What passes at modules, and how it is laid out, for outputs worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from alignbench.models.module_outputs import Arranged, Passed, Tap, arrange, passed_at
from alignbench.models.towers import Axes


class Pair(nn.Module):
    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return pixels, pixels


class Both(nn.Module):
    def forward(self, first: Tensor, word: str, second: Tensor) -> list[object]:
        return [first + second, word]


class Small(nn.Module):
    """Colours as a map, a pair of it, their sum, and its mean twice through one module."""

    def __init__(self) -> None:
        super().__init__()
        self.map, self.pair, self.same, self.unused = nn.Identity(), Pair(), nn.Identity(), nn.Identity()
        self.both, self.listed = Both(), nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        first, second = self.pair(self.map(pixels.float()))
        self.listed(self.both(first, "and", second))
        mean: Tensor = self.same(self.same(first.mean(dim=(2, 3))))
        return mean


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_every_passing_is_told_in_its_order(device: str) -> None:
    model = Small().to(device)
    if device == "meta":
        model.register_buffer("anything", torch.zeros(1, device="meta"))
    places = [Tap("same"), Tap("unused"), Tap("pair"), Tap("pair", is_input=True), Tap("map")]
    places += [Tap("both"), Tap("both", is_input=True), Tap("listed", is_input=True)]
    whole = (5, 3, 4, 6)
    assert passed_at(model, places, (4, 6)) == [
        Passed(Tap("map"), "Tensor", whole),
        Passed(Tap("pair", is_input=True), "Tensor", whole),
        Passed(Tap("pair"), "tuple", (), (whole, whole)),
        Passed(Tap("both", is_input=True), "Tensor", whole, (whole, (), whole)),
        Passed(Tap("both"), "list", (), (whole, ())),
        Passed(Tap("listed", is_input=True), "list", (), (whole, ())),
        Passed(Tap("same"), "Tensor", (5, 3)),
        Passed(Tap("same"), "Tensor", (5, 3)),
    ]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("shape", "maps", "expected"),
    [
        ((5, 512), None, Arranged("BC", 1, 512)),
        ((5, 197, 768), None, Arranged("BTC", 197, 768)),
        ((197, 5, 768), None, Arranged("TBC", 197, 768)),
        ((5, 1, 768), None, Arranged("BTC", 1, 768)),
        ((1, 5, 768), None, Arranged("TBC", 1, 768)),
        ((5, 64, 56, 56), "BHWC", Arranged("BCHW", 3136, 64)),
        ((5, 56, 56, 96), "BCHW", Arranged("BHWC", 3136, 96)),
        ((5, 512, 1, 1), None, Arranged("BCHW", 1, 512)),
        ((5, 56, 56, 56), "BHWC", Arranged("BHWC", 3136, 56)),
        ((5, 56, 56, 56), "BCHW", Arranged("BCHW", 3136, 56)),
        ((5, 56, 56, 56), None, None),
        ((5, 4, 5, 6), "BCHW", None),
        ((320, 49, 96), None, None),  # windows of pictures
        ((985, 768), None, None),  # the tokens of all
        ((5,), None, None),
        ((5, 3, 4, 4, 5), None, None),
        ((), None, None),
    ],
)
def test_axes_are_told_by_several_pictures(
    shape: tuple[int, ...], maps: Axes | None, expected: Arranged | None
) -> None:
    assert arrange(shape, maps) == expected
