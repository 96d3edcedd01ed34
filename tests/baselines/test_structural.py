"""SSIM and MS-SSIM equal the libraries and formulas that define them, on photographs."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import pytorch_msssim
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy.ndimage import correlate1d
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from alignbench import PairMetric
from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.models.pair_metrics import METRICS
from baselines.structural import MS_SSIM, SSIM
from measured_pictures import PAIRS, measured, photographs, run_folder, tensors

Floats = NDArray[np.float64]


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


# ---------------------------------------------------------------------------------------------- the door


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


# ------------------------------------------------------------------------------------ the whole instrument


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


def test_pictures_too_small_for_a_metric_are_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--model", "ms-ssim", "--dataset", "shapes-middle", "--output", str(tmp_path / "runs")]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("alignbench: ")]
    assert len(said) == 1
    assert said[0].endswith("is 64x64 pixels, and ms-ssim needs at least 161")
