"""One run of a study: which model it is of, whether that is trained, and which of its layers count."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alignbench.study.study import read_study
from factor_grid import made
from studies import BASE_16, BASE_32, Made, as_published, write_made


def without_factors(path: Path) -> None:
    record = json.loads(path.read_text())
    record["factors"] = {}
    path.write_text(json.dumps(record))


def test_a_local_folder_of_a_published_model_has_its_factors(tmp_path: Path) -> None:
    write = {"clip-vit-base-patch32": BASE_32, "clip-vit-large-patch14": BASE_16, "mine": BASE_16}
    change: Callable[[Path], None] = without_factors
    for label, model in write.items():
        change(write_made(made(model, "tid2013", "low", label=label), tmp_path) / "run.json")
    found = {run.label: run.factors.get("architecture") for run in read_study([tmp_path])[0].runs}
    assert found == {"clip-vit-base-patch32": "base-32", "clip-vit-large-patch14": None, "mine": None}


@pytest.mark.parametrize(
    ("label", "settings", "trained"),
    [
        (BASE_32, {}, True),
        (f"{BASE_32}@random-1", {}, False),
        (f"{BASE_32}@mine", {"transform": "mine"}, False),
    ],
)
def test_a_trained_model_is_as_its_authors_trained_it(
    tmp_path: Path, label: str, settings: dict[str, Any], trained: bool
) -> None:
    write_made(made(BASE_32, "tid2013", "low", label=label, settings=settings), tmp_path)
    [run] = read_study([tmp_path])[0].runs
    assert (run.trained, run.is_baseline) == (trained, False)
    assert (run.card is not None) == trained, "a card is of the trained model alone"


def test_the_strongest_channels_shares_are_of_its_plain_layers(tmp_path: Path) -> None:
    shares = tuple(0.05 * layer for layer in range(14))
    write_made(Made(BASE_32, "tid2013", 40, as_published, ("cosine",), shares=shares), tmp_path)
    write_made(made("ssim", "tid2013", "low"), tmp_path)
    tower, baseline = read_study([tmp_path])[0].runs
    assert tower.top_shares["mean_square"].tolist() == pytest.approx(list(shares))
    assert baseline.top_shares == {}


def test_a_baseline_is_no_model_and_has_one_layer(tmp_path: Path) -> None:
    write_made(made("ssim", "tid2013", "low"), tmp_path)
    [run] = read_study([tmp_path])[0].runs
    assert (run.is_baseline, run.trained, run.card, run.factors) == (True, False, None, {})
    assert (run.layers, run.depths.tolist(), run.published) == (("image",), [0.0], "ssim")


def test_distances_come_one_name_after_another(tmp_path: Path) -> None:
    write_made(Made(BASE_32, "tid2013", 40, as_published, ("normalized_euclidean", "cosine")), tmp_path)
    [run] = read_study([tmp_path])[0].runs
    first, second = (run.load_distances([name]) for name in ("cosine", "normalized_euclidean"))
    both = run.load_distances(["cosine", "normalized_euclidean"])
    assert both.tolist() == [*first.tolist(), *second.tolist()]
    some = run.load_distances(["cosine"], ("projection", "layer_3"))
    assert some.tolist() == [first[-1].tolist(), first[3].tolist()]
