"""The conditional logit: how attributes of options make people choose one of them (McFadden, 1974).

P(option j of judgment i) = exp(x_ij b) / sum over k of exp(x_ik b). Of two options it is logistic regression on the
difference of their attributes, without an intercept. Coefficients are those of maximum likelihood, without a penalty.
"""

from __future__ import annotations

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import DataError

_STEPS = 60
_SMALL = 1e-7  # a Newton step that is smaller has arrived; where choices are separated steps stay near 1
_EQUAL = 1e-12  # rounding of a likelihood
_COLLINEAR = 1e-8  # smallest eigenvalue of the information, in units of the largest
_ROUNDING = 1e-14  # spread of an attribute, in units of its largest value, that is rounding alone


def fit_choices(attributes: Floats, shares: Floats) -> Floats:
    """Coefficients of the attributes, by Newton's method.

    Args:
        attributes: (n, options, p).
        shares: How often each option was chosen, as a share of all who judged, (n, options): of one choice 1 and 0.

    Returns:
        b, (p,), in units of 1 / attribute.

    Raises:
        DataError: If attributes are not independent, or some combination of them contradicts no choice, so that no
            finite coefficient is the most likely.
    """
    if not are_independent(attributes):
        raise DataError(
            "an attribute is the same for all options of every judgment, or follows from others: leave it out"
        )
    x, scale = _scaled(attributes)
    b = np.zeros(x.shape[2])
    likelihood = log_likelihoods(x, shares, b).sum()
    for _ in range(_STEPS):
        step = _newton_step(x, shares, b)
        if step is None:
            break
        if np.abs(step).max() <= _SMALL * (1.0 + np.abs(b).max()):
            return np.asarray((b + step) / scale)
        for _ in range(_STEPS):  # where the whole step leads too far
            found = log_likelihoods(x, shares, b + step).sum()
            if found >= likelihood - _EQUAL * abs(likelihood):
                break
            step = step / 2.0
        b, likelihood = b + step, found
    raise DataError(
        f"{len(x):,} choices are too few or too certain for a logistic regression: no finite coefficient is the most "
        "likely, take more judgments"
    )


def are_independent(attributes: Floats) -> bool:
    """Whether options differ in every attribute, and none follows from the others; attributes as for `fit_choices`."""
    x, scale = _scaled(attributes)
    if not (scale > 0.0).all():
        return False
    information = np.linalg.eigvalsh(np.einsum("nkp,nkq->pq", x, x))
    return bool(information[0] > _COLLINEAR * information[-1])


def _scaled(attributes: Floats) -> tuple[Floats, Floats]:
    """Attributes less their mean over the options, in units of their spread, and that spread, (p,)."""
    about_mean = attributes - attributes.mean(axis=1, keepdims=True)
    scale = np.sqrt((about_mean**2).mean(axis=(0, 1)))
    scale = np.where(scale > _ROUNDING * np.abs(attributes).max(axis=(0, 1), initial=0.0), scale, 0.0)
    return about_mean / np.where(scale > 0.0, scale, 1.0), scale


def _newton_step(x: Floats, shares: Floats, b: Floats) -> Floats | None:
    """The step to the next coefficients; none where the likelihood is flat."""
    p = np.exp(log_probabilities(x, b))
    gradient = np.einsum("nk,nkp->p", shares - p, x)
    about_mean = x - np.einsum("nk,nkp->np", p, x)[:, None]
    information = np.einsum("nk,nkp,nkq->pq", p, about_mean, about_mean)
    try:
        step = np.linalg.solve(information, gradient)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(step) if np.isfinite(step).all() else None


def log_probabilities(attributes: Floats, coefficients: Floats) -> Floats:
    """Log of the probability of each option, (n, options); arguments as for `fit_choices` and what it returns."""
    utility = attributes @ coefficients
    utility = utility - utility.max(axis=1, keepdims=True)
    return np.asarray(utility - np.log(np.exp(utility).sum(axis=1, keepdims=True)))


def log_likelihoods(attributes: Floats, shares: Floats, coefficients: Floats) -> Floats:
    """Log-likelihood of each judgment in nats, (n,); arguments as for `fit_choices` and what it returns."""
    return np.asarray((shares * log_probabilities(attributes, coefficients)).sum(axis=1))
