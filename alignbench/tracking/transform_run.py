"""Logs a folder of learned transforms as one W&B run: ceiling over depth, the search, the figure, the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from alignbench.results.extent import data_set_title
from alignbench.tracking.wandb_init import RunTitle, logged_to_disk, make_artifact
from alignbench.transforms.learning.folder import RECORD, read_ceiling, read_record

_CHARTED = {"before": "zero_shot", "after": "aligned", "difference": "gain", "held_out_loss": "held_out_loss"}


def log_learned(folder: Path) -> Path:
    """Log a finished folder of learned transforms to disk, as one W&B run.

    Args:
        folder: See `alignbench.transforms.learning.folder`.

    Returns:
        W&B's folder of the run.

    Raises:
        Exception: Whatever W&B raises.
    """
    import wandb

    frame, settings = read_ceiling(folder), read_record(folder)["settings"]
    first = frame.iloc[0]
    model, dataset, objective = (str(first[name]) for name in ("model", "dataset", "objective"))
    tables = {name: folder / f"{name}.csv" for name in ("epochs", "trials", "judged")}
    files = [*sorted(folder.glob("*.safetensors")), folder / "ceiling.csv", folder / RECORD]
    files += [tables["judged"]] if tables["judged"].is_file() else []
    title = RunTitle(f"{model} on {data_set_title(dataset)}: {objective}", dataset, "transform")
    with logged_to_disk(folder, title, {**settings, "folder": folder.name}) as run:
        run.define_metric("depth", hidden=True)
        run.define_metric("transform/*", step_metric="depth", summary="max")
        for row in frame.to_dict("records"):
            scores = {f"transform/{shown}": float(row[name]) for name, shown in _CHARTED.items()}
            run.log({"depth": row["depth"], **scores})
            run.summary.update({f"{name}/{row['layer']}": score for name, score in scores.items()})
        media: dict[str, Any] = {
            name: wandb.Table(dataframe=pd.read_csv(path)) for name, path in tables.items() if path.is_file()
        }
        figure = wandb.Image(str(folder / "ceiling.png"))
        run.log({"ceiling": wandb.Table(dataframe=frame), "figures/ceiling": figure, **media})
        run.log_artifact(make_artifact(folder, "transform", {"model": model, "objective": objective}, files))
    return Path(run.settings.sync_dir)
