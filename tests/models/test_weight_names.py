"""Names of weights: words of wrappers are left out and named, and what is not of the family is said to be whose."""

import warnings

import pytest

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.models.weight_names import Naming, vision_names

TOWERS = Naming(
    family="a family",
    vision=("vision_model.", "visual_projection."),
    bare=("embeddings.", "encoder.layers."),
    beside=("text_model.", "logit_scale"),
    left_over=r"vision_model\.embeddings\.position_ids",
)
NAMES = ("vision_model.embeddings.patch", "vision_model.encoder.layers.0.fc1", "visual_projection.weight")


@pytest.mark.parametrize(
    ("before", "within", "said"),
    [
        ("module.", "", "module."),
        ("_orig_mod.", "", "_orig_mod."),
        ("model.", "", "model."),
        ("clip.", "", "clip."),
        ("model.clip.", "", "model.clip."),
        ("module._orig_mod.model.", "", "module._orig_mod.model."),
        ("", "_orig_mod.", "_orig_mod."),
        ("module.", "_fsdp_wrapped_module.", "_fsdp_wrapped_module. and module."),
    ],
)
def test_words_of_wrappers_are_left_out_and_named(before: str, within: str, said: str) -> None:
    def wrapped(name: str) -> str:
        first, dot, rest = name.partition(".")
        return f"{before}{first}{dot}{within}{rest}"

    with pytest.warns(AlignbenchWarning) as warned:
        found = vision_names("m", [*map(wrapped, NAMES), f"{before}text_model.x", f"{before}logit_scale"], TOWERS)
    assert found == {name: wrapped(name) for name in NAMES}
    assert [str(each.message) for each in warned] == [
        f"the weights of m are taken without {said} in their names: nothing else was changed"
    ]


def test_nothing_is_said_of_names_as_they_should_be() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert vision_names("m", [*NAMES, "logit_scale"], TOWERS) == {name: name for name in NAMES}
        alone = ["embeddings.patch", "encoder.layers.0.fc1"]
        assert vision_names("m", [*alone, "n_averaged"], TOWERS) == {f"vision_model.{name}": name for name in alone}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([*NAMES, f"model.{NAMES[0]}"], r"embeddings\.patch twice"),
        ([NAMES[0], f"model.{NAMES[1]}"], r"begin with '' and 'model\.', which are two sets"),
        ([*NAMES, "gates.0"], r"1 weights that are neither .* \(gates\.0\)"),
        ([*NAMES, *(f"ema.{name}" for name in NAMES)], r"3 weights that are neither .*ema\."),
        ([f"vision_tower.{name}" for name in NAMES], r"begin with vision_tower\. .*give them without vision_tower\."),
        (["visual.transformer.resblocks.0.ln_1.weight"], r"open_clip's .*open_clip_config\.json"),
        (["module.visual.trunk.blocks.0.norm1.weight"], "open_clip's"),
        (["blocks.0.attn.qkv.weight"], "timm's VisionTransformer"),
        (["encoder.layer.0.attention.attention.query.weight"], "transformers' ViT or DINO"),
        (["layer1.0.conv1.weight"], "ResNet"),
        (["stages.0.0.gamma"], "ConvNeXt"),
        (["text_model.encoder.layers.0.fc1"], "a text tower alone"),
        (["weight"], "names are like weight"),
        ([], "no tensor in the file"),
    ],
)
def test_what_does_not_fit_is_said_to_be_whose(given: list[str], said: str) -> None:
    with pytest.raises(ModelError, match=said) as refused:
        vision_names("m", given, TOWERS)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "vision_model.encoder.layers.0.q_proj.lora_A.weight",
        "base_model.model.vision_model.encoder.layers.0.q_proj.base_layer.weight",
        "lora_unet_vision_model.alpha",
        "vision_model.encoder.layers.0.fc1.hada_w1_a",
        "vision_model.encoder.layers.0.fc1.ia3_l.default",
    ],
)
def test_weights_of_an_adapter_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match="merge the adapter into the model first"):
        vision_names("m", [*NAMES, name], TOWERS)


def test_older_names_are_taken_for_those_of_now_and_are_not_two() -> None:
    towers = Naming("a family", ("vit.",), ("layers.", "encoder."), (), "", (), ((r"\.encoder\.layer\.", ".layers."),))
    older = "encoder.layer.0.fc1"
    assert vision_names("m", [older], towers) == {"vit.layers.0.fc1": older}
    assert vision_names("m", ["layers.0.fc1"], towers) == {"vit.layers.0.fc1": "layers.0.fc1"}
    with pytest.raises(ModelError, match=r"has vit\.layers\.0\.fc1 twice"):
        vision_names("m", [older, "layers.0.fc1"], towers)
