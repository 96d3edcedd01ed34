"""Logs a folder of heads that were scored against people as one W&B run: counts, tables, the maps, the files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from alignbench.results.head_alignment import (
    CAVEAT,
    CUMULATIVE,
    FIGURE,
    NULLS,
    RECORD,
    SEPARABLE,
    TABLE,
    by_place,
    component_name,
    own_scores,
    read_head_alignment,
)
from alignbench.tracking.wandb_init import RunTitle, logged_to_disk, make_artifact

_KEYS: Final = ("kind", "layer", "head")
_BEYOND: Final = dict(zip(NULLS, ("beyond_chance", "beyond_subspaces", "beyond_twin"), strict=True))


def log_heads(folder: Path) -> Path:
    """Log a finished folder to disk, as one W&B run.

    Args:
        folder: See `alignbench.results.head_alignment`.

    Returns:
        W&B's folder of the run.

    Raises:
        Exception: Whatever W&B raises.
    """
    import wandb

    alignment, cumulative, record = read_head_alignment(folder)
    settings = record["settings"]
    model = str(settings["model"])
    data = "+".join(dict.fromkeys(alignment["dataset"]))
    title = RunTitle(f"{model} heads on {data}", model, "heads")
    with logged_to_disk(folder, title, {**settings, "folder": folder.name, "caveat": CAVEAT}) as run:
        for place, rows in by_place(own_scores(alignment)):
            where = f"{place['dataset']}/{place['part']}/{place['protocol']}/{place['measure']}"
            alone = rows[rows["way"] == "alone"]
            heads = alone[(alone["kind"] == "head") & alone["value"].notna()]
            whole = alone[alone["kind"] == "all"]
            if len(whole) and math.isfinite(whole["value"].iloc[0]):
                run.summary[f"whole/{where}"] = float(whole["value"].iloc[0])
            if len(heads):
                best = heads.loc[heads["value"].idxmax()]
                run.summary[f"best_head/{where}"] = float(best["value"])
                run.summary[f"best_head_name/{where}"] = component_name("head", int(best["layer"]), int(best["head"]))
            for null, name in _BEYOND.items():
                if heads[null].notna().any():
                    run.summary[f"{name}/{where}"] = int((heads[null] <= SEPARABLE).sum())
        named = alignment.assign(component=list(map(component_name, *(alignment[key] for key in _KEYS))))
        tables = {"heads": named[["component", *alignment.columns]], "sums_of_heads": cumulative}
        media = {name: wandb.Table(dataframe=table) for name, table in tables.items() if len(table)}
        run.log({**media, "figures/heads": wandb.Image(str(folder / FIGURE), caption=CAVEAT)})
        files = [folder / name for name in (TABLE, CUMULATIVE, RECORD)]
        run.log_artifact(make_artifact(folder, "heads", {"model": model}, files))
    return Path(run.settings.sync_dir)
