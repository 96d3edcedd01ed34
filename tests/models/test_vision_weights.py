"""Weights of a vision half: taken in their own plain types, every one of them, or the checkpoint is refused."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from alignbench.errors import ModelError
from alignbench.models.vision_weights import fitted, read_vision_half, refuse_adapter_files, tower_fingerprint
from alignbench.models.weight_names import Naming

NAMING = Naming(
    family="a family", vision=("v.",), bare=(), beside=("t.",), left_over=r"v\.position_ids", optional=("v.head.",)
)
GIVEN = {"v.fc.weight": torch.ones(4, 4), "v.fc.bias": torch.ones(4)}


def fit(**changed: Tensor) -> dict[str, Tensor]:
    return fitted("m", GIVEN, GIVEN | {key.replace("__", "."): value for key, value in changed.items()}, NAMING)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_plain_types_are_taken_as_they_are(dtype: torch.dtype) -> None:
    assert fit(v__fc__bias=torch.ones(4, dtype=dtype))["v.fc.bias"].dtype == dtype


def test_what_the_family_lists_may_be_left_over() -> None:
    left = {
        "v__position_ids": torch.arange(5),
        "v__head__weight": torch.ones(2),
        "v__bn__num_batches_tracked": torch.tensor(3),
    }
    assert fit(**left).keys() == GIVEN.keys()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"v__fc__weight": torch.ones(4, 4, dtype=torch.int8)}, r"quantised \(v\.fc\.weight is int8\)"),
        ({"v__fc__weight": torch.ones(4, 4).to(torch.float8_e4m3fn)}, "quantised .* float8_e4m3fn"),
        ({"v__fc__weight": torch.ones(4, 4, dtype=torch.uint8)}, "quantised .* uint8"),
        ({"v__fc__weight": torch.eye(4).to_sparse()}, "is sparse"),
        ({"v__fc__weight": torch.ones(4, 4, device="meta")}, r"has v\.fc\.weight on the meta device, without numbers"),
        ({"v__fc__SCB": torch.ones(4)}, r"quantised \(v\.fc\.SCB\)"),
        ({"v__fc__weight_scale": torch.ones(1)}, "quantised"),
        ({"v__fc__weight_scale_inv": torch.ones(1)}, "quantised"),
        ({"v__fc__input_scale": torch.ones(1)}, "quantised"),
        ({"v__fc__weight_packed": torch.ones(1)}, "quantised"),
        ({"v__fc__qweight": torch.ones(1)}, "quantised"),
        ({"v__fc__qzeros": torch.ones(1)}, "quantised"),
        ({"v__fc__g_idx": torch.ones(1)}, "quantised"),
        ({"v__fc__weight__quant_state__bitsandbytes__nf4": torch.ones(1)}, "quantised"),
        ({"v__fc__weight__absmax": torch.ones(1)}, "quantised"),
        ({"v__registers": torch.ones(2, 4)}, r"1 weights of the vision tower .* no place for \(v\.registers\)"),
        ({"v__layer_scale": torch.ones(4)}, "no place for"),
        ({"v__fc__weight": torch.ones(4, 5)}, r"in another shape \(v\.fc\.weight\)"),
    ],
)
def test_everything_else_is_refused(changed: dict[str, Tensor], said: str) -> None:
    with pytest.raises(ModelError, match=said) as refused:
        fit(**changed)
    assert "\n" not in str(refused.value)
    assert "give" in str(refused.value) or "download" in str(refused.value)


def test_a_part_is_left_over_only_by_a_tower_that_has_nothing_of_it() -> None:
    with_head = GIVEN | {"v.head.weight": torch.ones(2)}
    assert fitted("m", GIVEN, with_head, NAMING).keys() == GIVEN.keys()
    with pytest.raises(ModelError, match=r"1 weights of the vision tower .* no place for \(v\.head\.gate\)"):
        fitted("m", with_head, with_head | {"v.head.gate": torch.ones(2)}, NAMING)


@pytest.mark.parametrize("scale", ["v.head.weight_scale", "v.head.SCB"])
def test_scales_are_found_in_what_is_left_over_too(scale: str) -> None:
    with pytest.raises(ModelError, match=rf"quantised \({scale}\)"):
        fitted("m", GIVEN, GIVEN | {"v.head.weight": torch.ones(2), scale: torch.ones(1)}, NAMING)


def test_where_nothing_fits_the_family_is_named() -> None:
    with pytest.raises(ModelError, match=r"no vision tower of a family: their names are those of timm's"):
        fitted("m", GIVEN, {"v.blocks.0.attn.qkv.weight": torch.ones(2)}, NAMING)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ModelError, match=r"lacks 1 weights or has them in another shape \(v\.fc\.bias\)"):
        fitted("m", GIVEN, {"v.fc.weight": GIVEN["v.fc.weight"]}, NAMING)


def test_a_scale_that_the_tower_has_is_a_weight_like_others() -> None:
    scaled = GIVEN | {"v.fc.weight_scale": torch.ones(1)}
    assert fitted("m", scaled, scaled, NAMING).keys() == scaled.keys()


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"])
def test_an_adapter_beside_the_weights_is_refused(tmp_path: Path, file: str) -> None:
    refuse_adapter_files("m", tmp_path)
    (tmp_path / file).touch()
    with pytest.raises(ModelError, match=rf"an adapter beside its weights \({file}\).*merge it"):
        refuse_adapter_files("m", tmp_path)


def test_the_half_may_be_in_several_files(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.safetensors" for number in range(2)]
    for file, (key, value) in zip(files, GIVEN.items(), strict=True):
        save_file({key: value, f"t.{file.stem}": torch.zeros(1)}, file)
    found, classes = read_vision_half("m", files, NAMING)
    assert found.keys() == GIVEN.keys()
    assert not classes
    with pytest.raises(ModelError, match="the same names"):
        read_vision_half("m", [files[0], files[0]], NAMING)


def test_a_towers_fingerprint_is_over_its_settings_and_every_weight_in_order_of_names() -> None:
    weights = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor(2.0)}
    expected = b"vit" + b"a ()" + np.float32(2.0).tobytes() + b"b (2, 3)" + np.arange(6, dtype=np.float32).tobytes()
    assert tower_fingerprint("vit", weights) == hashlib.sha256(expected).hexdigest()
    assert tower_fingerprint("vit", 3) == hashlib.sha256(b"vitrandom 3").hexdigest()
