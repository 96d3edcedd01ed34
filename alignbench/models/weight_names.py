"""Names of weights: which of a file are those of the vision half, and what was put before them.

Training wraps a model in others, and each puts a word before all names. Such words are left out, which is said, if all
names then fit. A name that is neither of the vision half nor of what a family lists beside it is refused.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from alignbench.errors import AlignbenchWarning, ModelError

_WITHIN: Final = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
_BEFORE: Final = _WITHIN | {"model", "clip", "chinese_clip", "siglip"}
_COUNTERS: Final = r"n_averaged|num_updates|(.+\.)?num_batches_tracked"
_ADAPTER: Final = re.compile(
    r"(^|[._])(lora|dora|ia3|hada|lokr|oft|vera|boft|adalora)_|\.base_layer\.|\.modules_to_save\.|^base_model\.model\."
)
_LOOKS: Final = (  # what a name looks like, whose it is, and what to do
    (r"(^|\.)visual\.trunk\.", "open_clip's with a trunk of timm"),
    (
        r"(^|\.)visual\.(transformer|class_embedding|positional_embedding|ln_pre)\b",
        "open_clip's with its own transformer",
    ),
    (r"(^|\.)vision_model\.(encoder|embeddings|head|post_layernorm)\b", "those of transformers' CLIP or SigLIP"),
    (r"(^|\.)attention\.attention\.(query|key|value)\b", "those of transformers' ViT or DINO"),
    (r"(^|\.)blocks\.\d+\.(attn|norm1|mlp)\b", "those of timm's VisionTransformer"),
    (r"(^|\.)layer[1-4]\.\d+\.conv\d", "those of a ResNet"),
    (r"(^|\.)stages\.\d+\.", "those of a ConvNeXt, or another tower with stages"),
    (r"(^|\.)text_model\.", "those of a text tower alone"),
    (r"(^|\.)transformer\.resblocks\.", "those of one tower of open_clip alone"),
)


@dataclass(frozen=True)
class Naming:
    """How a family names weights, once words of wrappers are left out.

    Attributes:
        family: What its checkpoints are called in messages.
        vision: What the names of the vision half begin with.
        bare: What they begin with where the vision half was saved alone, without the first of `vision`.
        beside: What the names of everything else begin with: the text half, the logit's scale and the like.
        left_over: Pattern of names in the vision half that no tower has a place for, and no layer depends on.
        optional: What the names begin with of parts that some towers lack, and only these may leave over.
        renamed: Patterns in older names of the vision half, and what stands there now, applied in this order.
        half: Which half is read, `vision` or `text`; of the latter, `vision` above says what its names begin with.
    """

    family: str
    vision: tuple[str, ...]
    bare: tuple[str, ...]
    beside: tuple[str, ...]
    left_over: str
    optional: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    half: str = "vision"

    def current(self, key: str) -> str:
        """Return the name that a weight of the vision half has now."""
        for older, now in self.renamed:
            key = re.sub(older, now, key)
        return key

    def surplus(self, given: Iterable[str], expected: Collection[str]) -> list[str]:
        """Return the names of the vision half that a tower has no place for and may not leave over, sorted.

        Args:
            given: The names of the vision half.
            expected: Those of the tower.
        """
        lacking = tuple(part for part in self.optional if not any(key.startswith(part) for key in expected))
        unused = sorted(set(given).difference(expected))
        spared = re.compile(f"{self.left_over}|{_COUNTERS}")
        return [key for key in unused if not (key.startswith(lacking) or spared.fullmatch(key))]


def vision_names(name: str, given: Iterable[str], naming: Naming) -> dict[str, str]:
    """Find the names of the vision half.

    Args:
        name: The model's name, for messages.
        given: The names of all weights.
        naming: How the family names them.

    Returns:
        The name in `given` for each name of the vision half as the family has it.

    Raises:
        ModelError: If there is no vision half, if there are two, or if there are weights beside it that the family
            does not list.
    """
    listed = sorted(given)
    _refuse_adapters(name, listed)
    found: dict[str, str] = {}
    removed: dict[str, set[str]] = {"before": set(), "within": set()}
    foreign = []
    for key in listed:
        before, within, plain = _unwrapped(key)
        plain = naming.vision[0] + plain if plain.startswith(naming.bare or ("\0",)) else plain
        if plain.startswith(naming.vision):
            plain = naming.current(plain)
            if plain in found:
                raise ModelError(f"the checkpoint {name} has {plain} twice ({found[plain]}, {key}): give one set alone")
            found[plain] = key
            removed["before"].add(before)
            removed["within"].add(within)
        elif not plain.startswith(naming.beside) and not re.fullmatch(_COUNTERS, plain):
            foreign.append(key)
    if not found:
        raise ModelError(nothing_fits(name, listed, naming))
    if len(removed["before"]) > 1:
        kinds = " and ".join(repr(each) for each in sorted(removed["before"]))
        raise ModelError(
            f"the {naming.half} tower of {name} has names that begin with {kinds}, which are two sets: give one "
            "set alone"
        )
    if foreign:
        raise ModelError(
            f"the checkpoint {name} has {len(foreign)} weights that are neither of a vision nor of a text tower of "
            f"{naming.family} ({foreign[0]}): leave them out if the {naming.half} tower does not need them"
        )
    _say(name, sorted((removed["before"] | removed["within"]) - {""}))
    return found


def _refuse_adapters(name: str, given: list[str]) -> None:
    wrong = [key for key in given if _ADAPTER.search(key)]
    if wrong:
        raise ModelError(
            f"the checkpoint {name} has the weights of an adapter ({wrong[0]}): merge the adapter into the model "
            "first, and give what was saved then"
        )


def _unwrapped(key: str) -> tuple[str, str, str]:
    """What wrappers put before a name and into it, and the name without both."""
    parts = key.split(".")
    start = next((place for place, part in enumerate(parts) if part not in _BEFORE), len(parts))
    inner = [part for part in parts[start:] if part in _WITHIN]
    plain = [part for part in parts[start:] if part not in _WITHIN]
    return "".join(f"{part}." for part in parts[:start]), "".join(f"{part}." for part in inner[:1]), ".".join(plain)


def _say(name: str, removed: list[str]) -> None:
    if removed:
        warnings.warn(
            f"the weights of {name} are taken without {' and '.join(removed)} in their names: nothing else was changed",
            AlignbenchWarning,
            stacklevel=2,
        )


def nothing_fits(name: str, given: list[str], naming: Naming) -> str:
    """Say whose names are that do not fit, or what is before them.

    Args:
        name: The model's name, for messages.
        given: The names of the weights.
        naming: How the family names them.
    """
    what = f"the weights of {name} have no {naming.half} tower of {naming.family}"
    for key in given:
        for start in naming.vision:
            before, there, _ = f".{key}".partition(f".{start}")
            if there and before:
                prefix = f"{before[1:]}."
                return f"{what}: their names begin with {prefix} ({key}): give them without {prefix}"
    for pattern, whose in _LOOKS:
        looking = [key for key in given if re.search(pattern, key)]
        if looking:
            remedy = (
                "give a directory with open_clip_config.json, or open_clip:ARCH/FILE"
                if whose.startswith("open_clip")
                else "give them with the config.json of their own model, in the format of transformers"
            )
            return f"{what}: their names are {whose} ({looking[0]}): {remedy}"
    begin = f"their names are like {given[0]}" if given else "there is no tensor in the file"
    return f"{what}: {begin}: give the weights of {naming.family}"
