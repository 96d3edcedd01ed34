"""What the scores of parts have to beat, and how many heads it takes: the nulls and sums of a scored model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
import torch

from alignbench.arrays import Floats, Indices
from alignbench.datasets.judgments import DistinctPairs, distinct_pairs
from alignbench.errors import DataError
from alignbench.interpret.align_job import CENTRED, Nulls
from alignbench.interpret.components import Component, OutputParts, PartCurve, Rows, centred, is_constant
from alignbench.interpret.cumulative import Halvings, SummedHeads, cumulative_scores
from alignbench.interpret.head_source import row_distances
from alignbench.interpret.nulls.chance import beyond_chance
from alignbench.interpret.nulls.subspaces import beyond_subspaces, directions, layer_in_span, subspace_scores
from alignbench.interpret.nulls.twin import beyond_twin
from alignbench.interpret.part_scores import MeasuredParts, ProtocolData, measure_parts
from alignbench.interpret.shards import torch_dtype
from alignbench.results.head_alignment import CUMULATIVE_COLUMNS, PLACE
from alignbench.scoring.judged_part import JudgedPart, parts_of
from alignbench.scoring.own_scores import own_measure, own_scores

_TESTED: Final = ("head", "mlp")


@dataclass(frozen=True, eq=False)
class PartsUnderTest:
    """Parts of an output alone, and what they are held against.

    Attributes:
        measured: The distances of all parts.
        distance: Name of the distance.
        how: How often things are drawn.
        seed: Seed of the draws.
    """

    measured: MeasuredParts
    distance: str
    how: Nulls
    seed: int

    @property
    def parts(self) -> OutputParts:
        """The parts of the output."""
        return self.measured.of.parts

    @cached_property
    def judged(self) -> tuple[JudgedPart, ...]:
        """What people said, by subset."""
        return tuple(parts_of(self.measured.judgments))

    @cached_property
    def tested(self) -> tuple[Component, ...]:
        """The heads and MLPs that vary."""
        return tuple(
            curve.component
            for curve in self.measured.curves
            if curve.way == "alone" and curve.component.kind in _TESTED
        )

    @property
    def heads(self) -> tuple[Component, ...]:
        """The heads that vary; they are the first of `tested`."""
        return tuple(component for component in self.tested if component.kind == "head")

    @cached_property
    def alone(self) -> Floats:
        """Distances of these alone, (tested, pairs)."""
        place = {curve: number for number, curve in enumerate(self.measured.curves)}
        return self.measured.found.values[self.distance][[place[PartCurve(component)] for component in self.tested]]

    @cached_property
    def distinct(self) -> tuple[DistinctPairs, Indices]:
        """The distinct pairs of pictures, and the row of each picture in the store."""
        judgments, data = self.measured.judgments, self.measured.of.data
        known = dict(zip(data.judgments.images.names, data.identities, strict=True))
        distinct = distinct_pairs(judgments.pairs, [known[name] for name in judgments.images.names])
        row = {name: number for number, name in enumerate(self.parts.store.names)}
        names = judgments.images.names
        return distinct, np.array([row[names[image]] for image in distinct.images], dtype=np.int64)

    def features(self, component: Component) -> Rows:
        """What a part gives to all pictures of the store, centred if distances are."""
        found = self.parts.features(PartCurve(component))
        return centred(found) if self.distance == CENTRED else found

    def distances(self, features: Rows, chosen: Indices | slice = slice(None)) -> Floats:
        """Distances of some pairs of features of the distinct pictures, (some,)."""
        distinct, _ = self.distinct
        pairs = distinct.pairs[distinct.back[chosen]]
        return row_distances(np.asarray(features, dtype=np.float32), pairs, self.distance, self._device)

    @cached_property
    def _device(self) -> torch.device:
        return torch.device(self.measured.of.cell.device)


def fill_nulls(rows: pd.DataFrame, heads: PartsUnderTest, twins: Sequence[ProtocolData]) -> pd.DataFrame:
    """Write p-values beside the scores of heads and MLPs alone.

    Args:
        rows: With the columns of `alignment.csv`.
        heads: The parts that are tested.
        twins: The same model with random weights, once or more.

    Returns:
        The rows, with p-values by the level's own metric.
    """
    rules, seed, draws = heads.measured.of.cell.rules, heads.seed, heads.how.draws
    filled = rows.copy()
    scores = np.stack([own_scores(part, heads.alone, rules) for part in heads.judged])
    untrained = _of_twins(heads, twins)
    pools = _subspaces(heads) if draws and heads.distance != "cosine" else None
    for number, part in enumerate(heads.judged):
        if draws:
            _write(filled, heads, part, ("p_choices", beyond_chance(part, heads.alone, rules, draws, seed)))
        if pools is not None:
            found = beyond_subspaces(
                scores[number, : len(heads.heads)], [pool[:, number] for pool in pools[0]], pools[1]
            )
            _write(filled, heads, part, ("p_subspace", found))
        if len(twins):
            groups = [c.layer if c.kind == "head" else -c.layer for c in heads.tested]
            found = beyond_twin(scores[number], untrained[:, number], np.array(groups))
            _write(filled, heads, part, ("p_twin", found))
    return filled


def sum_heads(heads: PartsUnderTest) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Score sums of heads, see `cumulative_scores`.

    Args:
        heads: The heads.

    Returns:
        With the columns of `cumulative.csv`, and a line for each subset that is too small to be halved.
    """
    _, rows = heads.distinct
    held = SummedHeads(
        heads.alone[: len(heads.heads)],
        lambda number: heads.features(heads.heads[number])[rows],
        heads.distances,
    )
    tables, notes = [pd.DataFrame(columns=list(CUMULATIVE_COLUMNS))], []
    of, judgments = heads.measured.of, heads.measured.judgments
    for part in heads.judged if heads.how.splits and heads.heads else ():
        try:
            how = Halvings(splits=heads.how.splits, seed=heads.seed)
            found = cumulative_scores(held, part, of.cell.rules, how)
        except DataError as error:
            notes.append(str(error))
            continue
        values = (judgments.level, judgments.dataset, part.name, own_measure(part), heads.distance, of.cell.protocol)
        found = found.assign(**dict(zip(PLACE, values, strict=True)))
        tables.append(found[list(CUMULATIVE_COLUMNS)])
    return pd.concat(tables[1:] or tables, ignore_index=True), tuple(notes)


