"""Decompositions of towers of every family, against plain NumPy in float64 that shares no code with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from alignbench.errors import AlignbenchError, UsageError
from alignbench.interpret import decompose
from alignbench.interpret.decomposition import decomposer
from alignbench.models.families import load_tower
from alignbench.models.towers import Tower, tap
from decomposed import normalised, pictures
from small_vits import CASES, SIDE, timm_tower

every_family = pytest.mark.parametrize("name", CASES)
OTHER_ACTIVATION = {"gelu": "quick_gelu", "quick_gelu": "gelu", "gelu_pytorch_tanh": "quick_gelu"}


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tower]:
    root = tmp_path_factory.mktemp("towers")
    return {name: case.make(root / name.replace(" ", "-")) for name, case in CASES.items()}


@every_family
def test_contributions_are_those_of_a_plain_reference(name: str, towers: dict[str, Tower]) -> None:
    tower, case = towers[name].double(), CASES[name]
    pixels = pictures(SIDE)
    has_class = not case.pooling
    by_token, summed = decompose(tower, pixels, tokens=True), decompose(tower, pixels, class_part=has_class)
    plain = case.plain(tower)
    for picture, values in enumerate(normalised(tower, pixels)):
        wanted = case.expected(plain, values)
        assert by_token.attention[picture].shape == wanted.attention.shape  # (L, N, H, d')
        np.testing.assert_allclose(by_token.attention[picture], wanted.attention, atol=1e-6, rtol=1e-6)
        assert by_token.weights is not None
        assert by_token.weights[picture].shape == wanted.weights.shape  # (L, H, N)
        np.testing.assert_allclose(by_token.weights[picture], wanted.weights, atol=1e-6, rtol=1e-6)
        assert summed.weights is None
        np.testing.assert_allclose(summed.attention[picture], wanted.attention.sum(axis=1), atol=1e-6, rtol=1e-6)
        if has_class:
            assert summed.class_part is not None
            np.testing.assert_allclose(summed.class_part[picture], wanted.attention[:, 0].sum(axis=1), atol=1e-6)
        for found in (by_token, summed):
            np.testing.assert_allclose(found.others[picture], wanted.others, atol=1e-6, rtol=1e-6)
            np.testing.assert_allclose(found.norm[picture], wanted.norm, rtol=1e-6)
            if wanted.constant is None:
                assert found.constant is None
            else:
                assert found.constant is not None
                np.testing.assert_allclose(found.constant, wanted.constant, atol=1e-6)
            scale = 1.0 if case.pooling else wanted.norm
            np.testing.assert_allclose(found.total()[picture] * scale, wanted.output, atol=1e-5)
    assert not plain.unseen, "weights that the reference does not know"
    tower.float()


@every_family
def test_float32_is_near_and_closes(name: str, towers: dict[str, Tower]) -> None:
    tower, pixels = towers[name], pictures(SIDE)
    found = decompose(tower, pixels)
    assert {found.attention.dtype, found.others.dtype, found.norm.dtype} == {torch.float32}
    exact = decompose(tower.double(), pixels)
    tower.float()
    np.testing.assert_allclose(found.attention, exact.attention, atol=2e-5 * float(exact.attention.abs().max()))
    np.testing.assert_allclose(found.others, exact.others, atol=2e-5 * float(exact.others.abs().max()))
    assert 0 < float(found.closure.max()) < 1e-5
    assert float(exact.closure.max()) < 1e-12


@every_family
def test_the_sum_is_the_projection_of_the_tower(name: str, towers: dict[str, Tower]) -> None:
    tower, pixels = towers[name], pictures(SIDE)
    kept: list[torch.Tensor] = []
    (last,) = [layer for layer in tower.layers if layer.name == "projection"]
    with torch.inference_mode(), tap(tower, [last], lambda layer, features: kept.append(features.clone())):
        tower(pixels)
    output = kept[0][:, 0] / kept[0][:, 0].norm(dim=1, keepdim=True)
    total = decompose(tower, pixels).total()
    np.testing.assert_allclose(total / total.norm(dim=1, keepdim=True), output, atol=2e-5)


def test_a_tower_without_class_token_has_no_part_of_it(towers: dict[str, Tower]) -> None:
    pooled = next(name for name, case in CASES.items() if case.pooling)
    with pytest.raises(UsageError, match="no class token reads itself: choose a CLIP or ViT with class token"):
        decompose(towers[pooled], pictures(SIDE), class_part=True)
    plain = next(name for name, case in CASES.items() if not case.pooling)
    assert decompose(towers[plain], pictures(SIDE)).class_part is None


@every_family
def test_permuted_pictures_have_permuted_contributions(name: str, towers: dict[str, Tower]) -> None:
    tower, pixels, order = towers[name].double(), pictures(SIDE, 4), [2, 0, 3, 1]
    found, permuted = decompose(tower, pixels), decompose(tower, pixels[order])
    tower.float()
    for one, other in zip(
        (found.attention, found.others, found.norm),
        (permuted.attention, permuted.others, permuted.norm),
        strict=True,
    ):
        np.testing.assert_allclose(other, one[order], atol=1e-12)


@every_family
def test_the_activation_is_the_documented_one_which_closure_does_not_notice(
    name: str, towers: dict[str, Tower]
) -> None:
    """A reference with another activation is far away, and its own sum is its own output all the same."""
    tower, case = towers[name], CASES[name]
    pixels = pictures(SIDE, 1)
    found = decompose(tower, pixels)
    wrong = case.expected(case.plain(tower, OTHER_ACTIVATION[case.activation]), normalised(tower, pixels)[0])
    constant: Any = 0 if wrong.constant is None else wrong.constant
    total = wrong.attention.sum(axis=(0, 1, 2)) + wrong.others.sum(axis=0) + constant
    scale = 1.0 if case.pooling else wrong.norm
    np.testing.assert_allclose(total * scale, wrong.output, atol=1e-9)
    assert np.abs(found.others[0].numpy() - wrong.others).max() > 1e-3


@every_family
def test_the_tower_is_left_as_it_was(name: str, towers: dict[str, Tower]) -> None:
    tower = towers[name]
    decompose(tower, pictures(SIDE, 1))
    hooks = [hook for module in tower.modules() for hook in (*module._forward_hooks, *module._forward_pre_hooks)]
    assert hooks == []


def test_values_are_worked_out_by_hand() -> None:
    """A tower whose heads add nothing but b_O and whose MLPs add nothing but their bias, at the width of two."""
    tower = timm_tower(embed_dim=2, depth=1, num_heads=1, mlp_ratio=1.0)
    model: Any = tower.model
    with torch.no_grad():
        for weight in tower.parameters():
            weight.zero_()
        model.cls_token[:] = torch.tensor([3.0, 0.0])
        model.blocks[0].attn.proj.bias[:] = torch.tensor([1.0, 0.0])
        model.blocks[0].mlp.fc2.bias[:] = torch.tensor([0.0, 2.0])
        model.norm.weight[:] = torch.tensor([1.0, 2.0])
        model.norm.bias[:] = torch.tensor([0.3, 0.6])
    found = decompose(tower, pictures(SIDE, 1))
    # r = (4, 2), mean 3, spread 1: z = (1.3, -1.4); of K = 3 terms each has a mean of 1 and a third of the bias
    norm = np.hypot(1.3, -1.4)
    assert float(found.norm[0]) == pytest.approx(norm, rel=1e-5)
    np.testing.assert_allclose(found.attention[0, 0, 0] * norm, [1 - 1 + 0.1, -2 + 0.2], atol=1e-5)
    np.testing.assert_allclose(found.others[0] * norm, [[3 - 1 + 0.1, -2 + 0.2], [-1 + 0.1, 4 - 2 + 0.2]], atol=1e-5)


def test_a_sum_that_is_not_the_output_is_refused() -> None:
    tower, pixels = timm_tower(), pictures(SIDE, 2)
    ready = decomposer(tower)
    model: Any = tower.model
    with torch.no_grad():
        model.blocks[1].attn.proj.weight += 0.01  # after it was looked at
    with pytest.raises(AlignbenchError, match=r"do not add up to the output of this model \(relative error"):
        ready(pixels)


def test_numbers_that_are_not_finite_are_refused() -> None:
    tower = timm_tower()
    model: Any = tower.model
    with torch.no_grad():
        model.norm.weight[0] = torch.nan
    with pytest.raises(AlignbenchError, match="do not add up"):
        decompose(tower, pictures(SIDE, 1))


def test_a_tower_in_low_precision_is_refused() -> None:
    with pytest.raises(UsageError, match="low precision, in which nothing adds up exactly: load it in float32"):
        decompose(timm_tower().half(), pictures(SIDE, 1))


def test_autocast_around_it_changes_nothing() -> None:
    tower, pixels = timm_tower(), pictures(SIDE, 2)
    with torch.autocast("cpu", torch.bfloat16):
        found = decompose(tower, pixels)
    np.testing.assert_array_equal(found.attention, decompose(tower, pixels).attention)


def test_a_head_has_the_rank_of_its_width_and_three() -> None:
    tower = load_tower("shapes-clip")
    pixels = pictures(64, 80)
    heads = decompose(tower, pixels).attention
    width = 128 // heads.shape[2]
    for layer in range(heads.shape[1]):
        spectrum = np.linalg.svd(heads[:, layer, 0].double().numpy(), compute_uv=False)
        assert (spectrum > 1e-5 * spectrum[0]).sum() <= width + 3
