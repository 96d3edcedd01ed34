"""Model families: which one each form of name goes to, what plug-ins may be, and what names lead to."""

import importlib
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from alignbench.errors import AlignbenchWarning, UsageError
from alignbench.models.cards import cards
from alignbench.models.families import FAMILIES as REGISTERED
from alignbench.models.families import (
    check_name,
    find_family,
    load_tower,
    model_label,
    needs_download,
    preparation,
    skeleton,
)
from alignbench.models.family import ModelFamily
from folders import Folders
from taps import picture

# --- Features -------------------------------------------------------------------------------------------------------


def test_an_unknown_protocol_is_refused(tiny_tower: Folders) -> None:
    with pytest.raises(UsageError, match=r"unknown protocol 'correct': did you mean corrected\?"):
        load_tower(str(tiny_tower("clip")), protocol="correct")


# --- Weights --------------------------------------------------------------------------------------------------------


# --- Model families of plug-ins -------------------------------------------------------------------------------------


PLUG_IN = """
asked = []

def load(name, *, random_init, seed, protocol):
    from alignbench.models import load_tower
    asked.append((name, random_init, seed, protocol))
    return load_tower(name.partition(":")[2], random_init=random_init, seed=seed)
"""


Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution with one module and one model family of it, for the time of a test."""
    modules = []

    def installed(package: str, entry: str, module: str) -> None:
        place = tmp_path / "installed"
        folder = place / f"{package}-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[alignbench.models]\n{entry}\n")
        (place / f"{package}_family.py").write_text(module)
        monkeypatch.syspath_prepend(place)
        modules.append(f"{package}_family")

    yield installed
    for name in modules:
        sys.modules.pop(name, None)


@pytest.fixture
def plugged(install: Install) -> list[Any]:
    """An installed distribution with the family `plugged`; hands out what its loader was asked for."""
    install("plugged", "plugged = plugged_family:load", PLUG_IN)
    asked: list[Any] = importlib.import_module("plugged_family").asked
    return asked


def test_a_plug_in_adds_a_family(plugged: list[Any], tiny_tower: Folders) -> None:
    name = f"plugged:{tiny_tower('siglip')}"
    check_name(name)
    assert find_family(name).name == "plugged"
    assert model_label(name) == name
    assert not needs_download(name)
    tower = load_tower(name, random_init=True, seed=7, protocol="corrected")
    assert plugged == [(name, True, 7, "corrected")]
    assert tower.fingerprint == load_tower(str(tiny_tower("siglip")), random_init=True, seed=7).fingerprint
    assert not tower.layers[-1].unit_norm
    with pytest.raises(UsageError, match=r"^unknown model family 'pluged': did you mean plugged\?$"):
        check_name("pluged:anything")


@pytest.mark.usefixtures("plugged")
def test_a_prefix_that_no_family_has_is_refused() -> None:
    for attempt in (check_name, find_family, load_tower, needs_download):
        with pytest.raises(UsageError, match=r"^unknown model family 'opn_clip': did you mean open_clip\?$"):
            attempt("opn_clip:ViT-B-32/openai")
    with pytest.raises(UsageError, match=r"^unknown model family 'zzz': valid: open_clip, plugged$"):
        check_name("zzz:anything")


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("shapes-clip", "transformers"),
        ("google/siglip-base-patch16-224", "transformers"),
        ("microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", "open_clip"),
        ("nobody/nothing", "transformers"),
        ("nobody/nothing:at-all", "transformers"),
        ("anything", "transformers"),
        ("", "transformers"),
        ("open_clip:ViT-B-32/openai", "open_clip"),
        ("open_clip:hf-hub:nobody/nothing", "open_clip"),
        ("open_clip:", "open_clip"),
        ("plugged:anything", "plugged"),
        ("plugged:open_clip:ViT-B-32/openai", "plugged"),
    ],
)
@pytest.mark.usefixtures("plugged")
def test_each_form_of_name_goes_to_its_family(name: str, family: str) -> None:
    assert find_family(name).name == family


@pytest.mark.usefixtures("plugged")
def test_a_directory_goes_before_a_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("open_clip:here", "plugged:here", "nothing-like-it:here"):
        (tmp_path / name).mkdir()
        assert find_family(name).name == "transformers"
        assert model_label(name) == name
        (tmp_path / name / "open_clip_config.json").touch()
        assert find_family(name).name == "open_clip"


@pytest.mark.parametrize("name", list(cards()))
def test_every_card_is_known_to_one_family(name: str) -> None:
    known = [key for key, family in REGISTERED.own() if isinstance(family, ModelFamily) and family.knows(name)]
    assert known == ["open_clip" if cards()[name].family == "open_clip" else "transformers"]


def test_the_family_of_names_without_prefix_has_none() -> None:
    assert "transformers" not in REGISTERED
    assert "transformers" not in REGISTERED.names()
    for attempt in (check_name, find_family, load_tower, needs_download, preparation, skeleton):
        with pytest.raises(UsageError, match=r"^unknown model family 'transformers': valid: open_clip$"):
            attempt("transformers:shapes-clip")


def test_a_plug_in_may_have_the_prefix_that_no_built_in_family_has(install: Install) -> None:
    install("hopeful", "transformers = hopeful_family:load", PLUG_IN)
    tower = load_tower("transformers:shapes-clip", random_init=True)
    assert importlib.import_module("hopeful_family").asked == [("transformers:shapes-clip", True, 0, "paper")]
    assert load_tower("shapes-clip", random_init=True).fingerprint == tower.fingerprint
    assert len(importlib.import_module("hopeful_family").asked) == 1


def test_a_built_in_family_goes_before_a_plug_in(install: Install) -> None:
    install("greedy", "open_clip = greedy_family:load", "raise AssertionError")
    name = "open_clip:ViT-B-61/openai"
    assert type(find_family(name)) is type(find_family("open_clip:ViT-B-32/openai"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model_label(name) == name
    said = (
        r"^model family 'open_clip' of greedy 1\.0 \(greedy_family:load\) is ignored: alignbench has one of that name$"
    )
    with pytest.warns(AlignbenchWarning, match=said), pytest.raises(UsageError, match="unknown open_clip architecture"):
        load_tower(name)
    assert "greedy_family" not in sys.modules


def test_a_plug_in_that_is_not_chosen_is_not_imported(install: Install, tiny_tower: Folders) -> None:
    install("broken", "broken = broken_family:load", "import no_such_module")
    for name in ("shapes-clip", "nobody/nothing", str(tiny_tower("clip")), "open_clip:ViT-B-32/openai"):
        check_name(name)
        model_label(name)
    with pytest.raises(UsageError, match=r"^model family 'broken' of broken 1\.0 .* cannot be imported \(Module"):
        check_name("broken:any")


@pytest.mark.parametrize("name", ["broken:any", "gone:any", "ssim", "open_clip:gone/any"])
def test_what_no_family_has_is_called_by_its_name(install: Install, name: str) -> None:
    install("broken", "broken = broken_family:load", "import no_such_module")
    assert model_label(name) == name


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


def test_saying_which_family_and_label_a_model_has_imports_nothing_heavy(tiny_tower: Folders) -> None:
    names = [*cards(), "nobody/nothing", "open_clip:ViT-B-32/openai", str(tiny_tower("clip"))]
    code = (
        "import sys; from alignbench.models import *; "
        "[(find_family(name), model_label(name)) for name in sys.argv[1:]]; check_name('nobody/nothing'); "
        "sys.exit(', '.join({'torch', 'transformers', 'open_clip', 'timm', 'numpy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_bare_names_must_be_known(tiny_tower: Folders) -> None:
    with pytest.raises(UsageError, match=r"^unknown model 'shape-clip': did you mean shapes-clip\?$"):
        check_name("shape-clip")
    with pytest.raises(UsageError, match=r"^unknown model 'pixls': did you mean pixels\?$"):
        check_name("pixls", ["pixels"])
    for name in ("shapes-clip", "nobody/nothing", str(tiny_tower("clip"))):
        check_name(name)
        assert find_family(name).name == "transformers"


def test_labels_leave_out_the_way_to_a_directory(
    tiny_tower: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_tower("clip"))
    assert model_label(".") == model_label(str(tiny_tower("clip"))) == "clip"
    assert model_label("shapes-clip") == "shapes-clip"
    assert model_label("openai/clip-vit-base-patch32") == "openai/clip-vit-base-patch32"


# --- Photographs through full-size towers ---------------------------------------------------------------------------
