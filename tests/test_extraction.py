"""Distances do not depend on how images flow, and those of pixels are NumPy's."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from reference import read_nights, read_things, read_tid2013

from alignbench import Cell
from alignbench.cell import DISTANCES, METRICS
from alignbench.datasets import DATASETS
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.distances import ChannelFit
from alignbench.extraction.listening import Listener, Outline
from alignbench.extraction.metrics import metric_distances
from alignbench.extraction.plan import make_plan
from alignbench.extraction.towers import Execution, plan_passes, tower_distances
from alignbench.measurement import measure_cell
from alignbench.models import load_tower
from alignbench.models.towers import Tower
from alignbench.results import Run

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Folders = Callable[[str], Path]
MEMORY = 4_000_000_000
every_data_set = pytest.mark.parametrize("dataset", ["tid2013", "nights", "things"])


@dataclass
class CountedImages:
    """Pictures that count how often each is opened."""

    images: ImageSource
    opened: Counter[str] = field(default_factory=Counter)

    @property
    def names(self) -> Sequence[str]:
        return self.images.names

    def open(self, index: int) -> Image.Image:
        self.opened[self.names[index]] += 1
        return self.images.open(index)

    def select(self, indices: Indices) -> "CountedImages":
        return CountedImages(self.images.select(indices), self.opened)

    def identities(self) -> list[str]:
        return self.images.identities()


class Counting(Listener):
    """Remembers what a run announced and how many images went through."""

    def __init__(self) -> None:
        self.outlines: list[Outline] = []
        self.images = 0

    def planned(self, outline: Outline) -> None:
        self.outlines.append(outline)

    def advanced(self, images: int) -> None:
        self.images += images


@pytest.fixture(scope="module")
def tower(tiny_tower: Folders) -> Tower:
    return load_tower(str(tiny_tower("clip")))


@pytest.fixture(scope="module")
def things(things_root: Path) -> Judgments:
    return DATASETS.load("things").read(things_root, ("validationset",))


def distances_of(
    tower: Tower,
    images: ImageSource,
    pairs: Indices,
    weights: Floats,
    batch_size: int = 4,
    workers: int = 0,
    memory: int = MEMORY,
) -> dict[str, Floats]:
    plan = make_plan(pairs, len(images.names), batch_size)
    execution = Execution(accelerator="cpu", workers=workers, feature_memory=memory)
    passes = plan_passes(tower, plan, len(pairs), "all", execution)
    assert (len(passes) > 1) == (memory < MEMORY)
    fit = ChannelFit(torch.from_numpy(weights)[None], torch.zeros(len(pairs), dtype=torch.long))
    return tower_distances(tower, images, plan, passes, fit, "all", DISTANCES, execution, Listener()).values


def check_close(found: dict[str, Floats], expected: dict[str, Floats]) -> None:
    assert found.keys() == expected.keys() == set(DISTANCES)
    for name in DISTANCES:
        assert expected[name].min(axis=1)[1:].min() > 0
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)


def measured(model: str, dataset: str, root: Path | None, **options: object) -> Run:
    cell = Cell(model=model, dataset=dataset, data_root=root, accelerator="cpu", workers=0, **options)  # type: ignore[arg-type]
    run = measure_cell(cell)
    assert run is not None
    return run


# --- Towers ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(tower: Tower, things: Judgments) -> dict[str, Floats]:
    """Distances of all pairs with every image in one batch."""
    return distances_of(tower, things.images, things.pairs, things.multiplicity(), batch_size=100)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_batch_size_does_not_matter(tower: Tower, things: Judgments, plain: dict[str, Floats], batch_size: int) -> None:
    check_close(distances_of(tower, things.images, things.pairs, things.multiplicity(), batch_size), plain)


def test_loader_processes_do_not_matter(tower: Tower, things: Judgments, plain: dict[str, Floats]) -> None:
    check_close(distances_of(tower, things.images, things.pairs, things.multiplicity(), workers=2), plain)


def test_several_passes_do_not_matter(tower: Tower, things: Judgments, plain: dict[str, Floats]) -> None:
    one_layer = 10 * 17 * 32 * 4
    check_close(distances_of(tower, things.images, things.pairs, things.multiplicity(), memory=2 * one_layer), plain)


def test_order_of_images_and_pairs_does_not_matter(tower: Tower, things: Judgments, plain: dict[str, Floats]) -> None:
    rng = np.random.default_rng(0)
    images, pairs = rng.permutation(len(things.images.names)), rng.permutation(len(things.pairs))
    renumbered = np.argsort(images)[things.pairs[pairs]]
    turned = np.where(rng.random((len(pairs), 1)) < 0.5, renumbered, renumbered[:, ::-1])
    found = distances_of(tower, things.images.select(images), turned, things.multiplicity()[pairs])
    check_close(found, {name: values[:, pairs] for name, values in plain.items()})


@pytest.mark.parametrize(("memory", "passes"), [(MEMORY, 1), (2 * 10 * 17 * 32 * 4, 3)])
def test_every_image_is_opened_once_a_pass(tower: Tower, things: Judgments, memory: int, passes: int) -> None:
    images = CountedImages(things.images)
    distances_of(tower, images, things.pairs, things.multiplicity(), memory=memory)
    assert images.opened == dict.fromkeys(things.images.names, passes)


@every_data_set
def test_the_measure_is_announced_and_followed(tiny_tower: Folders, data_root: Folders, dataset: str) -> None:
    listener = Counting()
    cell = Cell(str(tiny_tower("clip")), dataset, data_root(dataset), accelerator="cpu", workers=0, batch_size=7)
    run = measure_cell(cell, listener)
    assert run is not None
    [outline] = listener.outlines
    assert (outline.pairs, outline.layers, outline.device) == (len(run.judgments.pairs), 5, "cpu")
    assert listener.images == outline.images * outline.passes
    assert outline.images == len(set(run.judgments.images.identities()))


@pytest.mark.parametrize("batch_size", [1, 2, 5, 16])
@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_identical_files_tie_exactly(tiny_tower: Folders, nights_root: Path, family: str, batch_size: int) -> None:
    run = measured(str(tiny_tower(family)), "nights", nights_root, batch_size=batch_size)
    left, right = run.judgments.judged[2]
    for values in run.distances.values():
        np.testing.assert_array_equal(values[:, left], values[:, right])
    others = np.delete(run.judgments.judged, 2, axis=0)
    assert (run.distances["euclidean"][:, others[:, 0]] != run.distances["euclidean"][:, others[:, 1]]).all()


def test_a_pair_counts_as_often_as_it_is_judged(tower: Tower, things: Judgments) -> None:
    weights = things.multiplicity()
    assert weights.max() > 1
    found = distances_of(tower, things.images, things.pairs, weights)["normalized_euclidean"]
    np.testing.assert_allclose(np.average(found**2, axis=1, weights=weights), 1.0, rtol=1e-5)


def test_a_single_judgment_is_measured(tiny_tower: Folders, things_root: Path) -> None:
    run = measured(str(tiny_tower("clip")), "things", things_root, limit=1)
    assert {name: values.shape for name, values in run.distances.items()} == dict.fromkeys(DISTANCES, (5, 3))


def test_a_single_pair_is_measured(tower: Tower, things: Judgments) -> None:
    found = distances_of(tower, things.images.select(np.array([0, 1])), np.array([[0, 1]]), np.ones(1))
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(DISTANCES, (5, 1))


# --- Pair metrics ---------------------------------------------------------------------------------------------------


def root_mean_square(first: Image.Image, second: Image.Image) -> float:
    a, b = (np.asarray(image.convert("RGB"), dtype=np.float64) / 255 for image in (first, second))
    return float(np.sqrt(((a - b) ** 2).mean()))


def test_pixels_of_ratings_at_native_size_equal_numpy(tid2013_root: Path) -> None:
    run = measured("pixels", "tid2013", tid2013_root, batch_size=5)
    expected = read_tid2013(tid2013_root)
    images = [Image.open(path) for path in expected.images]
    found = run.distances["euclidean"][0, run.judgments.judged[:, 0]]
    np.testing.assert_allclose(
        found, [root_mean_square(images[a], images[b]) for [(a, b)] in expected.pairs], rtol=1e-6
    )
    assert run.settings["resize"] == "native"


@pytest.mark.parametrize(("dataset", "read"), [("nights", read_nights), ("things", read_things)])
def test_pixels_of_choices_at_224_equal_numpy(data_root: Folders, dataset: str, read: Callable) -> None:
    run = measured("pixels", dataset, data_root(dataset), batch_size=3)
    expected = read(data_root(dataset))
    images = [Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC) for path in expected.images]
    found = run.distances["euclidean"][0, run.judgments.judged]
    distances = [[root_mean_square(images[a], images[b]) for a, b in pairs] for pairs in expected.pairs]
    np.testing.assert_allclose(found, distances, rtol=1e-6)
    assert run.settings["resize"] == 224


def test_pixels_of_the_packaged_world_are_compared_as_they_are_drawn() -> None:
    run = measured("pixels", "shapes-middle", None, limit=5)
    images = [run.judgments.images.open(index) for index in range(len(run.judgments.images.names))]
    expected = [root_mean_square(images[a], images[b]) for a, b in run.judgments.pairs.tolist()]
    np.testing.assert_allclose(run.distances["euclidean"], [expected], rtol=1e-6)
    assert run.settings["resize"] == "native"


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (3, 0), (16, 0), (3, 2)])
def test_the_flow_does_not_matter_for_pair_metrics(things: Judgments, batch_size: int, workers: int) -> None:
    plan = make_plan(things.pairs, len(things.images.names), batch_size)
    images = CountedImages(things.images)
    found = metric_distances(METRICS.load("pixels"), images, plan, things.pairs, 64, workers, Listener()).values
    pictures = [
        things.images.open(index).resize((64, 64), Image.Resampling.BICUBIC)
        for index in range(len(things.images.names))
    ]
    expected = [root_mean_square(pictures[a], pictures[b]) for a, b in things.pairs.tolist()]
    np.testing.assert_allclose(found, [expected], rtol=1e-6)
    if not workers:  # a process has a count of its own
        assert images.opened == dict.fromkeys(things.images.names, 1)


def test_pixels_by_hand() -> None:
    pixels = METRICS.load("pixels")
    first, second = torch.zeros(2, 3, 4, 5), torch.zeros(2, 3, 4, 5)
    second[0] = 0.5
    second[1, 0] = 1.0
    np.testing.assert_allclose(pixels(first, second).numpy(), [0.5, np.sqrt(1 / 3)], rtol=1e-12)
