"""The package's sweep files and what is in them, and made ones, good and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from alignbench.cli.swept_commands import swept_commands
from alignbench.errors import AlignbenchError
from alignbench.sweeps import read_sweep
from documented import ROOT

FOLDER = ROOT / "sweeps"
COMMANDS = swept_commands()
BASE_16 = "openai/clip-vit-base-patch16"
CHINESE = "OFA-Sys/chinese-clip-vit-base-patch16"
SIGLIP = "google/siglip-base-patch16-224"
BIOMED = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
SIZES = [
    BASE_16,
    "openai/clip-vit-base-patch32",
    "openai/clip-vit-large-patch14",
    "openai/clip-vit-large-patch14-336",
]
FAMILIES = [
    *("timm:vit_base_patch14_dinov2.lvd142m", "timm:vit_base_patch16_224.mae", "timm:vit_base_patch16_224.augreg_in1k"),
    *("timm:convnext_base.fb_in1k", "timm:resnet50.a1_in1k", BASE_16, SIGLIP),
]
HEADS = [
    *("openai/clip-vit-base-patch32", BASE_16, "openai/clip-vit-large-patch14"),
    *(f"open_clip:ViT-{tag}" for tag in ("B-32/datacomp_m_s128m_b4k", "B-16/laion2b_s34b_b88k")),
    "open_clip:ViT-L-14/laion2b_s32b_b82k",
]
BASELINES = ["pixels", "ssim", "ms-ssim", "lpips-alex", "lpips-vgg", "perceptnet"]
PAPER = ["tid2013", "nights", "things"]
# each file's models and data sets, and how many cells they make: the rows of Table 1, baselines, all, and the demo
TABLE = {
    "architecture": (SIZES, PAPER, 12),
    "activation": ([BASE_16, SIGLIP], PAPER, 6),
    "language": ([BASE_16, CHINESE], PAPER, 6),
    "data": ([BASE_16, BIOMED], PAPER, 6),
    "baselines": (BASELINES, PAPER, 18),
    "families": (FAMILIES, PAPER, 21),
    "all": ([*SIZES, CHINESE, SIGLIP, BIOMED, *BASELINES], PAPER, 39),
    "heads": (HEADS, PAPER, 18),
    "demo": (
        ["shapes-clip", "random:shapes-clip", "pixels", "ssim"],
        ["shapes-low", "shapes-middle", "shapes-high"],
        12,
    ),
}
NAMES = [*TABLE, "distance", "glocal"]


def sweep_text(**changes: Any) -> str:
    """A good sweep file with some keys changed, or left out where they are None."""
    good = {
        "method": "grid",
        "command": ["${env}", "alignbench", "run", "${args_no_boolean_flags}"],
        "parameters": {"model": {"values": ["pixels", "ssim"]}, "dataset": {"value": "shapes-low"}},
    }
    return yaml.safe_dump({key: value for key, value in (good | changes).items() if value is not None})


def sweep_file(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused_sweep(source: str | Path, kind: type[AlignbenchError], *words: str) -> None:
    with pytest.raises(kind) as caught:
        read_sweep(source, COMMANDS)
    assert type(caught.value) is kind
    said = str(caught.value)
    assert "\n" not in said
    for word in (str(source), *words):
        assert word in said, said


GOOD = {"model": {"value": "pixels"}, "dataset": {"value": "shapes-low"}}
