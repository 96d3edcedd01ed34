"""Model cards: every factor is filled, each agrees with itself, and packaged ones load."""

from importlib.resources import files

import pytest

from alignbench.models.cards import FACTORS, Card, cards
from alignbench.models.families import load_tower
from transformers_towers import ARCHITECTURES, TRANSFORMERS, check_layers

every_card = pytest.mark.parametrize("name", list(cards()))


def test_every_card_is_in_the_table_of_architectures() -> None:
    assert set(TRANSFORMERS) == set(ARCHITECTURES)
    assert {cards()[name].family for name in cards() if name not in TRANSFORMERS} == {"open_clip"}


@every_card
def test_a_card_fills_every_factor(name: str) -> None:
    card = cards()[name]
    assert set(card.factors) == set(FACTORS)
    assert all(card.factors.values())
    assert card.name == name
    assert card.loss == ("sigmoid" if card.family == "siglip" else "softmax")


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
