"""Classification against a plain loop, and ties."""

from __future__ import annotations

import numpy as np

from alignbench.interpret.ablation.zero_shot import classified_right


def test_the_largest_product_wins() -> None:
    rng = np.random.default_rng(0)
    embeddings, classes, labels = rng.normal(size=(5000, 4)), rng.normal(size=(3, 4)), rng.integers(0, 3, 5000)
    found = classified_right(embeddings, classes, labels)
    for row, label, right in zip(embeddings[::97], labels[::97], found[::97], strict=True):
        products = [sum(a * b for a, b in zip(row, each, strict=True)) for each in classes]
        assert right == float(max(range(3), key=products.__getitem__) == label)
    np.testing.assert_array_equal(classified_right(7 * embeddings, classes, labels), found)


def test_ties_share_a_picture() -> None:
    classes = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    embeddings = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    found = classified_right(embeddings, classes, np.array([1, 2, 2, 0, 2]))
    np.testing.assert_allclose(found, [0.5, 0.0, 1.0, 1 / 3, 1 / 3])
