"""Files of weights are read as named tensors of finite numbers, or refused in a line, and run no code."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from alignbench import ModelError
from baselines.weights import files_fingerprint, read_weights
from perceptnet_weights import RunsCode, Weights

REMEDY = "ask for another"
WEIGHTS: Weights = {"größe": torch.tensor([[0.5, -2.0], [3.0, 0.0]]), "steps": torch.tensor(7), "none": torch.empty(0)}


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("new.pth", torch.save),
        ("old.bin", lambda weights, path: torch.save(weights, path, _use_new_zipfile_serialization=False)),
        ("tensors.safetensors", save_file),
    ],
)
def test_tensors_are_read_as_they_were_written(
    name: str, write: Callable[[Weights, Path], None], tmp_path: Path
) -> None:
    write(WEIGHTS, tmp_path / name)
    found = read_weights(tmp_path / name, REMEDY)
    assert found.keys() == WEIGHTS.keys()
    for key, value in WEIGHTS.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value)


def saved(found: object, old: bool = False) -> bytes:
    file = io.BytesIO()
    torch.save(found, file, _use_new_zipfile_serialization=not old)
    return file.getvalue()


RUNS_CODE = "cannot be read as weights (it holds more than weights, which could run code)"
BAD: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "code": (lambda mark: saved(WEIGHTS | {"steps": RunsCode(mark)}), RUNS_CODE),
    "old code": (lambda mark: saved(RunsCode(mark), old=True), RUNS_CODE),
    "old code among weights": (lambda mark: saved(WEIGHTS | {"steps": RunsCode(mark)}, old=True), RUNS_CODE),
    "a pickle": (lambda mark: pickle.dumps(RunsCode(mark)), "cannot be read as weights"),
    "a whole module": (lambda mark: saved(torch.nn.Linear(2, 1)), RUNS_CODE),
    "no numbers": (
        lambda mark: saved(WEIGHTS | {"b": torch.tensor([1.0, torch.inf])}),
        "holds numbers that are not finite in b: ",
    ),
    "not a number": (
        lambda mark: saved(WEIGHTS | {"b": torch.tensor([torch.nan])}),
        "holds numbers that are not finite in b: ",
    ),
    "numbers for names": (lambda mark: saved({1: torch.zeros(3)}), "does not hold weights by name"),
    "a list": (lambda mark: saved(list(WEIGHTS.values())), "does not hold weights by name"),
    "a number for a tensor": (lambda mark: saved(WEIGHTS | {"steps": 7}), "does not hold weights by name"),
    "nothing": (lambda mark: b"", "cannot be read as weights (it is empty or cut short)"),
    "a half": (lambda mark: saved(WEIGHTS)[: len(saved(WEIGHTS)) // 2], "cannot be read as weights"),
    "a web page": (lambda mark: b"<html>no such release</html>", "cannot be read as weights"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_cannot_be_trusted_is_refused(kind: str, tmp_path: Path) -> None:
    content, said = BAD[kind]
    path = tmp_path / "weights.pth"
    path.write_bytes(content(tmp_path / "mark"))
    with pytest.raises(ModelError) as refused:
        read_weights(path, REMEDY)
    text = str(refused.value)
    assert text.startswith(f"{path} {said}")
    assert text.endswith(f": {REMEDY}")
    assert "\n" not in text
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("content", [b"", b"\x00" * 100])
def test_safetensors_that_are_damaged_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"^{path} cannot be read as weights \("):
        read_weights(path, REMEDY)


def test_a_fingerprint_is_over_contents_in_order_and_not_over_names(tmp_path: Path) -> None:
    first, second, copy = (tmp_path / name for name in ("first", "second", "copy"))
    for path, content in ((first, b"ab"), (second, b"c"), (copy, b"ab")):
        path.write_bytes(content)
    digests = b"".join(hashlib.sha256(content).digest() for content in (b"ab", b"c"))
    assert files_fingerprint(first, second) == files_fingerprint(copy, second) == hashlib.sha256(digests).hexdigest()
    assert files_fingerprint(second, first) != files_fingerprint(first, second)
    first.write_bytes(b"a")
    second.write_bytes(b"bc")
    assert files_fingerprint(first, second) != hashlib.sha256(digests).hexdigest(), "files have their bounds"
