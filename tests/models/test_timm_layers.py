"""Layers of timm's models: features are timm's own intermediate features, bit for bit."""

from __future__ import annotations

import pytest
import timm
import torch
from timm.models import model_entrypoint
from timm.models._registry import _model_to_module
from torch import Tensor

from alignbench.errors import UsageError
from alignbench.models.families import load_tower, skeleton
from alignbench.models.towers import Tower, select_view
from taps import picture, tapped
from timm_models import REFUSED, intermediates, pooled, transformed, with_classifier

pytestmark = pytest.mark.slow

SMALL = (  # an architecture each
    *("test_vit", "test_vit2", "test_vit3", "test_vit4", "test_vit_relpos", "test_convnext", "test_resnet"),
    *("test_efficientnet", "test_byobnet", "test_mambaout", "test_nfnet", "test_maxvit", "lcnet_035", "regnetx_002"),
)
LARGER = (
    "deit_tiny_distilled_patch16_224",
    "swin_s3_tiny_224",
    "vit_small_patch16_dinov3",
    "vit_pe_core_tiny_patch16_384",
)
UNROLLED = ("hiera_tiny_224",)  # its blocks keep the places of a map in an order of their own
HEAVY = (  # which are looked at as shapes alone
    *("deepseek_vit_412m", "qwen3_vit_88m", "sam2_hiera_tiny", "nasnetalarge", "pnasnet5large", "sequencer2d_s"),
)


def by_first_channel(tokens: Tensor) -> Tensor:
    """Put the tokens of each picture in an order of their own; a token's channels stay together."""
    return torch.stack([each[each[:, 0].argsort()] for each in tokens])


def compare(name: str) -> Tower:
    """Hold every usual layer against timm's own features, and the projection against its own pooling."""
    tower = load_tower(f"timm:{name}", random_init=True, seed=3)
    model = with_classifier(tower, name)
    images = [picture(300, 280), picture(260, 400, seed=1)]
    pixels = torch.stack([tower.prepare(image) for image in images])
    found, given = tapped(tower, pixels), transformed(model, images)
    assert torch.equal(found.pop("projection"), pooled(model, given))
    for layer in tower.layers[:-1]:
        features = found[layer.name]
        assert features.shape[1:] == (layer.tokens, layer.channels)
        assert features[0].ne(features[1]).any(), "a layer that does not see the picture tells nothing"
    own = [layer.name for layer in tower.layers if layer.name not in ("stem", "layer_0", "projection")]
    for layer_name, expected in zip(own, intermediates(model, given)[-len(own) :], strict=True):
        features = found[layer_name][:, -expected.shape[1] :]  # ConViT's maps leave the class token out
        if name in UNROLLED:
            features, expected = by_first_channel(features), by_first_channel(expected)
        assert torch.equal(features, expected), layer_name
    return tower


@pytest.mark.parametrize("name", SMALL)
def test_features_are_timms(name: str) -> None:
    if not (timm.is_model(name) and hasattr(timm.create_model(name), "forward_intermediates")):
        pytest.skip("this version of timm lacks the model, or what it is held against")
    compare(name)


