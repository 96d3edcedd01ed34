"""The logistic function that image-quality work fits between a metric and the ratings before it correlates them.

f(x) = b1 + (b2 - b1) / (1 + exp(-(x - b3) / b4)): VQEG's four parameters. For given b3 and b4 the best b1 and b2 follow
from linear regression, and the correlation does not depend on them; so the least-squares fit is the (b3, b4) at which
the sigmoid's squared correlation with the ratings is largest.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from threadpoolctl import threadpool_limits

from alignbench.arrays import Floats

_START_QUANTILES = tuple(np.linspace(0.0, 1.0, 21))
_START_WIDTHS = (0.05, 0.2, 0.7, 2.0, 7.0)  # in standard deviations
_BOUNDS = ((-20.0, 20.0), (np.log(1e-6), np.log(1e3)))  # centre, and log width, in standard deviations
_STARTS = 6
_STEPS = 2
_FLAT = 1e-12  # a sigmoid that varies less is constant


def logistic_closeness(closeness: Floats, ratings: Floats) -> Floats:
    """The fitted logistic function of each curve, up to b1 and |b2 - b1|.

    Its direction is free: a metric that runs against the ratings is turned round by the fit, as the sign of the plain
    correlation shows.

    Args:
        closeness: (curves, n).
        ratings: (n,).

    Returns:
        (curves, n); zero for a curve that is constant.
    """
    # several threads would add more than 10,000 ratings in an order of their own, and mostly wait for each other
    with threadpool_limits(1, user_api="blas"):
        return np.stack([_fitted(row, ratings) for row in closeness])


def _fitted(values: Floats, ratings: Floats) -> Floats:
    spread = values.std()
    if spread == 0.0:
        return np.zeros_like(values)
    x = (values - values.mean()) / spread
    y = (ratings - ratings.mean()) / np.linalg.norm(ratings - ratings.mean())

    def correlation(parameters: Floats) -> tuple[float, Floats]:
        """Minus the squared correlation of the sigmoid with the ratings, and its gradient."""
        u = (x - parameters[0]) / np.exp(parameters[1])
        curve = expit(u)
        slope = curve * (1.0 - curve)
        centred = curve - curve.mean()
        length = float(np.linalg.norm(centred))
        if length < _FLAT:
            return 0.0, np.zeros(2)
        found = float(centred @ y) / length
        moves = np.stack([-slope / np.exp(parameters[1]), -slope * u])
        gradient = (moves @ y - found * (moves @ centred) / length) / length
        return -(found**2), -2.0 * found * gradient

    grid = [np.array([c, np.log(w)]) for c in np.quantile(x, _START_QUANTILES) for w in _START_WIDTHS]
    starts = [*sorted(grid, key=lambda start: correlation(start)[0])[:_STARTS], *_steps(x, y)]
    found = [minimize(correlation, start, jac=True, method="L-BFGS-B", bounds=_BOUNDS, tol=1e-8) for start in starts]
    best = min(found, key=lambda result: float(result.fun)).x
    curve = expit((x - best[0]) / np.exp(best[1]))
    return np.asarray(np.sign(curve @ y) * curve)


def _steps(x: Floats, y: Floats) -> list[Floats]:
    """The best steps, of all between two values: where ratings hardly follow, the best sigmoid is a narrow one.

    Args:
        x: (n,).
        y: Ratings with mean 0, (n,).

    Returns:
        Centres and log widths to start from.
    """
    order = np.argsort(x, kind="stable")
    ascending, count = x[order], len(x)
    below = np.arange(1, count)
    score = np.cumsum(y[order])[:-1] ** 2 / (below * (count - below))
    gap = np.diff(ascending)
    score[gap == 0.0] = -1.0
    best = np.argsort(-score, kind="stable")[:_STEPS]
    return [np.array([ascending[k] + gap[k] / 2.0, np.log(np.clip(gap[k] / 8.0, 1e-6, 1.0))]) for k in best]
