"""What a transform gained and what it cost: the same measures before and after, as rows of one table."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from scipy import stats

from alignbench.arrays import Floats, Indices
from alignbench.datasets.human_matrices import HumanMatrix
from alignbench.statistics.bootstrap import CONFIDENCE
from alignbench.statistics.rated_pairs import (
    linear_correlations,
    objects_of,
    rank_correlations,
    sums_of_ratings,
    varying,
)
from alignbench.statistics.scores import correlations_with_intervals
from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.evaluation.downstream import anomaly, few_shot
from alignbench.transforms.evaluation.folder import Ends, EvaluationRow
from alignbench.transforms.evaluation.odd_one_out import OddOneOut
from alignbench.transforms.evaluation.similarity import (
    KERNELS,
    agreement,
    dissimilarities,
    linear_cka,
    neighbour_overlap,
)
from alignbench.transforms.learning.losses import local_divergence

_TAUS: Final = (0.1, 1.0)
_MOST_ROWS: Final = 2_000  # pictures whose local divergence is taken at once: it is of all pairs of them
_NAN: Final = float("nan")
_CORRELATIONS: Final = {"pearson": linear_correlations, "spearman": rank_correlations}


def applied(transform: AffineTransform, features: Floats) -> Floats:
    """Features after a transform, in float64."""
    return np.asarray(transform.apply(features), dtype=np.float64)


def _single(value: float) -> Ends:
    return (value, _NAN, _NAN)


def odd_one_out_rows(
    judged: OddOneOut, data: str, similarity: str, sample: str, entropies: tuple[float, float]
) -> list[EvaluationRow]:
    """Choices, and how sure they are: the entropy of the softmax of dot products.

    Args:
        judged: Accuracies before and after.
        data: Name of the data set.
        similarity: Similarity by which the odd one was chosen.
        sample: See `EvaluationRow`.
        entropies: Mean entropy before and after, in nats (`softmax_entropy`).
    """
    ceiling = "" if np.isnan(judged.ceiling) else f"noise ceiling {judged.ceiling:.4f}, "
    task, chance, n = "odd-one-out", f"{ceiling}chance 0.3333", judged.n
    accuracies = (judged.before, judged.after, judged.difference)
    before, after = entropies
    certainty = (_single(before), _single(after), _single(after - before))
    return [
        EvaluationRow(task, data, f"accuracy ({similarity})", "higher", *accuracies, n, chance, sample),
        EvaluationRow(task, data, "entropy of the softmax", "", *certainty, n, "uniform 1.0986", sample),
    ]


def rsa_rows(matrix: HumanMatrix, before: Floats, after: Floats, sample: str) -> list[EvaluationRow]:
    """Agreement with a human matrix, with intervals over pictures, and over subjects where these are told apart.

    Args:
        matrix: Similarities that people judged.
        before: Features of its pictures before the transform, (n, d).
        after: Features after it, (n, k).
        sample: See `EvaluationRow`.
    """
    rows = []
    human = matrix.dissimilarities
    pairs = np.column_stack(np.triu_indices(len(before), 1))
    among = varying(pairs, None if matrix.subjects is None else matrix.subject_dissimilarities.T)
    assert not isinstance(among, np.ndarray)
    for kernel in KERNELS:
        found = np.stack([dissimilarities(features, kernel) for features in (before, after)])
        agreements = [agreement(distances, human) for distances in found]
        for name, make in _CORRELATIONS.items():
            values = np.array([getattr(correlations, name) for correlations in agreements])
            _, sums = sums_of_ratings(make(found), human, among)
            scores = correlations_with_intervals(name, values, sums.variance(), (objects_of(among).count, sums.kind))
            gain = values[1:] - values[:1]
            (low,), (high,) = sums.combined(np.array([[-1.0, 1.0]])).variance().interval(gain)
            first, second = (
                (float(scores.value[end]), float(scores.low[end]), float(scores.high[end])) for end in (0, 1)
            )
            third = (float(gain[0]), float(low), float(high))
            measure = f"{name} ({kernel})"
            rows.append(
                EvaluationRow("rsa", matrix.name, measure, "higher", first, second, third, len(human), "", sample)
            )
    return rows


def local_rows(
    transform: AffineTransform, features: Floats, data: str, sample: str, seed: int = 0
) -> list[EvaluationRow]:
    """How far the neighbourhoods of pictures are kept.

    Args:
        transform: The transform.
        features: Features of the pictures, (m, d), as the model gives them.
        data: Their name.
        sample: See `EvaluationRow`.
        seed: Draws the pictures of the divergence where there are many.
    """
    after = applied(transform, features)
    standard = (features - transform.mean) / transform.std
    chosen = np.arange(len(features))
    if len(features) > _MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(features), _MOST_ROWS, replace=False))
    pair = torch.from_numpy(standard[chosen]), torch.from_numpy(after[chosen])
    found: list[tuple[str, str, float, float, int]] = [
        (f"KL(P||Q), tau {tau:g}", "lower", 0.0, float(local_divergence(*pair, tau)), len(chosen)) for tau in _TAUS
    ]
    neighbours = min(10, len(features) - 1)
    overlap = neighbour_overlap(features, after, neighbours)
    found.append((f"overlap of {neighbours} nearest neighbours", "higher", 1.0, overlap, len(features)))
    found.append(("linear CKA", "higher", 1.0, linear_cka(features, after), len(features)))
    found.append(("linear CKA (unbiased)", "higher", 1.0, linear_cka(features, after, unbiased=True), len(features)))
    condition = float(np.linalg.cond(transform.weights.astype(np.float64)))
    found.append(("condition number of W", "lower", 1.0, condition, len(transform.weights)))
    rows = []
    for name, better, value_before, value_after, n in found:
        ends = (_single(value_before), _single(value_after), _single(value_after - value_before))
        rows.append(EvaluationRow("local structure", data, name, better, *ends, n, "before: unchanged", sample))
    return rows


def downstream_rows(before: Floats, after: Floats, labels: Indices, data: str, sample: str) -> list[EvaluationRow]:
    """Few-shot classification, with intervals over draws of the shots, and anomaly detection, over classes.

    Args:
        before: Features of labelled pictures before the transform, (n, d).
        after: Features after it, (n, k).
        labels: The class of each, (n,).
        data: Their name.
        sample: See `EvaluationRow`.
    """
    shots = [few_shot(features, labels) for features in (before, after)]
    anomalies = [anomaly(features, labels) for features in (before, after)]
    accuracies = [np.array(result.accuracies) for result in shots]
    aurocs = [np.array(result.aurocs) for result in anomalies]
    tasks = (
        ("few-shot", f"accuracy, {shots[0].shots} a class", accuracies, f"chance {1 / shots[0].classes:.4f}"),
        ("anomaly", f"AUROC, {anomalies[0].neighbours} nearest", aurocs, "chance 0.5"),
    )
    rows = []
    for task, measure, (values_before, values_after), reference in tasks:
        ends = (_student(values_before), _student(values_after), _student(values_after - values_before))
        rows.append(EvaluationRow(task, data, measure, "higher", *ends, len(labels), reference, sample))
    return rows


def _student(values: Floats) -> Ends:
    """The mean with its t interval."""
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return _single(mean)
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, count - 1) * values.std(ddof=1) / np.sqrt(count))
    return (mean, mean - reach, mean + reach)
