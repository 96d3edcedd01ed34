"""Which transform a user means: a file, or a published one by its name or as that of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from alignbench.errors import DataError, UsageError
from alignbench.extraction.feature_files import FeatureFile
from alignbench.files import ARRAY_FILES
from alignbench.models.families import model_label
from alignbench.models.layer_names import PROJECTION
from alignbench.transforms.affine import AffineTransform

PUBLISHED_ONE: Final = "published"
"""Stands for the transform that is published for a model, and for how pictures were prepared for that."""
AS_OWN: Final = "checkpoint"
"""Stands for pictures as a model's own code prepares them."""
_HUB: Final = "open_clip:hf-hub:"  # the same checkpoint by open_clip's name for a repository

_PLACES: Final = ("/", "./", "../", "~")  # what the name of a place begins with, and that of a published one never
_USUAL_STEM = "transform"  # of published files, which are told apart by their folders
_LEARNED = "learned.json"  # beside learned ones, in a folder <model>__<dataset>__<objective>__<hash>


@dataclass(frozen=True)
class NamedTransform:
    """A transform by the name that its results bear.

    Attributes:
        name: The published name, or that of the file without its ending.
        transform: The transform.
    """

    name: str
    transform: AffineTransform

    @property
    def layer(self) -> str:
        """The layer whose features it takes."""
        return str(self.transform.provenance.get("layer", PROJECTION))

    @property
    def digest(self) -> str:
        """SHA-256 over the numbers that it multiplies and adds, in whatever kind of file they are."""
        digest, transform = hashlib.sha256(repr(self.transform.weights.shape).encode()), self.transform
        for numbers in (transform.weights, [transform.mean, transform.std], transform.bias):
            if numbers is not None:
                digest.update(np.ascontiguousarray(numbers, dtype="<f8").tobytes())
        return digest.hexdigest()

    @property
    def pictures(self) -> str:
        """How pictures were prepared for it, in words, where that is published and not as the model's code does it."""
        return str(self.transform.provenance.get("pictures", ""))

    def resize_for(self, model: str) -> str:
        """How pictures of a model are prepared to judge it: as for a published transform, if it is that model's."""
        ours = self.pictures and is_among(model_label(model), self.transform.provenance.get("models", ()))
        return PUBLISHED_ONE if ours else AS_OWN

    def settings(self) -> dict[str, str]:
        """What settles the numbers of a run."""
        return {"name": self.name, "sha256": self.digest, "layer": self.layer}

    def record(self) -> dict[str, Any]:
        """What `run.json` says of it; the names of the objects that it was learned on are in its file."""
        provenance = {key: value for key, value in self.transform.provenance.items() if not key.endswith("_objects")}
        return {**self.settings(), "provenance": provenance}


def resolve(
    text: str | Path, *, model: str | None = None, mean: float | None = None, std: float | None = None
) -> NamedTransform:
    """The transform that a user names.

    Args:
        text: A file (`.safetensors`, `.npz` or `.npy`), the name of a published transform, or `published`.
        model: Name of the model for whose published transform that stands, as far as it is known.
        mean: Mean of a `.npy`, which does not hold it.
        std: Standard deviation, likewise.

    Raises:
        UsageError: If there is none of that name or for that model, or a `.npy` comes without mean and std.
        DataError: If the file is not there, or cannot be read.
        AlignbenchError: If it cannot be downloaded.
    """
    if text == PUBLISHED_ONE:
        if model is None:
            raise UsageError("the features do not say of which model they are: name its published transform itself")
        text = published_for(model)
    name = transform_name(text)
    if not Path(text).is_file() and (_is_file(text) or str(text).startswith(_PLACES) or Path(text).is_dir()):
        what = "is a folder" if Path(text).is_dir() else "is not there"
        raise DataError(f"the transform {text} {what}: name a file, or one of `alignbench transform list`")
    if not _is_file(text):
        if not (mean is None and std is None):
            raise UsageError(f"the published transform {text} has a mean and std of its own: leave out those given")
        from alignbench.transforms.published import published_transform

        return NamedTransform(name, published_transform(str(text)))
    path = Path(text)
    if path.suffix == ".npy" and mean is None and std is None:
        raise UsageError(
            f"{path} holds no mean and std: load it with them in Python (AffineTransform.load) and save it as "
            ".safetensors, or give both to `alignbench transform apply` by --mean and --std"
        )
    return NamedTransform(name, AffineTransform.load(path, mean=mean, std=std))


def published_for(model: str) -> str:
    """Find the name of the transform that is published for a model; nothing is downloaded.

    Args:
        model: Name of the model, as `load_tower` takes it.

    Raises:
        UsageError: If none is published for it; lists the models that have one.
    """
    from alignbench.transforms.published import PUBLISHED

    label = model_label(model)
    name = next((name for name, known in PUBLISHED.items() if is_among(label, known.models)), None)
    if name is None:
        having = ", ".join(known.models[0] for known in PUBLISHED.values())
        raise UsageError(f"no transform is published for {label}: there are those of {having}")
    return name


