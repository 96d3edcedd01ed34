"""Taps hand out the layers that are asked for and leave no trace; token views are as worked out by hand."""

import pytest
import torch
from torch import Tensor, nn

from alignbench.errors import UsageError
from alignbench.models.families import load_tower
from alignbench.models.preparation import Sized
from alignbench.models.towers import Axes, Layer, Tapped, Tower, check_view, select_view, tap, view_tokens
from folders import Folders
from taps import picture, tapped


def test_taps_are_gone_afterwards(tiny_tower: Folders) -> None:
    tower = load_tower(str(tiny_tower("clip")))
    tapped(tower, tower.prepare(picture(40, 51))[None])
    assert not any(module._forward_hooks for module in tower.modules())


def test_only_the_layers_that_are_asked_for_are_tapped(tiny_tower: Folders) -> None:
    tower = load_tower(str(tiny_tower("clip")))
    heard: list[str] = []
    with tap(tower, tower.layers[1:3], lambda layer, features: heard.append(layer.name)), torch.inference_mode():
        tower(tower.prepare(picture(40, 51))[None])
    assert heard == ["layer_1", "layer_2"]


@pytest.mark.parametrize(
    ("view", "prefix", "expected"),
    [
        ("all", 1, [[[9.0, 0.0], [1.0, 2.0], [3.0, 6.0]]]),
        ("cls", 1, [[[9.0, 0.0]]]),
        ("cls", 2, [[[9.0, 0.0]]]),
        ("mean", 1, [[[2.0, 4.0]]]),
        ("mean", 2, [[[3.0, 6.0]]]),  # a class token and a register
        ("mean", 0, [[[13 / 3, 8 / 3]]]),
    ],
)
def test_token_views_by_hand(view: str, prefix: int, expected: list[list[list[float]]]) -> None:
    features = torch.tensor([[[9.0, 0.0], [1.0, 2.0], [3.0, 6.0]]])
    layer = Layer("layer_1", 7.5, "block", tokens=3, channels=2)
    found = select_view(features, layer, view, prefix)
    torch.testing.assert_close(found, torch.tensor(expected))
    assert found.shape[1] == view_tokens(layer, view)


@pytest.mark.parametrize("view", ["all", "cls", "mean"])
def test_at_the_projection_all_views_coincide(view: str) -> None:
    features = torch.randn(4, 1, 5, generator=torch.Generator().manual_seed(0))
    layer = Layer("projection", 100.0, "head", tokens=1, channels=5)
    assert torch.equal(select_view(features, layer, view, 1), features)


def test_a_tower_without_class_token_has_no_view_of_it(tiny_tower: Folders) -> None:
    check_view(load_tower(str(tiny_tower("clip"))), "cls")
    with pytest.raises(UsageError, match="needs a class token"):
        check_view(load_tower(str(tiny_tower("siglip"))), "cls")


def test_layers_of_one_token_and_maps_have_no_prefix_to_leave_out() -> None:
    pooled, place = torch.randn(4, 1, 5), Layer("avgpool", 97.5, "pool", tokens=1, channels=5)
    for view in ("all", "cls", "mean"):
        assert torch.equal(select_view(pooled, place, view, 1), pooled)
    patches = torch.tensor([[[2.0], [4.0]]])
    layer = Layer("patch_embed", 2.5, "conv", tokens=2, channels=1, axes="BCHW", has_prefix=False)
    assert select_view(patches, layer, "mean", 1).item() == 3.0


class Turned(Tower):
    """Gives two pictures of 2 x 3 places and 4 channels on any axes."""

    def __init__(self, axes: Axes, numbers: Tensor) -> None:
        super().__init__()
        self.out, self.numbers, self.fingerprint, self.prepare = nn.Identity(), numbers, "turned", Sized(8)
        self.layers = (Layer("layer_0", 2.5, "out", 1 if axes == "BC" else 6, 4, axes=axes),)

    def forward(self, pixels: Tensor) -> object:
        return self.out(self.numbers)


