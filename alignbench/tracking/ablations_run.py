"""Logs a folder of ablations as one W&B run: the whole model, the arm that costs most, the table, the files."""

from __future__ import annotations

from pathlib import Path

from alignbench.results.head_ablations import ACCURACY, RECORD, TABLE, WORST, ablated_model, arm_name, read_ablation
from alignbench.tracking.wandb_init import RunTitle, logged_to_disk, make_artifact


def log_ablations(folder: Path) -> Path:
    """Log a finished folder to disk, as one W&B run.

    Args:
        folder: See `alignbench.results.head_ablations`.

    Returns:
        W&B's folder of the run.

    Raises:
        Exception: Whatever W&B raises.
    """
    import wandb

    record, table = read_ablation(folder)
    model = ablated_model(record)
    title = RunTitle(f"{model} without parts", model, "heads")
    told = {name: record[name] for name in ("settings", "store", "reference")}
    config = {"model": model, **told, "folder": folder.name}
    named = table.assign(ablated=list(map(arm_name, table.itertuples(index=False))))
    with logged_to_disk(folder, title, config) as run:
        for measure in (ACCURACY, WORST):
            scores = named[named["measure"] == measure]
            for value in scores.loc[scores["kind"] == "all", "value"]:
                run.summary[f"ablations/{measure}"] = float(value)
            without = scores[(scores["kind"] != "all") & scores["difference"].notna()]
            if len(without):
                most = without.loc[without["difference"].idxmin()]
                run.summary[f"ablations/{measure}/largest_drop"] = float(most["difference"])
                run.summary[f"ablations/{measure}/largest_drop_of"] = f"{most['ablated']}, {most['way']}"
        run.log({"ablations": wandb.Table(dataframe=named[["ablated", *table.columns]])})
        files = [folder / name for name in (TABLE, RECORD)]
        run.log_artifact(make_artifact(folder, "heads", {"model": model}, files))
    return Path(run.settings.sync_dir)
