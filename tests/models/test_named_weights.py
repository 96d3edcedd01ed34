"""Folders of weights that say of which library's model they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.errors import ModelError
from alignbench.models.families import find_family, model_label
from alignbench.models.named_weights import FILE, named_weights, write_name


def test_a_folder_stands_for_a_model_with_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    write_name(folder, "timm:resnet18.a1_in1k")
    assert named_weights(str(folder)) == f"timm:resnet18.a1_in1k/{folder}/model.safetensors"
    assert find_family(str(folder)).name == "timm"
    assert model_label(str(folder)) == "mine"
    write_name(folder, "torchvision:resnet18")
    assert find_family(str(folder)).name == "torchvision"
    assert model_label(str(folder)) == "mine"


def test_other_names_stand_for_themselves(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not looked at")
    assert [named_weights(name) for name in ("shapes-clip", str(tmp_path / FILE), str(tmp_path / "no"), "a:b")] == [
        None
    ] * 4


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"model": 3}', '{"model": "resnet18"}', '{"model": "timm:a/b"}', '{"model": null}']
)
def test_what_names_no_model_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ModelError, match=r"weights\.json cannot be read .*: write the folder again"):
        find_family(str(tmp_path))


def test_a_model_that_the_library_does_not_have_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"model": "timm:resnet1888"}))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(Exception, match="resnet1888"):
        find_family(str(tmp_path)).check(str(tmp_path), ())
