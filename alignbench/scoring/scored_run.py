"""A finished run with the scores of this version, whatever version wrote it.

Intervals and ceilings change with `SCORING_VERSION`, distances and judgments do not: a run that an earlier version
scored is scored anew from what lies in its folder, without the data.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from alignbench.distances.protocols import PROTOCOLS
from alignbench.errors import AlignbenchWarning, DataError
from alignbench.results.finished import check_finished
from alignbench.results.folders import run_folders
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.namesakes import tell_apart
from alignbench.results.run_folder import holds_none
from alignbench.results.run_record import SCORING_VERSION
from alignbench.results.stored_run import StoredRun
from alignbench.scoring.judged_part import JudgedPart
from alignbench.scoring.rows import Measured, score_rows
from alignbench.scoring.scores import Scoring

_PUBLISHED = "ceiling_published"


@dataclass(frozen=True, eq=False)
class ScoredRun(StoredRun):
    """A run folder, see `StoredRun`; its curve and the kinds of its intervals are of `SCORING_VERSION` at least."""

    @property
    def is_older(self) -> bool:
        """Whether an earlier version scored it, so that it is scored anew."""
        return self.record.scoring_version < SCORING_VERSION

    @cached_property
    def curve(self) -> LayerCurve:
        """`curve.csv`, or what would stand there today.

        Raises:
            DataError: As in `StoredRun.curve`, or because distances or judgments are gone that an older run needs.
        """
        return self._anew[0] if self.is_older else super().curve

    @property
    def intervals(self) -> Mapping[str, str]:
        """How intervals were made, by subset; errors as in `curve`."""
        return self._anew[1] if self.is_older else self.record.interval

    @cached_property
    def _anew(self) -> tuple[LayerCurve, dict[str, str]]:
        """The scores of this version, and the kinds of their intervals by subset."""
        written = StoredRun(self.folder, self.called)
        old, settings = written.curve, self.settings
        if settings.protocol not in PROTOCOLS or not self.record.kind:
            raise self._stale("run.json lacks what that takes")
        published = old.frame.loc[old.frame["metric"] == _PUBLISHED, "value"]
        how = Scoring(PROTOCOLS[settings.protocol], settings.seed, float(published.iloc[0]) if len(published) else None)
        try:
            parts = list(_parts(written))
            written.check_together(max(int(part.options.max()) for part in parts))
            measured = Measured(
                old.label,
                old.dataset,
                old.level,
                old.protocol,
                settings.tokens or "",
                written.layers,
                [float(depth) for depth in written.depths],
                written.all_distances(),
            )
        except DataError as error:
            raise self._stale(str(error)) from error
        frame, intervals = score_rows(measured, parts, how)
        return LayerCurve(frame, settings.limit, old.kind, old.checkpoint, old.trained_on), intervals

    def _stale(self, reason: str) -> DataError:
        return DataError(
            f"{self.folder} was scored by an earlier version and cannot be scored anew ({reason}): measure it again "
            "with --overwrite, or leave it out"
        )


def _parts(written: StoredRun) -> Iterator[JudgedPart]:
    """The subsets of a run and their breakdowns, as far as its curve has scores of them."""
    frame, whole = written.curve.frame, set(written.curve.main()["subset"])
    for name, held in written.judgments(list(frame["subset"].unique()), by_id=False).items():
        said = held.options, held.human, held.clusters
        further = held.errors, held.objects, held.subject_ratings
        yield JudgedPart(name, written.record.kind, *said, name not in whole, *further, responses=held.responses)


def readable_runs(places: Sequence[Path]) -> tuple[list[ScoredRun], tuple[str, ...]]:
    """Runs among or directly below some folders whose record and curve can be read.

    Args:
        places: Run folders, or folders of them.

    Returns:
        The runs, each once, and a line for each folder or place that was left out.

    Raises:
        DataError: If no run is left.
    """
    found: dict[Path, ScoredRun] = {}
    refused: dict[str, None] = {}
    for place in places:
        folders = run_folders(place)
        if not folders:
            refused[str(holds_none(place))] = None
        for folder in folders:
            try:
                check_finished(folder)
                run = ScoredRun(folder)
                _ = run.curve
                found.setdefault(folder.resolve(), run)
            except DataError as error:
                refused[str(error)] = None
    lines = tuple(refused)
    if not found:
        raise DataError(lines[0] if len(lines) == 1 else f"none of {len(lines)} folders is a run: {lines[0]}")
    runs, doubled = tell_apart(list(found.values()))
    for line in doubled:
        warnings.warn(line, AlignbenchWarning, stacklevel=2)
    return runs, lines
