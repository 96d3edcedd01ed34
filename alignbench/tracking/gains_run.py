"""Logs a folder of a model that was judged before and after as one W&B run: scores, tables, the figure, the files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from alignbench.results.gains import CURVES, FIGURE, RECORD, TABLE, read_gain_curves, read_gains, with_distances
from alignbench.tracking.wandb_init import RunTitle, logged_to_disk, make_artifact

_SUMMED: Final = ("before", "after", "difference")


def log_gains(folder: Path) -> Path:
    """Log a finished folder to disk, as one W&B run.

    Args:
        folder: See `alignbench.results.gains`.

    Returns:
        W&B's folder of the run.

    Raises:
        Exception: Whatever W&B raises.
    """
    import wandb

    frame, record = read_gains(folder)
    curves, settings = read_gain_curves(folder), record["settings"]
    title = RunTitle(f"{settings['after']} against {settings['before']}", str(settings["before"]), "alignet")
    with logged_to_disk(folder, title, {**settings, "folder": folder.name}) as run:
        for row in with_distances(frame).to_dict("records"):
            place = "/".join(filter(None, [row["data"], row["subset"], row["measure"]]))
            known = {name: float(row[name]) for name in _SUMMED if math.isfinite(row[name])}
            run.summary.update({f"{name}/{place}": value for name, value in known.items()})
        tables = {"gains": frame, "curves": curves}
        media = {name: wandb.Table(dataframe=table) for name, table in tables.items() if len(table)}
        run.log({**media, "figures/gains": wandb.Image(str(folder / FIGURE))})
        files = [folder / name for name in (TABLE, CURVES, RECORD)]
        run.log_artifact(make_artifact(folder, "alignet", {"before": settings["before"]}, files))
    return Path(run.settings.sync_dir)
