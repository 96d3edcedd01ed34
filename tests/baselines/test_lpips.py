"""LPIPS equals the package's, and weights that cannot be trusted are refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import lpips
import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor

from alignbench import ModelError, PairMetric
from baselines.lpips import ALEX, VGG, Lpips
from measured_pictures import PAIRS, measured, photographs, run_folder, tensors
from perceptnet_weights import RunsCode

LPIPS = {"alex": ALEX, "vgg": VGG}


# -------------------------------------------------------------------------------------------------- LPIPS


def random_trunk(kind: str) -> dict[str, Tensor]:
    """Seeded weights of torchvision's convolutions, in the order and under the names of its files."""
    build = {"alex": torchvision.models.alexnet, "vgg": torchvision.models.vgg16}[kind]
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in build(weights=None).state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(shape, generator=generator) * (2.0 / max(1, int(np.prod(shape[1:])))) ** 0.5
        for name, shape in shapes.items()
        if name.startswith("features.")
    }


@pytest.fixture(scope="module")
def torch_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of torch that holds both trunks, seeded."""
    home = tmp_path_factory.mktemp("torch")
    (home / "hub" / "checkpoints").mkdir(parents=True)
    for kind, metric in LPIPS.items():
        torch.save(random_trunk(kind), trunk_file(home, metric))
    return home


def trunk_file(home: Path, metric: PairMetric) -> Path:
    assert isinstance(metric, Lpips)
    return home / "hub" / "checkpoints" / metric.url.rpartition("/")[2]


def linear_file(kind: str) -> Path:
    return Path(lpips.__file__).parent / "weights" / "v0.1" / f"{kind}.pth"


def loaded(metric: PairMetric, home: Path, monkeypatch: pytest.MonkeyPatch) -> Lpips:
    monkeypatch.setenv("TORCH_HOME", str(home))
    assert isinstance(metric, Lpips)
    return metric.to("cpu")


def reference_lpips(kind: str) -> torch.nn.Module:
    """The package's own network, which loads its linear weights itself; the trunk's are put in by their order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = lpips.LPIPS(net=kind, version="0.1", pnet_rand=True, verbose=False)
    for mine, given in zip(network.net.parameters(), random_trunk(kind).values(), strict=True):
        mine.data.copy_(given)
    return network


