"""Attention of one query against torch's own attention, which has all of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from alignbench.interpret.parts import Affine, AttentionParts
from alignbench.interpret.query import QueriedHeads, after, before

WIDTH, HEADS, TOKENS, PICTURES = 12, 3, 5, 2


def attention(batch_first: bool = True) -> nn.MultiheadAttention:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first).double().eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn_like(weight))
    return module


def parts(module: nn.MultiheadAttention, scale: torch.Tensor | None = None) -> AttentionParts:
    weights, biases = module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3)
    maps = [Affine(*each) for each in zip(weights, biases, strict=True)]
    out = Affine(module.out_proj.weight, module.out_proj.bias)
    return AttentionParts(module, HEADS, *maps, out, scale=scale, tokens_first=not module.batch_first)


@torch.no_grad()
def test_heads_and_their_bias_are_what_the_first_query_is_given() -> None:
    module, tokens = attention(), torch.randn(PICTURES, TOKENS, WIDTH, dtype=torch.float64)
    scale, onward = torch.rand(WIDTH, dtype=torch.float64), torch.randn(WIDTH, 4, dtype=torch.float64)
    heads = QueriedHeads(parts(module, scale), onward)
    wanted = (module(tokens, tokens, tokens)[0][:, 0] * scale) @ onward
    weights = heads.weights(tokens)
    summed, by_token = heads.summed(tokens, weights), heads.by_token(tokens, weights)
    assert (tuple(summed.shape), tuple(by_token.shape)) == ((PICTURES, HEADS, 4), (PICTURES, TOKENS, HEADS, 4))
    np.testing.assert_allclose(summed.sum(dim=1) + heads.whole_bias, wanted, atol=1e-12)
    np.testing.assert_allclose(by_token.sum(dim=1), summed, atol=1e-12)
    np.testing.assert_allclose(heads.of_first(tokens, weights), by_token[:, 0].sum(dim=1), atol=1e-12)


@torch.no_grad()
def test_weights_of_tokens_are_the_softmax_of_torch() -> None:
    module, tokens = attention(), torch.randn(PICTURES, TOKENS, WIDTH, dtype=torch.float64)
    _, weights = module(tokens, tokens, tokens, need_weights=True, average_attn_weights=False)
    found = QueriedHeads(parts(module), torch.eye(WIDTH, dtype=torch.float64)).weights(tokens)
    np.testing.assert_allclose(found, weights[:, :, 0], atol=1e-12)


@torch.no_grad()
def test_tokens_may_come_before_pictures() -> None:
    module, tokens = attention(batch_first=False), torch.randn(TOKENS, PICTURES, WIDTH, dtype=torch.float64)
    heads = QueriedHeads(parts(module), torch.eye(WIDTH, dtype=torch.float64))
    heard: list[torch.Tensor] = []
    handle = heads.listen(heard.append)
    output = module(tokens, tokens, tokens)[0]
    handle.remove()
    module(tokens, tokens, tokens)
    (given,) = heard
    found = heads.summed(given, heads.weights(given))
    np.testing.assert_array_equal(given, tokens.transpose(0, 1))
    np.testing.assert_allclose(found.sum(dim=1) + heads.whole_bias, output[0], atol=1e-12)


def test_arguments_by_name_are_heard_of_too() -> None:
    class Sum(nn.Module):
        def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            return first + second

    module, heard = Sum(), []
    handles = [before(module, heard.extend), after(module, heard.append)]
    module(torch.ones(1), second=torch.ones(1) * 2)
    for handle in handles:
        handle.remove()
    module(torch.ones(1), torch.ones(1))
    assert [float(each) for each in heard] == [1.0, 2.0, 3.0]
