"""Attention as one query has it: what each head reads of the tokens, without the attention of any other query.

The query that counts is one of N, so everything here is N times smaller than the attention itself, and of the maps of
all tokens none is made again: with alpha = softmax(q K^T / sqrt(d_h)), K = X W_K^T + 1 b_K^T, and as a softmax does not
see what is added to all,

    alpha = softmax((q W_K) X^T / sqrt(d_h)),   sum_i alpha_i V_i = (alpha X) W_V^T + b_V.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.utils.hooks import RemovableHandle

from alignbench.interpret.parts import Affine, AttentionParts


class QueriedHeads:
    """The heads of an attention, taken together with a linear map behind them.

    Args:
        parts: The attention.
        onward: What its output goes through, (d, e).

    Attributes:
        whole_bias: What is added to the heads together, (e): b_O.
    """

    def __init__(self, parts: AttentionParts, onward: Tensor) -> None:
        self.parts = parts
        if parts.scale is not None:
            onward = parts.scale[:, None] * onward
        heads = parts.out.weight.T.unflatten(0, (parts.heads, -1))
        self._out = heads @ onward  # (H, d_h, e)
        self.whole_bias = onward.new_zeros(onward.shape[1]) if parts.out.bias is None else parts.out.bias @ onward
        self._key = parts.key.weight.unflatten(0, (parts.heads, -1))  # (H, d_h, d)
        self._value = parts.value.weight.unflatten(0, (parts.heads, -1))

    def listen(self, receive: Callable[[Tensor], None]) -> RemovableHandle:
        """Hand on the tokens that the heads are given in each forward pass, until the handle is removed.

        Args:
            receive: Hears of the tokens, (B, N, d), of which `weights` makes what is attended to, and `summed`,
                `by_token` and `of_first` what heads add.
        """

        def hear(given: tuple[Any, ...]) -> None:
            tokens: Tensor = given[self.parts.argument]
            receive(tokens.transpose(0, 1) if self.parts.tokens_first else tokens)

        return before(self.parts.module, hear)

    def weights(self, tokens: Tensor) -> Tensor:
        """Return how much the query attends to each of the tokens, (B, H, N), of which the tokens are (B, N, d)."""
        parts = self.parts
        query = parts.query
        if isinstance(query, Affine):
            query = linear(tokens[:, 0], query.weight, query.bias)
        else:
            query = query.expand(len(tokens), -1)
        asked = query.unflatten(1, (parts.heads, -1))
        if parts.query_norm is not None:
            asked = parts.query_norm(asked[:, :, None])[:, :, 0]
        scale = asked.shape[-1] ** -0.5
        if parts.key_norm is not None:
            keys = linear(tokens, parts.key.weight, parts.key.bias).unflatten(2, (parts.heads, -1)).transpose(1, 2)
            scores = torch.einsum("bhc,bhnc->bhn", asked, parts.key_norm(keys))
        else:
            scores = torch.einsum("bhc,hcd->bhd", asked, self._key) @ tokens.transpose(1, 2)
        weights: Tensor = (scores * scale).softmax(dim=-1)
        return weights

    def summed(self, tokens: Tensor, weights: Tensor) -> Tensor:
        """Return what each head adds to the output without its bias, (B, H, e).

        Args:
            tokens: The tokens, (B, N, d).
            weights: How much the query attends to each, see `weights`, as below.
        """
        read = torch.einsum("bhd,hcd->bhc", weights @ tokens, self._value)
        if self.parts.value.bias is not None:
            read = read + self.parts.value.bias.unflatten(0, (self.parts.heads, -1))
        return torch.einsum("bhc,hce->bhe", read, self._out)

    def by_token(self, tokens: Tensor, weights: Tensor) -> Tensor:
        """Return what each head adds of each token, without its bias, (B, N, H, e)."""
        values = linear(tokens, self.parts.value.weight, self.parts.value.bias).unflatten(2, (self.parts.heads, -1))
        read = values * weights.transpose(1, 2)[..., None]
        return torch.einsum("bnhc,hce->bnhe", read, self._out)

    def of_first(self, tokens: Tensor, weights: Tensor) -> Tensor:
        """Return what all heads add of the first token, without their bias, (B, e)."""
        values = linear(tokens[:, 0], self.parts.value.weight, self.parts.value.bias)
        read = values.unflatten(1, (self.parts.heads, -1)) * weights[:, :, :1]
        return torch.einsum("bhc,hce->be", read, self._out)


def before(module: nn.Module, receive: Callable[[tuple[Any, ...]], None]) -> RemovableHandle:
    """Hand on what a module is given, those arguments too that are given by name, until the handle is removed."""

    def hook(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        receive((*arguments, *named.values()))

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def after(module: nn.Module, receive: Callable[[Tensor], None]) -> RemovableHandle:
    """Hand on what a module gives, until the handle is removed."""

    def hook(module: nn.Module, arguments: object, output: Tensor) -> None:
        receive(output)

    return module.register_forward_hook(hook)