@pytest.mark.parametrize("kind", LPIPS)
def test_lpips_is_the_packages(kind: str, torch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = photographs(96)
    metric = loaded(LPIPS[kind], torch_home, monkeypatch)
    first, second = (tensors([pictures[index] for index in ends]) for ends in PAIRS.T.tolist())
    with torch.inference_mode():
        expected = reference_lpips(kind)(first, second, normalize=True)[:, 0, 0, 0].numpy()
    found = measured(metric, pictures, tmp_path).values
    np.testing.assert_allclose(found, [expected], rtol=1e-5)
    assert found.std() > 1e-3


@pytest.mark.parametrize("pixels", [1, 2 * 96 * 96, 10**9])
def test_lpips_in_pieces_is_the_same(pixels: int, torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = loaded(ALEX, torch_home, monkeypatch)
    pictures = tensors(photographs(96))
    first, second = pictures[:5], pictures[1:]
    alone = [metric(a[None], b[None]).item() for a, b in zip(first, second, strict=True)]
    monkeypatch.setattr("baselines.lpips._AT_ONCE", pixels)
    np.testing.assert_allclose(metric(first, second).numpy(), alone, rtol=1e-5)


@pytest.mark.parametrize("kind", LPIPS)
def test_lpips_takes_pictures_down_to_its_smallest_side_and_no_smaller(
    kind: str, torch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = loaded(LPIPS[kind], torch_home, monkeypatch)
    first, second = torch.rand(
        2, 1, 3, metric.min_side, metric.min_side + 20, generator=torch.Generator().manual_seed(0)
    )
    assert metric(first, second).item() > 0.0
    with pytest.raises(RuntimeError, match="too small"):
        metric(first[:, :, 1:], second[:, :, 1:])


def test_fingerprint_of_lpips_is_over_trunk_and_linear_weights(
    torch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = hashlib.sha256()
    for path in (trunk_file(torch_home, ALEX), linear_file("alex")):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    assert loaded(ALEX, torch_home, monkeypatch).fingerprint == digest.hexdigest()
    other = random_trunk("alex") | {"features.0.bias": torch.zeros(64)}
    trunk_file(tmp_path, ALEX).parent.mkdir(parents=True)
    torch.save(other, trunk_file(tmp_path, ALEX))
    assert loaded(ALEX, tmp_path, monkeypatch).fingerprint != digest.hexdigest()


def write_bad_trunk(kind: str, path: Path, mark: Path) -> None:
    weights = random_trunk("alex")
    if kind == "code":
        torch.save(weights | {"features.0.bias": RunsCode(mark)}, path)
    elif kind == "missing":
        del weights["features.10.weight"]
        torch.save(weights, path)
    elif kind == "shape":
        torch.save(weights | {"features.0.weight": torch.zeros(64, 3, 7, 7)}, path)
    elif kind == "not finite":
        torch.save(weights | {"features.0.bias": torch.full((64,), float("nan"))}, path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("code", "could run code"),
        ("missing", "features.10.weight"),
        ("shape", "features.0.weight"),
        ("not finite", "features.0.bias"),
    ],
)
def test_a_trunk_that_cannot_be_trusted_is_refused(
    kind: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = trunk_file(tmp_path, ALEX)
    path.parent.mkdir(parents=True)
    write_bad_trunk(kind, path, tmp_path / "mark")
    with pytest.raises(ModelError) as refused:
        loaded(ALEX, tmp_path, monkeypatch)
    text = str(refused.value)
    assert said in text
    assert f"{path} " in text
    assert "delete it and get it from https://download.pytorch.org/models/alexnet-owt-7be5be79.pth" in text
    assert "\n" not in text
    assert not (tmp_path / "mark").exists()


def served(folder: Path, prefix: str | None = None) -> Lpips:
    """LPIPS whose trunk is to be had from a folder, under a name that promises its hash, or another."""
    torch.save(random_trunk("alex"), folder / "trunk.pth")
    digest = hashlib.sha256((folder / "trunk.pth").read_bytes()).hexdigest()
    place = folder / f"alexnet-{prefix or digest[:8]}.pth"
    (folder / "trunk.pth").rename(place)
    assert isinstance(ALEX, Lpips)
    return replace(ALEX, url=place.as_uri())


def test_a_missing_trunk_is_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = served(tmp_path)
    home = tmp_path / "torch"
    first = loaded(metric, home, monkeypatch)
    assert trunk_file(home, metric).is_file()
    shutil.move(tmp_path / trunk_file(home, metric).name, tmp_path / "gone")
    assert loaded(metric, home, monkeypatch).fingerprint == first.fingerprint


@pytest.mark.parametrize("fault", ["hash", "unreachable", "no folder"])
def test_a_trunk_that_cannot_be_downloaded_is_named_with_its_place_and_its_source(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = served(tmp_path, "00000000" if fault == "hash" else None)
    home = tmp_path / "torch"
    if fault == "unreachable":
        metric = replace(metric, url=(tmp_path / "alexnet-12345678.pth").as_uri())
    if fault == "no folder":
        home.write_text("a file in the way")
    with pytest.raises(ModelError) as refused:
        loaded(metric, home, monkeypatch)
    path, text = trunk_file(home, metric), str(refused.value)
    assert text.startswith(f"lpips-alex needs {path.name}, and downloading it failed (")
    assert text.endswith(f"get it from {metric.url} and put it at {path}")
    assert "\n" not in text
    assert not [left for left in home.rglob("*") if left.is_file()]


# ------------------------------------------------------------------------------------ the whole instrument


def test_lpips_is_measured_from_the_command_line_with_its_weights_in_the_identity(
    torch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--model", "lpips-alex", "--dataset", "shapes-middle", "--limit", "4")
    metric = loaded(ALEX, torch_home, monkeypatch)
    folder = run_folder(tmp_path, capsys, *options)
    assert metric.fingerprint in json.dumps(json.loads((folder / "run.json").read_text()))
    trunk_file(tmp_path, ALEX).parent.mkdir(parents=True)
    torch.save(random_trunk("alex") | {"features.0.bias": torch.ones(64)}, trunk_file(tmp_path, ALEX))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert run_folder(tmp_path, capsys, *options) != folder
