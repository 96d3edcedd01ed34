"""The parts of a tower that its output is a sum of, found in the modules of each library by their exact types.

A tower with a class token is a residual stream: the embedding, and in each block what the heads and the MLP add to it.
SigLIP's output is made by a pooling head whose query is fixed. What is of any other type is refused, and says why: a
norm after a block, or an average over tokens, has no sum of this kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from alignbench.errors import UsageError
from alignbench.interpret.parts import Affine, Anatomy, AttentionParts, BlockParts, PoolingTower, ResidualTower
from alignbench.models.towers import Tower


def find_anatomy(tower: Tower) -> Anatomy:
    """Find the parts of a tower.

    Args:
        tower: The tower.

    Raises:
        UsageError: If its output is no exact sum over heads, MLPs and the embedding; says why.
    """
    model: Any = getattr(tower, "model", None)
    find = _FINDERS.get(_kind(model))
    if find is None:
        raise refused(f"it is a {_kind(model).rpartition('.')[2]}, of which it is not known what its output is made of")
    return find(model)


def check_class_token(anatomy: Anatomy) -> None:
    """Refuse a tower of which a part that is read of the class token is asked, and which has none.

    Raises:
        UsageError: If it has none.
    """
    if not isinstance(anatomy, ResidualTower):
        raise UsageError(
            "this model pools its tokens by a query of its own, and no class token reads itself: choose a CLIP or ViT "
            "with class token"
        )


def refused(why: str) -> UsageError:
    """Make the error for a tower whose output is no exact sum.

    Args:
        why: The reason.
    """
    return UsageError(
        f"the output of this model is no sum over heads that is known exactly: {why}; choose a CLIP or ViT with class "
        "token, or SigLIP"
    )


def _kind(module: object) -> str:
    """Exact type of a module, by its full name: nothing has to be imported to compare it."""
    kind = type(module)
    return f"{kind.__module__}.{kind.__qualname__}"


def _name(module: object) -> str:
    return type(module).__qualname__.lstrip("_")


def _present(module: Any) -> Any:
    """A module, or none for one that changes nothing."""
    return None if module is None or isinstance(module, nn.Identity) else module


def _gamma(module: Any) -> Tensor | None:
    """What a LayerScale multiplies by."""
    scale: Tensor | None = None if _present(module) is None else module.gamma
    return scale


def _linear(module: Any) -> Affine:
    return Affine(module.weight, module.bias)


def _last_norm(module: Any) -> nn.LayerNorm:
    if not isinstance(module, nn.LayerNorm):
        what = "none" if _present(module) is None else f"a {_name(module)}"
        raise refused(f"its last norm is {what}, and no LayerNorm")
    return module


def _refuse_block(block: object) -> UsageError:
    return refused(f"its blocks are {_name(block)}, which do not add attention and an MLP one after the other")


def _stacked(weight: Tensor, bias: Tensor | None, count: int) -> list[Affine]:
    """The maps that are stacked in one."""
    biases = [None] * count if bias is None else bias.chunk(count)
    return [Affine(*each) for each in zip(weight.chunk(count), biases, strict=True)]


# ----------------------------------------------------------------------------------------------------- open_clip


def _open_clip(model: Any) -> ResidualTower:
    if model.attn_pool is not None:
        raise refused("its tokens are pooled by several queries")
    if model.pool_type != "tok":
        raise refused("its tokens are averaged" if model.pool_type == "avg" else "its tokens are not pooled")
    blocks = tuple(map(_open_clip_block, model.transformer.resblocks))
    projection = None if model.proj is None else Affine(model.proj.T)
    return ResidualTower(blocks, _last_norm(model.ln_post), projection, model)


def _open_clip_block(block: Any) -> BlockParts:
    attention, kind = block.attn, _kind(block)
    if kind == "open_clip.transformer.ResidualAttentionBlock" and not hasattr(block, "ln_1_kv"):
        parts = _multihead(attention, 0, _gamma(block.ls_1))
    elif kind == "open_clip.transformer.CustomResidualAttentionBlock":
        changed = (attention.ln_inner, block.ln_attn, attention.head_scale, attention.logit_scale)
        if any(_present(each) is not None for each in changed):
            raise refused("its attention is normed or scaled in a way of its own")
        query, key, value = _stacked(attention.in_proj_weight, attention.in_proj_bias, 3)
        norms = (_present(attention.ln_q), _present(attention.ln_k))
        out = _linear(attention.out_proj)
        parts = AttentionParts(attention, attention.num_heads, query, key, value, out, *norms, _gamma(block.ls_1))
    else:
        raise _refuse_block(block)
    return BlockParts(block, parts, block.mlp, _gamma(block.ls_2))


def _multihead(module: nn.MultiheadAttention, argument: int, scale: Tensor | None = None) -> AttentionParts:
    """The parts of torch's own attention."""
    query, key, value = _stacked(module.in_proj_weight, module.in_proj_bias, 3)
    out, first = _linear(module.out_proj), not module.batch_first
    return AttentionParts(
        module, module.num_heads, query, key, value, out, scale=scale, argument=argument, tokens_first=first
    )


