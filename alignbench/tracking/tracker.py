"""Logs run folders to Weights & Biases: scores over depth, the curve as a table, charts, figures, files.

A run is logged after its folder is written: to disk first, then to the server. One that the server does not take stays
on disk; whatever else goes wrong with W&B ends in a warning, and the folder is whole.
"""

from __future__ import annotations

import math
import shlex
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.errors import AlignbenchError, AlignbenchWarning, one_line
from alignbench.results.folders import FILES, MORE_FILES
from alignbench.results.layer_curve import LayerCurve
from alignbench.scoring.scored_run import ScoredRun
from alignbench.tracking.keys import ARTIFACT_TYPE, CURVE_TABLE, DEPTH, FIGURES, RUN_FOLDER
from alignbench.tracking.modes import resolve_mode, silence, under_agent
from alignbench.tracking.payload import (
    baselines_beside,
    charts,
    configuration,
    is_baseline,
    parts,
    run_title,
    scores_by_depth,
    summary,
)
from alignbench.tracking.unlogged import is_unlogged, mark_unlogged, note_on_disk, settle, take_up
from alignbench.tracking.upload import upload, upload_seconds
from alignbench.tracking.wandb_init import RunTitle, logged_to_disk, make_artifact

if TYPE_CHECKING:
    import wandb


@dataclass
class Tracker:
    """Logs the runs of one command.

    Attributes:
        mode: `online` or `offline`; offline from the first run on that the server does not take.
        seconds: How long an upload may take.
        offline: W&B's folders of the runs that were logged to disk.
    """

    mode: str
    seconds: float = math.inf
    offline: list[Path] = field(default_factory=list)

    def mark(self, folder: Path) -> None:
        """Say of a folder that is not whole yet that it is to be logged, if need be by the next command."""
        mark_unlogged(folder)

    def log(self, folder: Path, how: Callable[[Path], Path] | None = None) -> None:
        """Log a finished folder; a failure is a warning.

        Args:
            folder: The folder. W&B's own files go to `.wandb` beside it, or where `WANDB_DIR` says.
            how: What logs it to disk, and says where W&B's own files are; `log_run` if nothing else is given.
        """
        silence()
        try:
            place = (how or log_run)(folder)
        except Exception as error:  # of whatever kind: the run must survive it
            text = f"W&B did not take this run ({one_line(error)}): its folder {folder} is whole"
            warnings.warn(text, AlignbenchWarning, stacklevel=2)
            return
        self._pass_on(folder, place)

    def catch_up(self, folder: Path, how: Callable[[Path], Path] | None = None) -> None:
        """Log a folder that was finished before, if an agent waits for it, or if it was to be logged and is not.

        Args:
            folder: See `log`.
            how: See `log`.
        """
        if not (under_agent() or is_unlogged(folder)):
            return
        silence()
        place = take_up(folder)
        if place is None or under_agent():  # an agent has named the run
            self.log(folder, how)
        else:
            self._pass_on(folder, place)

    def how_to_upload(self) -> str:
        """A line that says where offline runs are and how to upload them; empty if there are none."""
        if not self.offline:
            return ""
        parent = shlex.quote(str(self.offline[0].parent))
        which = shlex.quote(str(self.offline[0])) if len(self.offline) == 1 else f"{parent}/offline-run-*"
        return f"logged to W&B offline; to upload: wandb sync {which}"

    def _pass_on(self, folder: Path, place: Path) -> None:
        """See to it that what is on disk is uploaded, now or by the user."""
        if self.mode == "offline":
            self.offline.append(place)
        else:
            note_on_disk(folder, place)
            self._upload(folder, place)
        settle(folder)

    def _upload(self, folder: Path, place: Path) -> None:
        remedy = f"it goes to disk; to upload it: wandb sync {shlex.quote(str(place))}"
        try:
            upload(place, self.seconds)
        except (AlignbenchError, OSError) as error:
            self.mode = "offline"  # one is enough to wait for
            text = f"W&B's server did not take the run of {folder} ({one_line(error)}): {remedy}"
            warnings.warn(text, AlignbenchWarning, stacklevel=4)
        except KeyboardInterrupt:
            text = f"the run of {folder} was being uploaded to W&B: {remedy}"
            warnings.warn(text, AlignbenchWarning, stacklevel=4)
            settle(folder)
            raise


def tracker_for(asked: str, processes: int = 1) -> Tracker | None:
    """The tracker of a mode, or none if it comes to off.

    Args:
        asked: See `resolve_mode`.
        processes: See `resolve_mode`.

    Raises:
        UsageError: See `resolve_mode` and `upload_seconds`.
    """
    mode = resolve_mode(asked, processes)
    return None if mode == "off" else Tracker(mode, upload_seconds())


def log_run(folder: Path) -> Path:
    """Log a finished run folder to disk, as one W&B run.

    Args:
        folder: The run folder.

    Returns:
        W&B's folder of the run.

    Raises:
        Exception: Whatever W&B raises.
    """
    stored = ScoredRun(folder)
    curve = stored.curve
    kind = "baseline" if is_baseline(curve) else "model"
    title = RunTitle(run_title(curve), curve.dataset, kind)
    config = {**configuration(stored.record), **parts(curve), RUN_FOLDER: folder.name}
    with logged_to_disk(folder, title, config) as run:
        _log_scores(run, curve)
        _log_media(run, folder, curve)
        run.summary.update(summary(curve))
        run.log_artifact(_artifact(folder, curve))
    return Path(run.settings.sync_dir)


def _log_scores(run: wandb.Run, curve: LayerCurve) -> None:
    """One step a layer, with depth as the axis, so that runs lie over each other."""
    run.define_metric(DEPTH, hidden=True)
    run.define_metric("align/*", step_metric=DEPTH, summary="max")
    run.define_metric(f"{curve.level}/*", step_metric=DEPTH, summary="none")
    for scores in scores_by_depth(curve):
        run.log(scores)


def _log_media(run: wandb.Run, folder: Path, curve: LayerCurve) -> None:
    import wandb

    media: dict[str, Any] = {CURVE_TABLE: wandb.Table(dataframe=curve.frame)}
    for name, lines in charts(curve, baselines_beside(folder, curve)).items():
        media[name] = wandb.plot.line_series(
            xs=[line.depth for line in lines],
            ys=[line.value for line in lines],
            keys=[line.name for line in lines],
            title=f"{run_title(curve)}: {name.removeprefix('curves/')}",
            xname=DEPTH,
            split_table=True,
        )
    for name, file in FIGURES.items():
        if (folder / file).is_file():
            media[name] = wandb.Image(str(folder / file))
    run.log(media)


def _artifact(folder: Path, curve: LayerCurve) -> wandb.Artifact:
    """The run folder, from which `alignbench pull` makes it again; measuring again makes a further version."""
    about = {"model": curve.label, "dataset": curve.dataset, "protocol": curve.protocol}
    files = [folder / name for name in (*FILES, *MORE_FILES) if name in FILES or (folder / name).is_file()]
    return make_artifact(folder, ARTIFACT_TYPE, about, files)