TESTED = "1.0.31"
SMALLEST = {  # of timm's files, the smallest model
    "beit": "beit_base_patch16_224",
    "byoanet": "halonet_h1",
    "byobnet": "mobileone_s1",
    "cait": "cait_xxs24_224",
    "coat": "coat_tiny",
    "convit": "convit_tiny",
    "convmixer": "convmixer_768_32",
    "convnext": "convnext_zepto_rms",
    "cpubone": "cpubone_nano",
    "crossvit": "crossvit_tiny_240",
    "csatv2": "csatv2",
    "cspnet": "cs3darknet_focus_s",
    "cspnext": "cspnext_tiny",
    "davit": "davit_tiny",
    "deepseek_vit": "deepseek_vit_412m",
    "deit": "deit_tiny_patch16_224",
    "densenet": "densenet121",
    "dla": "dla46x_c",
    "dpn": "dpn48b",
    "edgenext": "edgenext_xx_small",
    "efficientformer": "efficientformer_l1",
    "efficientformer_v2": "efficientformerv2_s0",
    "efficientnet": "efficientnet_b0",
    "efficientvim": "efficientvim_m1",
    "efficientvit_mit": "efficientvit_b0",
    "efficientvit_msra": "efficientvit_m0",
    "eva": "eva02_tiny_patch14_224",
    "fasternet": "fasternet_t0",
    "fastvit": "fastvit_t8",
    "focalnet": "focalnet_tiny_srf",
    "gcvit": "gcvit_xxtiny",
    "gemma4_vit": "gemma4_vit_167m",
    "ghostnet": "ghostnet_050",
    "hardcorenas": "hardcorenas_b",
    "hgnet": "hgnetv2_b0",
    "hiera": "hiera_tiny_224",
    "hieradet_sam2": "sam2_hiera_tiny",
    "hrnet": "hrnet_w18_small",
    "iformer": "iformer_t",
    "inception_next": "inception_next_atto",
    "inception_resnet_v2": "inception_resnet_v2",
    "inception_v3": "inception_v3",
    "inception_v4": "inception_v4",
    "lcnetv2": "lcnetv2_small",
    "levit": "levit_128s",
    "lowformer": "lowformer_b0",
    "mambaout": "test_mambaout",
    "maxxvit": "coatnet_pico_rw_224",
    "metaformer": "caformer_s18",
    "mlp_mixer": "gmlp_ti16_224",
    "mobilenetv3": "lcnet_035",
    "mobilenetv5": "mobilenetv5_base",
    "mobilevit": "mobilevit_xxs",
    "mvitv2": "mvitv2_tiny",
    "naflexvit": "naflexvit_base_patch16_parfac_gap",
    "nasnet": "nasnetalarge",
    "nest": "nest_tiny",
    "nextvit": "nextvit_small",
    "nfnet": "eca_nfnet_l0",
    "pit": "pit_ti_224",
    "pnasnet": "pnasnet5large",
    "pvt_v2": "pvt_v2_b0",
    "qwen3_vit": "qwen3_vit_88m",
    "rdnet": "rdnet_tiny",
    "regnet": "regnetx_002",
    "repghost": "repghostnet_050",
    "repvit": "repvit_m1",
    "res2net": "res2next50",
    "resnest": "resnest14d",
    "resnet": "resnet10t",
    "resnetv2": "resnetv2_18",
    "rexnet": "rexnet_100",
    "selecsls": "selecsls42",
    "senet": "legacy_seresnet18",
    "sequencer": "sequencer2d_s",
    "shvit": "shvit_s1",
    "sknet": "skresnet18",
    "starnet": "starnet_s050",
    "swiftformer": "swiftformer_xs",
    "swin_transformer": "swin_tiny_patch4_window7_224",
    "swin_transformer_v2": "swinv2_tiny_window8_256",
    "swin_transformer_v2_cr": "swinv2_cr_tiny_224",
    "tiny_vit": "tiny_vit_5m_224",
    "tnt": "tnt_s_legacy_patch16_224",
    "tresnet": "tresnet_m",
    "twins": "twins_svt_small",
    "vgg": "vgg11",
    "visformer": "visformer_tiny",
    "vision_transformer": "beit3_base_patch16_224",
    "vision_transformer_hybrid": "vit_tiny_r_s16_p8_224",
    "vision_transformer_relpos": "test_vit_relpos",
    "vision_transformer_sam": "samvit_base_patch16_224",
    "vitamin": "vitamin_small_224",
    "volo": "volo_d1_224",
    "vovnet": "ese_vovnet19b_slim_dw",
    "xception": "legacy_xception",
    "xception_aligned": "xception41p",
    "xcit": "xcit_nano_12_p8_224",
}


def test_there_is_a_model_of_every_file_of_timm() -> None:
    """A newer timm may have more: its file is then missing here, and so are tests of it."""
    names = [name for name in timm.list_models() if model_entrypoint(name).__module__.startswith("timm.")]
    files = {_model_to_module[name] for name in names}
    assert files <= {*SMALLEST} or timm.__version__ != TESTED


@pytest.mark.parametrize("name", [*LARGER, *(each for each in SMALLEST.values() if each not in (*REFUSED, *HEAVY))])
def test_features_of_the_smallest_of_every_file_are_timms(name: str) -> None:
    compare(name)


@pytest.mark.parametrize("name", HEAVY)
def test_larger_ones_have_layers_in_the_order_of_depth(name: str) -> None:
    tower = skeleton(f"timm:{name}")
    depths = [layer.depth for layer in tower.layers]
    assert depths == sorted(depths)
    assert (depths[0], depths[-1], tower.layers[-1].name) == (2.5, 100.0, "projection")


@pytest.mark.parametrize("name", ["naflexvit_base_patch16_parfac_gap", "crossvit_tiny_240"])
def test_what_cannot_be_read_is_refused_in_a_line(name: str) -> None:
    refused(name)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_everything_that_cannot_be_read_is_refused_in_a_line(name: str) -> None:
    refused(name)


def refused(name: str) -> None:
    message = rf"^timm:{name} cannot be measured layer by layer: .*{REFUSED[name]}; choose another model$"
    with pytest.raises(UsageError, match=message):
        skeleton(f"timm:{name}")


def described(tower: Tower) -> list[tuple[str, float, str, int, int]]:
    return [
        (layer.name, round(layer.depth, 2), layer.module.removeprefix("model."), layer.tokens, layer.channels)
        for layer in tower.layers
    ]


