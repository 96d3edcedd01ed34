"""The fingerprint of a checkpoint's folder is that of its bytes."""

import json
import shutil
from pathlib import Path

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
