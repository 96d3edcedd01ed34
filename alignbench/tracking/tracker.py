"""Logs run folders to Weights & Biases: scores over depth, the curve as a table, charts, figures, files.

A run is logged after its folder is written. One that the server does not take is logged to disk; whatever else goes
wrong with W&B ends in a warning, and the folder is whole.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.errors import AlignbenchWarning, one_line
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.stored_run import StoredRun
from alignbench.tracking.modes import resolve_mode, silence
from alignbench.tracking.payload import baselines_beside, charts, configuration, scores_by_depth, summary
from alignbench.tracking.wandb_init import RunTitle, make_artifact, start_run

if TYPE_CHECKING:
    import wandb

_FIGURES = {"figures/curve": "curve.png", "figures/channels": "channels.png"}
_FILES = ("curve.csv", "distances.safetensors", "run.json")


@dataclass
class Tracker:
    """Logs the runs of one command.

    Attributes:
        mode: `online` or `offline`.
        offline: W&B's folders of the runs that were logged to disk.
    """

    mode: str
    offline: list[Path] = field(default_factory=list)

    def log(self, folder: Path, how: Callable[[Path, str], Path] | None = None) -> None:
        """Log a finished folder; a failure is a warning.

        Args:
            folder: The folder. W&B's own files go to `.wandb` beside it, or where `WANDB_DIR` says.
            how: What logs it in a mode, and says where W&B's own files are; `log_run` if nothing else is given.
        """
        silence()
        try:
            place = (how or log_run)(folder, self.mode)
        except Exception as error:  # of whatever kind: the run must survive it
            text = f"W&B did not take this run ({one_line(error)}): its folder {folder} is whole"
            warnings.warn(text, AlignbenchWarning, stacklevel=2)
            return
        if self.mode == "offline":
            self.offline.append(place)

    def how_to_upload(self) -> str:
        """A line that says where offline runs are and how to upload them; empty if there are none."""
        if not self.offline:
            return ""
        parent = shlex.quote(str(self.offline[0].parent))
        first = shlex.quote(str(self.offline[0]))
        which = first if len(self.offline) == 1 else f"{parent}/offline-run-*"
        return f"logged to W&B offline; to upload: wandb sync {which}"


def tracker_for(asked: str) -> Tracker | None:
    """The tracker of a mode, or none if it comes to off.

    Args:
        asked: See `resolve_mode`.

    Raises:
        UsageError: See `resolve_mode`.
    """
    mode = resolve_mode(asked)
    return None if mode == "off" else Tracker(mode)


def log_run(folder: Path, mode: str) -> Path:
    """Log a finished run folder as one W&B run.

    Args:
        folder: The run folder.
        mode: `online` or `offline`.

    Returns:
        The folder of W&B's own files on this machine.

    Raises:
        Exception: Whatever W&B raises.
    """
    stored = StoredRun(folder)
    curve = stored.curve
    with _start_for(stored, mode) as run:
        _log_scores(run, curve)
        _log_media(run, folder, curve)
        run.summary.update(summary(curve))
        run.log_artifact(_artifact(folder, curve))
        return Path(run.settings.sync_dir)


def _start_for(stored: StoredRun, mode: str) -> wandb.Run:
    curve = stored.curve
    kind = "baseline" if (curve.frame["layer"] == "image").all() else "model"
    title = RunTitle(f"{curve.label} on {curve.dataset}", curve.dataset, kind)
    return start_run(stored.folder, mode, title, {**configuration(stored.record), "run_folder": stored.folder.name})


def _log_scores(run: wandb.Run, curve: LayerCurve) -> None:
    """One step a layer, with depth as the axis, so that runs lie over each other."""
    run.define_metric("depth", hidden=True)
    run.define_metric("align/*", step_metric="depth", summary="max")
    for scores in scores_by_depth(curve):
        run.log(scores)


def _log_media(run: wandb.Run, folder: Path, curve: LayerCurve) -> None:
    import wandb

    media: dict[str, Any] = {"curve": wandb.Table(dataframe=curve.frame)}
    for name, lines in charts(curve, baselines_beside(folder, curve)).items():
        media[name] = wandb.plot.line_series(
            xs=[line.depth for line in lines],
            ys=[line.value for line in lines],
            keys=[line.name for line in lines],
            title=f"{curve.label} on {curve.dataset}: {name.removeprefix('curves/')}",
            xname="depth",
            split_table=True,
        )
    for name, file in _FIGURES.items():
        if (folder / file).is_file():
            media[name] = wandb.Image(str(folder / file))
    run.log(media)


def _artifact(folder: Path, curve: LayerCurve) -> wandb.Artifact:
    """The files that scores can be made again from; measuring again makes a further version."""
    about = {"model": curve.label, "dataset": curve.dataset, "protocol": curve.protocol}
    return make_artifact(folder, "layer-curve", about, [folder / file for file in _FILES])
