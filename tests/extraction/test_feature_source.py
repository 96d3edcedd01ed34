"""Distances from features that exist: those of the definition in float64, in every token view that can be had."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.arrays import Indices
from alignbench.errors import AlignbenchError, UsageError
from alignbench.extraction.distributed import join
from alignbench.extraction.execution import Execution
from alignbench.extraction.feature_files import FeatureFile, write_features
from alignbench.extraction.feature_source import FeatureSource, layers_of, stored_view
from alignbench.extraction.progress import ProgressListener, RunSummary
from alignbench.extraction.stored_features import StoredFeatures, open_features
from feature_writers import list_names
from reference import pair_distances
from workloads import workload_of

PICTURES = tuple(f"p{number}.png" for number in range(12))
RNG = np.random.default_rng(5)
ARRAYS = {
    "conv": RNG.normal(size=(15, 6, 2, 3)).astype(np.float32),
    "block": RNG.normal(size=(15, 5, 6)).astype(np.float32),
    "pooled": RNG.normal(size=(15, 7)).astype(np.float32),
}
ORDER = RNG.permutation(15)  # the row of each picture, and of three that nobody asks for
PAIRS = np.array([(a, b) for a in range(12) for b in range(a) if (a * b) % 3 != 1])


@dataclass(frozen=True)
class Named:
    """Pictures that must not be opened."""

    names: tuple[str, ...] = PICTURES

    def open(self, index: int) -> Image.Image:
        raise AssertionError(f"{self.names[index]} was opened")

    def select(self, indices: Indices) -> Named:
        return Named(tuple(self.names[int(index)] for index in indices))

    def identities(self) -> list[str]:
        return list(self.names)


@dataclass
class Heard(ProgressListener):
    notices: list[str] = field(default_factory=list)
    plans: list[RunSummary] = field(default_factory=list)
    images: int = 0

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def planned(self, outline: RunSummary) -> None:
        self.plans.append(outline)

    def advanced(self, images: int) -> None:
        self.images += images


def _names() -> list[str]:
    names = [f"other{number}.png" for number in range(15)]
    for picture, row in zip(PICTURES, ORDER, strict=False):
        names[row] = picture
    return names


def _source(stored: StoredFeatures, view: str = "all") -> FeatureSource:
    return FeatureSource(stored, "", stored_view(stored, view), layers_of(stored))


@pytest.fixture
def stored(tmp_path: Path) -> StoredFeatures:
    for name, array in ARRAYS.items():
        np.save(list_names(tmp_path / "it", _names()) / f"{name}.npy", array)
    return open_features(tmp_path / "it")


def _tokens(name: str) -> np.ndarray:
    """The features of the pictures, (12, tokens, channels), float64."""
    rows = ARRAYS[name][ORDER[:12]].astype(np.float64)
    return {2: lambda: rows[:, None], 3: lambda: rows, 4: lambda: np.moveaxis(rows, 1, -1).reshape(12, -1, 6)}[
        rows.ndim
    ]()


def test_one_row_of_another_picture_is_told(tmp_path: Path) -> None:
    names = [name for name in _names() if not name.startswith("other")]
    rows = np.random.default_rng(0).normal(size=(len(names) + 1, 4))
    np.save(list_names(tmp_path, [*names, "other.png"]) / "features.npy", rows)
    heard, stored = Heard(), open_features(tmp_path)
    _source(stored).distances(workload_of(Named(), PAIRS, np.ones(len(PAIRS)), 5), Execution(join("cpu")), heard)
    assert heard.notices == [f"{stored.path}: 12 pictures have their rows by path; 1 row is of other pictures"]


@pytest.mark.parametrize("dense", [True, False])
@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_distances_are_those_of_the_definition(stored: StoredFeatures, dense: bool, batch_size: int) -> None:
    heard = Heard()
    times = np.random.default_rng(0).integers(1, 4, len(PAIRS)).astype(np.float64)
    workload = workload_of(Named(), PAIRS, times, batch_size, dense=dense)
    workload = replace(workload, summary=replace(workload.summary, share=12))
    found = _source(stored).distances(workload, Execution(join("cpu"), batch_size=batch_size), heard)
    assert (found.layers, found.depths) == (("block", "conv", "pooled"), (0, 50, 100))
    repeated = np.repeat(PAIRS, times.astype(int), axis=0).tolist()
    ends = np.cumsum(times.astype(int)) - 1
    for row, name in enumerate(found.layers):
        wanted = pair_distances(list(_tokens(name)), [(a, b) for a, b in repeated])
        for distance, values in wanted.items():
            np.testing.assert_allclose(
                found.values[distance][row], values[ends], rtol=1e-6, err_msg=f"{distance} {name}"
            )
    squares = [(use.layer, use.top_channel) for use in found.channels if use.quantity == "mean_square"]
    assert squares == [(name, int((_tokens(name) ** 2).mean(axis=(0, 1)).argmax())) for name in found.layers]
    assert heard.notices == [f"{stored.path}: 12 pictures have their rows by path; 3 rows are of other pictures"]
    assert [(plan.layers, plan.share) for plan in heard.plans] == [(3, heard.images)]


def test_a_mean_over_the_places_of_a_map(stored: StoredFeatures) -> None:
    source = _source(stored.only(("conv", "pooled")), "mean")
    found = source.distances(workload_of(Named(), PAIRS), Execution(join("cpu")), ProgressListener())
    for row, name in enumerate(found.layers):
        wanted = pair_distances(list(_tokens(name).mean(axis=1, keepdims=True)), [(a, b) for a, b in PAIRS.tolist()])
        for distance, values in wanted.items():
            np.testing.assert_allclose(found.values[distance][row], values, rtol=1e-5, err_msg=f"{distance} {name}")


@pytest.mark.parametrize(
    ("layers", "view", "said"),
    [
        (("block",), "cls", "block does not say whether its first token is a class token"),
        (("block",), "mean", "block does not say whether its first token is a class token"),
        (("conv",), "cls", "conv has no class token: measure it with --tokens all or mean"),
        (("pooled",), "cls", "holds features of one token, not of 'cls': leave out --tokens"),
        (("pooled",), "mean", "holds features of one token, not of 'mean'"),
        (("pooled",), "clss", "unknown token view 'clss': did you mean cls"),
    ],
)
def test_no_token_is_guessed(stored: StoredFeatures, layers: tuple[str, ...], view: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        stored_view(stored.only(layers), view)


@pytest.mark.parametrize(
    ("tokens", "asked", "view"),
    [("cls", "all", "cls"), ("cls", "cls", "cls"), ("mean", "all", "mean"), ("all", "all", "all")],
)
def test_one_token_is_of_the_view_in_which_it_was_kept(tokens: str, asked: str, view: str, tmp_path: Path) -> None:
    write_features(
        tmp_path / "it.npz", FeatureFile({"a": ARRAYS["pooled"]}, tuple(_names()), origin={"tokens": tokens})
    )
    assert stored_view(open_features(tmp_path / "it.npz"), asked) == view
    other = {"cls": "mean", "mean": "cls", "all": "cls"}[tokens]
    with pytest.raises(UsageError, match=f"not of '{other}': leave out --tokens"):
        stored_view(open_features(tmp_path / "it.npz"), other)


def test_views_coincide_at_a_projection(tmp_path: Path) -> None:
    file = FeatureFile({"projection": ARRAYS["pooled"]}, tuple(_names()), origin={"tokens": "cls"})
    write_features(tmp_path / "it.npz", file)
    assert [stored_view(open_features(tmp_path / "it.npz"), view) for view in ("all", "mean")] == ["all", "mean"]


def test_a_picture_of_zeros_has_no_cosine(tmp_path: Path) -> None:
    rows = ARRAYS["pooled"].copy()
    rows[ORDER[4]] = 0
    np.save(list_names(tmp_path, _names()) / "it.npy", rows)
    source = _source(open_features(tmp_path))
    with pytest.raises(AlignbenchError, match=r"it is zero for p4\.png, which has no cosine"):
        source.distances(workload_of(Named(), PAIRS), Execution(join("cpu")), ProgressListener())


def test_a_layer_that_does_not_fit_the_feature_memory_is_refused(stored: StoredFeatures) -> None:
    with pytest.raises(UsageError, match="more than --feature-memory allows"):
        _source(stored).distances(
            workload_of(Named(), PAIRS), Execution(join("cpu"), feature_memory=100), ProgressListener()
        )


def test_pictures_are_not_prepared(stored: StoredFeatures) -> None:
    with pytest.raises(RuntimeError, match="take no pictures"):
        _source(stored).prepare(Image.new("RGB", (2, 2)))
    assert _source(stored).fastest_batch(Execution(join("cpu"))) == 64
