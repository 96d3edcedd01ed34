"""The output of a tower as an exact sum: of heads, or heads and tokens, of MLPs and of the embedding.

With r = e + sum_l a_l + sum_l m_l the class token after the last block (e the embedding, a_l what attention adds, m_l
what the MLP adds), and the last norm frozen at mu = mean r and s = sqrt(var r + eps), each of the K = 2 L + 1 terms has
its share of the output z = (gamma (r - mu) / s + beta) P:

    of an MLP, or e:  [gamma (m - mu / K) / s + beta / K] P / |z|
    of a head:        [gamma (u - mu / (K H)) / s + beta / (K H)] P / |z|,  u the head's part of a_l with b_O / H
    of a token of it: the same with K N H for K H, and b_O / (N H)

Gandelsman, Efros and Steinhardt, Interpreting CLIP's image representation via text-based decomposition (2024). SigLIP's
output is z = b_O + sum_h u_h + MLP(LayerNorm(.)) of its pooling head, and is not divided.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from typing import Final

import torch
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from alignbench.errors import AlignbenchError, UsageError
from alignbench.interpret.anatomy import check_class_token, find_anatomy
from alignbench.interpret.parts import Affine, BlockParts, PoolingTower, ResidualTower
from alignbench.interpret.query import QueriedHeads, after, before
from alignbench.models.towers import Tower

CLOSES: Final = 1e-5  # relative to the norm of the output


@dataclass(frozen=True)
class Contributions:
    """What the output of a tower is the sum of, for a batch of B pictures.

    Attributes:
        attention: What each head adds, (B, L, H, d'); of each token, (B, L, N, H, d').
        others: What the embedding adds, then what the MLP of each layer adds, (B, L + 1, d'). A pooling head has no
            embedding that its output contains: that row is zero.
        constant: What is the same for every picture, (d'); none where there is no such part.
        norm: Norms of the outputs, (B,). They are divided by it where the tower has a class token.
        closure: Distances of the sum from the output, divided by the norm of that, (B,).
        class_part: The part of each layer's `attention` that all heads read of the class token itself, (B, L, d'); none
            unless it was asked for.
        weights: How much each head attends to each token, (B, L, H, N); none unless tokens are told apart.
    """

    attention: Tensor
    others: Tensor
    constant: Tensor | None
    norm: Tensor
    closure: Tensor
    class_part: Tensor | None = None
    weights: Tensor | None = None

    def total(self) -> Tensor:
        """Return the sum of everything, (B, d')."""
        total = self.attention.flatten(1, -2).sum(dim=1) + self.others.sum(dim=1)
        return total if self.constant is None else total + self.constant


def decompose(tower: Tower, pixels: Tensor, tokens: bool = False, class_part: bool = False) -> Contributions:
    """Decompose the output of a tower into contributions of its heads, its MLPs and its embedding.

    Args:
        tower: A tower in float32: a CLIP or ViT with class token, or SigLIP, of open_clip, transformers or timm.
        pixels: Prepared pictures, (B, 3, H, W) uint8.
        tokens: Whether a head's contributions are told apart by the token that it reads.
        class_part: Whether the part that heads read of the class token itself is given too.

    Returns:
        The contributions, float32 on the tower's device.

    Raises:
        UsageError: If the output of the tower is no such sum, or it has no class token of which a part is asked; says
            why.
        AlignbenchError: If the sum is not the output within 1e-5 of its norm.

    Examples:
        >>> import torch
        >>> from alignbench.interpret import decompose
        >>> from alignbench.models import load_tower
        >>> pixels = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
        >>> found = decompose(load_tower("shapes-clip"), pixels)
        >>> tuple(found.attention.shape), tuple(found.others.shape)
        ((2, 6, 4, 64), (2, 7, 64))
    """
    if class_part:
        check_class_token(find_anatomy(tower))
    return decomposer(tower)(pixels, tokens, class_part)


def decomposer(tower: Tower) -> Decomposer:
    """Make ready to decompose the outputs of a tower; its weights must not change afterwards, nor move.

    Args:
        tower: See `decompose`.

    Raises:
        UsageError: See `decompose`.
    """
    anatomy = find_anatomy(tower)
    kinds = {weight.dtype for weight in tower.parameters() if weight.is_floating_point()}
    if not kinds <= {torch.float32, torch.float64}:
        raise UsageError("this tower is in a low precision, in which nothing adds up exactly: load it in float32")
    with torch.no_grad(), torch.autocast(next(tower.parameters()).device.type, enabled=False):
        return _Residual(tower, anatomy) if isinstance(anatomy, ResidualTower) else _Pooling(tower, anatomy)


class Decomposer:
    """What decomposes the outputs of a tower, batch by batch.

    Args:
        tower: The tower.

    Attributes:
        constant: See `Contributions`.
        divides: Whether contributions are divided by the norm of the output.
    """

    constant: Tensor | None = None
    divides: bool

    def __init__(self, tower: Tower) -> None:
        self.tower = tower

    def __call__(self, pixels: Tensor, tokens: bool = False, class_part: bool = False) -> Contributions:
        """Decompose the outputs of a batch; see `decompose`."""
        device, kept = next(self.tower.parameters()).device, _Kept(tokens, class_part)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            with ExitStack() as stack:
                for handle in self._listen(kept):
                    stack.callback(handle.remove)
                self.tower(pixels.to(device))
            attention, others, of_class = self._parts(kept)
            output = kept.output
            norm = torch.linalg.vector_norm(output, dim=-1)
            if self.divides:
                for each in (attention, others, output, *([] if of_class is None else [of_class])):
                    each /= norm.view(-1, *[1] * (each.ndim - 1))
            weights = torch.stack(kept.weights, dim=1) if tokens else None
            found = Contributions(attention, others, self.constant, norm, norm, of_class, weights)
            missed = torch.linalg.vector_norm(found.total() - output, dim=-1)
            closure = missed / torch.linalg.vector_norm(output, dim=-1)
        worst = float(closure.max())
        if not worst <= CLOSES:
            raise AlignbenchError(
                f"the contributions do not add up to the output of this model (relative error {worst:.1e}): its "
                "weights give numbers that are not finite or too far apart, or its code is another than it says"
            )
        return replace(found, closure=closure)

    @abstractmethod
    def _listen(self, kept: _Kept) -> Iterable[RemovableHandle]:
        """Keep what is needed of a forward pass."""

    @abstractmethod
    def _parts(self, kept: _Kept) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return attention, others and the part of the class token, of the output before it is divided."""


@dataclass
class _Kept:
    """What is kept of a forward pass.

    Attributes:
        by_token: Whether what heads add is kept token by token.
        has_class: Whether what they add of the class token is kept.
        heads: What heads add, by layer.
        of_class: What all heads of a layer add of the class token, (B, d') each.
        weights: What they attend to, by layer, where it is told apart.
        tokens: Number of the tokens, N.
        others: What the embedding and the MLPs add, (B, d) each.
        residual: The class token after the last block, (B, d).
        output: The output, (B, d').
    """

    by_token: bool
    has_class: bool
    heads: list[Tensor] = field(default_factory=list)
    of_class: list[Tensor] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    tokens: int = 0
    others: list[Tensor] = field(default_factory=list)
    residual: Tensor = field(default_factory=lambda: torch.empty(0))
    output: Tensor = field(default_factory=lambda: torch.empty(0))

    def keep(self, heads: QueriedHeads, tokens: Tensor) -> None:
        """Keep what heads add that are given these tokens."""
        self.tokens = tokens.shape[1]
        weights = heads.weights(tokens)
        self.heads.append((heads.by_token if self.by_token else heads.summed)(tokens, weights))
        if self.by_token:
            self.weights.append(weights)
        if self.has_class:
            self.of_class.append(heads.of_first(tokens, weights))


class _Residual(Decomposer):
    """For a tower whose output is its class token."""

    divides = True

    def __init__(self, tower: Tower, parts: ResidualTower) -> None:
        super().__init__(tower)
        self.parts, norm, projection = parts, parts.norm, parts.projection
        like = next(tower.parameters())
        gamma = like.new_ones(norm.normalized_shape) if norm.weight is None else norm.weight
        beta = torch.zeros_like(gamma) if norm.bias is None else norm.bias
        onward, end = (gamma.diag(), beta) if projection is None else _projected(gamma, beta, projection)
        self._onward, self._beta, self._mean = onward, end, onward.sum(dim=0)
        self._heads = [QueriedHeads(block.attention, onward) for block in parts.blocks]

    def _listen(self, kept: _Kept) -> Iterable[RemovableHandle]:
        parts = self.parts
        yield before(parts.blocks[0].module, lambda given: kept.others.append(self._class_token(given[0])))
        for block, heads in zip(parts.blocks, self._heads, strict=True):
            yield heads.listen(partial(kept.keep, heads))
            yield after(block.mlp, partial(self._keep_mlp, kept, block))
        yield before(parts.norm, lambda given: setattr(kept, "residual", _class_token(given[0])))
        yield after(parts.output, lambda output: setattr(kept, "output", output.clone()))

    def _class_token(self, tokens: Tensor) -> Tensor:
        """The class token as it passes through the blocks."""
        return _class_token(tokens.transpose(0, 1) if self.parts.blocks[0].attention.tokens_first else tokens)

    def _keep_mlp(self, kept: _Kept, block: BlockParts, tokens: Tensor) -> None:
        added = self._class_token(tokens)
        kept.others.append(added if block.mlp_scale is None else added * block.mlp_scale)

    def _parts(self, kept: _Kept) -> tuple[Tensor, Tensor, Tensor | None]:
        terms = 2 * self.parts.layers + 1
        mean = kept.residual.mean(dim=1)
        spread = (kept.residual.var(dim=1, unbiased=False) + self.parts.norm.eps).sqrt()
        attention = torch.stack(kept.heads, dim=1)
        shares = prod(attention.shape[2:-1])  # of a layer: heads, or heads and tokens
        bias = torch.stack([heads.whole_bias for heads in self._heads])
        attention += (bias / shares).view(self.parts.layers, *[1] * (attention.ndim - 3), self.parts.width)
        others = torch.stack(kept.others, dim=1) @ self._onward
        parts = [(attention, terms * shares), (others, terms)]
        of_class = None
        if kept.has_class:
            of_class = torch.stack(kept.of_class, dim=1) + bias / kept.tokens
            parts.append((of_class, terms * kept.tokens))
        for each, among in parts:
            alone = (len(each), *[1] * (each.ndim - 2))  # one number, or vector, of each picture
            each -= (mean[:, None] * (self._mean / among)).view(*alone, self.parts.width)
            each /= spread.view(*alone, 1)
            each += self._beta / among
        return attention, others, of_class


class _Pooling(Decomposer):
    """For a tower whose output is what a fixed query finds."""

    divides = False

    def __init__(self, tower: Tower, parts: PoolingTower) -> None:
        super().__init__(tower)
        self.parts = parts
        like = parts.attention.out.weight
        ones, zeros = like.new_ones(len(like)), like.new_zeros(len(like))
        self._onward, end = (
            (ones.diag(), zeros) if parts.projection is None else _projected(ones, zeros, parts.projection)
        )
        self._heads = QueriedHeads(parts.attention, self._onward)
        self.constant = self._heads.whole_bias + end

    def _listen(self, kept: _Kept) -> Iterable[RemovableHandle]:
        yield self._heads.listen(partial(kept.keep, self._heads))
        yield after(self.parts.mlp, lambda added: kept.others.append(_class_token(added)))
        yield after(self.parts.output, lambda output: setattr(kept, "output", output.clone()))

    def _parts(self, kept: _Kept) -> tuple[Tensor, Tensor, Tensor | None]:
        (added,) = kept.others
        others = torch.stack([torch.zeros_like(added), added], dim=1) @ self._onward
        return torch.stack(kept.heads, dim=1), others, None


def _class_token(tokens: Tensor) -> Tensor:
    """The first of (B, N, d), or what is one token already, in memory of its own: others may write to theirs."""
    return (tokens if tokens.ndim == 2 else tokens[:, 0]).clone()


def _projected(gamma: Tensor, beta: Tensor, projection: Affine) -> tuple[Tensor, Tensor]:
    """A diagonal and an offset, (d), and a linear map behind them: the matrix (d, d') and the offset of both."""
    end = beta @ projection.weight.T
    return gamma[:, None] * projection.weight.T, end if projection.bias is None else end + projection.bias
