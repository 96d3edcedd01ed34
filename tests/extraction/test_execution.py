"""How work is carried out: weights that are cast once, and batches of a size that is fast."""

import pytest
import torch
from torch import Tensor

from alignbench.extraction import execution as batching
from alignbench.extraction.execution import lowered
from alignbench.models.families import load_tower
from alignbench.models.towers import Tower
from folders import Folders


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_features_are_bit_for_bit_those_of_autocast(tiny_tower: Folders, family: str) -> None:
    tower = load_tower(str(tiny_tower(family)))
    before = dict(tower.named_parameters())
    side = tower.prepare(__import__("PIL.Image").Image.new("RGB", (64, 64))).shape[-1]
    pixels = torch.randint(0, 256, (2, 3, side, side), dtype=torch.uint8)

    def embed() -> torch.Tensor:
        found = []
        hook = tower.get_submodule(tower.layers[-1].module).register_forward_hook(lambda m, a, out: found.append(out))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            tower(pixels)
        hook.remove()
        return found[0]

    plain = embed()
    with lowered(tower, "bf16"):
        assert {p.dtype for p in tower.parameters()} >= {torch.bfloat16}
        assert torch.equal(embed(), plain)
    with pytest.raises(RuntimeError, match="stop"), lowered(tower, "bf16"):
        raise RuntimeError("stop")
    after = dict(tower.named_parameters())
    assert all(after[name] is before[name] for name in before)
    with lowered(tower, "fp32"):
        assert all(p.dtype == torch.float32 for p in tower.parameters())


def test_the_batch_that_is_found_is_among_those_tried(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {1: 1.0, 8: 4.0, 16: 4.1, 32: 8.1}  # 2, 3.9 and 3.95 images a second
    monkeypatch.setattr(batching, "_LONG", 100.0)
    monkeypatch.setattr(batching, "_seconds", lambda tower, pixels, precision: seconds[len(pixels)])
    assert batching.fastest_batch(tower, torch.device("cpu"), "fp32") == 16


def test_a_batch_that_does_not_fit_is_passed_over(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(tower: Tower, pixels: Tensor, precision: str) -> float:
        if len(pixels) > 8:
            raise torch.OutOfMemoryError
        return 0.1

    monkeypatch.setattr(batching, "_seconds", seconds)
    assert batching.fastest_batch(tower, torch.device("cpu"), "fp32") == 8
