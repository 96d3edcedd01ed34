"""Baselines equal the libraries and formulas that define them, on photographs and through the whole instrument."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import lpips
import numpy as np
import pytest
import pytorch_msssim
import skimage.data
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file
from scipy.ndimage import correlate1d
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor

from alignbench import DataError, ModelError, PairMetric
from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.datasets.images import FileImages
from alignbench.extraction.distributed import Ranks
from alignbench.extraction.execution import Execution
from alignbench.extraction.metric_distances import MetricSource
from alignbench.extraction.progress import ProgressListener
from alignbench.models.pair_metrics import METRICS, ready_metric
from baselines.lpips import ALEX, VGG, Lpips
from baselines.structural import MS_SSIM, SSIM
from workloads import workload_of

Floats = NDArray[np.float64]
LPIPS = {"alex": ALEX, "vgg": VGG}
MIN_SIDES = {"pixels": 1, "ssim": 11, "ms-ssim": 161, "lpips-alex": 31, "lpips-vgg": 16, "perceptnet": 14}


def photographs(side: int = 256) -> list[Image.Image]:
    """Five views of two photographs: each as it is, and damaged in three ways that a metric must notice."""
    views = []
    for photograph in (skimage.data.astronaut(), skimage.data.coffee()):
        original = Image.fromarray(photograph[40 : 40 + side, 60 : 60 + side])
        noise = np.random.default_rng(0).normal(0, 20, (side, side, 3))
        noisy = (np.asarray(original) + noise).round().clip(0, 255).astype(np.uint8)
        small = original.resize((side // 4, side // 4), Image.Resampling.BILINEAR)
        views += [original, Image.fromarray(noisy), small.resize((side, side), Image.Resampling.BILINEAR)]
    return views


PAIRS = np.array([(0, 1), (0, 2), (3, 4), (3, 5), (1, 2), (0, 3)])


def tensors(pictures: Sequence[Image.Image]) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2) / 255.0


class Measured(NamedTuple):
    """Distances, (1, pairs), and the number of pairs whose pictures differ in size."""

    values: NDArray[np.float64]
    resized: int


def measured(
    metric: PairMetric,
    pictures: Sequence[Image.Image],
    folder: Path,
    pairs: NDArray[np.int64] = PAIRS,
    batch_size: int = 3,
    device: str = "cpu",
) -> Measured:
    """Distances of pictures in files, through the flow of images."""
    names = tuple(f"{index}.png" for index in range(len(pictures)))
    for name, picture in zip(names, pictures, strict=True):
        picture.save(folder / name)
    workload = workload_of(FileImages(folder, names), pairs, batch_size=batch_size, dense=False)
    execution = Execution(Ranks(0, 1, torch.device(device)), workers=0)
    found = MetricSource(metric, None).distances(workload, execution, ProgressListener())
    return Measured(found.values[metric.distance], found.resized)


# --------------------------------------------------------------------------------------------------- SSIM


@pytest.mark.parametrize(("metric", "function"), [(SSIM, pytorch_msssim.ssim), (MS_SSIM, pytorch_msssim.ms_ssim)])
def test_structural_distances_are_one_minus_the_librarys_similarity(
    metric: PairMetric, function: object, tmp_path: Path
) -> None:
    pictures = photographs()
    similarity = [
        function(tensors([pictures[a]]), tensors([pictures[b]]), data_range=1.0).item()  # type: ignore[operator]
        for a, b in PAIRS.tolist()
    ]
    found = measured(metric, pictures, tmp_path).values
    np.testing.assert_allclose(found, 1.0 - np.array([similarity]), rtol=1e-5, atol=1e-7)
    assert found.std() > 0.1


def test_ssim_is_that_of_scikit_image() -> None:
    pictures = photographs()
    expected = [
        1.0
        - structural_similarity(
            np.asarray(pictures[a]) / 255.0,
            np.asarray(pictures[b]) / 255.0,
            data_range=1.0,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in PAIRS.tolist()
    ]
    first, second = (tensors([pictures[index] for index in ends]) for ends in PAIRS.T.tolist())
    np.testing.assert_allclose(SSIM(first, second).numpy(), expected, rtol=1e-4)


def ms_ssim_by_formula(first: Floats, second: Floats) -> float:
    """Wang et al. (2003), equation 7, with their five exponents, for (H, W) in [0, 1]; float64."""
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def blurred(x: Floats) -> Floats:
        return correlate1d(correlate1d(x, window, axis=0), window, axis=1)[5:-5, 5:-5]

    product = 1.0
    for scale, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mean_a, mean_b = blurred(first), blurred(second)
        covariance = blurred(first * second) - mean_a * mean_b
        spread = blurred(first**2) - mean_a**2 + blurred(second**2) - mean_b**2
        contrast = (2 * covariance + 0.03**2) / (spread + 0.03**2)
        if scale == 4:
            contrast = contrast * (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
        product *= max(float(contrast.mean()), 0.0) ** exponent
        rows, columns = (size // 2 for size in first.shape)
        first, second = (x.reshape(rows, 2, columns, 2).mean(axis=(1, 3)) for x in (first, second))
    return product


def test_ms_ssim_is_that_of_its_formula() -> None:
    pictures = photographs()
    first, second = (tensors([pictures[index] for index in ends]) for ends in PAIRS.T.tolist())
    expected = [
        1.0 - np.mean([ms_ssim_by_formula(x, y) for x, y in zip(a, b, strict=True)])
        for a, b in zip(first.double().numpy(), second.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(MS_SSIM(first, second).numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize("metric", [SSIM, MS_SSIM])
def test_structural_distances_of_a_picture_to_itself_vanish(metric: PairMetric) -> None:
    picture = tensors(photographs()[:1])
    assert abs(metric(picture, picture).item()) < 1e-6


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


class RunsCode:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def write_bad_trunk(kind: str, path: Path, mark: Path) -> None:
    weights = random_trunk("alex")
    torch.save(weights, path)
    whole = path.read_bytes()
    if kind == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "a web page":
        path.write_text("<html>404 not found</html>")
    elif kind == "code":
        torch.save(weights | {"features.0.bias": RunsCode(mark)}, path)
    elif kind == "old code":
        torch.save(weights | {"features.0.bias": RunsCode(mark)}, path, _use_new_zipfile_serialization=False)
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(RunsCode(mark)))
    elif kind == "list":
        torch.save(list(weights.values()), path)
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
        ("cut", "cannot be read"),
        ("empty", "empty"),
        ("a web page", "cannot be read"),
        ("code", "could run code"),
        ("old code", "could run code"),
        ("pickle", "cannot be read"),
        ("list", "does not hold weights by name"),
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


def test_weights_are_needed_before_distances() -> None:
    for metric in (ALEX, VGG, METRICS.load("perceptnet")):
        with pytest.raises(ModelError, match=rf"^{metric.name} has no weights yet: call its `to\(device\)`"):
            metric(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))


# ---------------------------------------------------------------------------------------------- the door


@pytest.mark.parametrize(("name", "side"), MIN_SIDES.items())
def test_every_baseline_is_registered(name: str, side: int) -> None:
    metric = METRICS.load(name)
    assert isinstance(metric, PairMetric)
    assert metric.name == name
    assert metric.distance == ("euclidean" if name == "pixels" else name)
    assert metric.min_side == side


def test_what_is_registered_costs_little_to_import() -> None:
    modules = "baselines.pixels, baselines.structural, baselines.lpips, baselines.perceptnet"
    code = f"import sys, {modules}; sys.exit(', '.join({{'torch', 'numpy', 'lpips'}} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["ssim", "ms-ssim"])
def test_the_smallest_side_of_a_structural_distance_holds_its_window(name: str) -> None:
    metric = METRICS.load(name)
    picture = torch.rand(2, 3, metric.min_side, metric.min_side, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pytorch-msssim warns where it leaves the window out
        assert metric(picture[:1], picture[1:]).item() > 0.1
    smaller = picture[:, :, 1:]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((AssertionError, UserWarning)):
            metric(smaller[:1], smaller[1:])


@dataclass
class Places:
    """A metric that notes where its pictures are; it gives the number of pairs in each batch."""

    name: str = "places"
    distance: str = "places"
    min_side: int = 1

    def __post_init__(self) -> None:
        self.seen: list[tuple[str, tuple[int, ...]]] = []
        self.asked: list[str] = []

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        for pictures in (first, second):
            assert pictures.dtype == torch.float32
            self.seen.append((pictures.device.type, tuple(pictures.shape)))
        return torch.full((len(first),), float(len(first)))


class MovablePlaces(Places):
    def to(self, device: str) -> MovablePlaces:
        self.asked.append(device)
        return self


def test_a_metric_with_a_device_gets_its_pictures_there(tmp_path: Path) -> None:
    metric, device = ready_metric(MovablePlaces(), "meta")  # a device without memory, which is everywhere
    assert device == "meta"
    measured(metric, photographs(16), tmp_path, device=device)
    assert isinstance(metric, MovablePlaces)
    assert metric.asked == ["meta"]
    assert {place for place, _ in metric.seen} == {"meta"}


def test_a_metric_without_one_gets_them_on_the_cpu(tmp_path: Path) -> None:
    metric, device = ready_metric(Places(), "meta")
    assert device == "cpu"
    measured(metric, photographs(16), tmp_path, device="meta")
    assert isinstance(metric, Places)
    assert {place for place, _ in metric.seen} == {"cpu"}


def test_pairs_come_in_batches_of_sixteen_at_most(tmp_path: Path) -> None:
    pairs = np.array([(0, 1)] * 37)
    found = measured(Places(), photographs(16)[:2], tmp_path, pairs)
    assert found.values.tolist() == [[16.0] * 32 + [5.0] * 5]
    assert found.resized == 0


# ------------------------------------------------------------------------------------- pairs of two sizes


def pictures_of_sizes() -> list[Image.Image]:
    original, noisy = photographs(300)[:2]
    return [original, noisy.resize((280, 300)), noisy, original.resize((224, 224)), noisy.resize((200, 260))]


def root_mean_square(first: Image.Image, second: Image.Image) -> float:
    a, b = (np.asarray(picture, dtype=np.float64) / 255 for picture in (first, second))
    return float(np.sqrt(((a - b) ** 2).mean()))


@pytest.mark.parametrize("batch_size", [1, 5])
def test_pictures_of_two_sizes_are_compared_at_224(tmp_path: Path, batch_size: int) -> None:
    pictures = pictures_of_sizes()
    pairs = np.array([(0, 1), (0, 2), (3, 1), (2, 4), (4, 0), (3, 3)])
    found = measured(METRICS.load("pixels"), pictures, tmp_path, pairs, batch_size)
    common = [picture.resize((224, 224), Image.Resampling.BICUBIC) for picture in pictures]
    expected = [
        root_mean_square(*((pictures if pictures[a].size == pictures[b].size else common)[i] for i in (a, b)))
        for a, b in pairs.tolist()
    ]
    np.testing.assert_allclose(found.values, [expected], rtol=1e-6)
    assert found.resized == 4


def test_pictures_of_two_sizes_are_refused_where_224_is_too_small(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        measured(Places("sharp", min_side=250), pictures_of_sizes()[:3], tmp_path, np.array([(0, 2), (0, 1)]))
    assert str(refused.value) == (
        "0.png and 1.png differ in size, and sharp cannot take them at 224 x 224 pixels: it needs at least 250"
    )


def test_a_small_picture_stays_one_beside_a_large_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^1.png is 40x200 pixels, and ms-ssim needs at least 161$"):
        measured(MS_SSIM, [photographs(200)[0], photographs(200)[1].resize((40, 200))], tmp_path, np.array([(0, 1)]))


# ------------------------------------------------------------------------------------ the whole instrument


def run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> Path:
    assert main(["run", "--accelerator", "cpu", "--output", str(tmp_path / "runs"), *options]) == 0
    return Path(capsys.readouterr().out.splitlines()[-1])


def test_ssim_is_measured_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path, capsys, "--model", "ssim", "--dataset", "shapes-low", "--limit", "60")
    judgments = DATASETS.load("shapes-low").read(None, ("test",)).limited(60)
    pictures = [judgments.images.open(index) for index in range(len(judgments.images.names))]
    expected = [
        1.0 - pytorch_msssim.ssim(tensors([pictures[a]]), tensors([pictures[b]]), data_range=1.0).item()
        for a, b in judgments.pairs.tolist()
    ]
    (found,) = load_file(folder / "distances.safetensors").values()
    np.testing.assert_allclose(found, [expected], rtol=1e-5, atol=1e-7)
    rows = [line.split(",") for line in (folder / "curve.csv").read_text().splitlines()]
    (row,) = (dict(zip(rows[0], row, strict=True)) for row in rows if "spearman" in row)
    assert (row["model"], row["distance"], row["layer"], row["n"]) == ("ssim", "ssim", "image", "60")
    correlated = spearmanr(-found[0][judgments.judged[:, 0]], judgments.human).statistic
    assert float(row["value"]) == pytest.approx(correlated, abs=1e-9)


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


def test_pictures_too_small_for_a_metric_are_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--model", "ms-ssim", "--dataset", "shapes-middle", "--output", str(tmp_path / "runs")]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("alignbench: ")]
    assert len(said) == 1
    assert said[0].endswith("is 64x64 pixels, and ms-ssim needs at least 161")
