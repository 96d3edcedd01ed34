"""Which family of models a name leads to, with those of plug-ins."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import UsageError
from alignbench.models.families import check_name, family_of, label_of, load_tower, needs_download
from folders import Folders

# --- Features -------------------------------------------------------------------------------------------------------


def test_an_unknown_protocol_is_refused(tiny_tower: Folders) -> None:
    with pytest.raises(UsageError, match=r"unknown protocol 'correct': did you mean corrected\?"):
        load_tower(str(tiny_tower("clip")), protocol="correct")


# --- Model families of plug-ins -------------------------------------------------------------------------------------


PLUG_IN = """
asked = []

def load(name, *, random_init, seed, protocol):
    from alignbench.models import load_tower
    asked.append((name, random_init, seed, protocol))
    return load_tower(name.partition(":")[2], random_init=random_init, seed=seed)
"""


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """An installed distribution with the family `plugged`; hands out what its loader was asked for."""
    installed = tmp_path / "plugged-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[alignbench.models]\nplugged = plugged_family:load\n")
    (tmp_path / "plugged_family.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("plugged_family").asked
    del sys.modules["plugged_family"]


def test_a_plug_in_adds_a_family(plugged: list[Any], tiny_tower: Folders) -> None:
    name = f"plugged:{tiny_tower('siglip')}"
    check_name(name)
    assert family_of(name).name == "plugged"
    assert label_of(name) == name
    assert not needs_download(name)
    tower = load_tower(name, random_init=True, seed=7, protocol="corrected")
    assert plugged == [(name, True, 7, "corrected")]
    assert tower.fingerprint == load_tower(str(tiny_tower("siglip")), random_init=True, seed=7).fingerprint
    assert not tower.layers[-1].unit_norm
    with pytest.raises(UsageError, match=r"^unknown model family 'pluged': did you mean plugged\?$"):
        check_name("pluged:anything")


@pytest.mark.usefixtures("plugged")
def test_a_prefix_that_no_family_has_is_refused() -> None:
    for attempt in (check_name, family_of, load_tower, needs_download):
        with pytest.raises(UsageError, match=r"^unknown model family 'opn_clip': did you mean open_clip\?$"):
            attempt("opn_clip:ViT-B-32/openai")
    with pytest.raises(UsageError, match=r"^unknown model family 'zzz': valid: open_clip, plugged$"):
        check_name("zzz:anything")


def test_bare_names_must_be_known(tiny_tower: Folders) -> None:
    with pytest.raises(UsageError, match=r"^unknown model 'shape-clip': did you mean shapes-clip\?$"):
        check_name("shape-clip")
    with pytest.raises(UsageError, match=r"^unknown model 'pixls': did you mean pixels\?$"):
        check_name("pixls", ["pixels"])
    for name in ("shapes-clip", "nobody/nothing", str(tiny_tower("clip"))):
        check_name(name)
        assert family_of(name).name == "transformers"


def test_labels_leave_out_the_way_to_a_directory(
    tiny_tower: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_tower("clip"))
    assert label_of(".") == label_of(str(tiny_tower("clip"))) == "clip"
    assert label_of("shapes-clip") == "shapes-clip"
    assert label_of("openai/clip-vit-base-patch32") == "openai/clip-vit-base-patch32"
