"""An aligned layer beside the plain one: a tower's features after an affine transform, measured in the same pass."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from alignbench.errors import AlignbenchWarning, UsageError
from alignbench.extraction.feature_files import FeatureFile
from alignbench.models.families import model_label
from alignbench.models.layer_names import PROJECTION, aligned_name
from alignbench.models.towers import Layer, Tower, view_tokens
from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.named import AS_OWN, NamedTransform, check_fits, check_pictures, is_among, resolve
from alignbench.transforms.published import PUBLISHED

_ONE_TOKEN_VIEWS: Final = ("cls", "mean")
_FORCE: Final = "force it (--force-transform, or `alignbench transform evaluate --force`)"


class AffineReadout:
    """A transform of float32 features, whose weights are brought to each device once.

    Args:
        transform: The transform.

    Attributes:
        width: Channels that it takes.
        channels: Channels that it gives.
    """

    def __init__(self, transform: AffineTransform) -> None:
        self.width, self.channels = transform.weights.shape
        self.mean, self.std = transform.mean, transform.std
        bias = None if transform.bias is None else torch.tensor(transform.bias, dtype=torch.float32)
        self._on_cpu = torch.tensor(transform.weights, dtype=torch.float32), bias
        self._by_device: dict[torch.device, tuple[Tensor, Tensor | None]] = {}

    def __call__(self, features: Tensor) -> Tensor:
        """Transform features of (..., width), float32, to (..., channels)."""
        if features.device not in self._by_device:
            weights, bias = self._on_cpu
            self._by_device[features.device] = (
                weights.to(features.device),
                None if bias is None else bias.to(features.device),
            )
        weights, bias = self._by_device[features.device]
        y = ((features - self.mean) / self.std) @ weights
        return y if bias is None else y + bias


@dataclass(frozen=True)
class Remedies:
    """What a command advises, as messages have it, where a transform belongs to something else.

    Attributes:
        model: If it is of another model.
        pictures: If it is of pictures that were prepared otherwise.
        features: If it is of other features than those that are given.
    """

    model: str = f"take another, or {_FORCE}"
    pictures: str = f"add --resize published, or {_FORCE}"
    features: str = "add --force-transform"


@dataclass(frozen=True)
class Use:
    """What a transform is to be applied to.

    Attributes:
        model: Name of the model.
        view: Token view in which it is read.
        random_init: Whether its weights are random.
        force: Whether a transform of another model is taken too.
        resize: How pictures are prepared, see `Cell`.
        remedies: What is advised where the transform does not belong to it.
    """

    model: str
    view: str
    random_init: bool = False
    force: bool = False
    resize: str = AS_OWN
    remedies: Remedies = Remedies()


def add_aligned_layer(tower: Tower, chosen: NamedTransform, use: Use) -> None:
    """Give a tower a further layer, directly after the one that a transform is for: that layer's features transformed.

    A projection is transformed as it is, even where its plain layer is divided by its norm.

    Args:
        tower: The tower, whose `layers` are replaced.
        chosen: The transform.
        use: The model and view to which it is applied.

    Raises:
        UsageError: If the transform belongs to another model or other pictures (unless forced), layer, width or token
            view.
    """
    tower.layers = _with_aligned(tower.layers, transformed_layer(tower, chosen, use), chosen)


def _with_aligned(layers: tuple[Layer, ...], layer: Layer, chosen: NamedTransform) -> tuple[Layer, ...]:
    """Layers with a further one behind one of them: its features transformed."""
    readout = AffineReadout(chosen.transform)
    return _behind(layers, layer, replace(_aligned(layer, readout.channels), readout=readout))


def _aligned(layer: Layer, channels: int) -> Layer:
    return replace(layer, name=aligned_name(layer.name), channels=channels, unit_norm=False)


def _behind(layers: tuple[Layer, ...], layer: Layer, further: Layer) -> tuple[Layer, ...]:
    place = layers.index(layer) + 1
    return (*layers[:place], further, *layers[place:])


def planned_layers(layers: tuple[Layer, ...], transform: str | Path, model: str) -> tuple[Layer, ...]:
    """Return what a run with a transform measures, for its cost; nothing is downloaded.

    Args:
        layers: The layers without it.
        transform: A file, or the name of a published transform.
        model: Name of the model.

    Raises:
        UsageError: If there is no such transform, or it belongs to another model, layer or width.
        DataError: If the file is not there, or cannot be read.
    """
    known = PUBLISHED.get(str(transform))
    if known is None:
        chosen = resolve(transform)
        (width, channels), wanted = chosen.transform.weights.shape, chosen.layer
    elif is_among(model_label(model), known.models):
        width, channels, wanted = known.width, known.width, PROJECTION
    else:
        raise UsageError(f"the transform {transform} is of {' or '.join(known.models)}, not of {model}: take another")
    layer = _find_layer(layers, str(transform), (wanted, width), model)
    return _behind(layers, layer, _aligned(layer, channels))


def check_selected(chosen: NamedTransform, selection: Sequence[str] | None) -> None:
    """Refuse a transform of a layer that is not measured.

    Args:
        chosen: The transform.
        selection: Names of the layers that were asked for; none for all.

    Raises:
        UsageError: If its layer is not among them.
    """
    if selection is not None and chosen.layer not in selection:
        raise UsageError(
            f"the transform {chosen.name} is for {chosen.layer}, which --layers leaves out: give it there, too"
        )


def with_aligned_features(
    layers: tuple[Layer, ...], chosen: NamedTransform, origin: Mapping[str, Any], use: Use
) -> tuple[Layer, ...]:
    """Return the layers of features that exist with a further one: one of them transformed.

    It is the layer that the transform is for, or the only one.

    Args:
        layers: The layers.
        chosen: The transform.
        origin: What is known of where the features come from, see `FeatureFile`.
        use: The features and the view in which they are measured.

    Raises:
        UsageError: If the transform belongs to another model or view as far as that is known (unless forced), layer or
            width, or more than one token is measured of a picture.
    """
    wanted = chosen.layer if len(layers) > 1 else layers[0].name
    layer = _find_layer(layers, chosen.name, (wanted, chosen.transform.width), use.model)
    if view_tokens(layer, use.view) > 1:
        raise UsageError(
            f"the transform {chosen.name} takes one token of a picture, and {layer.name} of {use.model} has "
            f"{layer.tokens}: leave it out, or save one token"
        )
    if not use.force:
        told = {**origin, **({"tokens": use.view} if "tokens" in origin else {})}
        check_fits(chosen, FeatureFile({}, origin=told), layer.name, use.remedies.features)
        if "model" not in origin:
            warnings.warn(
                f"{use.model} does not say of which model it is: that {chosen.name} belongs to it is taken on trust",
                AlignbenchWarning,
                stacklevel=2,
            )
    return _with_aligned(layers, layer, chosen)


def transformed_layer(tower: Tower, chosen: NamedTransform, use: Use) -> Layer:
    """The layer whose features a transform takes; arguments and errors as for `add_aligned_layer`."""
    layer = _find_layer(tower.layers, chosen.name, (chosen.layer, chosen.transform.width), use.model)
    _check_view(chosen, use.view)
    if not use.force:
        _check_model(tower, chosen, use)
        check_pictures(chosen, use.resize, use.remedies.pictures)
    return layer


def _find_layer(layers: Sequence[Layer], transform: str, takes: tuple[str, int], model: str) -> Layer:
    """The layer that a transform takes, by name and width."""
    wanted, width = takes
    layer = next((layer for layer in layers if layer.name == wanted), None)
    if layer is None:
        names = ", ".join(layer.name for layer in layers)
        raise UsageError(f"the transform {transform} is for {wanted}, which {model} has not: it has {names}")
    if layer.channels != width:
        raise UsageError(
            f"the transform {transform} takes {width} channels, and {layer.name} of {model} has "
            f"{layer.channels}: it belongs to another model or layer"
        )
    return layer


def _check_view(chosen: NamedTransform, view: str) -> None:
    """A transform takes one feature vector of an image: a projection, or the one token of a view."""
    if chosen.layer == PROJECTION:
        return
    learned, about = chosen.transform.provenance.get("tokens"), f"the transform {chosen.name} of {chosen.layer}"
    if learned not in _ONE_TOKEN_VIEWS:
        fault = "does not say of which token view it is" if learned is None else f"is of the token view '{learned}'"
        raise UsageError(f"{about} {fault}: learn it on features of the view cls or mean")
    if view != learned:
        raise UsageError(f"{about} is of the token view '{learned}', not '{view}': run with --tokens {learned}")


def _check_model(tower: Tower, chosen: NamedTransform, use: Use) -> None:
    """Refuse a transform of another model, by the fingerprint of its weights or else by its names.

    Raises:
        UsageError: If it is of another model.
    """
    provenance, about, model = chosen.transform.provenance, f"the transform {chosen.name}", use.model
    fingerprint, models = provenance.get("model_fingerprint"), provenance.get("models")
    if fingerprint is not None:
        if fingerprint != tower.fingerprint:
            of = provenance.get("model", "another model")
            weights = "random weights" if use.random_init else "other weights or preparation"
            raise UsageError(f"{about} was learned on {of}, and {model} has {weights} here: {use.remedies.model}")
    elif models is not None:
        if not models:
            raise UsageError(f"{about} is of {provenance.get('model', 'a model')} and fits no model here: take another")
        if use.random_init or not is_among(model_label(model), models):
            here = f"{model} with random weights" if use.random_init else model
            raise UsageError(f"{about} is of {' or '.join(models)}, not of {here}: {use.remedies.model}")
    else:
        warnings.warn(
            f"{about} does not say of which model it is: that it is of {model} is taken on trust",
            AlignbenchWarning,
            stacklevel=3,
        )
