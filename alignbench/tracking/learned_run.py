"""Logs a folder of learned transforms as one W&B run: ceiling over depth, the search, the figure, the files."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from alignbench.errors import AlignbenchWarning, one_line
from alignbench.tracking.modes import silence
from alignbench.tracking.starting import start_run
from alignbench.transforms.learned_folder import read_ceiling, read_record

if TYPE_CHECKING:
    import wandb

_LONGEST_NAME = 128  # of an artifact


def log_learned(folder: Path, mode: str) -> str:
    """Log a finished folder; a failure is a warning, since the folder is whole.

    Args:
        folder: See `alignbench.transforms.learned_folder`.
        mode: `online` or `offline`.

    Returns:
        For a run that went to disk, how to upload it; else nothing.
    """
    silence()
    try:
        return _log(folder, mode)
    except Exception as error:  # of whatever kind: what was learned must survive it
        text = f"W&B did not take this run ({one_line(error)}): its folder {folder} is whole"
        warnings.warn(text, AlignbenchWarning, stacklevel=2)
        return ""


def _log(folder: Path, mode: str) -> str:
    import wandb

    frame, settings = read_ceiling(folder), read_record(folder)["settings"]
    first = frame.iloc[0]
    name = f"{first['model']} on {first['dataset']}: {first['objective']}"
    config = {**settings, "folder": folder.name}
    with start_run(folder, mode, name, group=str(first["dataset"]), job_type="transform", config=config) as run:
        run.define_metric("depth", hidden=True)
        run.define_metric("transform/*", step_metric="depth", summary="max")
        for row in frame.to_dict("records"):
            run.log({"depth": row["depth"], **_of_layer(row)})
        media: dict[str, Any] = {
            "ceiling": wandb.Table(dataframe=frame),
            "figures/ceiling": wandb.Image(str(folder / "ceiling.png")),
            "epochs": wandb.Table(dataframe=pd.read_csv(folder / "epochs.csv")),
        }
        if (folder / "trials.csv").is_file():
            media["trials"] = wandb.Table(dataframe=pd.read_csv(folder / "trials.csv"))
        run.log(media)
        run.summary.update(
            {
                f"{key}/{row['layer']}": value
                for row in frame.to_dict("records")
                for key, value in _of_layer(row).items()
            }
        )
        run.log_artifact(_artifact(folder, frame))
        place = Path(run.settings.sync_dir)
    return f"logged to W&B offline; to upload: wandb sync {place}" if mode == "offline" else ""


def _of_layer(row: dict[Any, Any]) -> dict[str, float]:
    """What a chart shows of a layer."""
    names = {"before": "zero_shot", "after": "aligned", "difference": "gain", "held_out_loss": "held_out_loss"}
    return {f"transform/{shown}": float(row[name]) for name, shown in names.items()}


def _artifact(folder: Path, frame: pd.DataFrame) -> wandb.Artifact:
    import wandb

    name = re.sub(r"[^\w.-]", "-", folder.name, flags=re.ASCII)[-_LONGEST_NAME:]
    about = {"model": str(frame["model"].iloc[0]), "objective": str(frame["objective"].iloc[0])}
    artifact = wandb.Artifact(name, type="transform", metadata=about)
    for path in [*sorted(folder.glob("*.safetensors")), folder / "ceiling.csv", folder / "learned.json"]:
        artifact.add_file(str(path))
    return artifact
