"""Logs a folder of scores of labelled heads as one W&B run: scores, the table of heads, the judgments, the files."""

from __future__ import annotations

import math
from pathlib import Path

from alignbench.results.head_scores import HEADS, JUDGED, RECORD, SCORES, read_head_rows, read_judged_texts, read_scores
from alignbench.tracking.wandb_init import RunTitle, logged_to_disk, make_artifact


def log_head_scores(folder: Path) -> Path:
    """Log a finished folder to disk, as one W&B run.

    Args:
        folder: See `alignbench.results.head_scores`.

    Returns:
        W&B's folder of the run.

    Raises:
        Exception: Whatever W&B raises.
    """
    import wandb

    record, scores = read_scores(folder)
    heads, judged, settings = read_head_rows(folder), read_judged_texts(folder), record["settings"]
    model, judge = record["model"], str(settings["judge"]["name"])
    labeller = str(settings["labels"]["labeller"]["name"])
    title = RunTitle(f"heads of {model}: {labeller}, judged by {judge}", model, "heads")
    config = {"model": model, "labeller": labeller, "judge": judge, "settings": settings, "folder": folder.name}
    with logged_to_disk(folder, title, config) as run:
        for row in scores.to_dict("records"):
            named = {f"heads/{row['measure']}": row["value"], f"heads/{row['measure']}/baseline": row["baseline"]}
            run.summary.update({name: float(value) for name, value in named.items() if math.isfinite(value)})
        tables = {"scores": scores, "heads": heads, "judged": judged}
        run.log({name: wandb.Table(dataframe=table) for name, table in tables.items() if len(table)})
        files = [folder / name for name in (SCORES, HEADS, JUDGED, RECORD)]
        run.log_artifact(make_artifact(folder, "heads", {"model": model, "judge": judge}, files))
    return Path(run.settings.sync_dir)
