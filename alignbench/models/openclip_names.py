"""What a name of an open_clip model stands for: a configuration, an activation, a preparation and a file of weights.

    open_clip:ARCH/TAG          one of open_clip's pretrained tags
    open_clip:ARCH/FILE         weights in a local file
    open_clip:hf-hub:ORG/NAME   a hub repository with open_clip_config.json
    open_clip:DIR, or DIR       a local directory with open_clip_config.json
    ORG/NAME                    a model card of a hub repository

ARCH alone does not settle the activation: `ViT-B-32` has GELU, and its tag `openai` was trained with QuickGELU. What
weights were trained with is taken from the tag, from open_clip_config.json, or from the file itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import open_clip
from open_clip.transform import PreprocessCfg, merge_preprocess_dict

from alignbench.errors import ModelError, UsageError, unknown
from alignbench.models.cards import cards
from alignbench.models.openclip_config import read_config
from alignbench.models.openclip_files import (
    CONFIG,
    ENDINGS,
    WEIGHTS,
    cached_file,
    downloaded,
    from_hub,
    is_tag_cached,
    tag_files,
    weights_in,
)

PREFIX: Final = "open_clip:"
HUB: Final = "hf-hub:"
PREPARED: Final = ("mean", "std", "mode", "interpolation", "resize_mode", "fill_color")  # the size is the tower's
_QUICK: Final = "-quickgelu"


@dataclass(frozen=True)
class OpenClipSource:
    """What a name stands for.

    Attributes:
        name: As given.
        model: `model_cfg` of open_clip: `embed_dim`, `vision_cfg` and `text_cfg`.
        preprocess: Values of open_clip's `PreprocessCfg`, but for the size, which is the tower's.
        quick_gelu: Whether its own transformer has QuickGELU; the name of a timm trunk settles the trunk's, and a
            ResNet has ReLU.
        weights: Finds the file of the weights, downloading it where needed.
        guess: A warning that says what had to be guessed, for files of weights that do not say it themselves.
    """

    name: str
    model: dict[str, Any]
    preprocess: dict[str, Any]
    quick_gelu: bool
    weights: Callable[[], Path]
    guess: str = ""


@dataclass(frozen=True)
class _Tag:
    arch: str
    tag: str


@dataclass(frozen=True)
class _File:
    arch: str
    path: Path


@dataclass(frozen=True)
class _Directory:
    path: Path


@dataclass(frozen=True)
class _Hub:
    repository: str


def resolve(name: str, *, random_init: bool = False) -> OpenClipSource:
    """Find what a name stands for; only a hub repository's configuration may have to be downloaded for this.

    Args:
        name: A name in one of the forms in the head of this module.
        random_init: Whether only the architecture is wanted: that of a card is known without its repository.

    Raises:
        UsageError: If there is no such architecture, tag or form of name.
        ModelError: If a file or directory is not there, or a configuration cannot be had or followed.
    """
    match _parse(name):
        case _Tag(arch, tag):
            return _tag_source(name, arch, tag)
        case _File(arch, path):
            return _file_source(name, arch, path)
        case _Directory(path):
            return _configured(name, read_config(name, path / CONFIG), lambda: weights_in(name, path))
        case _Hub(repository):
            return _hub_source(name, repository, random_init)


def needs_download(name: str, random_init: bool) -> bool:
    """Say whether something has to be downloaded to load a model."""
    match _parse(name):
        case _Tag(arch, tag):
            return not random_init and not is_tag_cached(open_clip.get_pretrained_cfg(arch, tag))
        case _Hub(repository):
            if random_init and _card(repository):
                return False
            files = [] if random_init else [WEIGHTS]
            return not all(cached_file(repository, *names) for names in [(CONFIG,), *files])
    return False


def is_remote(name: str) -> bool:
    """Say whether it takes a hub repository to know what a name stands for."""
    return isinstance(_parse(name), _Hub)


# ---------------------------------------------------------------------------------------------------- names


def _parse(name: str) -> _Tag | _File | _Directory | _Hub:
    if not name.startswith(PREFIX):
        return _Hub(name) if name in cards() else _Directory(Path(name))
    rest = name.removeprefix(PREFIX)
    if not rest:
        raise UsageError(f"{name} names no model: give {PREFIX}ARCH/TAG, or a directory with {CONFIG}")
    if rest.startswith(HUB):
        return _Hub(rest.removeprefix(HUB))
    arch, slash, given = rest.partition("/")
    known = arch in open_clip.list_models()
    if known and open_clip.is_pretrained_cfg(arch, given):
        return _Tag(arch, given)
    if Path(rest).is_dir():
        return _Directory(Path(rest))
    if arch in ("", ".", "..", "~"):
        raise ModelError(f"{name}: there is no folder {rest}: check the path")
    if not known:
        raise _unknown_architecture(name, arch, rest)
    if not slash or not given:
        raise UsageError(
            f"{name} says no weights: give {PREFIX}{arch}/TAG with one of {_tags(arch)}, or a file of weights"
        )
    if Path(given).exists():  # or what is there instead of a file: whoever opens it says what
        return _File(arch, Path(given))
    if "/" in given or given.endswith(ENDINGS):
        raise ModelError(f"{name}: there is no file {given}: check the path")
    raise _unknown_tag(arch, given)


def _unknown_architecture(name: str, arch: str, rest: str) -> UsageError:
    """Make the error for an unknown architecture; it names near ones only, as all of them would fill a screen."""
    known = open_clip.list_models()
    if get_close_matches(arch.lower(), [choice.lower() for choice in known], cutoff=0.5):
        return unknown("open_clip architecture", arch, known)
    return UsageError(
        f"{name}: open_clip has no architecture {arch} (see open_clip.list_models()), and {rest} is no directory"
    )


def _tags(arch: str) -> str:
    return ", ".join(open_clip.list_pretrained_tags_by_model(arch)) or "none in open_clip"


def _unknown_tag(arch: str, tag: str) -> UsageError:
    plain = arch.removesuffix(_QUICK)
    if plain != arch and open_clip.is_pretrained_cfg(plain, tag):
        return UsageError(
            f"the weights {tag} were trained with GELU, and {arch} has QuickGELU: use {PREFIX}{plain}/{tag}"
        )
    tags = open_clip.list_pretrained_tags_by_model(arch)
    if not tags:
        return UsageError(f"open_clip has no pretrained tags of {arch}: give a file of weights, {PREFIX}{arch}/FILE")
    return unknown(f"pretrained tag of {arch}", tag, tags)


# -------------------------------------------------------------------------------------------------- sources


def _tag_source(name: str, arch: str, tag: str) -> OpenClipSource:
    model, pretrained = open_clip.get_model_config(arch), open_clip.get_pretrained_cfg(arch, tag)
    # where a tag says nothing of the activation, open_clip's configuration of the architecture is the training's
    quick_gelu = bool(pretrained.get("quick_gelu", model.get("quick_gelu", False)))

    def weights() -> Path:
        if pretrained["hf_hub"]:
            return from_hub(name, *tag_files(pretrained))
        return downloaded(name, lambda: open_clip.download_pretrained(pretrained))

    return OpenClipSource(name, model, merge_preprocess_dict(PreprocessCfg(), pretrained), quick_gelu, weights)


def _file_source(name: str, arch: str, path: Path) -> OpenClipSource:
    model = open_clip.get_model_config(arch)
    quick_gelu = bool(model.get("quick_gelu", False))
    preparations = [
        merge_preprocess_dict(PreprocessCfg(), open_clip.get_pretrained_cfg(arch, tag))
        for tag in open_clip.list_pretrained_tags_by_model(arch)
    ]
    agreed = bool(preparations) and all(preparation == preparations[0] for preparation in preparations)
    preprocess = preparations[0] if agreed else merge_preprocess_dict(PreprocessCfg(), {})
    guesses = []
    if not (model["vision_cfg"].get("timm_model_name") or isinstance(model["vision_cfg"].get("layers"), list)):
        used, other = ("QuickGELU", "GELU") if quick_gelu else ("GELU", "QuickGELU")
        sibling = arch.removesuffix(_QUICK) if quick_gelu else arch + _QUICK
        known = sibling != arch and sibling in open_clip.list_models()
        remedy = f"{PREFIX}{sibling}/{path}" if known else f'a directory with "quick_gelu" in {CONFIG}'
        guesses.append(f"its activation: {used} is used, as {arch} has it; for {other} give {remedy}")
    if not agreed:
        guesses.append(
            f"how pictures are prepared: done as for OpenAI's CLIP; for another way give a directory with {CONFIG}"
        )
    guess = f"{name} does not say " + "; nor does it say ".join(guesses) if guesses else ""
    return OpenClipSource(name, model, preprocess, quick_gelu, lambda: path, guess)


def _hub_source(name: str, repository: str, random_init: bool) -> OpenClipSource:
    card = _card(repository)
    if random_init and card:
        return _configured(name, card, lambda: Path())
    path = from_hub(name, repository, CONFIG)
    return _configured(name, read_config(name, path), lambda: from_hub(name, repository, *WEIGHTS))


def _card(repository: str) -> dict[str, Any]:
    """The configuration that a model card has of a repository; empty if it has none."""
    card = cards().get(repository)
    return {"model_cfg": card.open_clip, "preprocess_cfg": card.processor} if card and card.open_clip else {}


def _configured(name: str, config: dict[str, Any], weights: Callable[[], Path]) -> OpenClipSource:
    model = config["model_cfg"]
    preprocess = merge_preprocess_dict(PreprocessCfg(), config.get("preprocess_cfg") or {})
    return OpenClipSource(name, model, preprocess, bool(model.get("quick_gelu", False)), weights)


def configuration(source: OpenClipSource) -> dict[str, Any]:
    """Return what `open_clip_config.json` says where a model is kept in a directory.

    Args:
        source: What the model's name stands for.
    """
    said = {key: value for key, value in source.preprocess.items() if key in PREPARED}
    return {"model_cfg": {**source.model, "quick_gelu": source.quick_gelu}, "preprocess_cfg": said}