def _open_clip_timm(model: Any) -> Anatomy:
    """A trunk of timm, and open_clip's own projection behind it."""
    if _kind(model.trunk) != _TIMM:
        raise refused(f"its trunk is a {_name(model.trunk)}, of which it is not known what its output is made of")
    linear = [each for name, each in model.head.named_children() if name != "drop"]
    if any(not isinstance(each, nn.Linear) for each in linear):
        raise refused("its projection is an MLP, and no linear map")
    if linear and _present(model.trunk.head) is not None:
        raise refused("it has two projections")
    return _timm(model.trunk, _linear(linear[0]) if linear else None, model)


# ---------------------------------------------------------------------------------------------------------- timm


def _timm(model: Any, projection: Affine | None = None, output: nn.Module | None = None) -> Anatomy:
    if _kind(model) != _TIMM:
        raise refused(f"it is a {_name(model)}, of which it is not known what its output is made of")
    if _present(model.head) is not None:
        projection = _linear(model.head)
    output = model if output is None else output
    if model.global_pool == "map":
        return _latent(model, projection, output)
    if model.global_pool != "token":
        averages = "averaged" if model.global_pool == "avg" else "pooled otherwise than by a class token"
        raise refused(f"its tokens are {averages}")
    norms = [each for each in (model.norm, model.fc_norm) if _present(each) is not None]
    if len(norms) > 1:
        raise refused("it has two norms behind its last block")
    blocks = tuple(map(_timm_block, model.blocks))
    return ResidualTower(blocks, _last_norm(norms[0] if norms else None), projection, output)


def _timm_block(block: Any) -> BlockParts:
    attention = block.attn if _kind(block) == "timm.models.vision_transformer.Block" else None
    if attention is None:
        raise _refuse_block(block)
    if _kind(attention) != "timm.layers.attention.Attention":
        raise refused(f"its attention is a {_name(attention)}, and not that of a ViT")
    if _present(attention.norm) is not None or _present(getattr(attention, "gate", None)) is not None:
        raise refused("its attention is normed or gated before its heads are taken together")
    query, key, value = _stacked(attention.qkv.weight, attention.qkv.bias, 3)
    norms = (_present(attention.q_norm), _present(attention.k_norm))
    out = _linear(attention.proj)
    parts = AttentionParts(attention, attention.num_heads, query, key, value, out, *norms, _gamma(block.ls1))
    return BlockParts(block, parts, block.mlp, _gamma(block.ls2))


def _latent(model: Any, projection: Affine | None, output: nn.Module) -> PoolingTower:
    pool = model.attn_pool
    if _kind(pool) != "timm.layers.attention_pool.AttentionPoolLatent":
        raise refused(f"its tokens are pooled by a {_name(pool)}")
    if pool.latent_len != 1 or pool.mlp is None or pool.pos_embed is not None or _present(model.fc_norm) is not None:
        raise refused("its pooling has more than one query, no MLP, positions or a norm of its own")
    key, value = _stacked(pool.kv.weight, pool.kv.bias, 2)
    norms = (_present(pool.q_norm), _present(pool.k_norm))
    with torch.no_grad():
        query = pool.q(pool.latent[0, 0])  # of no picture
    parts = AttentionParts(pool, pool.num_heads, query, key, value, _linear(pool.proj), *norms)
    return PoolingTower(parts, pool.mlp, projection, output)


# -------------------------------------------------------------------------------------------------- transformers


def _clip(model: Any) -> ResidualTower:
    """CLIP and Chinese-CLIP, with their projection or without."""
    vision = model.vision_model
    kind = _kind(vision)
    if kind not in _VISION:
        raise refused(f"it is a {_name(vision)}, of which it is not known what its output is made of")
    blocks = tuple(map(_clip_block, vision.encoder.layers))
    projection = getattr(model, "visual_projection", None)
    norm = _last_norm(vision.post_layernorm)
    if projection is None:
        return ResidualTower(blocks, norm, None, norm)
    return ResidualTower(blocks, norm, _linear(projection), projection)


def _clip_block(block: Any) -> BlockParts:
    attention = block.self_attn
    query, key, value = map(_linear, (attention.q_proj, attention.k_proj, attention.v_proj))
    parts = AttentionParts(attention, attention.num_heads, query, key, value, _linear(attention.out_proj))
    return BlockParts(block, parts, block.mlp)


def _siglip(model: Any) -> PoolingTower:
    head = getattr(model, "head", None)
    if head is None:
        raise refused("it was saved without its pooling head")
    parts = _multihead(head.attention, argument=1)
    assert isinstance(parts.query, Affine)
    with torch.no_grad():
        query = linear(head.probe[0, 0], parts.query.weight, parts.query.bias)
    return PoolingTower(replace(parts, query=query), head.mlp, None, head)


_TIMM: Final = "timm.models.vision_transformer.VisionTransformer"
_OWN: Final = "alignbench.models.huggingface"
_VISION: Final = (
    "transformers.models.clip.modeling_clip.CLIPVisionModel",
    "transformers.models.chinese_clip.modeling_chinese_clip.ChineseCLIPVisionModel",
)
_FINDERS: Final[Mapping[str, Callable[[Any], Anatomy]]] = {
    "open_clip.transformer.VisionTransformer": _open_clip,
    "open_clip.timm_model.TimmModel": _open_clip_timm,
    _TIMM: _timm,
    "transformers.models.clip.modeling_clip.CLIPVisionModelWithProjection": _clip,
    f"{_OWN}._ChineseVision": _clip,
    f"{_OWN}._Unprojected": _clip,
    "transformers.models.siglip.modeling_siglip.SiglipVisionModel": _siglip,
}