def _subspaces(heads: PartsUnderTest) -> tuple[list[Floats], Indices]:
    """Scores of random subspaces for each layer and rank, (draws, subsets); and which of these each head belongs to."""
    rules, (_, rows) = heads.measured.of.cell.rules, heads.distinct

    def score(features: Rows) -> Floats:
        found = heads.distances(features)[None]
        return np.array([own_scores(part, found, rules)[0] for part in heads.judged])

    precision = float(torch.finfo(torch_dtype(heads.parts.store.shape.dtype)).eps)
    pools: dict[tuple[int, int], Floats] = {}
    pool_of = []
    for layer in dict.fromkeys(component.layer for component in heads.heads):
        members = [component for component in heads.heads if component.layer == layer]
        features = (heads.parts.features(PartCurve(component)) for component in members)
        span = layer_in_span(features, precision)[rows]
        for component in members:
            key = (layer, directions(heads.parts.features(PartCurve(component)), precision))
            if key not in pools:
                pools[key] = subspace_scores(span, key[1], score, heads.how.draws, (heads.seed, *key))
            pool_of.append(list(pools).index(key))
    return list(pools.values()), np.array(pool_of, dtype=np.int64)


def _of_twins(heads: PartsUnderTest, twins: Sequence[ProtocolData]) -> Floats:
    """Scores of the same parts of models with random weights, (twins, subsets, tested); NaN where they do not vary."""
    found = np.full((len(twins), len(heads.judged), len(heads.tested)), np.nan)
    for number, twin in enumerate(twins):
        varying = [
            place
            for place, component in enumerate(heads.tested)
            if not is_constant(twin.parts.features(PartCurve(component)))
        ]
        curves = tuple(PartCurve(heads.tested[place]) for place in varying)
        if not curves:
            continue
        values = measure_parts(twin, curves, (heads.distance,)).found.values[heads.distance]
        for subset, part in enumerate(heads.judged):
            found[number, subset, varying] = own_scores(part, values, heads.measured.of.cell.rules)
    return found


def _write(rows: pd.DataFrame, heads: PartsUnderTest, part: JudgedPart, found: tuple[str, Floats]) -> None:
    """Write p-values of the tested parts, or of the heads alone, to their rows."""
    column, values = found
    mine = (rows["way"] == "alone") & (rows["part"] == part.name) & (rows["measure"] == own_measure(part))
    mine &= rows["distance"] == heads.distance
    tested = zip(heads.tested, values, strict=False)  # the heads are the first
    known = {(component.kind, component.layer, component.head): value for component, value in tested}
    places = rows.loc[mine, ["kind", "layer", "head"]].itertuples(index=False, name=None)
    rows.loc[mine, column] = [known.get(place, np.nan) for place in places]
