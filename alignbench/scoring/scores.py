"""Which scores a kind of judgment has under a protocol."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.distances.protocols import PAPER, Protocol
from alignbench.errors import AlignbenchWarning, DataError
from alignbench.scoring.judged_part import JudgedPart
from alignbench.statistics.agreement import Curves, agreements
from alignbench.statistics.choice_entropy import model_entropies
from alignbench.statistics.choice_scores import ACCURACY, ratio_itself, score_choices, score_formulas
from alignbench.statistics.noise_ceiling import Choices, answers_of, score_with_ceiling
from alignbench.statistics.rated_pairs import PicturesAndSubjects, objects_of, score_rated_pairs, varying
from alignbench.statistics.rating_ceiling import MeanRatings, score_rating_ceilings
from alignbench.statistics.scores import RATING_METRICS, Scores, score_ratings
from alignbench.statistics.shared_objects import SharedObjects
from alignbench.statistics.subject_ceilings import score_subject_ceilings
from alignbench.statistics.uncertainty import ceiling, entropies, response_times, score_uncertainty


@dataclass(frozen=True)
class Scoring:
    """How judgments are scored.

    Attributes:
        rules: Rules of the protocol.
        seed: Seed of the bootstrap.
        published_ceiling: Noise ceiling of sets whose subset has no repeated judgments; used where rules ask for one.
    """

    rules: Protocol = PAPER
    seed: int = 0
    published_ceiling: float | None = None


_PLAIN: Final = Scoring()


def agreement(part: JudgedPart, distances: Curves, rules: Protocol) -> Iterator[NDArray[Any]]:
    """Yield for each curve how far its distances agree with each choice or preference, (n,), from 0 to 1.

    Args:
        part: What people said.
        distances: Distances of all pairs, (curves, pairs).
        rules: Whether a tie is wrong or shared; preferences always share ties.
    """
    return agreements(distances, part.options, part.human, part.kind, share_ties=rules.share_ties)


def score(part: JudgedPart, distances: Curves, how: Scoring = _PLAIN) -> list[Scores]:
    """Score distances against judgments.

    Args:
        part: What people said. A breakdown has its level's own metric alone (Spearman or accuracy), and nothing where
            ratings are too few or all alike, as with `--limit`.
        distances: Distances of all pairs, (curves, pairs).
        how: By which rules, and with which seed.
    """
    if part.kind == "rating":
        return _score_ratings(part, distances, how)
    correct = agreement(part, distances, how.rules)
    if part.kind == "preference":
        most = np.maximum(part.human, 1.0 - part.human), np.ones(len(part.human))
        formulas = (ACCURACY, ratio_itself("ceiling_attainable", 0))
        return score_formulas(correct, [most], formulas, part.clusters, how.seed)
    if how.rules.noise_ceilings and not part.breakdown:
        choices = Choices(part.options, part.human.astype(np.int64), part.clusters)
        found = score_with_ceiling(correct, choices, how.published_ceiling, how.seed)
    else:
        found = [score_choices(correct, part.clusters, how.seed)]
    if part.objects is not None and not part.breakdown:
        again = score_choices(agreement(part, distances, how.rules), part.objects)
        found.append(replace(again, metric="accuracy_over_objects"))
    return found if part.breakdown else [*found, *_score_responses(part, distances, how)]


def _score_responses(part: JudgedPart, distances: Curves, how: Scoring) -> list[Scores]:
    """Whether a model is unsure where people are, if it is known who chose and how long that took."""
    if part.responses is None:
        return []
    answers = answers_of(part.options, part.human.astype(np.int64))
    if how.rules.noise_ceilings and not (answers.counts.sum(axis=1) > 1.0).any():
        _warn_of_no_ceiling(part, DataError("no triplet was judged twice"))
    own = np.stack([model_entropies(curve[answers.options], answers.counts) for curve in distances])
    who, seconds = part.responses.participants, part.responses.seconds
    found = []
    for metric, said in (("entropy_spearman", None), ("log_rt_spearman", seconds)):
        try:
            people = entropies(answers, who) if said is None else response_times(answers, who, said)
        except DataError as error:
            warnings.warn(f"no {metric} of subset {part.name}: {error}", AlignbenchWarning, stacklevel=3)
            continue
        found.append(score_uncertainty(own, people))
        if how.rules.noise_ceilings:
            found.append(ceiling(people, len(own), how.seed))
    return found


def _score_ratings(part: JudgedPart, distances: Curves, how: Scoring) -> list[Scores]:
    if part.breakdown and (len(part.human) < 3 or np.ptp(part.human) == 0.0):
        return []
    metrics = ("spearman",) if part.breakdown else tuple(RATING_METRICS)
    rated = np.stack([curve[part.options[:, 0]] for curve in distances])
    among = varying(part.clusters, part.subject_ratings)
    if not isinstance(among, np.ndarray):
        return _score_rated_pairs(part, rated, among, how)
    found = score_ratings(rated, part.human, among[:, 0], how.seed, metrics)
    if part.errors is None or part.breakdown or not how.rules.noise_ceilings:
        return found
    try:
        ratings = MeanRatings(part.human, part.errors, part.clusters[:, 0])
        return [*found, *score_rating_ceilings(rated, ratings, how.seed)]
    except DataError as error:
        _warn_of_no_ceiling(part, error)
        return found


def _score_rated_pairs(
    part: JudgedPart, rated: Floats, among: SharedObjects | PicturesAndSubjects, how: Scoring
) -> list[Scores]:
    """Correlations with ratings of pairs that share pictures, and their ceilings if it is known what each said."""
    found = score_rated_pairs(rated, part.human, among)
    if part.subject_ratings is None or not how.rules.noise_ceilings:
        return found
    try:
        return [*found, *score_subject_ceilings(rated, part.subject_ratings, objects_of(among).count)]
    except DataError as error:
        _warn_of_no_ceiling(part, error)
        return found


def _warn_of_no_ceiling(part: JudgedPart, error: DataError) -> None:
    """Scores do not need it."""
    warnings.warn(f"no noise ceiling of subset {part.name}: {error}", AlignbenchWarning, stacklevel=3)
