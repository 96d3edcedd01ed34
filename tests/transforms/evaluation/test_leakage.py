"""What a transform has seen is not judged, or marked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.datasets import shapes
from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.judgments import Judgments
from alignbench.errors import DataError
from alignbench.transforms.evaluation.leakage import judged_triplets, sample_of_images, sample_of_matrix
from alignbench.transforms.evaluation.odd_one_out import to_triplets
from alignbench.transforms.learning.inputs import digest_of_images
from judged_transforms import matrix_of, told, transform


def test_only_triplets_of_unseen_objects_are_judged(triplets: Judgments) -> None:
    every, count = to_triplets(triplets), len(triplets.images.names)
    half = count // 2
    chosen = transform(**told(triplets, slice(0, half), slice(half, count)))
    kept, sample = judged_triplets(chosen, "shapes-high", triplets, False)
    expected = [triplet for triplet in every.tolist() if min(triplet) >= half]
    assert kept.tolist() == expected
    assert 0 < len(expected) < len(every)
    assert sample == "held-out objects"


def test_new_objects_are_not_seen_and_held_out_ones_are_said(triplets: Judgments) -> None:
    every = to_triplets(triplets)
    for provenance, sample in (
        ({"dataset": "shapes-high", "learned_objects": ["another"], "held_out_objects": ["a third"]}, "not seen"),
        (told(triplets, slice(0, 0), slice(0, 5)), "held-out objects"),
    ):
        kept, found = judged_triplets(transform(**provenance), "shapes-high", triplets, False)
        np.testing.assert_array_equal(kept, every)
        assert found == sample


def test_seen_objects_are_judged_only_if_asked_for_and_marked(triplets: Judgments) -> None:
    chosen = transform(**told(triplets, slice(0, 1000)))
    with pytest.raises(DataError, match=r"every triplet of shapes-high names an object that turn was learned on: .*"):
        judged_triplets(chosen, "shapes-high", triplets, False)
    kept, sample = judged_triplets(chosen, "shapes-high", triplets, True)
    assert (len(kept), sample) == (60, "in-sample")
    new = transform(dataset="shapes-high", learned_objects=["another"])
    assert judged_triplets(new, "shapes-high", triplets, True)[1] == "not seen", "nothing of it was learned on"


@pytest.mark.parametrize(
    ("provenance", "dataset", "sample"),
    [
        ({"sha256": "0", "model": "clip_ViT-L/14"}, "things", "may be in-sample"),
        ({"sha256": "0", "model": "clip_ViT-L/14"}, "shapes-high", "not seen"),
        ({"dataset": "things"}, "things", "may be in-sample"),
        ({"dataset": "things", "learned_objects": ["aardvark"]}, "shapes-high", "not seen"),
        ({}, "shapes-high", "unknown"),
        ({"layer": "projection", "model": "clip"}, "things", "unknown"),
    ],
)
def test_what_is_known_of_other_data(
    triplets: Judgments, provenance: dict[str, Any], dataset: str, sample: str
) -> None:
    kept, found = judged_triplets(transform(**provenance), dataset, triplets, False)
    assert (len(kept), found) == (60, sample)


def test_pictures_of_the_local_term_are_in_sample(pictures: Path) -> None:
    files, drawn = image_folder(pictures), shapes.labelled_scenes(2)[0]
    learned = transform(local_images=digest_of_images(files))
    assert sample_of_images(learned, files) == "in-sample"
    assert sample_of_images(learned, image_folder(pictures / "cats")) == "not seen"
    assert sample_of_images(transform(local_images=None), files) == "not seen"
    assert sample_of_images(transform(sha256="0"), files) == "may be in-sample", "theirs were ImageNet's"
    assert sample_of_images(transform(sha256="0"), drawn) == "not seen"
    assert sample_of_images(transform(), files) == "unknown"


def test_no_transform_is_learned_from_a_matrix(pictures: Path) -> None:
    for provenance, sample in (({"dataset": "things"}, "not seen"), ({"sha256": "0"}, "not seen"), ({}, "unknown")):
        assert sample_of_matrix(transform(**provenance), matrix_of(pictures)) == sample


def test_packaged_classes_are_not_those_of_the_packaged_local_term() -> None:
    learned_on = set(shapes.read("middle", None, ("trainset",)).images.names)
    assert learned_on.isdisjoint(shapes.labelled_scenes()[0].names)
