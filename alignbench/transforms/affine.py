"""An affine transform of a representation: what it holds, how it is applied, and the files it is kept in.

    Y = ((X - mean) / std) @ weights + bias

Muttenthaler et al., "Improving neural network representations using human similarity judgments" (NeurIPS 2023).
Nothing is normalised before or after.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from alignbench.errors import DataError, UsageError, one_line
from alignbench.files import ARRAY_FILES, UNREADABLE, open_plain, write_whole
from alignbench.files.json_text import Kinds, checked_object, parse_json

if TYPE_CHECKING:
    import torch

    Array = TypeVar("Array", NDArray[np.floating[Any]], torch.Tensor)

_KEYS = ("weights", "mean", "std")
PROVENANCE: Final[Mapping[str, Kinds]] = {  # what is asked of it; it may tell more
    **dict.fromkeys(("model", "module", "layer", "tokens", "dataset", "objective", "sha256"), (str,)),
    **dict.fromkeys(("pictures", "caution"), (str,)),
    **dict.fromkeys(("models", "learned_objects", "held_out_objects"), (list,)),
    **dict.fromkeys(("model_fingerprint", "local_images"), (str, NoneType)),
}


@dataclass(frozen=True, eq=False)
class AffineTransform:
    """Standardise by two scalars, multiply from the right, add.

    Attributes:
        weights: Matrix of (d, k), as it is in the file; `k` is `d` in all published transforms.
        mean: Mean of all entries of the feature matrix that it was learned on.
        std: Standard deviation of all these entries (ddof 0).
        bias: Vector of (k,), or none.
        provenance: Where it comes from: `model`, `layer` or `module`, how it was learned. Strings, numbers, lists.

    Raises:
        DataError: If shapes do not fit together, a number is not finite, or the deviation is not positive.

    Examples:
        >>> import numpy as np
        >>> from alignbench.transforms import AffineTransform
        >>> AffineTransform(2 * np.eye(2), mean=1.0, std=0.5).apply(np.array([[1.0, 2.0]]))
        array([[0., 4.]])
    """

    weights: NDArray[np.floating[Any]]
    mean: float
    std: float
    bias: NDArray[np.floating[Any]] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", _fixed("weights", self.weights, 2))
        if self.bias is not None:
            object.__setattr__(self, "bias", _fixed("bias", self.bias, 1))
            if len(self.bias) != self.weights.shape[1]:
                raise DataError(f"bias has {len(self.bias)} numbers and weights {self.weights.shape[1]} columns")
        for name in ("mean", "std"):
            value = np.asarray(getattr(self, name))
            if value.size != 1 or value.dtype.kind not in "fiu" or not np.isfinite(value).all():
                raise DataError(f"{name} is not a finite number but {_short(value)}: the scalars of the whole matrix")
            object.__setattr__(self, name, float(value.reshape(())))
        if self.std <= 0:
            raise DataError(f"std {self.std} is not positive")
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))

    @property
    def width(self) -> int:
        """Numbers of a feature vector that it takes."""
        return int(self.weights.shape[0])

    def __repr__(self) -> str:
        """Describe the transform by its shape and where it comes from."""
        rows, columns = self.weights.shape
        origin = "".join(f", {key}={self.provenance[key]!r}" for key in self.provenance if key in ("model", "layer"))
        return f"AffineTransform({rows} -> {columns}{', bias' if self.bias is not None else ''}{origin})"

    def apply(self, x: Array) -> Array:
        """Transform features.

        Args:
            x: (..., d), a NumPy array or a tensor of floating-point numbers. For a CLIP model the UN-normalised
                projected embedding. It is left as it is.

        Returns:
            (..., k), of the same type, precision and device; half precisions are computed in float32.

        Raises:
            UsageError: If the width is another one, or it does not hold floating-point numbers.
        """
        shape, floating = _inspect(x)
        if not floating:
            raise UsageError("features to transform must be an array or tensor of floating-point numbers")
        if not shape or shape[-1] != self.width:
            raise UsageError(
                f"features of shape {tuple(shape)} do not fit a transform of width {self.width}: "
                "it belongs to another model or layer"
            )
        if isinstance(x, np.ndarray):
            return self._apply_array(x)
        return self._apply_tensor(x)

    def _apply_array(self, x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        precision = np.dtype(np.float64 if x.dtype.itemsize >= 8 else np.float32)
        mean, std = (np.asarray(value, dtype=precision) for value in (self.mean, self.std))
        y = ((x.astype(precision) - mean) / std) @ self.weights.astype(precision)
        if self.bias is not None:
            y += self.bias.astype(precision)
        return cast("NDArray[np.floating[Any]]", y.astype(x.dtype, copy=False))

    def _apply_tensor(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        precision = torch.float64 if x.dtype == torch.float64 else torch.float32
        y = ((x.to(precision) - self.mean) / self.std) @ torch.tensor(self.weights).to(x.device, precision)
        if self.bias is not None:
            y = y + torch.tensor(self.bias).to(x.device, precision)
        return y.to(x.dtype)

    # -------------------------------------------------------------------------------------------- files

    @classmethod
    def load(cls, path: str | Path, *, mean: float | None = None, std: float | None = None) -> AffineTransform:
        """Read a transform from a file.

        Args:
            path: `.safetensors` as `save` writes it; `.npz` with `weights`, `mean`, `std` and perhaps `bias`, as the
                published ones; or `.npy` of (d, d) or (d, d + 1), the last column then being the bias.
            mean: Mean of a `.npy`, which does not hold it.
            std: Standard deviation of a `.npy`, likewise.

        Raises:
            UsageError: If a `.npy` comes without mean and std, or another file with them.
            DataError: If the file is missing or holds anything else; nothing in it is ever executed.
        """
        path = Path(path)
        if path.suffix not in ARRAY_FILES:
            raise UsageError(f"{path} is not a transform that can be read: the name ends in {', '.join(ARRAY_FILES)}")
        if path.suffix == ".npy" and (mean is None or std is None):
            raise UsageError(f"{path} holds no mean and std: give those of the features that it was learned on")
        if path.suffix != ".npy" and not (mean is None and std is None):
            raise UsageError(f"{path} holds a mean and std of its own: leave out those given")
        try:
            with open_plain(path) as file:
                content = file.read()
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}): check its name") from error
        return cls.from_bytes(content, str(path), mean=mean, std=std)

    @classmethod
    def from_bytes(
        cls, content: bytes, name: str, *, mean: float | None = None, std: float | None = None
    ) -> AffineTransform:
        """Read a transform from the content of a file; see `load`.

        Args:
            content: What the file holds.
            name: Its name, whose ending says its form.
            mean: Mean of a `.npy`.
            std: Standard deviation of a `.npy`.
        """
        provenance: dict[str, Any] = {}
        if name.endswith(".npy"):
            arrays = _legacy(_numpy(content, name), name)
            arrays |= {"mean": np.float64(cast(float, mean)), "std": np.float64(cast(float, std))}
        elif name.endswith(".npz"):
            arrays = _zipped(content, name)
        else:
            arrays, provenance = _safetensors(content, name)
        missing = [key for key in _KEYS if key not in arrays]
        if missing:
            held = ", ".join(sorted(arrays)) or "nothing"
            raise DataError(f"{name} has no {' and no '.join(missing)} (it holds {held}): it is no transform")
        try:
            return cls(arrays["weights"], arrays["mean"], arrays["std"], arrays.get("bias"), provenance)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error

    def save(self, path: str | Path) -> Path:
        """Write it to a file, whole or not at all.

        Args:
            path: `.safetensors`, with provenance, or `.npz` in the published form, without.

        Returns:
            The path.

        Raises:
            UsageError: If the name ends otherwise.
            AlignbenchError: If it cannot be written.
        """
        path = Path(path)
        arrays = {"weights": self.weights, "mean": np.float64(self.mean), "std": np.float64(self.std)}
        if self.bias is not None:
            arrays["bias"] = self.bias
        if path.suffix == ".npz":
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)  # type: ignore[arg-type]  # the stub takes them for other arguments
            content = buffer.getvalue()
        elif path.suffix == ".safetensors":
            from safetensors.numpy import save

            kept = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
            content = save(kept, metadata={"provenance": json.dumps(dict(self.provenance))})
        else:
            raise UsageError(f"{path}: a transform is written as .safetensors or .npz")
        write_whole(path, content)
        return path


def _fixed(name: str, array: object, dimensions: int) -> NDArray[np.floating[Any]]:
    """A read-only copy of an array of finite floating-point numbers."""
    copy = np.array(array)
    if copy.dtype.kind != "f":
        raise DataError(f"{name} holds {copy.dtype}, not floating-point numbers")
    if copy.ndim != dimensions or not copy.size:
        raise DataError(f"{name} has the shape {copy.shape}, where {dimensions} dimensions are needed")
    if not np.isfinite(copy).all():
        raise DataError(f"{name} holds numbers that are not finite")
    copy = copy.astype(np.float64 if copy.dtype.itemsize > 8 else copy.dtype.newbyteorder("="), copy=False)
    copy.setflags(write=False)
    return copy


def _inspect(x: object) -> tuple[tuple[int, ...], bool]:
    """Shape of an array or tensor, and whether it holds floating-point numbers."""
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype.kind == "f"
    import torch

    return (tuple(x.shape), x.is_floating_point()) if isinstance(x, torch.Tensor) else ((), False)


def _short(value: NDArray[Any]) -> str:
    return str(value.item()) if value.size == 1 else f"an array of shape {value.shape}"


def _numpy(content: bytes, name: str) -> NDArray[Any]:
    """An array in NumPy's own format, without pickled objects."""
    if not content.startswith(np.lib.format.MAGIC_PREFIX):
        raise DataError(f"{name} is not in NumPy's format{_pickled(content)}: convert it to .npz or .safetensors")
    try:
        return cast("NDArray[Any]", np.load(io.BytesIO(content), allow_pickle=False))
    except UNREADABLE as error:
        raise DataError(f"{name} cannot be read ({one_line(error)}): convert it to .npz or .safetensors") from error


