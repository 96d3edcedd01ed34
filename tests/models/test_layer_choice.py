"""Layers are chosen by name, by block and by module; what cannot be one is refused with the reason."""

from __future__ import annotations

import re
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from alignbench.errors import UsageError
from alignbench.models.families import load_tower, skeleton
from alignbench.models.layer_choice import choose_layers, narrow
from alignbench.models.preparation import Sized
from alignbench.models.towers import Axes, Layer, Tower, tap
from folders import Folders
from pixel_tower import PixelTower
from taps import picture


class Parts(nn.Module):
    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return pixels, pixels


class Net(nn.Module):
    """Two convolutions, of which a tower has one block each, and what can be no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 5, 2, 2), nn.Conv2d(5, 7, 2, 2)
        self.relu, self.parts, self.lost = nn.ReLU(inplace=True), Parts(), nn.Identity()
        self.windows, self.pool, self.head = nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Linear(7, 4)

    def forward(self, pixels: Tensor) -> Tensor:
        found = self.relu(self.second(self.relu(self.first(pixels))))
        self.parts(found)
        self.windows(found.flatten(0, 1))
        logits: Tensor = self.head(self.pool(found).flatten(1))
        return logits


class NetTower(Tower):
    roots: ClassVar[dict[str, str]] = {"": "net", "whole": "net"}

    def __init__(self) -> None:
        super().__init__()
        self.net, self.prepare, self.fingerprint = Net(), Sized(8), "net"
        end = Layer("projection", 100.0, "net.head", 1, 7, is_input=True)
        self.layers = (Layer("stage_1", 97.5, "net.second", 4, 7, axes="BCHW", has_prefix=False), end)
        first = Layer("block_1", 7.5, "net.first", 16, 5, axes="BCHW", has_prefix=False)
        self.blocks = (first, Layer("block_2", 97.5, "net.second", 4, 7, axes="BCHW", has_prefix=False), end)

    def forward(self, pixels: Tensor) -> object:
        return self.net(pixels.float())


def names(layers: tuple[Layer, ...]) -> list[str]:
    return [layer.name for layer in layers]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["all"], ["stage_1", "projection"]),
        (["blocks"], ["block_1", "block_2", "projection"]),
        (["projection", "block_1", "projection"], ["block_1", "projection"]),
        (["blocks", "all"], ["block_1", "block_2", "stage_1", "projection"]),
        (["all", "first", "pool", "head"], ["first", "stage_1", "pool", "head", "projection"]),
        (["head", "whole.pool", "net.pool"], ["whole.pool", "net.pool", "head"]),
        (["whole"], ["whole"]),
    ],
)
def test_names_stand_for_layers_in_the_order_of_depth(asked: list[str], found: list[str]) -> None:
    assert names(choose_layers(NetTower(), asked)) == found
    assert names(choose_layers(NetTower().to("meta"), asked)) == found


def test_a_module_has_the_depth_of_the_blocks_done_before_it() -> None:
    tower = NetTower()
    found = {layer.name: layer for layer in choose_layers(tower, ["first", "second", "pool", "head", "whole"])}
    assert {name: layer.depth for name, layer in found.items()} == {
        "first": 2.5,
        "second": 7.5,
        "pool": 97.5,
        "head": 100.0,
        "whole": 100.0,
    }
    assert (found["first"].axes, found["first"].tokens, found["first"].channels) == ("BCHW", 16, 5)
    assert (found["pool"].axes, found["pool"].tokens, found["pool"].channels) == ("BCHW", 1, 7)
    assert (found["head"].axes, found["head"].tokens, found["head"].channels) == ("BC", 1, 4)


def test_the_features_of_a_module_are_its_output() -> None:
    tower, found = NetTower(), {}
    layers = choose_layers(tower, ["first", "pool", "projection"])
    pixels = torch.stack([tower.prepare(picture(9, 8, seed)) for seed in range(3)])
    with torch.inference_mode(), tap(tower, layers, lambda layer, given: found.update({layer.name: given.clone()})):
        tower(pixels)
        first = tower.net.first(pixels.float())
        pooled = tower.net.second(first.relu()).relu().mean(dim=(2, 3))
    expected = torch.stack([first[:, :, row, column] for row in range(4) for column in range(4)], dim=1)
    assert torch.equal(found["first"], expected)
    torch.testing.assert_close(found["pool"][:, 0], pooled)
    torch.testing.assert_close(found["projection"][:, 0], pooled)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ([], "no layer is named: there are stage_1, projection, block_1, block_2"),
        (["stage_2"], "unknown layer 'stage_2': did you mean stage_1?"),
        (["poool"], "unknown layer 'poool': did you mean pool?"),
        (["éclair"], "unknown layer 'éclair': there are stage_1, projection, block_1, block_2, and any module by its "),
        (["all", "relu"], "relu is no layer: a forward pass calls it 2 times; give a module that it calls once"),
        (["lost"], "lost is no layer: a forward pass does not call it; give a module that it calls"),
        (["parts"], "parts is no layer: it gives a tuple and no tensor; give a module in it or after it"),
        (["windows"], "windows is no layer: for 5 pictures it gives 35 x 2 x 2 numbers, which are not tokens or a map"),
        (["net.."], "unknown layer 'net..': "),
    ],
)
def test_what_is_no_layer_is_refused_with_the_reason(asked: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=rf"^{re.escape(message)}"):
        choose_layers(NetTower(), asked)


class Attending(nn.Module):
    """A map or tokens of 16 places, and what passes beside it, between two layers of its own."""

    def __init__(self, beside: tuple[int, ...], *, is_map: bool) -> None:
        super().__init__()
        self.before, self.beside, self.after = nn.Identity(), nn.Identity(), nn.Identity()
        self.shape, self.is_map = beside, is_map

    def forward(self, pixels: Tensor) -> Tensor:
        pictures = len(pixels)
        found = pixels.new_zeros((pictures, 8, 4, 4) if self.is_map else (pictures, 17, 8))
        found = self.before(found)
        self.beside(pixels.new_zeros(pictures, *self.shape))
        kept: Tensor = self.after(found)
        return kept


class AttendingTower(Tower):
    roots: ClassVar[dict[str, str]] = {"": "net"}

    def __init__(self, beside: tuple[int, ...], *, is_map: bool) -> None:
        super().__init__()
        self.net, self.prepare, self.fingerprint = Attending(beside, is_map=is_map), Sized(64), "attending"
        axes: Axes = "BCHW" if is_map else "BTC"
        self.has_class_token = not is_map
        tokens = 16 if is_map else 17
        self.layers = tuple(
            Layer(name, depth, f"net.{name}", tokens, 8, axes=axes, has_prefix=not is_map)
            for name, depth in (("before", 7.5), ("after", 97.5))
        )

    def forward(self, pixels: Tensor) -> object:
        return self.net(pixels.float())


@pytest.mark.parametrize("is_map", [True, False])
@pytest.mark.parametrize(
    ("shape", "places"),
    [
        ((2, 17, 17), 289),  # attention weights
        ((2, 16, 16), 256),
        ((24, 8, 8), 64),  # a window's, or channels by channels
        ((32, 32, 8), 1024),  # queries of as many heads as tokens
        ((2, 2, 2), None),  # which of three equal axes is that of channels is not told of tokens
        ((8, 3, 3), 9),
        ((40, 16), 40),  # tokens and channels exchanged
        ((8, 16), 8),
    ],
)
def test_what_has_other_places_than_the_layers_around_it_is_refused(
    shape: tuple[int, ...], places: int | None, is_map: bool
) -> None:
    with pytest.raises(UsageError, match=r"^beside is no layer: for 5 pictures it gives 5 x ") as refused:
        choose_layers(AttendingTower(shape, is_map=is_map), ["beside"])
    if places is not None:
        assert f"features of {places:,} places of a picture where the layers around it have 16;" in str(refused.value)


@pytest.mark.parametrize("is_map", [True, False])
@pytest.mark.parametrize(
    ("shape", "axes", "tokens", "channels"),
    [
        ((24, 4, 4), "BCHW", 16, 24),
        ((4, 4, 24), "BHWC", 16, 24),
        ((24, 1, 1), "BCHW", 1, 24),  # squeezed
        ((16, 24), "BTC", 16, 24),
        ((1, 24), "BTC", 1, 24),
    ],
)
def test_what_has_the_places_of_the_layers_around_it_is_a_layer(
    shape: tuple[int, ...], axes: str, tokens: int, channels: int, is_map: bool
) -> None:
    (found,) = choose_layers(AttendingTower(shape, is_map=is_map), ["beside"])
    assert (found.axes, found.tokens, found.channels, found.has_prefix) == (axes, tokens, channels, False)


def test_tokens_with_the_class_token_among_them_are_told() -> None:
    (found,) = choose_layers(AttendingTower((17, 24), is_map=False), ["beside"])
    assert (found.tokens, found.has_prefix) == (17, True)


def test_attention_weights_of_swin_are_refused() -> None:
    pytest.importorskip("timm")
    tower = skeleton("timm:swin_tiny_patch4_window7_224")
    with pytest.raises(UsageError, match=r"5 x 24 x 49 x 49 numbers, which would be features of 2,401 places"):
        choose_layers(tower, ["layers.3.blocks.1.attn.softmax"])
    (mlp,) = choose_layers(tower, ["layers.3.blocks.1.mlp"])
    assert (mlp.axes, mlp.tokens, mlp.channels) == ("BTC", 49, 768)


def test_a_tower_is_narrowed_and_says_so_only_where_it_has_other_layers_then() -> None:
    tower = NetTower()
    assert narrow(tower, ["all"]) is None
    assert narrow(tower, ["projection", "stage_1"]) is None
    assert narrow(tower, ["all", "head"]) == ("stage_1", "head", "projection")
    assert names(tower.layers) == ["stage_1", "head", "projection"]
    assert names(choose_layers(tower, ["all", "head"])) == ["stage_1", "head", "projection"], "once more is the same"


def test_a_tower_without_blocks_of_its_own_has_its_layers() -> None:
    tower = PixelTower()
    assert choose_layers(tower, ["blocks"]) == choose_layers(tower, ["all"]) == tower.layers


@pytest.mark.parametrize("build", [load_tower, skeleton])
def test_modules_of_a_transformer_know_whether_its_class_token_is_among_their_tokens(
    tiny_tower: Folders, build: object
) -> None:
    tower = build(str(tiny_tower("clip")))  # type: ignore[operator]
    mlp, patches = "vision_model.encoder.layers.0.mlp", "vision_model.embeddings.patch_embedding"
    found = {layer.name: layer for layer in choose_layers(tower, [mlp, patches, "visual"])}
    tokens = tower.layers[0].tokens
    assert (found[mlp].tokens, found[mlp].has_prefix, found[mlp].depth) == (tokens, True, 2.5)
    assert (found[patches].tokens, found[patches].has_prefix, found[patches].axes) == (tokens - 1, False, "BCHW")
    assert (found["visual"].tokens, found["visual"].channels) == (1, tower.layers[-1].channels)
