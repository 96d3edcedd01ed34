"""The twelve transforms that the authors of gLocal published, by the names of their models.

They are downloaded when first asked for and kept under `~/.cache/alignbench/transforms` (or `$ALIGNBENCH_CACHE`). The
authors publish no digests: the SHA-256 of the first download is kept beside the file, and every later use is checked
against it. A file that someone has put there is taken as a download is.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alignbench.errors import AlignbenchError, AlignbenchWarning, DataError, UsageError, one_line, unknown
from alignbench.files import cache_folder, open_plain, write_whole
from alignbench.models.layer_names import PROJECTION
from alignbench.transforms.affine import AffineTransform

if TYPE_CHECKING:
    from alignbench.transforms.affine import Array

SOURCE: Final = "https://raw.githubusercontent.com/LukasMut/gLocal/main/transforms"
_SAME: Final = ("dinov2-vit-base-p14", "dino-vit-base-p16")  # the same bytes in both places
_LARGEST: Final = 1_000_000_000  # bytes; the largest published one, vgg16's, is a tenth of it
_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Published:
    """What is known of a published transform.

    Attributes:
        module: Name of the module, as thingsvision has it, whose output it takes.
        width: Numbers of that output.
        models: Models of `alignbench run` whose projection that is.
        supervised: Whether the network was trained on ImageNet's labels.
        cropped: Whether pictures were prepared by thingsvision's default (`CROPPED`), and not as the model's own code
            does.
    """

    module: str
    width: int
    models: tuple[str, ...]
    supervised: bool = False
    cropped: bool = False


CROPPED: Final = "shortest side to 256, bilinear, central square of 224"
"""thingsvision's preparation of pictures for models of which it knows no other."""

_LARGE = "ViT-L-14"


def _torchvision(name: str, weights: str) -> tuple[str, ...]:
    """Names of a classifier with the weights that torchvision has as its default, which thingsvision takes."""
    return f"torchvision:{name}", f"torchvision:{name}/{weights}"


PUBLISHED: Final = {
    "clip_ViT-L/14": Published(
        "visual",
        768,
        ("openai/clip-vit-large-patch14", f"open_clip:{_LARGE}/openai", f"open_clip:{_LARGE}-quickgelu/openai"),
    ),
    "clip_RN50": Published("visual", 1024, ("open_clip:RN50/openai", "open_clip:RN50-quickgelu/openai")),
    "OpenCLIP_ViT-L-14_laion400m_e32": Published(
        "visual", 768, (f"open_clip:{_LARGE}/laion400m_e32", "laion/CLIP-ViT-L-14-laion400M_e32")
    ),
    "OpenCLIP_ViT-L-14_laion2b_s32b_b82k": Published(
        "visual", 768, (f"open_clip:{_LARGE}/laion2b_s32b_b82k", "laion/CLIP-ViT-L-14-laion2B-s32B-b82K")
    ),
    "dino-vit-base-p16": Published(
        "norm", 768, ("facebook/dino-vitb16", "timm:vit_base_patch16_224.dino"), cropped=True
    ),
    "dino-vit-base-p8": Published("norm", 768, ("facebook/dino-vitb8", "timm:vit_base_patch8_224.dino"), cropped=True),
    "dinov2-vit-base-p14": Published("norm", 768, ("facebook/dinov2-base",), cropped=True),
    "dinov2-vit-large-p14": Published("norm", 1024, ("facebook/dinov2-large",), cropped=True),
    "resnet18": Published("avgpool", 512, _torchvision("resnet18", "IMAGENET1K_V1"), supervised=True),
    "resnet50": Published("avgpool", 2048, _torchvision("resnet50", "IMAGENET1K_V2"), supervised=True),
    "vgg16": Published("classifier.3", 4096, _torchvision("vgg16", "IMAGENET1K_V1"), supervised=True),
    "alexnet": Published("classifier.4", 4096, _torchvision("alexnet", "IMAGENET1K_V1"), supervised=True),
}
"""The published transforms by name: module, numbers of a feature vector, and what alignbench calls the model."""


