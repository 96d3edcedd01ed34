"""Image processors of transformers in their PIL form: what they make of a picture, and their normalisation apart."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import transformers
from PIL import Image
from torch import Tensor
from transformers import AutoImageProcessor

from alignbench.errors import AlignbenchWarning, ModelError, one_line, shortened
from alignbench.models.cards import Card
from alignbench.models.checkpoints import PROCESSOR, processor_file, read_settings, refuse_own_code
from alignbench.models.normalisation import Normalise, check_order
from alignbench.models.preparation import PixelRecipe, central_square, refuse_thin, squashed, unprepared
from alignbench.models.settings import (
    NULL,
    OBJECT,
    SIDE,
    TRUTH,
    check_settings,
    either,
    listed,
    mapped,
    number,
    positive,
    whole,
)

_PROCESSORS: Final = {
    "clip": "CLIPImageProcessorPil",
    "chinese_clip": "ChineseCLIPImageProcessorPil",
    "siglip": "SiglipImageProcessorPil",
    "vit": "ViTImageProcessorPil",
    "dinov2": "BitImageProcessorPil",
}
_PLAIN: Final = (  # those that do no more to the shape of a picture than their values say
    *_PROCESSORS.values(),
    *(f"{kind}ImageProcessorPil" for kind in ("DeiT", "Beit")),
)
_SIZES: Final = either(SIDE, mapped(SIDE), NULL)
_COLOURS: Final = number(1000, -1000)
_SWITCH: Final = either(TRUTH, NULL)
_KINDS: Final = {
    **dict.fromkeys(("size", "crop_size", "pad_size"), _SIZES),
    **dict.fromkeys(("do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb", "do_pad"), _SWITCH),
    "default_to_square": _SWITCH,
    "resample": either(whole(5, 0), NULL),
    "rescale_factor": either(positive(1000), NULL),
    "crop_pct": either(number(1, 0.1), NULL),  # by which ConvNeXT's processor divides the size
    "image_mean": either(listed(_COLOURS, 3), _COLOURS, NULL),
    "image_std": either(listed(positive(1000), 3), positive(1000), NULL),
}
_TRIED: Final = ((25, 20), (20, 27))  # width and height of pictures that are tried beside one of the right size
_RESCALES_FIRST: Final = "DINOv3ViTImageProcessor"  # of which there is no form with the PIL backend
_CUTS_A_SHARE: Final = "ConvNextImageProcessor"  # it resizes to more than it cuts out
_NORMALISATION = ("do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std")


@dataclass(frozen=True)
class ProcessorPreparation:
    """Resizing and cropping by an image processor with the PIL backend, without its normalisation.

    Attributes:
        processor: The processor.
    """

    processor: Any

    def __call__(self, image: Image.Image) -> Tensor:
        """Resize and crop a picture: (3, H, W) uint8.

        Raises:
            PictureError: If the processor cannot prepare it; see also `refuse_thin`.
        """
        side = self._shortest_side()
        if side is not None:
            refuse_thin(image.size, (side, side))
        try:
            prepared = self.processor(image, do_rescale=False, do_normalize=False)["pixel_values"][0]
        except Exception as error:  # some processors fail at some sizes, each with errors of its own
            why = f"{type(self.processor).__name__}: {shortened(one_line(error))}"
            raise unprepared(image.size, why) from error
        return torch.from_numpy(np.ascontiguousarray(prepared))

    def values(self) -> Tensor:
        """Return what normalisation makes of each of the 256 values of a pixel, per channel: (3, 256) float32."""
        return normalised_values(self.processor)

    def _shortest_side(self) -> int | None:
        """To what a picture's shortest side is resized, however long the other becomes; none if that is bounded."""
        size = getattr(self.processor, "size", None)
        if not (getattr(self.processor, "do_resize", False) and size) or size.get("longest_edge"):
            return None
        side: int | None = size.get("shortest_edge")
        if side is not None and type(self.processor).__name__.startswith(_CUTS_A_SHARE):
            return int(side / self.processor.crop_pct) if side < 384 else None  # from there on it squashes
        return side

    @property
    def recipe(self) -> PixelRecipe:
        """See `PixelRecipe`; what is out of the ordinary is told apart by all its values."""
        values = {key: value for key, value in self.processor.to_dict().items() if key not in _NORMALISATION}
        kind, resample, size = type(self.processor).__name__, values.get("resample"), values.get("size")
        crop = values.get("crop_size") if values.get("do_center_crop") else None
        is_known = kind in _PLAIN
        if is_known and values.get("do_resize") and not values.get("do_pad") and isinstance(resample, int):
            match size:
                case {"shortest_edge": side, **rest} if not rest and crop == {"height": side, "width": side}:
                    return central_square(side, Image.Resampling(resample), "rounded down")
                case {"height": height, "width": width, **rest} if not rest and crop in (None, size):
                    return squashed(width, height, Image.Resampling(resample))
        return PixelRecipe(f"transformers {kind} {json.dumps(values, sort_keys=True, default=str)}")


