"""Distances do not depend on how images flow, and those of pixels are NumPy's."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from alignbench import Cell
from alignbench.datasets import DATASETS
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.distances.names import DISTANCES
from alignbench.errors import UsageError
from alignbench.extraction import execution as batching
from alignbench.extraction import tower_distances as towers
from alignbench.extraction.distributed import join
from alignbench.extraction.execution import Execution
from alignbench.extraction.metric_distances import MetricSource
from alignbench.extraction.progress import ProgressListener, RunSummary
from alignbench.extraction.tower_distances import TowerSource, mapped_zeros
from alignbench.measurement import pipeline as measurement
from alignbench.measurement.pipeline import measure_cell
from alignbench.measurement.precision_check import some_judgments
from alignbench.models.families import load_tower
from alignbench.models.pair_metrics import METRICS
from alignbench.models.towers import Tower
from alignbench.results.run_folder import Run
from features import check_close
from pair_graphs import pair_graphs
from reference import read_nights, read_things, read_tid2013
from scenery import Scenery
from workloads import workload_of

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


class Counting(ProgressListener):
    """Remembers what a run announced and how many images went through."""

    def __init__(self) -> None:
        self.outlines: list[RunSummary] = []
        self.images = 0

    def planned(self, outline: RunSummary) -> None:
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
    dense: bool | None = None,
    compiled: bool = False,
    check_passes: bool = True,
) -> dict[str, Floats]:
    workload = workload_of(images, pairs, weights, batch_size, dense=dense)
    execution = Execution(join("cpu"), workers=workers, feature_memory=memory, compiled=compiled)
    found = TowerSource(tower).distances(workload, execution, ProgressListener())
    assert not check_passes or (found.passes > 1) == (memory < MEMORY)
    return found.values


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
    assert run.settings.resize == "native"


@pytest.mark.parametrize(("dataset", "read"), [("nights", read_nights), ("things", read_things)])
def test_pixels_of_choices_at_224_equal_numpy(data_root: Folders, dataset: str, read: Callable) -> None:
    run = measured("pixels", dataset, data_root(dataset), batch_size=3)
    expected = read(data_root(dataset))
    images = [Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC) for path in expected.images]
    found = run.distances["euclidean"][0, run.judgments.judged]
    distances = [[root_mean_square(images[a], images[b]) for a, b in pairs] for pairs in expected.pairs]
    np.testing.assert_allclose(found, distances, rtol=1e-6)
    assert run.settings.resize == 224


def test_pixels_of_the_packaged_world_are_compared_as_they_are_drawn() -> None:
    run = measured("pixels", "shapes-middle", None, limit=5)
    images = [run.judgments.images.open(index) for index in range(len(run.judgments.images.names))]
    expected = [root_mean_square(images[a], images[b]) for a, b in run.judgments.pairs.tolist()]
    np.testing.assert_allclose(run.distances["euclidean"], [expected], rtol=1e-6)
    assert run.settings.resize == "native"


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (3, 0), (16, 0), (3, 2)])
def test_the_flow_does_not_matter_for_pair_metrics(things: Judgments, batch_size: int, workers: int) -> None:
    images = CountedImages(things.images)
    workload = workload_of(images, things.pairs, batch_size=batch_size, dense=False)
    execution = Execution(join("cpu"), workers=workers)
    source = MetricSource(METRICS.load("pixels"), 64)
    found = source.distances(workload, execution, ProgressListener()).values["euclidean"]
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


# --- Where and how the work is done ---------------------------------------------------------------------------------


def test_what_is_kept_in_a_file_is_the_same(
    tower: Tower, things: Judgments, plain: dict[str, Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counted(rows: int, columns: int) -> Tensor:
        made.append((rows, columns))
        return mapped_zeros(rows, columns)

    monkeypatch.setattr(towers, "mapped_zeros", counted)
    one_layer = 10 * 17 * 32 * 4
    fits_memory = len(things.pairs) * 32 * 4 * 2
    assert fits_memory < one_layer
    found = distances_of(tower, things.images, things.pairs, things.multiplicity(), memory=one_layer)
    assert made == []
    check_close(found, plain)
    stars = np.repeat(things.pairs, 40, axis=0)  # pair by pair, and more of it than of features
    expected = distances_of(tower, things.images, stars, np.ones(len(stars)), dense=False)
    found = distances_of(tower, things.images, stars, np.ones(len(stars)), memory=one_layer, dense=False)
    assert made == [(len(stars), channels) for channels in (32, 32, 32, 32, 24)]
    for name in DISTANCES:
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("memory", [MEMORY, 2 * 10 * 17 * 32 * 4])
def test_matrix_products_give_the_same(tower: Tower, things: Judgments, plain: dict[str, Floats], memory: int) -> None:
    check_close(
        distances_of(tower, things.images, things.pairs, things.multiplicity(), memory=memory, dense=True), plain
    )


@pytest.mark.parametrize("dense", [False, True])
def test_a_picture_that_cannot_be_told_apart_is_at_distance_0(tower: Tower, things: Judgments, dense: bool) -> None:
    images = things.images.select(np.array([0, 1, 1, 2]))
    pairs = np.array([(a, b) for a in range(4) for b in range(a)])
    found = distances_of(tower, images, pairs, np.ones(6), dense=dense)
    for name in DISTANCES:
        # places in a batch may round apart, so what is to tie exactly is embedded once (`distinct_pairs`)
        assert (found[name][:, 2] <= 1e-6 * found[name].max(axis=1)).all(), name
        np.testing.assert_allclose(found[name][:, 0], found[name][:, 1], rtol=1e-6)
        assert (found[name][1:, [0, 3, 4]] > 0).all()


@pytest.mark.slow
def test_a_compiled_tower_gives_the_same(tower: Tower, things: Judgments, plain: dict[str, Floats]) -> None:
    for batch_size in (4, 10):  # the last batch is smaller, or the only one
        found = distances_of(tower, things.images, things.pairs, things.multiplicity(), batch_size, compiled=True)
        check_close(found, plain)
    assert not any(module._forward_hooks for module in tower.modules())


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_change_by_a_low_precision_is_told(tiny_tower: Folders, data_root: Folders, precision: str) -> None:
    given = {"precision": precision, "check_precision": 12}
    run = measured(str(tiny_tower("clip")), "tid2013", data_root("tid2013"), **given)
    check = run.record.precision_check
    assert (check["pairs"], check["judgments"]) == (12, 12)
    few = some_judgments(run.judgments, 12)
    rows = np.searchsorted(np.array(run.judgments.ids), np.array(few.ids), sorter=np.argsort(run.judgments.ids))
    human = run.judgments.human[np.argsort(run.judgments.ids)[rows]]
    assert few.human.tolist() == human.tolist()
    exact, low = (
        measured_on(few, str(tiny_tower("clip")), data_root("tid2013"), which) for which in ("fp32", precision)
    )
    change = np.abs(exact - low)
    assert check["largest_change"] == pytest.approx(np.nanmax(change), abs=1e-12)
    assert check["largest_change"] > 0


def measured_on(few: Judgments, model: str, root: Path, precision: str) -> Floats:
    """All scores of some judgments, found through the command's own path with everything else left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurement, "load_judgments", lambda *_: few)
        run = measured(model, "tid2013", root, precision=precision)
    return run.curve.frame["value"].to_numpy()


