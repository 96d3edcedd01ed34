"""What a study says, in three to six sentences: which model scores highest, what is separable, and what it is about.

Every number of a sentence is a field of `Summary`; nothing is said of what the runs do not hold.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alignbench.distances.names import distance_name
from alignbench.results.extent import place_name
from alignbench.study.answer_texts import ALIKE, is_level, size
from alignbench.study.peaks import Peaks
from alignbench.study.standings import Gap, OwnScore, Peak, Standing, stand, unusual
from alignbench.study.study import Study

if TYPE_CHECKING:
    from alignbench.study.factors import Factor

_TRAINING = "training"  # the factor whose rows pair a model with each of its untrained twins
_NAMED = 3  # at most so many names in a row
_SIMULATED = "By simulated observers, not human data, so that nothing here is about vision: "


@dataclass(frozen=True)
class Sentence:
    """One sentence.

    Attributes:
        lead: How it begins; all of it where it has no parts.
        parts: How it goes on, a data set or factor each.
    """

    lead: str
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The sentence as one line."""
        return f"{self.lead} {'; '.join(self.parts)}." if self.parts else self.lead


@dataclass(frozen=True)
class Verdicts:
    """How many paired differences of a factor are separable, after the correction of its table.

    Attributes:
        factor: What the factor is called.
        separable: How many are.
        total: How many there are.
    """

    factor: str
    separable: int
    total: int


@dataclass(frozen=True)
class Summary:
    """What a study says.

    Attributes:
        standings: How the models stand on each data set.
        verdicts: The differences of each factor that has any.
        elsewhere: What models were measured on, or how, beside that.
        models: Number of trained models.
        sentences: All of it in words.
    """

    standings: tuple[Standing, ...]
    verdicts: tuple[Verdicts, ...]
    elsewhere: tuple[str, ...]
    models: int
    sentences: tuple[Sentence, ...]


def summarise(study: Study, factors: Sequence[Factor], peaks: Peaks) -> Summary:
    """Say what a study shows.

    Args:
        study: The study.
        factors: Its factors.
        peaks: The depths at which each curve may peak, see `peak_depths`.
    """
    twins: dict[str, list[str]] = {}
    for factor in factors:
        if factor.name == _TRAINING:
            for model, twin in factor.differences[["first", "second"]].drop_duplicates().itertuples(index=False):
                twins.setdefault(model, []).append(twin)
    standings = stand(study, twins, peaks)
    verdicts = tuple(
        Verdicts(factor.title, int(factor.differences["separable"].sum()), len(factor.differences))
        for factor in factors
        if len(factor.differences)
    )
    models = len({run.label for run in study.runs if run.trained})
    elsewhere = tuple(_elsewhere(study, standings))
    sentences = tuple(_sentences(standings, verdicts, elsewhere, models))
    return Summary(standings, verdicts, elsewhere, models, sentences)


def _elsewhere(study: Study, standings: Sequence[Standing]) -> Iterator[str]:
    """On what else, or how else, models were measured, each once."""
    said = {_told(_place(one), one.way, one.part) for one in standings}
    for group in study.groups:
        place = place_name(group.dataset, group.subset, group.condition.protocol)
        told = _told(place, unusual(group), group.part)
        if told not in said and any(run.trained for run in group.runs):
            said.add(told)
            yield told


def _told(*parts: str) -> str:
    """The first of some texts, and what there is of the others in brackets."""
    others = ", ".join(filter(None, parts[1:]))
    return f"{parts[0]} ({others})" if others else parts[0]


# ----------------------------------------------------------------------------------------------- sentences


def _sentences(
    standings: Sequence[Standing], verdicts: Sequence[Verdicts], elsewhere: Sequence[str], models: int
) -> Iterator[Sentence]:
    if not standings:
        yield Sentence("These runs hold no score of a trained model or of a baseline, so nothing is the highest.")
        return
    yield _highest(standings, models)
    beside = tuple(f"{_place(one)}: {_beside(one.baseline)}" for one in standings if one.baseline)
    if beside:
        yield Sentence("Against the highest baseline it lies:", beside)
    peaks = tuple(_peak(one, one.peak, models > 1) for one in standings if one.peak)
    if peaks:
        yield Sentence("Before the projection, alignment is highest at:", peaks)
    trained = tuple(f"{_place(one)}: {_training(one.training, models > 1)}" for one in standings if one.training)
    if trained:
        yield Sentence("Training adds, at the projection:", trained)
    if verdicts:
        yield _separable(verdicts)
    yield Sentence(_scope(elsewhere, models))


def _highest(standings: Sequence[Standing], models: int) -> Sentence:
    """Which scores highest on each data set, and whether that is separable; of one alone how high."""
    distances = {one.distance for one in standings}
    ways = [f"by the {distance_name(distances.copy().pop())} distance"] if models and len(distances) == 1 else []
    where = ", ".join([*(["at the projection"] if models else []), *ways])
    simulated = all(one.simulated for one in standings)
    alone = models == 1 or not any(one.others or one.lacking for one in standings)
    parts = []
    for one in standings:
        of = [f"{one.level} level", "simulated observers" if one.simulated and not simulated else "", one.way, one.part]
        of += [distance_name(one.distance)] if models and not ways else []
        said = f"{one.label}, {_score(one.score)}{'' if alone else _rest(one)}"
        parts.append(f"{_told(_place(one), *of)}: {said}")
    what = ("the score is" if alone else "the highest score is") + ("" if models else " that of a baseline")
    lead = f"{where}, {what}:" if where else f"{what}:"
    return Sentence(f"{_SIMULATED}{lead}" if simulated else lead[0].upper() + lead[1:], tuple(parts))