def test_tokens_come_from_any_axes() -> None:
    whole = torch.arange(48.0).reshape(2, 2, 3, 4)  # B, H, W, C
    tokens = torch.tensor([[[whole[b, t // 3, t % 3, c] for c in range(4)] for t in range(6)] for b in range(2)])
    given: dict[Axes, Tensor] = {
        "BTC": tokens,
        "TBC": tokens.transpose(0, 1),
        "BCHW": whole.permute(0, 3, 1, 2),
        "BHWC": whole,
    }
    for axes, numbers in given.items():
        found = tapped(Turned(axes, numbers), torch.empty(0))
        assert torch.equal(found["layer_0"], tokens), axes
    pooled = tapped(Turned("BC", tokens[:, 0]), torch.empty(0))["layer_0"]
    assert torch.equal(pooled, tokens[:, :1])


class Several(Tower):
    """A module that is given several things, and gives a list of two; another one that is given this list."""

    class Both(nn.Module):
        def forward(self, word: str, numbers: Tensor) -> list[Tensor]:
            return [numbers + 1, numbers + 2]

    def __init__(self) -> None:
        super().__init__()
        self.both, self.same, self.fingerprint, self.prepare = self.Both(), nn.Identity(), "several", Sized(8)
        self.layers = (
            Layer("given", 2.5, "both", 1, 3, is_input=True, part=1),
            Layer("first", 7.5, "both", 1, 3, part=0),
            Layer("second", 97.5, "both", 1, 3, part=1),
            Layer("within", 100.0, "same", 1, 3, is_input=True, part=1),
        )

    def forward(self, pixels: Tensor) -> object:
        return self.same(self.both("and", pixels))


def test_a_layer_may_be_one_of_several_things() -> None:
    numbers = torch.arange(6.0).reshape(2, 3)
    found = tapped(Several(), numbers)
    assert {name: (features[:, 0] - numbers).unique().tolist() for name, features in found.items()} == {
        "given": [0.0],
        "first": [1.0],
        "second": [2.0],
        "within": [2.0],
    }


def test_another_shape_than_the_layers_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"^layer_0 gave \(5, 4\), not 6 tokens x 4 channels$"):
        tapped(Turned("BTC", torch.zeros(2, 5, 4)), torch.empty(0))


class Overwriting(Tower):
    """Two layers whose outputs others write to: a ReLU in place, and an addition in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Identity(), nn.Identity(), nn.ReLU(inplace=True)
        self.layers = (Layer("layer_0", 2.5, "first", 1, 3), Layer("projection", 100.0, "second", 1, 3, is_input=True))
        self.fingerprint, self.prepare = "overwriting", Sized(8)

    def forward(self, pixels: Tensor) -> object:
        numbers = self.relu(self.first(pixels.clone()))
        self.second(numbers)
        numbers += 10.0
        return numbers


def test_what_others_write_to_later_is_handed_out_as_it_was() -> None:
    given = torch.tensor([[-1.0, 2.0, -3.0]])
    tower = Overwriting()
    once = tapped(tower, given)
    with torch.inference_mode():
        returned = Tapped(tower, tower.layers)(given)
    for first, last in (once.values(), returned):
        assert first.tolist() == [[[-1.0, 2.0, -3.0]]]
        assert last.tolist() == [[[0.0, 2.0, 0.0]]]


def test_taps_of_inputs_are_gone_afterwards() -> None:
    tower = Overwriting()
    tapped(tower, torch.zeros(1, 3))
    Tapped(tower, tower.layers).release()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in tower.modules())


def test_a_tower_that_says_only_whether_it_has_a_class_token_has_that_before_its_patches() -> None:
    tower = Overwriting()
    assert tower.prefix_tokens == 0
    tower.has_class_token = True
    assert tower.prefix_tokens == 1
    tower.registers = 4
    assert tower.prefix_tokens == 5


def test_the_class_token_is_asked_only_of_layers_with_several_tokens() -> None:
    tower = Overwriting()
    check_view(tower, "cls")
    patches = Layer("patch_embed", 2.5, "conv", tokens=2, channels=1, axes="BCHW", has_prefix=False)
    with pytest.raises(UsageError, match=r"needs a class token, and this model has none"):
        check_view(tower, "cls", [patches])
    tower.has_class_token = True
    with pytest.raises(UsageError, match=r"needs a class token, and patch_embed has none"):
        check_view(tower, "cls", [patches])