def read_processor(name: str, folder: Path, side: int | None) -> Any:
    """Read the image processor of a checkpoint, with the PIL backend, and try it on a picture.

    Args:
        name: The model's name, for messages.
        folder: The checkpoint's folder.
        side: Side in pixels that the tower takes; none if it takes any square.

    Raises:
        ModelError: If there is none, if the checkpoint wants code of its own to be run, or if the processor cannot
            prepare a picture, makes another size than the tower takes, or normalises in a way of its own.
    """
    file = processor_file(folder)
    refuse_own_code(name, folder)
    what = f"{file.name} of {name}"
    if file.exists():
        own = _own_settings(file)
        check_settings(what, {"image_processor": own}, {"image_processor": OBJECT})
        check_settings(what, own, _KINDS)
        _say_other(name, file, own)
    try:
        processor: Any = AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=False)
        if type(processor).__name__.startswith(_RESCALES_FIRST):
            processor = _rounding(processor)
    except Exception as error:  # of odd values transformers makes errors of many kinds
        raise ModelError(f"{name} has no usable {file.name} ({one_line(error)}): download it again") from error
    try:
        table = normalised_values(processor)
        check_order(table)
        if side is None:
            side = _only_side(what, processor)
        for width, height in ((side + 7, side + 3), *_TRIED):
            _try(what, processor, _noise(width, height), Normalise(table), side)
    except ModelError:
        raise
    except Exception as error:
        why = one_line(error.__cause__ or error)  # of a picture that could not be prepared, what the processor said
        raise ModelError(f"{what} cannot be followed ({why}): correct it, or download it again") from error
    return processor


def _only_side(what: str, processor: Any) -> int:
    """The side in pixels of the squares that a processor makes; one that makes anything else is refused."""
    made = {tuple(ProcessorPreparation(processor)(_noise(*size)).shape[1:]) for size in _TRIED}
    height, width = sorted(made)[0]
    if len(made) > 1 or height != width:
        spoken = " and ".join(" x ".join(map(str, size)) for size in sorted(made))
        raise ModelError(f"{what} makes {spoken} pixels, and not squares of one size: give its size and crop_size")
    return int(height)


def _rounding(processor: Any) -> Any:
    """The same with the PIL backend, which rounds what it resizes to whole numbers."""
    given = {key: value for key, value in processor.to_dict().items() if key in _KINDS and value is not None}
    return transformers.ViTImageProcessorPil(**given)


def _noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def _try(what: str, processor: Any, image: Image.Image, normalise: Normalise, side: int) -> None:
    """Refuse a processor unless it makes whole numbers of the tower's size, and the table its own output of them."""
    pixels = ProcessorPreparation(processor)(image)
    if pixels.shape != (3, side, side):
        made = " x ".join(map(str, pixels.shape[1:]))
        raise ModelError(f"{what} makes {made} pixels, and the tower takes {side} x {side}: download both again")
    own = torch.from_numpy(np.asarray(processor(image)["pixel_values"][0], dtype=np.float32))
    if pixels.dtype != torch.uint8 or not torch.equal(normalise(pixels[None])[0], own):
        raise ModelError(
            f"{what} names the processor {type(processor).__name__}, which does more to the values of a pixel than "
            "rescale and normalise them by do_rescale and do_normalize: give the checkpoint the processor of its family"
        )


def _own_settings(file: Path) -> Any:
    settings = read_settings(file)
    return settings.get("image_processor", settings)


def _say_other(name: str, file: Path, own: dict[str, Any]) -> None:
    """Say which settings are followed where an older file beside them has others."""
    other = file.with_name(PROCESSOR)
    if other == file or not other.exists():
        return
    theirs = _own_settings(other)
    check_settings(f"{other.name} of {name}", {"image_processor": theirs}, {"image_processor": OBJECT})
    different = [key for key in _KINDS if key in own and key in theirs and own[key] != theirs[key]]
    if different:
        warnings.warn(
            f"pictures are prepared for {name} as {file.name} says, which transformers prefers, and not as "
            f"{other.name} says (their {different[0]} differs): keep the one that is meant",
            AlignbenchWarning,
            stacklevel=3,
        )


def normalised_values(processor: Any) -> Tensor:
    """Return a processor's output for each of the 256 values of a pixel, per channel: (3, 256) float32."""
    greys = np.broadcast_to(np.arange(256, dtype=np.uint8), (3, 1, 256))
    values = processor(
        greys, do_resize=False, do_center_crop=False, do_convert_rgb=False, input_data_format="channels_first"
    )["pixel_values"][0]
    return torch.from_numpy(np.array(values, dtype=np.float32)).reshape(3, 256)


def card_processor(card: Card) -> Any:
    """Make the image processor of a card, with the PIL backend, without a download."""
    side = {"height": card.image_size, "width": card.image_size}
    values = {"size": {"shortest_edge": card.image_size}, "crop_size": side} | card.processor
    return getattr(transformers, _PROCESSORS[card.family])(**values)
