"""Inner products and squared norms from matrix products against float64 NumPy."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from alignbench.distances.gram import Frame, products, squared_norms
from features import features

shapes = st.tuples(st.integers(3, 12), st.integers(1, 60), st.integers(1, 40), st.integers(0, 2**31))


@given(shapes)
def test_products_equal_numpy(shape: tuple[int, int, int, int]) -> None:
    x, y = features(*shape), features(shape[0] + 1, *shape[1:3], shape[3] + 1)
    rng = np.random.default_rng(shape[3])
    centre, scale = x.mean(dim=0), torch.from_numpy(rng.uniform(0.1, 2, shape[2]).astype(np.float32))
    weights = rng.integers(0, 3, (len(x), len(y))).astype(np.float32)
    found = products(x, y, Frame(centre, scale), torch.from_numpy(weights))
    a, b = ((side.double() - centre.double()).numpy() * scale.double().numpy() for side in (x, y))
    largest = np.sqrt((a**2).sum(axis=(1, 2)).max() * (b**2).sum(axis=(1, 2)).max())
    np.testing.assert_allclose(found.inner.numpy(), np.einsum("itc,jtc->ij", a, b), atol=1e-5 * largest)
    spread = np.einsum("ij,itc->c", weights, a**2) + np.einsum("ij,jtc->c", weights, b**2)
    assert found.spread is not None
    assert found.shared is not None
    np.testing.assert_allclose(found.spread.numpy(), spread / shape[1], rtol=1e-4)
    shared = np.einsum("ij,itc,jtc->c", weights, a, b) / shape[1]
    np.testing.assert_allclose(found.shared.numpy(), shared, atol=1e-5 * (spread.max() + 1e-30))
    np.testing.assert_allclose(squared_norms(x, Frame(centre, scale)).numpy(), (a**2).sum(axis=(1, 2)), rtol=1e-5)
