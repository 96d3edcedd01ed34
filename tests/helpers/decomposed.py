"""An independent float64 reference of decompositions: plain NumPy, one picture at a time, every query of attention.

Weights are taken by the names that each library gives them, so that a part of a tower that is not looked at shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import erf

from alignbench.models.towers import Tower

Array = NDArray[np.float64]
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "gelu_pytorch_tanh": lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
}


@dataclass(frozen=True)
class Named:
    """Names of the weights of a library, which `{}` stands for the number of a block in.

    A norm, a map and a token are names without `.weight` and `.bias`; what is empty is not there.
    """

    patches: str
    token: str
    positions: str
    before: str
    block: Mapping[str, str]  # norm1, query, key, value, out, norm2, first, second, and perhaps qkv and others
    last: str
    projection: str = ""
    registers: str = ""


CLIP_BLOCK = {
    **{"norm1": "layer_norm1", "query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj"},
    **{"out": "self_attn.out_proj", "norm2": "layer_norm2", "first": "mlp.fc1", "second": "mlp.fc2"},
}
TIMM_BLOCK = {
    **{"norm1": "norm1", "qkv": "attn.qkv", "out": "attn.proj", "norm2": "norm2", "first": "mlp.fc1"},
    **{"second": "mlp.fc2", "scale1": "ls1.gamma", "scale2": "ls2.gamma", "qnorm": "attn.q_norm"},
    **{"knorm": "attn.k_norm"},
}
OPEN_BLOCK = {
    **{"norm1": "ln_1", "qkv": "attn.in_proj_", "out": "attn.out_proj", "norm2": "ln_2", "first": "mlp.c_fc"},
    **{"second": "mlp.c_proj", "scale1": "ls_1.gamma", "scale2": "ls_2.gamma", "qnorm": "attn.ln_q"},
    **{"knorm": "attn.ln_k"},
}


def clip_names(projection: str = "visual_projection", prefix: str = "vision_model.") -> Named:
    inner = {part: f"{prefix}encoder.layers.{{}}.{name}" for part, name in CLIP_BLOCK.items()}
    embeddings = f"{prefix}embeddings."
    return Named(
        f"{embeddings}patch_embedding",
        f"{embeddings}class_embedding",
        f"{embeddings}position_embedding.weight",
        f"{prefix}pre_layrnorm",
        inner,
        f"{prefix}post_layernorm",
        projection,
    )


SIGLIP_NAMES = Named(
    "embeddings.patch_embedding",
    "",
    "embeddings.position_embedding.weight",
    "",
    {part: f"encoder.layers.{{}}.{name}" for part, name in CLIP_BLOCK.items()},
    "post_layernorm",
)
OPEN_NAMES = Named(
    "conv1",
    "class_embedding",
    "positional_embedding",
    "ln_pre",
    {part: f"transformer.resblocks.{{}}.{name}" for part, name in OPEN_BLOCK.items()},
    "ln_post",
    "proj",
)


def timm_names(prefix: str = "", projection: str = "") -> Named:
    return Named(
        f"{prefix}patch_embed.proj",
        f"{prefix}cls_token",
        f"{prefix}pos_embed",
        f"{prefix}norm_pre",
        {part: f"{prefix}blocks.{{}}.{name}" for part, name in TIMM_BLOCK.items()},
        f"{prefix}norm",
        projection,
        f"{prefix}reg_token",
    )


@dataclass(frozen=True)
class Expected:
    """Contributions of a picture: (L, N, H, d'), (L + 1, d'), (d') or none, the norm of its output, and that.

    And the attention of the query that counts, (L, H, N).
    """

    attention: Array
    others: Array
    constant: Array | None
    norm: float
    output: Array
    weights: Array


class PlainTower:
    """A ViT in NumPy.

    Args:
        tower: Holds the weights.
        names: What they are called.
        heads: Heads of a layer.
        activation: What its documentation says of its MLPs.
        eps: Of its norms.
    """

    def __init__(self, tower: Tower, names: Named, heads: int, activation: str, eps: float) -> None:
        model: Any = tower.model
        self.state = {key: tensor.double().numpy() for key, tensor in model.state_dict().items()}
        self.names, self.heads, self.activate, self.eps = names, heads, ACTIVATIONS[activation], eps
        self.unseen = set(self.state)
        self.attended: list[Array] = []  # of each layer, what the first query attends to, (H, N)

    def __getitem__(self, name: str) -> Array | None:
        self.unseen.discard(name)
        return self.state.get(name)

    def norm(self, x: Array, name: str, eps: float | None = None) -> Array:
        if not name or self[f"{name}.weight"] is None:
            return x
        mean, var = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
        return (x - mean) / np.sqrt(var + (self.eps if eps is None else eps)) * self[f"{name}.weight"] + self[
            f"{name}.bias"
        ]

    def linear(self, x: Array, name: str) -> Array:
        weight, bias = self[f"{name}.weight"], self[f"{name}.bias"]
        assert weight is not None
        return x @ weight.T + (0 if bias is None else bias)

    def embed(self, picture: Array) -> Array:
        names, weight = self.names, self[f"{self.names.patches}.weight"]
        assert weight is not None
        side = weight.shape[-1]
        rows = []
        for top in range(0, picture.shape[1] - side + 1, side):
            for left in range(0, picture.shape[2] - side + 1, side):
                rows.append((weight * picture[None, :, top : top + side, left : left + side]).sum(axis=(1, 2, 3)))
        bias = self[f"{names.patches}.bias"]
        tokens = np.array(rows) + (0 if bias is None else bias)
        first = [
            self[name].reshape(-1, tokens.shape[1]) for name in (names.token, names.registers) if self[name] is not None
        ]
        tokens = np.concatenate([*first, tokens])
        positions = self[names.positions]
        assert positions is not None
        return self.norm(tokens + positions.reshape(-1, tokens.shape[1]), names.before)

    def maps(self, block: int) -> dict[str, tuple[Array, Any]]:
        """Weights and biases of queries, keys and values."""
        named = {part: name.format(block) for part, name in self.names.block.items()}
        if "qkv" not in named:
            return {
                part: (self[f"{named[part]}.weight"], self[f"{named[part]}.bias"]) for part in ("query", "key", "value")
            }
        name = named["qkv"] if named["qkv"].endswith("_") else f"{named['qkv']}."
        weight, bias = self[f"{name}weight"], self[f"{name}bias"]
        biases = [0, 0, 0] if bias is None else np.split(bias, 3)
        return dict(zip(("query", "key", "value"), zip(np.split(weight, 3), biases, strict=True), strict=True))

    def attend(self, x: Array, maps: dict[str, tuple[Array, Any]], queries: Array, norms: tuple[str, str]) -> Array:
        """What each head reads of each token for each query, (H, Q, N, d_h); `queries` are made already."""
        (key, key_bias), (value, value_bias) = maps["key"], maps["value"]
        width = len(key) // self.heads
        found, attended = [], []
        for head in range(self.heads):
            part = slice(head * width, (head + 1) * width)
            q, k, v = queries[:, part], (x @ key.T + key_bias)[:, part], (x @ value.T + value_bias)[:, part]
            q, k = (self.norm(each, name) for each, name in zip((q, k), norms, strict=True))
            scores = np.exp((q @ k.T - (q @ k.T).max(axis=1, keepdims=True)) / np.sqrt(width))
            weights = scores / scores.sum(axis=1, keepdims=True)
            found.append(weights[:, :, None] * v[None])
            attended.append(weights[0])
        self.attended.append(np.array(attended))
        return np.array(found)

    def blocks(self, x: Array) -> tuple[Array, list[Array], list[Array]]:
        """The tokens at the end; of each block what heads add to token 0, (H, N, d) without b_O; and what MLPs add."""
        heads, mlps = [], []
        count = 0
        while self.names.block["out"].format(count) + ".weight" in self.state:
            named = {part: name.format(count) for part, name in self.names.block.items()}
            normed, maps = self.norm(x, named["norm1"]), self.maps(count)
            queries = normed @ maps["query"][0].T + maps["query"][1]
            read = self.attend(normed, maps, queries, (named.get("qnorm", ""), named.get("knorm", "")))
            weight, bias = self[f"{named['out']}.weight"], self[f"{named['out']}.bias"]
            scale1, scale2 = (self[named[each]] if each in named else None for each in ("scale1", "scale2"))
            scale1, scale2 = (1.0 if each is None else each for each in (scale1, scale2))
            assert weight is not None
            width = weight.shape[1] // self.heads
            added = np.array(
                [read[head] @ weight[:, head * width : (head + 1) * width].T * scale1 for head in range(self.heads)]
            )
            bias = (0 if bias is None else bias) * scale1
            x = x + added.sum(axis=(0, 2)) + bias
            hidden = self.activate(self.linear(self.norm(x, named["norm2"]), named["first"]))
            mlp = self.linear(hidden, named["second"]) * scale2
            x = x + mlp
            heads.append(added[:, 0] + bias / (self.heads * len(x)))
            mlps.append(mlp[0])
            count += 1
        return x, heads, mlps

    def by_class_token(self, picture: Array) -> Expected:
        self.attended.clear()
        x = self.embed(picture)
        embedding = x[0]
        x, heads, mlps = self.blocks(x)
        layers, tokens, terms = len(heads), len(x), 2 * len(heads) + 1
        gamma, beta = self[f"{self.names.last}.weight"], self[f"{self.names.last}.bias"]
        mean, spread = x[0].mean(), np.sqrt(x[0].var() + self.eps)
        name = self.names.projection
        matrix, offset = np.eye(len(mlps[0])), np.zeros(1)
        if name == "proj":
            matrix = self["proj"]
        elif name:
            matrix = self[f"{name}.weight"].T
            offset = self[f"{name}.bias"] if self[f"{name}.bias"] is not None else offset
        output = ((gamma * (x[0] - mean) / spread + beta) @ matrix) + offset
        norm = float(np.linalg.norm(output))

        def share(part: Array, among: int) -> Array:
            return ((gamma * (part - mean / among) / spread + beta / among) @ matrix + offset / among) / norm

        attention = np.array([np.swapaxes(share(each, terms * tokens * self.heads), 0, 1) for each in heads])
        assert attention.shape[:3] == (layers, tokens, self.heads)
        others = np.array([share(each, terms) for each in (embedding, *mlps)])
        return Expected(attention, others, None, norm, output, np.array(self.attended))

    def by_pooling(self, picture: Array, names: Mapping[str, str], query: Array, maps: dict[str, Any]) -> Expected:
        """Of a pooling head: `names` has out, norm and the two maps of the MLP; `query` is the query, (d)."""
        x = self.norm(self.blocks(self.embed(picture))[0], self.names.last)
        read = self.attend(x, maps, query[None], (names.get("qnorm", ""), names.get("knorm", "")))[:, 0]
        weight, bias = self[f"{names['out']}.weight"], self[f"{names['out']}.bias"]
        width = weight.shape[1] // self.heads
        added = np.array([read[head] @ weight[:, head * width : (head + 1) * width].T for head in range(self.heads)])
        pooled = added.sum(axis=(0, 1)) + bias
        hidden = self.activate(self.linear(self.norm(pooled, names["norm"]), names["first"]))
        mlp = self.linear(hidden, names["second"])
        output = pooled + mlp
        others = np.array([np.zeros_like(mlp), mlp])
        norm, weights = float(np.linalg.norm(output)), self.attended[-1][None]
        return Expected(np.swapaxes(added, 0, 1)[None], others, bias, norm, output, weights)


def shuffle_weights(tower: Tower, seed: int = 0) -> None:
    """Gives every weight a value of its own: biases, norms and scales too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in tower.parameters():
            spread = 1.5 / weight[0].numel() ** 0.5 if weight.ndim > 1 else 0.2
            noise = torch.randn(weight.shape, generator=generator) * spread
            weight.copy_(
                noise + 1 if weight.ndim == 1 and bool((weight == weight[0]).all()) and weight[0] != 0 else noise
            )


def pictures(side: int, count: int = 3, seed: int = 0) -> torch.Tensor:
    """Prepared pictures, all of them different."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def normalised(tower: Tower, pixels: torch.Tensor) -> Array:
    normalise: Any = tower.normalise
    found: Array = normalise(pixels).double().numpy()
    return found
