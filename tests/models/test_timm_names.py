"""Names of timm's models: with and without tags, files, what is neither, and the list that is kept of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import timm

from alignbench.errors import AlignbenchError, ModelError, UsageError
from alignbench.models.timm_names import known_names, resolve

KEPT = f"names/timm-{timm.__version__}.json"


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the list is kept; nothing is there yet."""
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path))
    known_names.cache_clear()
    yield tmp_path / KEPT
    known_names.cache_clear()


def test_all_names_of_timm_are_known_and_kept(kept: Path) -> None:
    expected = {*timm.list_models(), *timm.list_models(pretrained=True)}
    assert set(known_names()) == expected
    assert set(json.loads(kept.read_text())) == expected
    kept.write_text('["one"]')
    known_names.cache_clear()
    assert known_names() == ("one",), "what is kept is what is read"


@pytest.mark.parametrize("broken", [b"", b"[", b"{}", b"[]", b"[1]", b"\xff\xfe", b"[" * 10**5, b'["a", null]'])
def test_a_broken_list_is_made_anew(kept: Path, broken: bytes) -> None:
    kept.parent.mkdir()
    kept.write_bytes(broken)
    assert "test_vit" in known_names()
    assert "test_vit" in json.loads(kept.read_text())


def test_a_folder_in_its_place_does_no_harm(kept: Path) -> None:
    kept.mkdir(parents=True)
    assert "test_vit" in known_names()


@pytest.mark.parametrize(
    "tag", ["vit_base_patch16_224.mae", "vit_base_patch16_224.dino", "vit_small_patch14_dinov2.lvd142m"]
)
def test_weights_may_be_named_by_their_tag(tag: str) -> None:
    settings = resolve(f"timm:{tag}").settings()
    assert (f"{settings['architecture']}.{settings['tag']}", settings["hf_hub_id"]) == (tag, f"timm/{tag}")


def test_the_default_weights_are_timms() -> None:
    assert resolve("timm:vit_base_patch16_224").settings()["tag"] == timm.get_pretrained_cfg("vit_base_patch16_224").tag


def test_a_file_goes_with_its_model(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.touch()
    source = resolve(f"timm:test_vit.r160_in1k/{path}")
    assert (source.model, source.file) == ("test_vit.r160_in1k", path)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("timm:resnet5", UsageError, "unknown model of timm 'resnet5': did you mean resnet50"),
        ("timm:", UsageError, "unknown model of timm '': `alignbench models --family timm` lists them"),
        ("timm:test_vit.no_such_tag_at_all", UsageError, "unknown model of timm 'test_vit.no_such_tag_at_all'"),
        ("timm:test_vit/no.pth", ModelError, "there is no file no.pth: check the path of the weights of timm:test_vit"),
    ],
)
def test_what_is_no_model_is_refused_with_the_nearest(name: str, kind: type[AlignbenchError], message: str) -> None:
    with pytest.raises(kind, match=rf"^{re.escape(message)}") as found:
        resolve(name)
    assert len(str(found.value)) < 300
