"""Logs a student's folder as one W&B run: loss, agreement with the teacher and rate over steps, and its files."""

from __future__ import annotations

from pathlib import Path

from alignbench.alignet.training.folder import HEAD, LOG, RECORD, read_log, read_student
from alignbench.tracking.wandb_init import RunTitle, logged_to_disk, make_artifact


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
        for row in log.to_dict("records"):
            step = row.pop("step")
            run.log({"step": step, **{f"train/{name}": value for name, value in row.items()}})
        told = ("distance_to_start", "pictures_per_second", "seconds")
        run.summary.update({**seen, **{name: record[name] for name in told}})
        files = [folder / name for name in (RECORD, LOG, HEAD, "README.md")]
        run.log_artifact(make_artifact(folder, "student", {"model": label}, files))
    return Path(run.settings.sync_dir)
