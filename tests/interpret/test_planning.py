"""What a store takes: bytes against files, operations against PyTorch's counter, times by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from alignbench.cli.main import main
from alignbench.errors import UsageError
from alignbench.interpret.anatomy import find_anatomy
from alignbench.interpret.decomposition import decomposer
from alignbench.interpret.parts import PoolingTower
from alignbench.interpret.planning import decomposition_flops, store_cost
from alignbench.interpret.store_job import StoreJob
from alignbench.measurement.cost.rates import Rates, assumed_rates
from decomposed import pictures
from extracted import NAMES, write_scenes
from small_vits import CASES, SIDE

RATES = Rates(1e12, 1e12, {".jpg": 100.0}, 4, False, 1e9, "given")
LARGE, SMALL = "openai/clip-vit-large-patch14", "shapes-clip"


@pytest.mark.parametrize("name", CASES)
def test_operations_are_those_that_pytorch_counts(name: str, tmp_path: Path) -> None:
    tower, pixels = CASES[name].make(tmp_path / "it"), pictures(SIDE)
    ready, anatomy = decomposer(tower), find_anatomy(tower)
    has_class = not isinstance(anatomy, PoolingTower)

    def counted(class_part: bool | None) -> int:
        counter = FlopCounterMode(display=False)
        tower.requires_grad_(False)
        with torch.no_grad(), counter:
            tower(pixels) if class_part is None else ready(pixels, class_part=class_part)
        return counter.get_total_flops()

    tokens = max(layer.tokens for layer in tower.layers)
    for class_part in (False, True) if has_class else (False,):
        found = decomposition_flops(anatomy, tokens, class_part) * len(pixels)
        assert found == counted(class_part) - counted(None), class_part


def test_bytes_are_those_of_the_files(tmp_path: Path) -> None:
    images = write_scenes(tmp_path / "pictures")
    for number, (layers, further) in enumerate((("last4", ()), ("all", ("--dtype", "bf16", "--class-token")))):
        output = tmp_path / f"heads{number}"
        order = ["interpret", "decompose", "--model", "shapes-clip", "--images", str(images), "--output", str(output)]
        assert main([*order, "--layers", layers, "--loader-workers", "0", *further]) == 0
        sizes = {path.name: path.stat().st_size for path in output.glob("*/*.safetensors")}
        job = StoreJob(layers, "bf16" if further else "fp32", class_token=bool(further))
        cost = store_cost("shapes-clip", len(NAMES), job, RATES)
        heads = sum(size for name, size in sizes.items() if name.startswith("layer_"))
        assert (cost.head_bytes, cost.store_bytes) == (heads, sum(sizes.values()))


def test_the_large_job_of_the_study() -> None:
    """L/14 over 50,000 pictures: 64 heads, 24 MLPs, the embedding, and the sum of the others, of 768 numbers each."""
    cost = store_cost(LARGE, 50_000, StoreJob(), RATES)
    assert cost.layers == (21, 22, 23, 24)
    assert cost.head_bytes == pytest.approx(4 * 50_000 * 64 * 768, rel=1e-4)
    assert cost.store_bytes == pytest.approx(4 * 50_000 * (64 + 24 + 1 + 1) * 768, rel=1e-3)
    assert cost.forward_flops / 50_000 == pytest.approx(162e9, rel=0.02)  # as published of its forward pass
    assert cost.decomposition_flops < 0.02 * cost.forward_flops
    assert cost.weight_bytes == pytest.approx(4 * 304e6, rel=0.01)


def test_times_follow_from_rates() -> None:
    cost = store_cost(SMALL, 1001, StoreJob(devices=4), RATES)
    each = (cost.forward_flops + cost.decomposition_flops) / 1001
    assert cost.forward_seconds == pytest.approx(251 * each / 1e12)
    assert cost.decode_seconds == pytest.approx(251 / 100 / 4)
    assert cost.seconds == max(cost.forward_seconds, cost.decode_seconds)
    shared = store_cost(SMALL, 1001, StoreJob(devices=4), replace(RATES, same_cores=True))
    assert shared.forward_seconds == pytest.approx(4 * cost.forward_seconds)
    assert shared.seconds == pytest.approx(shared.forward_seconds + shared.decode_seconds)
    known = store_cost(SMALL, 1001, StoreJob(), replace(RATES, same_cores=True), images_per_second=2.0)
    assert known.seconds == pytest.approx(500.5)
    assert store_cost(SMALL, 10, StoreJob(), assumed_rates("h100", "fp32")).seconds > 0.0


@pytest.mark.parametrize(
    ("model", "images", "job", "said"),
    [
        (LARGE, 0, StoreJob(), "--images 0: give 1 to"),
        ("pixels", 5, StoreJob(), "pixels is a baseline, which has no heads"),
        ("shape-clip", 5, StoreJob(), "did you mean shapes-clip"),
        ("timm:resnet50", 5, StoreJob(), "no sum over heads that is known exactly"),
        ("open_clip:ViT-B-16-SigLIP/webli", 5, StoreJob(class_token=True), "no class token reads itself"),
        (LARGE, 5, StoreJob(devices=0), "--devices 0: give 1 or more"),
    ],
)
def test_what_cannot_be_planned_is_refused(model: str, images: int, job: StoreJob, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        store_cost(model, images, job, RATES)
