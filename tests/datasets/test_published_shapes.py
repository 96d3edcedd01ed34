"""How many pictures and pairs the published data sets have."""

import numpy as np
import pytest

from alignbench.datasets.published_shapes import published_shape
from alignbench.errors import UsageError


def test_published_shapes() -> None:
    known = {
        ("tid2013", "all", "paper"): (3_025, 3_000),
        ("nights", "all", "paper"): (60_057, 40_038),
        ("nights", "test", "corrected"): (3 * 2_824, 2 * 2_824),
        ("things", "all", "paper"): (1_854, 1_854 * 1_853 // 2),
    }
    for (dataset, subset, protocol), (images, pairs) in known.items():
        shape = published_shape(dataset, (subset,), protocol)
        assert shape is not None
        assert (shape.images, len(shape.pairs)) == (images, pairs)
        assert len(np.unique(shape.pairs)) == images
        assert len(np.unique(np.sort(shape.pairs, axis=1), axis=0)) == pairs
    assert published_shape("kadid10k", (), "paper") is None


def test_published_shape_of_things_has_every_object_and_no_pair_twice() -> None:
    for protocol, most in (("paper", 3_000), ("corrected", 3 * (1_000 + 453_642 + 10_000))):
        shape = published_shape("things", (), protocol)
        assert shape is not None
        assert len(np.unique(shape.pairs)) == 1_854
        assert 0.5 * most < len(shape.pairs) <= most or len(shape.pairs) > 900_000
        assert (shape.pairs[:, 0] != shape.pairs[:, 1]).all()


def test_published_shape_is_known_of_some_subsets_only() -> None:
    with pytest.raises(UsageError, match="test-imagenet: give --data-root"):
        published_shape("nights", ("test-imagenet",), "corrected")
