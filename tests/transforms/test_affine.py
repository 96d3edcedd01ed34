"""Affine transforms: the formula, types, files, and what is refused."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alignbench.errors import DataError, UsageError
from alignbench.transforms import AffineTransform
from files_of_arrays import Trap, damaged

RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(size=(6, 6))
BIAS = RNG.normal(size=6)


def made(dtype: type = np.float64, bias: bool = True) -> AffineTransform:
    return AffineTransform(
        WEIGHTS.astype(dtype), 0.25, 1.5, BIAS.astype(dtype) if bias else None, {"model": "m", "layer": "projection"}
    )


@pytest.mark.parametrize("shape", [(6,), (5, 6), (2, 3, 6)])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_formula(shape: tuple[int, ...], bias: bool) -> None:
    x = RNG.normal(size=shape)
    kept = x.copy()
    expected = np.einsum("...i,ij->...j", (x - 0.25) / 1.5, WEIGHTS) + (BIAS if bias else 0.0)
    found = made(bias=bias).apply(x)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_array_equal(x, kept)
    tensor = made(bias=bias).apply(torch.from_numpy(x))
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_precision_stays(dtype: type) -> None:
    x = RNG.normal(size=(4, 6)).astype(dtype)
    found = made().apply(x)
    assert found.dtype == dtype
    again = made().apply(torch.from_numpy(x))
    assert again.dtype == torch.from_numpy(x).dtype
    np.testing.assert_allclose(
        again.numpy().astype(float), found.astype(float), rtol=1e-3 if dtype is np.float16 else 1e-5
    )
    assert made().apply(torch.from_numpy(x).bfloat16()).dtype == torch.bfloat16


def test_bytes_in_another_order_and_longer_numbers_lose_no_digits() -> None:
    x = RNG.normal(size=(4, 6))
    expected = made().apply(x)
    for dtype in (">f8", np.longdouble):
        transform = AffineTransform(WEIGHTS.astype(dtype), 0.25, 1.5, BIAS.astype(dtype))
        found = transform.apply(x.astype(dtype))
        assert found.dtype == dtype
        np.testing.assert_allclose(found.astype(float), expected, rtol=1e-14)
        np.testing.assert_allclose(transform.apply(torch.from_numpy(x)).numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bias", [True, False])
def test_saving_and_loading_leave_every_bit(tmp_path: Path, suffix: str, dtype: type, bias: bool) -> None:
    before = made(dtype, bias)
    after = AffineTransform.load(before.save(tmp_path / f"t{suffix}"))
    x = RNG.normal(size=(7, 6)).astype(dtype)
    assert before.apply(x).tobytes() == after.apply(x).tobytes()
    assert after.weights.dtype == dtype
    assert dict(after.provenance) == ({} if suffix == ".npz" else dict(before.provenance))
    assert [path.name for path in tmp_path.iterdir()] == [f"t{suffix}"]


def test_the_published_form_and_the_older_matrix(tmp_path: Path) -> None:
    np.savez(tmp_path / "transform.npz", weights=WEIGHTS.astype(np.float32), mean=np.float32(0.5), std=np.array(2.0))
    found = AffineTransform.load(tmp_path / "transform.npz")
    assert (found.mean, found.std, found.bias) == (0.5, 2.0, None)
    np.save(tmp_path / "square.npy", WEIGHTS)
    np.save(tmp_path / "wide.npy", np.column_stack([WEIGHTS, BIAS]))
    x = RNG.normal(size=(3, 6))
    square = AffineTransform.load(tmp_path / "square.npy", mean=0.25, std=1.5)
    wide = AffineTransform.load(tmp_path / "wide.npy", mean=0.25, std=1.5)
    np.testing.assert_array_equal(square.apply(x), made(bias=False).apply(x))
    np.testing.assert_array_equal(wide.apply(x), made().apply(x))
    with pytest.raises(UsageError, match="no mean and std"):
        AffineTransform.load(tmp_path / "wide.npy")
    with pytest.raises(UsageError, match="of its own"):
        AffineTransform.load(tmp_path / "transform.npz", mean=0.0, std=1.0)


def test_it_cannot_be_changed() -> None:
    transform = made()
    with pytest.raises(AttributeError):
        transform.mean = 1.0  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        transform.weights[0, 0] = 1.0
    with pytest.raises(TypeError):
        transform.provenance["model"] = "other"  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"weights": np.eye(6, dtype=int)}, "not floating-point"),
        ({"weights": np.ones(6)}, "2 dimensions"),
        ({"weights": np.where(np.eye(6) > 0, np.nan, 1.0)}, "not finite"),
        ({"bias": np.ones(5)}, "5 numbers and weights 6 columns"),
        ({"std": 0.0}, "not positive"),
        ({"std": np.ones(6)}, "shape \\(6,\\)"),
        ({"mean": np.inf}, "not a finite number"),
    ],
)
def test_what_is_no_transform_is_refused(change: dict[str, Any], text: str) -> None:
    given: dict[str, Any] = {"weights": WEIGHTS, "mean": 0.0, "std": 1.0, "bias": BIAS} | change
    with pytest.raises(DataError, match=text):
        AffineTransform(**given)


@pytest.mark.parametrize(
    "x", [np.ones((3, 5)), np.ones((3, 6), dtype=int), torch.ones(3, 6, dtype=torch.long), [[1.0]]]
)
def test_what_it_cannot_take_is_refused(x: NDArray[Any]) -> None:
    with pytest.raises(UsageError, match=r"width 6|floating-point"):
        made().apply(x)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors"])
def test_a_pickle_is_never_opened(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"transform{suffix}"
    file.write_bytes(pickle.dumps(Trap(tmp_path / "run")))
    given = {"mean": 0.0, "std": 1.0} if suffix == ".npy" else {}
    with pytest.raises(DataError, match="transform"):
        AffineTransform.load(file, **given)
    objects = np.empty((2, 2), dtype=object)
    objects[:] = [[Trap(tmp_path / "run")] * 2] * 2
    np.savez(tmp_path / "objects.npz", weights=objects, mean=0.0, std=1.0)
    with pytest.raises(DataError, match=r"objects\.npz"):
        AffineTransform.load(tmp_path / "objects.npz")
    assert not (tmp_path / "run").exists()


def test_what_a_file_lacks_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "half.npz", weights=WEIGHTS, mean=0.0)
    with pytest.raises(DataError, match=r"has no std \(it holds mean, weights\)"):
        AffineTransform.load(tmp_path / "half.npz")
    whole = made().save(tmp_path / "whole.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-9])
    with pytest.raises(DataError, match=r"cut\.safetensors cannot be read"):
        AffineTransform.load(tmp_path / "cut.safetensors")
    with pytest.raises(DataError, match="cannot be read"):
        AffineTransform.load(tmp_path / "none.npz")
    with pytest.raises(UsageError, match=r"ends in \.safetensors"):
        AffineTransform.load(tmp_path / "transform.pkl")
    np.save(tmp_path / "odd.npy", np.ones((4, 6)))
    with pytest.raises(DataError, match=r"\(4, 6\)"):
        AffineTransform.load(tmp_path / "odd.npy", mean=0.0, std=1.0)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_damage_is_said_or_does_no_harm(tmp_path: Path, suffix: str) -> None:
    path, given = tmp_path / f"t{suffix}", {"mean": 0.0, "std": 1.0} if suffix == ".npy" else {}
    if suffix == ".npy":
        np.save(path, WEIGHTS)
    elif suffix == ".npz":
        np.savez_compressed(path, weights=WEIGHTS, mean=0.0, std=1.0)
    else:
        made().save(path)
    said = []
    for content in damaged(path.read_bytes()):
        try:
            AffineTransform.from_bytes(content, path.name, **given)
        except DataError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all(path.name in text for text in said)


def test_a_header_that_promises_too_much_is_said(tmp_path: Path) -> None:
    with (tmp_path / "vast.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**8, 10**8)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(DataError, match=r"vast\.npy cannot be read"):
        AffineTransform.load(tmp_path / "vast.npy", mean=0.0, std=1.0)


@pytest.mark.parametrize(
    "told",
    ['{"model": 5}', '{"layer": ["a"]}', '{"models": "m"}', '{"learned_objects": [1]}', '{"sha256": {}}', "[" * 5000],
)
def test_a_provenance_of_other_types_is_refused(tmp_path: Path, told: str) -> None:
    from safetensors.numpy import save_file

    arrays = {"weights": np.eye(2), "mean": np.array(0.0), "std": np.array(1.0)}
    save_file(arrays, tmp_path / "t.safetensors", metadata={"provenance": told})
    with pytest.raises(DataError, match=r"t\.safetensors cannot be read"):
        AffineTransform.load(tmp_path / "t.safetensors")