def test_a_residual_network_has_stem_stages_blocks_and_its_pooled_output() -> None:
    tower = skeleton("timm:resnet50")
    assert described(tower) == [
        ("stem", 2.5, "layer1.0", 3136, 64),
        ("stage_1", 19.5, "layer1", 3136, 256),  # 3 of 16 blocks: 7.5 + 90 * 2 / 15
        ("stage_2", 43.5, "layer2", 784, 512),
        ("stage_3", 79.5, "layer3", 196, 1024),
        ("stage_4", 97.5, "layer4", 49, 2048),
        ("projection", 100.0, "model", 1, 2048),
    ]
    tower.layers = tower.blocks
    assert [layer[0] for layer in described(tower)] == ["stem", *(f"block_{k}" for k in range(1, 17)), "projection"]
    assert described(tower)[4] == ("block_4", 25.5, "layer2.0", 784, 512)


def test_the_stem_of_timm_is_no_block() -> None:
    """The first convolution of DPN stands among timm's stages, and its path is like those of the blocks."""
    tower = skeleton("timm:dpn68")
    assert described(tower) == [
        ("stem", 2.5, "features.conv2_1", 56 * 56, 10),
        ("stage_1", 16.07, "features.conv2_3", 56 * 56, 144),  # 3 + 4 + 12 + 3 = 22 blocks: 7.5 + 90 * 2 / 21
        ("stage_2", 33.21, "features.conv3_4", 28 * 28, 320),
        ("stage_3", 84.64, "features.conv4_12", 14 * 14, 704),
        ("stage_4", 97.5, "features.conv5_3", 7 * 7, 832),
        ("projection", 100.0, "model", 1, 832),
    ]
    assert len(tower.blocks) == 1 + 22 + 1


def test_what_has_no_weights_is_no_block() -> None:
    """Blocks of VGG are its convolutions after the first, and not the ReLUs and poolings beside them."""
    tower = skeleton("timm:vgg11")
    assert [layer[:3] for layer in described(tower)] == [
        ("stem", 2.5, "features.3"),
        ("stage_1", 7.5, "features.4"),  # the ReLU of the first of 7
        ("stage_2", 37.5, "features.9"),
        ("stage_3", 67.5, "features.14"),
        ("stage_4", 97.5, "features.19"),
        ("stage_5", 97.5, "features.20"),  # its pooling
        ("projection", 100.0, "model"),
    ]
    paths = [layer.module.removeprefix("model.features.") for layer in tower.blocks[1:-1]]
    assert paths == ["3", "6", "8", "11", "13", "16", "18"]


def test_a_hierarchical_transformer_has_maps_with_channels_last() -> None:
    tower = skeleton("timm:swin_tiny_patch4_window7_224")
    assert [(layer.name, layer.tokens, layer.channels, layer.axes) for layer in tower.layers[:-1]] == [
        ("stem", 3136, 96, "BHWC"),
        *((f"stage_{k + 1}", (56 >> k) ** 2, 96 << k, "BHWC") for k in range(4)),
    ]
    assert len(tower.blocks) == 1 + 12 + 1


@pytest.mark.parametrize(
    ("name", "class_token", "registers", "tokens"),
    [
        ("vit_tiny_patch16_224", True, 0, 1 + 196),
        ("vit_small_patch14_reg4_dinov2", True, 4, 5 + 37 * 37),
        ("deit_tiny_distilled_patch16_224", True, 1, 2 + 196),
        ("vit_small_patch16_dinov3", True, 4, 5 + 256),
        ("vit_medium_patch16_reg4_gap_256", False, 4, 4 + 256),
        ("eva02_tiny_patch14_224", True, 0, 1 + 256),
        ("mixer_s32_224", False, 0, 49),
        ("samvit_base_patch16_224", False, 0, 196),
    ],
)
def test_tokens_before_the_patches_are_the_models(name: str, class_token: bool, registers: int, tokens: int) -> None:
    tower = skeleton(f"timm:{name}")
    assert (tower.has_class_token, tower.registers) == (class_token, registers)
    assert {layer.tokens for layer in tower.layers[:-1]} == {tokens}
    assert [layer.name for layer in tower.layers[:2]] == ["layer_0", "layer_1"]
    assert [layer.depth for layer in tower.layers[:2]] == [2.5, 7.5]
    assert tower.blocks == ()


def test_the_mean_is_over_patches_alone() -> None:
    tower = load_tower("timm:deit_tiny_distilled_patch16_224", random_init=True)
    layer = tower.layers[3]
    features = tapped(tower, tower.prepare(picture(250, 250))[None])[layer.name]
    mean: Tensor = select_view(features, layer, "mean", tower.prefix_tokens)
    torch.testing.assert_close(mean[:, 0], features[:, 2:].double().mean(dim=1).float())
