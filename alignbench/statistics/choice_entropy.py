"""How uncertain choices among options are: those of a model by its distances, and those of people by their answers."""

from __future__ import annotations

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import DataError
from alignbench.statistics.conditional_logit import fit_choices, log_probabilities


def model_entropies(distances: Floats, counts: Floats) -> Floats:
    """Entropies of a model's choices, (n,) in nats: of the softmax of minus the distance over a temperature.

    The temperature is the same for all judgments: the one under which people's answers are most likely in the mean over
    triplets. It is the only parameter, so that this is also the temperature that is best on held-out triplets: the
    likelihoods of a temperature in the folds are fitted on nothing, and add up to the likelihood of all answers.

    Args:
        distances: Distances of the options of each triplet, (n, options).
        counts: How often people chose each option, (n, options).

    Returns:
        Not numbers where no finite temperature above 0 is the most likely, as where the model agrees with people no
        more than chance does.
    """
    attributes = -distances[..., None]
    nothing = np.full(len(distances), np.nan)
    if not np.isfinite(distances).all():
        return nothing
    try:
        coefficient = fit_choices(attributes, counts / counts.sum(axis=1, keepdims=True))
    except DataError:  # options are alike in all triplets, or no answer contradicts the model
        return nothing
    if not coefficient[0] > 0.0:
        return nothing
    logs = log_probabilities(attributes, coefficient)
    return np.asarray(-(np.exp(logs) * logs).sum(axis=1))


def people_entropies(counts: Floats) -> Floats:
    """Entropies of people's choices, (n,) in nats: of two answers that are drawn from those of a triplet.

    Two answers have the entropy log 2 if they differ, and else 0; the mean over all draws is log 2 times the share of
    pairs of answers that differ. So few are drawn of every triplet since the entropy of all answers grows with their
    number: this expectation is the same whether there are two answers or twenty.

    Args:
        counts: How often each option was chosen, (n, options).

    Returns:
        Not numbers where there are fewer than two answers.
    """
    total = counts.sum(axis=1)
    pairs = np.where(total > 1.0, total * (total - 1.0), np.nan)
    return np.asarray(np.log(2.0) * (1.0 - (counts * (counts - 1.0)).sum(axis=1) / pairs))