def _rest(one: Standing) -> str:
    """How the highest lies beside the others."""
    if not one.others:
        said = ", the only one measured"
    else:
        second, alike = one.others[0], one.alike
        above = f"{second.second}, by {size(second.value)}{_within(second)}"
        level = [gap for gap in one.others if is_level(gap.value, gap.separable)]
        if level:
            nearly = tuple(name for name in alike if name not in {gap.second for gap in level})
            said = f", {_level(level)}: cannot be told apart{f', nor from {_named(nearly)}' if nearly else ''}"
        elif second.separable:
            said = f", above the second, {above}: separable"
            rest = len(one.others) - 1
            others = "the other" if rest == 1 else f"all {rest} others"
            said += f", as from {others}" if rest and not alike else ""
            said += f", but not from {_named(alike)}" if alike else ""
        else:
            said = f", above the second, {above}: cannot be told apart"
            said += f", nor from {_named(alike[1:])}" if alike[1:] else ""
    return said + (f" (not by this distance: {_named(one.lacking)})" if one.lacking else "")


def _level(gaps: Sequence[Gap]) -> str:
    """With whom the highest is level; of one the interval of the difference."""
    names = f"level with {_named([gap.second for gap in gaps])}"
    if any(gap.low or gap.high for gap in gaps):
        return f"{names}{_within(gaps[0])}" if len(gaps) == 1 else names
    return f"{names} ({ALIKE})"


def _beside(gap: Gap) -> str:
    """How the highest model lies beside the highest baseline; the difference is told as it lies, without a sign."""
    side, shown = ("above", gap) if gap.value >= 0.0 else ("below", gap.turned())
    verdict = "separable" if gap.separable else "cannot be told apart"
    if is_level(gap.value, gap.separable):
        return f"{_level([gap])}: {verdict}"
    return f"{side} {gap.second} by {size(shown.value)}{_within(shown)}: {verdict}"


def _peak(one: Standing, peak: Peak, several: bool) -> str:
    """Where a curve peaks, and where it may."""
    layer = f"{peak.layer} of {one.label}" if several else peak.layer
    return f"{_place(one)}: {layer}, {peak.depth:.1f} % depth{_reach(peak.ends)}, {_score(peak.score)}"


def _reach(ends: tuple[float, float] | None) -> str:
    if ends is None:
        return ""
    first, last = ends
    return (
        f" (from {first:.1f} to {last:.1f} % cannot be told apart)"
        if first < last
        else " (all other layers are separably lower)"
    )


def _training(gaps: Sequence[Gap], several: bool) -> str:
    """What training adds, to the least and to the most gaining of several models."""
    ranked = sorted(gaps, key=lambda gap: gap.value)
    shown = ranked if len(ranked) <= _NAMED else [ranked[0], ranked[-1]]
    parts = []
    for gap in shown:
        whose = f" to {gap.first}" if several else ""
        twins = f" over the mean of {gap.twins} untrained twins" if gap.twins > 1 else ""
        verdict = "" if gap.separable else ", cannot be told from 0"
        parts.append(f"{gap.value:+.3f}{_within(gap, '+')}{whose}{twins}{verdict}")
    if len(shown) == len(ranked):
        return " and ".join(parts)
    above = sum(gap.separable and gap.value > 0.0 for gap in ranked)
    return f"from {parts[0]}, to {parts[1]}, separably above 0 in {above} of {len(ranked)} models"


def _separable(verdicts: Sequence[Verdicts]) -> Sentence:
    total, separable = (sum(getattr(one, name) for one in verdicts) for name in ("total", "separable"))
    lead = f"Of {total:,} paired differences over the factors, {separable:,} are separable among all of a table:"
    return Sentence(lead, tuple(f"{one.factor} {one.separable:,} of {one.total:,}" for one in verdicts))


def _scope(elsewhere: Sequence[str], models: int) -> str:
    these = "these checkpoints, not about kinds of models"
    if models == 1:
        these = "this checkpoint, not about a kind of model"
    elif not models:
        these = "these metrics"
    also = f" (measured too, and shown below: {_named(elsewhere)})" if elsewhere else ""
    return f"All of this is about new stimuli like these and about {these}{also}."


# --------------------------------------------------------------------------------------------------- words


def _place(one: Standing) -> str:
    return place_name(one.dataset, one.subset, one.protocol)


def _score(score: OwnScore) -> str:
    known = math.isfinite(score.low) and math.isfinite(score.high)
    return f"{score.value:.3f}" + (f" ({score.low:.3f} to {score.high:.3f})" if known else " (no interval)")


def _within(gap: Gap, sign: str = "") -> str:
    known = math.isfinite(gap.low) and math.isfinite(gap.high)
    return f" ({gap.low:{sign}.3f} to {gap.high:{sign}.3f})" if known else " (no interval)"


def _named(names: Sequence[str]) -> str:
    """Some names, and how many more."""
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
