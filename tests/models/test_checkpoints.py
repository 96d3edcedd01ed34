"""A checkpoint's fingerprint is that of its bytes, and one that is not to be had is named."""

import json
import shutil
from pathlib import Path

import pytest

from alignbench.errors import ModelError
from alignbench.models.checkpoints import checkpoint_folder
from alignbench.models.families import load_tower
from folders import Folders


def test_the_fingerprint_is_that_of_the_checkpoints_bytes(tiny_tower: Folders, tmp_path: Path) -> None:
    from reference import save_clip

    before = load_tower(str(tiny_tower("clip"))).fingerprint
    shutil.copytree(tiny_tower("clip"), tmp_path / "moved")
    assert load_tower(str(tmp_path / "moved")).fingerprint == before
    save_clip(tmp_path / "other", seed=1)
    assert load_tower(str(tmp_path / "other")).fingerprint != before
    settings = json.loads((tmp_path / "moved" / "preprocessor_config.json").read_text())
    (tmp_path / "moved" / "preprocessor_config.json").write_text(json.dumps(settings | {"resample": 2}))
    assert load_tower(str(tmp_path / "moved")).fingerprint != before


def test_a_checkpoint_that_is_not_to_be_had_is_named_with_the_card_that_may_be_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr("alignbench.models.checkpoints.snapshot_download", unreachable)
    with pytest.raises(ModelError, match=r"\(no network\): did you mean .*openai/clip-vit-base-patch32.*\? check"):
        checkpoint_folder("openai/clip-vit-base-patch33")
    for name in ("someone/something-else", "openai/clip-vit-base-patch32"):
        with pytest.raises(ModelError, match=r"\(no network\): check the name"):
            checkpoint_folder(name)
