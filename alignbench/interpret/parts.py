"""What the output of a tower is a sum of: blocks with attention and an MLP, or a pooling head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn


@dataclass(frozen=True)
class Affine:
    """A linear map of rows: x W^T + b.

    Attributes:
        weight: (out, in).
        bias: (out); none for zero.
    """

    weight: Tensor
    bias: Tensor | None = None


@dataclass(frozen=True)
class AttentionParts:
    """Attention with heads, of which one query counts.

    Attributes:
        module: What is given the tokens, (B, N, d), as the argument at `argument`, or as `hidden_states`.
        heads: How many.
        query: Makes the query of the class token, (H d_h, d); or the query itself, (H d_h), where it is fixed.
        key: Makes the keys, (H d_h, d).
        value: Makes the values, (H d_h, d).
        out: Takes the heads together, (d, H d_h).
        query_norm: Norm of the query of each head, if there is one.
        key_norm: Norm of the keys of each head, if there is one.
        scale: What the output is multiplied by, (d) [LayerScale]; none for one.
        argument: Number of the argument.
        tokens_first: Whether the tokens come as (N, B, d).
    """

    module: nn.Module
    heads: int
    query: Affine | Tensor
    key: Affine
    value: Affine
    out: Affine
    query_norm: nn.Module | None = None
    key_norm: nn.Module | None = None
    scale: Tensor | None = None
    argument: int = 0
    tokens_first: bool = False


@dataclass(frozen=True)
class BlockParts:
    """A block x + attention(norm(x)), then x + MLP(norm(x)).

    Attributes:
        module: The block.
        attention: Its attention.
        mlp: Gives (B, N, d).
        mlp_scale: What that is multiplied by, (d); none for one.
    """

    module: nn.Module
    attention: AttentionParts
    mlp: nn.Module
    mlp_scale: Tensor | None = None


@dataclass(frozen=True)
class ResidualTower:
    """A tower whose output is its class token after the last block, normed and projected.

    Attributes:
        blocks: The blocks.
        norm: The last norm; is given (B, N, d) or the class token, (B, d).
        projection: The map from there to the output, (d', d); none where the output is what the norm gives.
        output: Gives the output, (B, d').
    """

    blocks: tuple[BlockParts, ...]
    norm: nn.LayerNorm
    projection: Affine | None
    output: nn.Module
    has_constant: ClassVar[bool] = False

    @property
    def layers(self) -> int:
        """Number of layers with heads, L."""
        return len(self.blocks)

    @property
    def heads(self) -> int:
        """Heads of a layer, H."""
        return self.blocks[0].attention.heads

    @property
    def width(self) -> int:
        """Numbers of the output, d'."""
        return int(self.norm.normalized_shape[0] if self.projection is None else self.projection.weight.shape[0])


@dataclass(frozen=True)
class PoolingTower:
    """A tower whose output is attention of a fixed query over the tokens, and an MLP behind it.

    Attributes:
        attention: The attention, whose query is fixed.
        mlp: Gives (B, 1, d), which is added.
        projection: The map from there to the output; none where there is none, as in SigLIP.
        output: Gives the output, (B, d').
    """

    attention: AttentionParts
    mlp: nn.Module
    projection: Affine | None
    output: nn.Module
    has_constant: ClassVar[bool] = True
    layers: ClassVar[int] = 1

    @property
    def heads(self) -> int:
        """Heads of the pooling, H."""
        return self.attention.heads

    @property
    def width(self) -> int:
        """Numbers of the output, d'."""
        last = self.attention.out if self.projection is None else self.projection
        return int(last.weight.shape[0])


Anatomy = ResidualTower | PoolingTower