def published_transform(name: str, module: str | None = None, *, source: str = SOURCE) -> AffineTransform:
    """Give a published transform, from the cache or downloaded to it.

    Args:
        name: Name of its model, e.g. `clip_ViT-L/14`.
        module: Module of that model; none for the one there is a transform for.
        source: Address of the folder of all transforms.

    Raises:
        UsageError: If there is none of that name or module.
        DataError: If the file in the cache is not what was downloaded, or it is no transform of that width.
        AlignbenchError: If it cannot be downloaded.
    """
    if name not in PUBLISHED:
        raise unknown("published transform", name, PUBLISHED)
    known = PUBLISHED[name]
    if module is not None and module != known.module:
        raise UsageError(f"{name} has a published transform for its module {known.module} only, not for {module}")
    place = _cache() / name / known.module / "transform.npz"
    content, noted = _kept(place)
    there = content is not None
    if content is None:
        content = _download(f"{source}/{name}/{known.module}/transform.npz")
    transform = AffineTransform.from_bytes(content, str(place))
    if transform.weights.shape != (known.width, known.width):
        raise DataError(
            f"{place} has the shape {transform.weights.shape}, and {name} {known.width} features: delete it"
        )
    digest = hashlib.sha256(content).hexdigest()
    if not there:  # only what can be read is kept
        write_whole(place, content)
    if not noted:
        write_whole(_digest_file(place), f"{digest}\n".encode())
    provenance = {
        "model": name,
        "module": known.module,
        "layer": PROJECTION,
        "models": list(known.models),
        "objective": "glocal",
        "source": source,
        "sha256": digest,
        **({"pictures": CROPPED} if known.cropped else {}),
    }
    if text := _caution(name):
        warnings.warn(text, AlignbenchWarning, stacklevel=3)
        provenance["caution"] = text
    return replace(transform, provenance=provenance)


def align(features: Array, *, model: str, module: str | None = None, method: str = "glocal") -> Array:
    """Bring features of a model closer to human similarity, by the transform that is published for it.

    Args:
        features: (..., d), an array or tensor, as the model gives them; see `AffineTransform.apply`.
        model: e.g. `clip_ViT-L/14`, or the name by which alignbench runs that model; see `PUBLISHED`.
        module: The module whose output they are; none for the one there is a transform for.
        method: `glocal`, the one whose transforms are published.

    Returns:
        The aligned features, of the same shape and type; they are not normalised.

    Raises:
        UsageError: If no such transform is published, or the width is another one.
        AlignbenchError: If it cannot be downloaded.
    """
    if method.lower() != "glocal":
        raise unknown("way to align", method, ("glocal",))
    name = next((name for name, known in PUBLISHED.items() if model in known.models), model)
    return published_transform(name, None if module == PROJECTION else module).apply(features)


def _caution(name: str) -> str:
    """What a user should know of a published transform; empty if nothing."""
    other, same = _SAME
    if name == other:
        return f"the published transform of {other} is that of {same}, byte for byte: it was not learned for this one"
    if PUBLISHED[name].supervised:
        return (
            f"{name} was trained on ImageNet's labels: for such networks gLocal brings similarities closer to people's "
            "and lowers performance downstream"
        )
    return ""


def caution_told(record: Mapping[str, Any] | None) -> str:
    """What is to be minded of a transform, from what a run or a judged transform says of it; empty if nothing.

    Args:
        record: With `provenance`, see `NamedTransform.record`; none where there is no transform.
    """
    provenance = (record or {}).get("provenance")
    return str(provenance.get("caution", "")) if isinstance(provenance, Mapping) else ""


def _cache() -> Path:
    found = cache_folder("transforms")
    if found is None:
        raise UsageError("there is no home directory to keep published transforms in: set ALIGNBENCH_CACHE")
    return found


def _digest_file(place: Path) -> Path:
    return place.with_suffix(".sha256")


def _kept(place: Path) -> tuple[bytes | None, bool]:
    """The file in the cache, if it is there, and whether its digest is noted.

    Raises:
        DataError: If one of them cannot be read, or it is not what the digest was noted of.
    """
    content, noted = (_read(path) for path in (place, _digest_file(place)))
    if content is not None and noted is not None and hashlib.sha256(content).hexdigest().encode() != noted.strip():
        raise DataError(f"{place} is not what was downloaded (its SHA-256 differs): delete it to download it again")
    return content, content is not None and noted is not None


def _read(path: Path) -> bytes | None:
    try:
        with open_plain(path) as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): see to its permissions, or delete it") from error


def _download(address: str) -> bytes:
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:  # an https address of ours, or a test's
            content: bytes = answer.read(_LARGEST + 1)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise AlignbenchError(
            f"{address} cannot be downloaded ({one_line(error)}): check the network, or download it by other means and "
            "name the file"
        ) from error
    if len(content) > _LARGEST:
        raise DataError(f"{address} is larger than any published transform: it is not taken")
    return content