def _zipped(content: bytes, name: str) -> dict[str, Any]:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise DataError(f"{name} is not an .npz file{_pickled(content)}: save it by numpy.savez, or download it again")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files if key in (*_KEYS, "bias")}
    except UNREADABLE as error:
        raise DataError(f"{name} cannot be read ({one_line(error)}): save it by numpy.savez of plain arrays") from error


def _pickled(content: bytes) -> str:
    return " but a pickle, which is not opened since that would run code" if content[:1] == b"\x80" else ""


def _safetensors(content: bytes, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, Any] = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        told = parse_json(header.get("__metadata__", {}).get("provenance", "{}"))
        provenance = checked_object("provenance", told, PROVENANCE)
    except (SafetensorError, *UNREADABLE) as error:
        raise DataError(f"{name} cannot be read ({one_line(error)}): save it again") from error
    return arrays, provenance


def _legacy(array: NDArray[Any], name: str) -> dict[str, Any]:
    """Weights and perhaps the bias, in one matrix."""
    if array.ndim != 2 or array.shape[1] - array.shape[0] not in (0, 1):
        raise DataError(f"{name} has the shape {array.shape}: a transform is (d, d), or (d, d + 1) with its bias")
    width = array.shape[0]
    arrays = {"weights": array[:, :width]}
    return arrays | ({"bias": array[:, width]} if array.shape[1] > width else {})
