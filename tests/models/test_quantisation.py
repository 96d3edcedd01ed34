"""Signs of quantised weights are found at any depth, and nothing else is taken for one."""

from typing import Any

import pytest

from alignbench.errors import ModelError
from alignbench.models.quantisation import looks_quantised, number_of_a_weight, refuse_quantised_settings

WEIGHTS = ("visual.proj", "visual.transformer.resblocks.0.mlp.c_fc.weight", "logit_scale")
FIRST = WEIGHTS[1]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        *(
            (name, True)
            for name in (".scales", "v.fc.weight_scale", "v.fc.SCB", "v.fc.qweight", "v.fc.weight_scale_inv")
        ),
        *((name, False) for name in ("v.fc.weight", "v.layer_scale", "v.ls_1.gamma", ".epoch", "scales")),
    ],
)
def test_names_that_quantisation_gives_are_known(name: str, found: bool) -> None:
    assert looks_quantised(name) == found


@pytest.mark.parametrize(
    "key",
    [
        *("quantization_config", "quantization", "quant_info", "quantised", "is_quantized", "compression_config"),
        *("bits", "n_bits", "gptq", "awq_config", "load_in_8bit", "bnb_4bit_compute_dtype", "Quantizer"),
    ],
)
def test_settings_that_say_quantised_are_refused_at_any_depth(key: str) -> None:
    for unset in (None, False, {}, "", 0):
        refuse_quantised_settings("m", {"hidden_size": 3}, {key: unset})
    for settings in ({key: {"method": "fp8"}}, {"a": [{key: True}]}, {"a": {"b": ({key: 8},)}}):
        with pytest.raises(ModelError, match=rf"m is quantised \({key} in f\): give the unquantised one"):
            refuse_quantised_settings("m", {}, settings, where="f")


def test_what_only_sounds_alike_is_no_sign() -> None:
    settings = {"quantile": 0.9, "quantity": 3, "orbits": 2, "scale": [0.9, 1], "torch_dtype": "float32", 8: "bits"}
    refuse_quantised_settings("m", settings)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"factor": {FIRST: 1 / 64}}, FIRST),
        ({"factor": {"visual.proj": [0.5, 0.25]}}, "visual.proj"),
        ({"factor": {f"module.{FIRST}": 1 / 64}}, f"module.{FIRST}"),
        ({"factor": {"transformer.resblocks.0.mlp.c_fc": 2}}, "transformer.resblocks.0.mlp.c_fc"),
        ([{"a": ({"logit_scale": 4.6},)}], "logit_scale"),
        ({"epoch": 3, "visual": 2, "kinds": {FIRST: "fp32"}, "frozen": {FIRST: True}, 0: {1: 0.5}}, None),
        ({"names": list(WEIGHTS), "best_model_score": 0.5}, None),
        ({FIRST: {"a": [{"b": ((), {"c": 8})}]}}, FIRST),
        ({"a": 1, FIRST: {"logit_scale": {"c": None}}}, None),
        (None, None),
    ],
)
def test_numbers_by_the_names_of_weights_are_found(settings: Any, found: str | None) -> None:
    assert number_of_a_weight(settings, WEIGHTS) == found


def test_what_holds_itself_is_looked_at_once() -> None:
    settings: dict[str, Any] = {"factor": 0.5}
    settings["itself"] = [settings, settings]
    assert number_of_a_weight(settings, WEIGHTS) is None
    refuse_quantised_settings("m", settings)


def test_deep_nests_and_long_names_take_no_long_time() -> None:
    deep: dict[str, Any] = {}
    for _ in range(50_000):
        deep = {"logit_scale": deep}
    long = ".".join(["a"] * 50_000)
    assert number_of_a_weight([deep, {long: 1}], WEIGHTS) is None
    assert number_of_a_weight([deep, {f"b.{long}": 1, "a.a": 2}], (long,)) is None
    assert number_of_a_weight({long: 1}, (long,)) == long
