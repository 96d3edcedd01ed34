"""What makes a model family: a bare function with defaults, an object that answers for itself, and nothing else."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from alignbench.errors import UsageError
from alignbench.models.families import (
    check_name,
    find_family,
    load_tower,
    model_label,
    needs_download,
    preparation,
    skeleton,
)
from alignbench.models.family import name_prefix
from family_plug_ins import Install
from taps import picture


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("open_clip:ViT-B-61/openai", "open_clip"),
        ("open_clip:ViT-B-32/openai", None),  # a card
        ("plugged:open_clip:ViT-B-32/openai", "plugged"),
        (":anything", ""),
        ("größe:東京", "größe"),
        ("shapes-clip", None),
        ("nobody/nothing:at-all", None),
        ("", None),
    ],
)
def test_a_prefix_ends_at_the_first_colon_and_cards_have_none(name: str, prefix: str | None) -> None:
    assert name_prefix(name) == prefix


def test_a_directory_has_no_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert name_prefix("plugged:here") == "plugged"
    (tmp_path / "plugged:here").mkdir()
    assert name_prefix("plugged:here") is None


OBJECT = """
from alignbench import UsageError
from alignbench.models import ModelFamily, load_tower, skeleton

class Twins(ModelFamily):
    name = "twin"

    def check(self, name, others):
        if name == "twin:none":
            raise UsageError(f"{name} is none, unlike {' and '.join(others)}")

    def needs_download(self, name, random_init):
        return not random_init

    def label(self, name):
        return name.upper()

    def load(self, name, *, random_init, seed, protocol):
        return load_tower("shapes-clip", random_init=random_init, seed=seed)

    def preparation(self, name):
        return self.load(name, random_init=True, seed=0, protocol="paper").prepare

    def skeleton(self, name, *, protocol):
        return skeleton("shapes-clip", protocol=protocol)

FAMILY = Twins()
"""


def test_a_bare_function_is_a_family_of_defaults(plugged: list[Any]) -> None:
    name = "plugged:any"
    check_name(name, ["plugged:all"])
    assert not needs_download(name)
    assert not needs_download(name, random_init=True)
    assert model_label(name) == name
    unprepared = "^how plugged:any prepares pictures is known only once it is loaded: measure it, or leave it out$"
    with pytest.raises(UsageError, match=unprepared):
        preparation(name)
    unseen = "^plugged:any cannot be looked at without loading it: leave it out, or name one of its architecture$"
    with pytest.raises(UsageError, match=unseen):
        skeleton(name)
    assert plugged == []


def test_a_plug_ins_object_answers_for_itself(install: Install) -> None:
    install("twins", "twin = twins_family:FAMILY", OBJECT)
    assert find_family("twin:one") is importlib.import_module("twins_family").FAMILY
    check_name("twin:one")
    with pytest.raises(UsageError, match=r"^twin:none is none, unlike pixels and ssim$"):
        check_name("twin:none", ["pixels", "ssim"])
    assert needs_download("twin:one")
    assert not needs_download("twin:one", random_init=True)
    assert model_label("twin:one") == "TWIN:ONE"
    expected = load_tower("shapes-clip", random_init=True, seed=3)
    tower = load_tower("twin:one", random_init=True, seed=3, protocol="corrected")
    assert tower.fingerprint == expected.fingerprint
    assert skeleton("twin:one").layers == expected.layers
    image = picture(40, 51)
    assert torch.equal(preparation("twin:one")(image), expected.prepare(image))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            "other = twins_family:FAMILY",
            "'other' of twins 1.0 (twins_family:FAMILY) is no model family, it calls itself",
        ),
        (
            "other = twins_family:Twins",
            "is no model family, it is a class and not an object of it: correct or uninstall",
        ),
        ("other = twins_family:OBJECT", "is no model family, it cannot be called: correct or uninstall twins"),
    ],
)
def test_what_is_no_family_is_refused(install: Install, entry: str, said: str) -> None:
    install("twins", entry, OBJECT + "OBJECT = 'text'\n")
    with pytest.raises(UsageError, match=re.escape(said)):
        check_name("other:one")