def transform_name(text: str | Path) -> str:
    """What results call a transform; nothing is read.

    A file gives its name, without the ending. `transform.npz` is called after its folder, and so is what
    `alignbench transform learn` left, by its objective and hash: `glocal-1a2b3c4d`, `-layer_7` after it for a block.

    Args:
        text: See `resolve`.
    """
    path, name = Path(text), str(text)
    if _is_file(text):
        folder = path.resolve().parent
        name = folder.name if path.stem == _USUAL_STEM else path.stem
        if (folder / _LEARNED).is_file():
            layer = [] if path.stem == PROJECTION else [path.stem]
            name = "-".join([*folder.name.split("__")[-2:], *layer])
    return name.replace("@", "-")  # which is what a label is split at


def _is_file(text: str | Path) -> bool:
    return isinstance(text, Path) or Path(text).suffix in ARRAY_FILES or Path(text).is_file()


def check_fits(chosen: NamedTransform, features: FeatureFile, layer: str, remedy: str = "add --force") -> None:
    """Refuse a transform of another model, layer or view, as far as both say of which they are, and a second one.

    Args:
        chosen: The transform.
        features: The features.
        layer: Name of their layer.
        remedy: What to do, as the message has it.

    Raises:
        UsageError: If they differ, pictures were prepared otherwise, the projection is divided by its norm, or the
            layer has been transformed already.
    """
    provenance, origin = chosen.transform.provenance, features.origin
    if layer in origin.get("transforms", {}):
        raise UsageError(f"{layer} has been transformed already, by {origin['transforms'][layer]}: {remedy}")
    if "model" in origin and "layer" in provenance and layer not in _layers_meant(chosen, origin):
        raise UsageError(f"the transform {chosen.name} is for {provenance['layer']}, not for {layer}: {remedy}")
    if origin.get("normalized") and layer == PROJECTION and "layer" in provenance:
        raise UsageError(f"the transform {chosen.name} is for raw features, and these are normalized: {remedy}")
    for name in ("model_fingerprint", "tokens"):
        if (
            name in provenance
            and name in origin
            and provenance[name] != origin[name]
            and (name != "tokens" or layer != PROJECTION)
        ):
            known = (
                provenance.get("model", "another model")
                if name == "model_fingerprint"
                else f"the view {provenance[name]}"
            )
            ours = origin.get("model", "another model") if name == "model_fingerprint" else f"the view {origin[name]}"
            raise UsageError(f"the transform {chosen.name} is of {known}, and these features of {ours}: {remedy}")
    if (
        "models" in provenance
        and "model" in origin
        and not is_among(origin["model"], [provenance.get("model"), *provenance["models"]])
    ):
        raise UsageError(
            f"the transform {chosen.name} is of {provenance['model']}, and these features of {origin['model']}: "
            f"{remedy}"
        )
    if "model" in origin:
        extracted = f"extract them by `alignbench extract --resize published`, or {remedy}"
        check_pictures(chosen, str(origin.get("resize", AS_OWN)), extracted)


def _layers_meant(chosen: NamedTransform, origin: Mapping[str, Any]) -> tuple[str, ...]:
    """Names under which a file of features may have the layer of a transform: ours, and the published module's.

    The module `norm` gives all tokens, of which the transform takes the class token.
    """
    module = str(chosen.transform.provenance.get("module", chosen.layer))
    return (chosen.layer, module) if module != "norm" or origin.get("tokens") == "cls" else (chosen.layer,)


def check_pictures(chosen: NamedTransform, resize: str, remedy: str) -> None:
    """Refuse a published transform of pictures that are prepared otherwise than for it.

    Args:
        chosen: The transform; one that was learned here is of the model's own preparation.
        resize: How they are prepared, see `Cell`.
        remedy: What to do, as the message has it.

    Raises:
        UsageError: If they are.
    """
    if "sha256" not in chosen.transform.provenance or resize == PUBLISHED_ONE:
        return
    if resize != AS_OWN or chosen.pictures:
        how = chosen.pictures or "as the model's own code prepares them"
        raise UsageError(f"the transform {chosen.name} was learned on other pictures ({how}): {remedy}")


def is_among(label: str, names: Sequence[str | None]) -> bool:
    """Whether a model is one of those that a transform is for: the one rule, for towers and for files of features.

    Args:
        label: What the model is called; a local directory is known by the last part of a name.
        names: Names of models.
    """
    wanted = label.removeprefix(_HUB)
    return wanted in {part for name in names if name for part in (name, *([] if ":" in name else [Path(name).name]))}
