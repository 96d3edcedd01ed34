"""All stages on the packaged world: each takes what the one before it left, and is taken again where it is finished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignbench.alignet.chain import BASE, QUICK, Chain, ChainListener
from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.sampled_triplets import SampledTriplets
from alignbench.alignet.world_files import WorldFiles
from alignbench.alignet.world_teacher import factor_features
from alignbench.datasets.shapes_levels import WORLD
from alignbench.transforms import AffineTransform

pytestmark = pytest.mark.slow

SMALL = replace(QUICK, pictures=3, labelled=1)
Said = list[tuple[str, str, Path | None, bool]]


def listener(said: Said) -> ChainListener:
    """Writes down what it hears."""

    def ended(stage: str, folder: Path, seconds: float, was_finished: bool) -> None:
        assert seconds >= 0
        said.append(("ended", stage, folder, was_finished))

    return ChainListener(lambda stage: said.append(("began", stage, None, False)), ended)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chain")


@pytest.fixture(scope="module")
def files(output: Path) -> WorldFiles:
    return Chain(BASE, output, SMALL).world()


def test_the_teacher_is_learned_on_kinds_that_are_not_held_out(files: WorldFiles, output: Path) -> None:
    teacher = Chain(BASE, output, SMALL).teacher(files)
    provenance = AffineTransform.load(teacher / "projection.safetensors").provenance
    assert provenance["dataset"] == "shapes-objects"
    seen = {WORLD.leaf_names[leaf] for leaf in WORLD.seen_leaves.tolist()}
    assert {name.split("/")[2].split("_")[0] for name in provenance["learned_objects"]} <= seen


def test_labels_are_the_similarities_of_the_pictures_that_were_drawn(files: WorldFiles, output: Path) -> None:
    """Without a teacher: dot products of the factors' features, worked out from the world itself."""
    said: Said = []
    chain = Chain(BASE, output, SMALL, listener(said))
    clusters = chain.clusters(files.features, None)
    triplets = chain.triplets(clusters)
    labels = chain.labels(triplets, files.features, None)
    folders = {"clusters": clusters, "triplets": triplets, "labels": labels}
    first = [
        line for stage in folders for line in (("began", stage, None, False), ("ended", stage, folders[stage], False))
    ]
    assert said == first

    found = LabelledTriplets.open(labels)
    taught = WORLD.pictures("alignment", SMALL.pictures, WORLD.seen_leaves)
    features = dict(zip(taught.names, factor_features(taught).astype(np.float64), strict=True))
    rows = np.array([[features[found.names[number]] for number in row] for row in found.triplets.tolist()])
    expected = np.stack([(rows[:, i] * rows[:, k]).sum(axis=1) for i, k in ((0, 1), (0, 2), (1, 2))], axis=1)
    np.testing.assert_allclose(found.similarities, expected, rtol=1e-5, atol=1e-5)
    assert (found.similarities[:, :1] >= found.similarities).all()
    assert len(found.triplets) == SMALL.triplets
    drawn = SampledTriplets.open(triplets)
    np.testing.assert_array_equal(np.sort(found.triplets, axis=1), np.sort(drawn.triplets, axis=1))

    assert chain.labels(chain.triplets(chain.clusters(files.features, None)), files.features, None) == labels
    assert [line[-1] for line in said[len(first) :] if line[0] == "ended"] == [True] * 3


def test_a_teacher_changes_clusters_and_labels(files: WorldFiles, output: Path) -> None:
    chain = Chain(BASE, output, SMALL)
    teacher = chain.teacher(files)
    clusters, raw = (chain.clusters(files.features, each) for each in (teacher, None))
    assert clusters != raw
    triplets = chain.triplets(clusters)
    seen, plain = (LabelledTriplets.open(chain.labels(triplets, files.features, each)) for each in (teacher, None))
    assert seen.record["settings"]["space"] == "transformed"
    assert plain.record["settings"]["space"] == "raw"
    assert seen.record["settings"]["digest"] == plain.record["settings"]["digest"]
    assert not np.allclose(seen.similarities, plain.similarities)
