"""Model families: which one each form of name goes to, what plug-ins may be, and what names lead to."""

import importlib
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import AlignbenchWarning, ModelError, UsageError
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
from family_plug_ins import PLUG_IN, Install
from folders import Folders


def test_an_unknown_protocol_is_refused(tiny_tower: Folders) -> None:
    with pytest.raises(UsageError, match=r"unknown protocol 'correct': did you mean corrected\?"):
        load_tower(str(tiny_tower("clip")), protocol="correct")


def _long_names() -> list[str]:
    part, path = "x" * 5000, "a/" * 3000
    return [part, path, f"open_clip:{part}", f"open_clip:ViT-B-32/{part}", f"open_clip:hf-hub:a/{part}", "é" * 200]


@pytest.mark.parametrize("name", _long_names())
def test_a_name_that_no_path_can_have_is_refused_in_one_line(name: str) -> None:
    for attempt in (check_name, find_family, load_tower, needs_download, preparation, skeleton):
        with pytest.raises(UsageError, match=r"^no model has a name of \d+ letters .*: give a shorter one$") as refused:
            attempt(name)
        assert len(str(refused.value)) < 250
    assert model_label(name) == name


@pytest.mark.parametrize("name", ["", " ", "\n"])
def test_an_empty_name_is_said_to_be_empty(name: str) -> None:
    for attempt in (check_name, find_family, load_tower, needs_download, preparation, skeleton):
        with pytest.raises(UsageError, match=r"^the name of the model is empty: give a model card's"):
            attempt(name)


@pytest.mark.parametrize(
    "name", ["/no/such", "./x", "../x", "~", "~/x", "x/", "a/b/c", "w.pt", "a/w.safetensors", "./w.bin"]
)
def test_what_can_only_be_a_place_is_never_looked_up(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("the hub was asked"))
    for attempt in (check_name, find_family, load_tower, needs_download, preparation, skeleton):
        with pytest.raises(ModelError, match=rf"^there is no folder or file {re.escape(name)}: check the path"):
            attempt(name)
    assert model_label(name) == name


def test_a_file_is_told_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pt").touch()
    for name in ("w.pt", "./w.pt", str(tmp_path / "w.pt")):
        with pytest.raises(ModelError, match=r"w\.pt is a file: name the folder .* open_clip:ARCHITECTURE/.*w\.pt"):
            check_name(name)
    (tmp_path / "shapes-clip").touch()
    check_name("shapes-clip")


def test_a_folder_that_may_not_be_looked_at_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    monkeypatch.setattr(Path, "exists", refuse)
    for attempt in (check_name, load_tower):
        with pytest.raises(ModelError, match=r"^the model /closed/m cannot be looked at \(Permission denied\): see to"):
            attempt("/closed/m")
    assert model_label("/closed/m") == "/closed/m"


# --- Model families of plug-ins -------------------------------------------------------------------------------------


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
    with pytest.raises(UsageError, match=r"^unknown model family 'zzz': valid: open_clip, plugged, timm, torchvision$"):
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
    family = cards()[name].family
    assert known == [family if family in ("open_clip", "timm", "torchvision") else "transformers"]


def test_the_family_of_names_without_prefix_has_none() -> None:
    assert "transformers" not in REGISTERED
    assert "transformers" not in REGISTERED.names()
    for attempt in (check_name, find_family, load_tower, needs_download, preparation, skeleton):
        with pytest.raises(
            UsageError, match=r"^unknown model family 'transformers': valid: open_clip, timm, torchvision$"
        ):
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


def test_saying_which_family_and_label_a_model_has_imports_nothing_heavy(tiny_tower: Folders) -> None:
    names = [*cards(), "nobody/nothing", "open_clip:ViT-B-32/openai", str(tiny_tower("clip"))]
    code = (
        "import sys; from alignbench.models import *; "
        "[(find_family(name), model_label(name)) for name in sys.argv[1:]]; check_name('nobody/nothing'); "
        "sys.exit(', '.join({'torch', 'transformers', 'open_clip', 'timm', 'numpy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