def test_the_check_of_precision_needs_a_low_one() -> None:
    for options in ({}, {"precision": "fp32"}):
        with pytest.raises(UsageError, match="--precision bf16"):
            Cell("shapes-clip", "shapes-low", check_precision=9, **options).checked()  # type: ignore[arg-type]
    assert (
        measured("pixels", "shapes-low", None, limit=9, precision="bf16", check_precision=9).record.precision_check
        is None
    )


def test_the_batch_that_is_found_is_among_those_tried(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {1: 1.0, 8: 4.0, 16: 4.1, 32: 8.1}  # 2, 3.9 and 3.95 images a second
    monkeypatch.setattr(batching, "_LONG", 100.0)
    monkeypatch.setattr(batching, "_seconds", lambda tower, pixels, precision: seconds[len(pixels)])
    assert batching.fastest_batch(tower, torch.device("cpu"), "fp32") == 16


def test_a_batch_that_does_not_fit_is_passed_over(tower: Tower, monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(tower: Tower, pixels: Tensor, precision: str) -> float:
        if len(pixels) > 8:
            raise torch.OutOfMemoryError
        return 0.1

    monkeypatch.setattr(batching, "_seconds", seconds)
    assert batching.fastest_batch(tower, torch.device("cpu"), "fp32") == 8


def test_an_automatic_batch_size_changes_nothing(tiny_tower: Folders, nights_root: Path) -> None:
    found = measured(str(tiny_tower("clip")), "nights", nights_root, batch_size="auto")
    expected = measured(str(tiny_tower("clip")), "nights", nights_root)
    assert found.record.execution["batch_size"] in (8, 16, 32)
    check_close(found.distances, expected.distances)
    assert found.settings == expected.settings


@given(pair_graphs(), st.integers(1, 5), st.integers(0, 3))
@settings(max_examples=12)
def test_all_paths_agree_on_random_graphs(
    tower: Tower, graph: tuple[Indices, int], batch_size: int, first_picture: int
) -> None:
    """Streaming, several passes, in a file, and matrix products: whatever the pairs, in whatever batches."""
    pairs, count = graph
    images = Scenery(first_picture + count).select(np.arange(first_picture, first_picture + count))
    weights = np.random.default_rng(count).integers(0, 4, len(pairs)) + np.eye(len(pairs))[0]
    one_layer = count * 17 * 32 * 4
    ways = {
        "streaming": {"dense": False},
        "several passes": {"dense": False, "memory": one_layer},
        "matrix products": {"dense": True},
        "matrix products in several passes": {"dense": True, "memory": one_layer},
    }
    found = {
        way: distances_of(tower, images, pairs, weights, batch_size, check_passes=False, **options)
        for way, options in ways.items()
    }
    often = 17 * count // len(pairs) + 1  # so that what is kept per pair takes more room than features may
    repeated = np.repeat(pairs, often, axis=0), np.repeat(weights, often)
    kept = distances_of(tower, images, *repeated, batch_size, memory=one_layer, dense=False, check_passes=False)
    found["in a file"] = {name: values[:, ::often] for name, values in kept.items()}
    for way, values in found.items():
        for name in DISTANCES:
            expected = found["streaming"][name]
            atol = 1e-5 * np.median(expected) if way.startswith("matrix") else 1e-12
            np.testing.assert_allclose(values[name], expected, rtol=1e-5, atol=atol, err_msg=f"{way}, {name}")
