"""What a transform is learned on top of: a model that embeds pictures, or features that exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from alignbench.arrays import Indices
from alignbench.datasets.images import ImageSource
from alignbench.errors import DataError, UsageError, shortened
from alignbench.extraction.feature_forms import damage_said
from alignbench.extraction.feature_source import layers_of, stored_view
from alignbench.extraction.features import FeatureExtractor, ReadyTower, Rows
from alignbench.extraction.row_matching import Concept, match_rows
from alignbench.extraction.stored_features import StoredFeatures
from alignbench.models.feature_names import features_label
from alignbench.models.layer_choice import choose_layers
from alignbench.models.layer_names import PROJECTION
from alignbench.models.towers import Layer
from alignbench.transforms.learning.inputs import embed_pictures


@dataclass(frozen=True)
class Pictures:
    """The pictures whose features are needed.

    Attributes:
        objects: Those that people judged.
        local: Those of the local term; none without it.
        pixel_cache: Folder of prepared pixels, `off`, or none for the default one.
    """

    objects: ImageSource
    local: ImageSource | None = None
    pixel_cache: str | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.objects.names) + (0 if self.local is None else len(self.local.names))


@dataclass(frozen=True)
class Told:
    """What the record and the provenance say of a base.

    Attributes:
        model: What the model is called.
        fingerprint: Digest of its weights and preparation; none where that is not known.
        tokens: Token view in which it is read.
        precision: Precision in which it ran.
        features: Digest of features that exist; none for a model.
    """

    model: str
    fingerprint: str | None
    tokens: str
    precision: str
    features: str | None = None


class LearningBase(Protocol):
    """What gives features, a row a picture, at some layers."""

    @property
    def device(self) -> str:
        """`cpu` or `cuda`: where to learn."""
        ...

    @property
    def told(self) -> Told:
        """What is to be recorded of it."""
        ...

    def usual_layers(self) -> tuple[str, ...]:
        """Return what is learned where no layer is named."""
        ...

    def layers(self, names: Sequence[str]) -> list[Layer]:
        """Return the layers of some names, each of one token a picture."""
        ...

    def check(self, pictures: Pictures) -> None:
        """Refuse pictures that it could give no features of, before anything is learned."""
        ...

    def features(
        self, layers: Sequence[Layer], pictures: Pictures, embedded: Callable[[int], None]
    ) -> tuple[dict[str, Rows], dict[str, Rows]]:
        """Return features of the objects and of the pictures of the local term, by layer, see `embed_pictures`."""
        ...


@dataclass(frozen=True)
class TowerBase:
    """A model; methods as in `LearningBase`.

    Attributes:
        ready: The model, and how it is read.
    """

    ready: ReadyTower

    @property
    def device(self) -> str:
        """See `LearningBase.device`."""
        return self.ready.reading.device

    @property
    def told(self) -> Told:
        """See `LearningBase.told`."""
        reading = self.ready.reading
        return Told(self.ready.label, self.ready.tower.fingerprint, reading.view, reading.precision)

    def usual_layers(self) -> tuple[str, ...]:
        """See `LearningBase.usual_layers`: the projection."""
        return (PROJECTION,)

    def layers(self, names: Sequence[str]) -> list[Layer]:
        """See `LearningBase.layers`.

        Raises:
            UsageError: If there is no such layer, or more than one token is left of a picture.
        """
        layers = list(choose_layers(self.ready.tower, names))
        if self.ready.reading.view == "all" and any(layer.tokens > 1 for layer in layers):
            raise UsageError(
                "a transform takes one vector a picture: use --tokens cls or mean, or the projection alone"
            )
        return layers

    def check(self, pictures: Pictures) -> None:
        """See `LearningBase.check`: a model takes any."""

    def features(
        self, layers: Sequence[Layer], pictures: Pictures, embedded: Callable[[int], None]
    ) -> tuple[dict[str, Rows], dict[str, Rows]]:
        """See `LearningBase.features`."""
        extractor = FeatureExtractor(self.ready.tower, layers, self.ready.reading)
        return embed_pictures(extractor, pictures.objects, pictures.local, pictures.pixel_cache, embedded)


@dataclass(frozen=True)
class StoredBase:
    """Features that exist; methods as in `LearningBase`. They say of which model they are, or are taken for their own.

    Attributes:
        stored: The features.
        view: Token view that is asked for; `all` for that in which they were kept.
        concept: Gives the concept of a picture, for a data set with one picture a concept.
        device: Where to learn.
    """

    stored: StoredFeatures
    view: str = "all"
    concept: Concept | None = None
    device: str = "cpu"

    @property
    def told(self) -> Told:
        """See `LearningBase.told`; everything is read once.

        Raises:
            DataError: If a number is not finite, or a file is damaged; names the place.
        """
        origin = self.stored.origin
        model = origin.get("model") or features_label(self.stored.path)
        view = stored_view(self.stored, self.view)
        precision = origin.get("precision", "fp32")
        return Told(model, origin.get("model_fingerprint"), view, precision, self.stored.fingerprint())

    def usual_layers(self) -> tuple[str, ...]:
        """See `LearningBase.usual_layers`: the projection, or the only layer.

        Raises:
            UsageError: If there are several, and no projection.
        """
        known, path = [layer.name for layer in self.stored.layers], self.stored.path
        if PROJECTION not in known and len(known) > 1:
            raise UsageError(f"{path} holds features of several layers ({', '.join(known)}): name one with --layers")
        return (PROJECTION if PROJECTION in known else known[0],)

    def layers(self, names: Sequence[str]) -> list[Layer]:
        """See `LearningBase.layers`.

        Raises:
            UsageError: If there is no such layer, it has several tokens, or is not what the model gives.
        """
        path = self.stored.path
        layers = list(layers_of(self.stored.only(names)))
        for layer in layers:
            applied = self.stored.origin.get("transforms", {}).get(layer.name)
            if layer.tokens > 1:
                raise UsageError(
                    f"{path}: {layer.name} has {layer.tokens} tokens, and a transform takes one vector a picture: save "
                    "one token, by --tokens cls or mean"
                )
            if applied is not None or (self.stored.origin.get("normalized") and layer.name == PROJECTION):
                how = "normalized" if applied is None else f"transformed by {applied}"
                raise UsageError(
                    f"{path}: {layer.name} is {how}, and a transform is learned on raw features: give them"
                )
        return layers

    def check(self, pictures: Pictures) -> None:
        """See `LearningBase.check`.

        Raises:
            DataError: If a picture has no row, or several.
        """
        for images in (pictures.objects, pictures.local):
            if images is not None:
                self._matched(images)

    def features(
        self, layers: Sequence[Layer], pictures: Pictures, embedded: Callable[[int], None]
    ) -> tuple[dict[str, Rows], dict[str, Rows]]:
        """See `LearningBase.features`; pictures are not opened.

        Raises:
            DataError: If a picture has no row, or several; or a number is not finite.
        """
        found: list[dict[str, Rows]] = []
        for images in (pictures.objects, pictures.local):
            found.append({} if images is None else self._rows(layers, images))
        embedded(pictures.count)
        return found[0], found[1]

    def _rows(self, layers: Sequence[Layer], images: ImageSource) -> dict[str, Rows]:
        path, found, rows = self.stored.path, dict[str, Rows](), self._matched(images)
        wanted = {layer.name for layer in layers}
        for layer in self.stored.layers:
            if layer.name in wanted:
                with damage_said(path), layer.opened() as held:
                    found[layer.name] = layer.rows(held, rows)[:, 0].numpy()
                finite = np.isfinite(found[layer.name]).all(axis=1)
                if not finite.all():
                    name = shortened(self.stored.names[rows[int(np.argmin(finite))]])
                    raise DataError(f"{path}: {layer.name} of {name} is not finite: leave out such rows")
        return found

    def _matched(self, images: ImageSource) -> Indices:
        """The row of each picture."""
        path = str(self.stored.path)
        return match_rows(path, self.stored.names, images.names, "the data set", self.concept).rows
