"""Features of pictures as a teacher sees them: rows of a file, which stay on the disk, through its transform or not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from alignbench.alignet.stage_folders import map_rows, new_array
from alignbench.arrays import Indices
from alignbench.errors import AlignbenchWarning, DataError, UsageError, counted, shortened
from alignbench.extraction.feature_files import FeatureFile
from alignbench.extraction.feature_forms import damage_said
from alignbench.extraction.stored_features import StoredFeatures, open_features
from alignbench.extraction.stored_layers import StoredLayer
from alignbench.files import whole_file
from alignbench.models.layer_names import PROJECTION
from alignbench.results.folders import find_folders
from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.named import NamedTransform, check_fits, resolve

_LEARNED: Final = "learned.json"
_BLOCK: Final = 8_000_000  # numbers that go through a transform at once
Rows = Callable[[Indices | slice], NDArray[np.float32]]


@dataclass(frozen=True)
class TeacherFeatures:
    """Features of pictures at one layer, and the transform that makes the teacher's representation of them.

    Attributes:
        stored: The features, of one layer with one token.
        teacher: The transform; none for the untransformed space.
    """

    stored: StoredFeatures
    teacher: NamedTransform | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the pictures, one a row."""
        return self.stored.names

    @property
    def layer(self) -> StoredLayer:
        """The layer."""
        return self.stored.layers[0]

    @property
    def width(self) -> int:
        """Numbers of a picture in the teacher's representation."""
        return int(self.teacher.transform.weights.shape[1]) if self.teacher is not None else self.layer.channels

    def settings(self) -> dict[str, Any]:
        """Read everything once, and return what settles the numbers.

        Raises:
            DataError: If a number is not finite, or the file is damaged; names the row.
        """
        origin = self.stored.origin
        return {
            "model": origin.get("model"),
            "model_fingerprint": origin.get("model_fingerprint"),
            "layer": self.layer.name,
            "features": self.stored.fingerprint(),
            "space": "raw" if self.teacher is None else "transformed",
            "transform": None if self.teacher is None else self.teacher.settings(),
        }

    @contextmanager
    def opened(self) -> Iterator[Rows]:
        """Open the file, and yield what reads rows, (rows, width) float32, by a slice or by different numbers.

        Raises:
            DataError: If the file is damaged; or, while it is read, if the transform makes a number that is not finite.
        """
        with damage_said(self.stored.path), self.layer.opened() as held:

            def rows(chosen: Indices | slice) -> NDArray[np.float32]:
                plain = self.layer.rows(held, chosen).numpy().reshape(-1, self.layer.channels)
                return plain if self.teacher is None else self._transformed(plain, self.teacher.transform, chosen)

            yield rows

    @contextmanager
    def mapped(self, folder: Path) -> Iterator[NDArray[np.float32]]:
        """Yield the teacher's representation of all pictures, (n, width) float32, which stays on the disk.

        Features that are such an array in their file are mapped from it. Others, and transformed ones, are written
        once: each picture goes through the transform one time, however often its row is read.

        Args:
            folder: Where they are written, as `points.npy`; what is there already is taken.

        Raises:
            DataError: See `opened`.
            AlignbenchError: If there is no room for them.
        """
        if self.teacher is None:
            with damage_said(self.stored.path), self.layer.opened() as held:
                plain = _as_matrix(held)
                if plain is not None:
                    yield plain
                    return
        path = folder / "points.npy"
        if not path.is_file():
            self._write(path)
        yield map_rows(path, np.float32, self.width)

    def _write(self, path: Path) -> None:
        step = max(1, _BLOCK // max(self.width, self.layer.channels))
        with whole_file(path, "free some room, or choose another --output") as scratch, self.opened() as rows:
            points = new_array(scratch, np.float32, (len(self.names), self.width))
            for start in range(0, len(points), step):
                points[start : start + step] = rows(slice(start, start + step))

    def _transformed(
        self, plain: NDArray[np.float32], transform: AffineTransform, chosen: Indices | slice
    ) -> NDArray[np.float32]:
        with np.errstate(over="ignore", invalid="ignore"):
            found = transform.apply(plain)
        finite = np.isfinite(found).all(axis=1)
        if not finite.all():
            row = int(np.arange(len(self.names))[chosen][np.argmin(finite)])
            raise DataError(
                f"the teacher makes numbers of {self.stored.path} that are not finite, in the row of "
                f"{shortened(self.names[row])}: its mean, std or weights are not those of such features"
            )
        return found


def _as_matrix(held: Any) -> NDArray[np.float32] | None:
    """What a file holds as it is, if that is a matrix of float32."""
    if isinstance(held, torch.Tensor) and held.dtype == torch.float32:
        held = held.numpy()
    is_matrix = isinstance(held, np.ndarray) and held.ndim == 2 and held.dtype == np.float32
    return held if is_matrix and held.dtype.isnative else None


def teacher_features(path: Path, layer: str | None, teacher: str | None, force: bool = False) -> TeacherFeatures:
    """Open features, and the transform of a teacher.

    Args:
        path: Features with names, in any form that `alignbench run --features` reads.
        layer: Which layer [default: the teacher's, or the only one].
        teacher: A file of a transform, the name of a published one, or a folder that learning left; none for the
            untransformed space.
        force: Whether a transform of another model or layer is taken, too.

    Raises:
        UsageError: If there is no such layer, or several and none is named, or the transform does not fit.
        DataError: If a file cannot be read, or the layer has several tokens.
    """
    chosen = None if teacher is None else resolve(transform_file(teacher))
    stored = open_features(path)
    layers = [each.name for each in stored.layers]
    name = layer if layer is not None else chosen.layer if chosen is not None and chosen.layer in layers else None
    if name is None and len(layers) > 1:
        raise UsageError(f"{path} holds features of several layers ({', '.join(layers)}): name one with --layer")
    features = TeacherFeatures(stored.only([name or layers[0]]), chosen)
    found = features.layer
    if found.tokens > 1:
        raise DataError(f"{path}: {found.name} has {found.tokens} tokens a picture: save one, by --tokens cls or mean")
    if chosen is not None:
        _check_teacher(chosen, features, force)
    return features


def _check_teacher(chosen: NamedTransform, features: TeacherFeatures, force: bool) -> None:
    stored, found = features.stored, features.layer
    if chosen.transform.width != found.channels:
        raise UsageError(
            f"the transform {chosen.name} takes {counted(chosen.transform.width, 'channel')}, and {found.name} of "
            f"{stored.path} has {found.channels}: it belongs to another model or layer"
        )
    if force:
        return
    check_fits(chosen, FeatureFile({}, origin=stored.origin), found.name)
    if "model" not in stored.origin:
        warnings.warn(
            f"{stored.path} does not say of which model it is: that {chosen.name} belongs to it is taken on trust",
            AlignbenchWarning,
            stacklevel=3,
        )


def transform_file(teacher: str) -> str:
    """Return the file of a transform in a folder that learning left: of the projection, or of the only layer.

    Args:
        teacher: A folder; what is none is returned as it is.

    Raises:
        UsageError: If a folder holds transforms of several layers and none of the projection.
        DataError: If it holds no transform.
    """
    folder = Path(teacher)
    if not folder.is_dir():
        return teacher
    files = sorted(folder.glob("*.safetensors"))
    of_projection = [each for each in files if each.stem == PROJECTION]
    if not files or not find_folders(_LEARNED, [folder]):
        raise DataError(f"{folder} holds no transform: name a folder that `alignbench alignet teacher` made, or a file")
    if len(files) > 1 and not of_projection:
        raise UsageError(f"{folder} holds transforms of several layers: name one of its files with --teacher")
    return str((of_projection or files)[0])
