"""Model cards: every factor is filled, each agrees with itself, and packaged ones load."""

from importlib.resources import files

import pytest

from alignbench.models.cards import FACTORS, Card, cards
from alignbench.models.families import load_tower, skeleton
from taps import picture
from transformers_towers import ARCHITECTURES, TRANSFORMERS, check_layers

# Channels of the projection of models that see pictures alone.
PREPARED = {
    **dict.fromkeys(("facebook/dino-vitb16", "facebook/dino-vitb8", "facebook/dinov2-base"), 768),
    **dict.fromkeys(("timm:vit_base_patch16_224.dino", "timm:vit_base_patch8_224.dino"), 768),
    **{"timm:vit_base_patch14_dinov2.lvd142m": 768, "timm:vit_large_patch14_dinov2.lvd142m": 1024},
    **{"facebook/dinov2-large": 1024, "torchvision:resnet18": 512, "torchvision:resnet50": 2048},
    **{"torchvision:vgg16": 4096, "torchvision:alexnet": 4096},
}

every_card = pytest.mark.parametrize("name", list(cards()))


BACKBONES = ["facebook/dino-vitb16", "facebook/dino-vitb8", "facebook/dinov2-base", "facebook/dinov2-large"]


def test_every_card_is_in_the_table_of_architectures() -> None:
    assert set(TRANSFORMERS) == set(ARCHITECTURES)
    others = [name for name in cards() if name not in TRANSFORMERS]
    assert [name for name in others if cards()[name].vision] == BACKBONES
    assert {cards()[name].family for name in others if name not in BACKBONES} == {"open_clip", "timm", "torchvision"}


@every_card
def test_a_card_fills_every_factor_that_its_model_has(name: str) -> None:
    card = cards()[name]
    convolutions, captions = "RN50" in name or card.family == "torchvision", card.loss in ("softmax", "sigmoid")
    lacking = ({"patch_size"} if convolutions else set()) | (set() if captions else {"language"})
    assert set(card.factors) == set(FACTORS) - lacking
    assert all(card.factors.values())
    assert card.name == name
    usual = "softmax" if card.family in ("clip", "chinese_clip", "open_clip") else "self-distillation"
    of_family = {"siglip": "sigmoid", "torchvision": "cross-entropy"}.get(card.family, usual)
    assert card.loss == ("cross-entropy" if name == "shapes-levels-vit" else of_family)


@pytest.mark.parametrize("name", list(PREPARED))
def test_a_card_without_words_says_what_its_library_does(name: str) -> None:
    """Nothing is downloaded; sides and patches are those of the towers that are built."""
    card, tower = cards()[name], skeleton(name)
    assert tower.prepare(picture(300, 240)).shape[1:] == (card.image_size, card.image_size)
    if card.patch_size is not None:
        assert tower.layers[1].tokens == (card.image_size // card.patch_size) ** 2 + 1
    assert tower.layers[-1].channels == PREPARED[name]


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_card_agrees_with_itself(name: str) -> None:
    card = cards()[name]
    size, patch = card.architecture.split("-")[:2]
    assert int(patch) == card.patch_size
    assert card.image_size % card.patch_size == 0
    if card.packaged:
        return
    assert f"{size}-patch{patch}" in name
    assert card.vision["patch_size"] == card.patch_size
    assert card.vision["image_size"] == card.image_size
    tokens = (card.image_size // card.patch_size) ** 2 + (card.family != "siglip")
    assert tokens == ARCHITECTURES[name][1]


def packaged_cards() -> list[Card]:
    return [card for card in cards().values() if card.packaged]


def test_packaged_cards_have_their_files() -> None:
    assert packaged_cards()
    for card in packaged_cards():
        folder = files("alignbench").joinpath(card.packaged)
        for file in ("config.json", "preprocessor_config.json", "model.safetensors"):
            assert folder.joinpath(file).is_file(), f"{card.name} lacks {file}"


def test_packaged_cards_load_with_learned_weights() -> None:
    for card in packaged_cards():
        tower = load_tower(card.name)
        check_layers(tower, card.name)
        assert tower.fingerprint != load_tower(card.name, random_init=True).fingerprint
