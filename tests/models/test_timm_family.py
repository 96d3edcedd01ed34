"""What is asked of the family timm before anything is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alignbench.errors import UsageError
from alignbench.models.families import check_name, find_family, model_label, needs_download, preparation
from alignbench.models.timm_family import FAMILY
from taps import picture


def test_its_prefix_leads_to_it() -> None:
    assert find_family("timm:test_vit").name == "timm"


def test_wrong_names_are_refused_with_the_nearest() -> None:
    check_name("timm:vit_base_patch16_224.mae")
    with pytest.raises(UsageError, match=r"^unknown model of timm 'vit_base_patch16_225': did you mean vit_base_patch"):
        check_name("timm:vit_base_patch16_225")
    with pytest.raises(UsageError, match=r"did you mean timm\?"):
        check_name("tim:test_vit")


def test_a_label_leaves_out_the_folder(tmp_path: Path) -> None:
    (tmp_path / "step-100.pth").touch()
    assert model_label(f"timm:test_vit/{tmp_path}/step-100.pth") == "timm:test_vit/step-100.pth"
    assert model_label("timm:vit_base_patch16_224.mae") == "timm:vit_base_patch16_224.mae"


def test_what_is_downloaded() -> None:
    assert needs_download("timm:test_vit.r160_in1k")
    assert not needs_download("timm:test_vit.r160_in1k", random_init=True)


def test_the_preparation_needs_no_weights() -> None:
    assert preparation("timm:test_vit")(picture(300, 250)).shape == (3, 160, 160)


def test_names_are_listed_without_importing_timm_or_torch() -> None:
    assert "timm:vit_base_patch16_224.mae" in FAMILY.names()  # which keeps them
    code = (
        "import sys; from alignbench.models.timm_family import FAMILY; assert len(FAMILY.names()) > 1000; "
        "print(sorted({'timm', 'torch'} & sys.modules.keys()))"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert shown.stdout == "[]\n"
