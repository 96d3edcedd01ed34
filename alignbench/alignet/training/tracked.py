"""Logs a student's folder as one W&B run: loss, agreement with the teacher and rate over steps, and its files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from alignbench.alignet.training.folder import LOG, RECORD, read_log, read_student
from alignbench.alignet.training.validation import COLUMNS
from alignbench.models.checkpoints import HEAD
from alignbench.tracking.wandb_init import RunTitle, logged_to_disk, make_artifact

_HELD_OUT: Final = dict(zip(COLUMNS, ("validation/loss", "validation/teacher_agreement"), strict=True))


def log_student(folder: Path) -> Path:
    """Log a finished student to disk, as one W&B run; its weights are not uploaded, its head is.

    Args:
        folder: See `alignbench.alignet.training.folder`.

    Returns:
        W&B's folder of the run.

    Raises:
        Exception: Whatever W&B raises.
    """
    record, log = read_student(folder), read_log(folder)
    label = str(record["label"])
    title = RunTitle(f"student of {label}", "alignet", "student")
    seen = {f"first_step/{name}": value for name, value in record["first_step"].items()}
    with logged_to_disk(folder, title, {**record["settings"], "data": record["data"], "folder": folder.name}) as run:
        run.define_metric("step", hidden=True)
        run.define_metric("train/*", step_metric="step")
        run.define_metric("validation/*", step_metric="step")
        for row in log.to_dict("records"):
            step = row.pop("step")
            known = {name: value for name, value in row.items() if math.isfinite(value)}
            run.log({"step": step, **{_HELD_OUT.get(name, f"train/{name}"): value for name, value in known.items()}})
        told = ("distance_to_start", "pictures_per_second", "seconds")
        run.summary.update({**seen, **{name: record[name] for name in told}})
        files = [folder / name for name in (RECORD, LOG, HEAD, "README.md")]
        run.log_artifact(make_artifact(folder, "student", {"model": label}, files))
    return Path(run.settings.sync_dir)
