"""The names under which runs are logged, and by which the saved view finds them: nothing else writes them out."""

from __future__ import annotations

from typing import Final

DEPTH: Final = "depth"
RUN_FOLDER: Final = "run_folder"  # in the configuration: the name of the run folder
LABEL: Final = "label"
DATA_SET: Final = "dataset"
LEVEL: Final = "level"
CURVE_TABLE: Final = "curve"
FIGURES: Final = {"figures/curve": "curve.png", "figures/channels": "channels.png"}
ARTIFACT_TYPE: Final = "layer-curve"
CHART_FIELDS: Final = {"step": "step", "lineKey": "lineKey", "lineVal": "lineVal"}  # of W&B's chart of several lines
CHART_NAME: Final = "wandb/lineseries/v0"


def score_key(distance: str, metric: str, suffix: str = "") -> str:
    """Scores over depth."""
    return f"align/{distance}/{metric}{suffix}"


def chart_key(distance: str, suffix: str = "") -> str:
    """The chart of a curve beside the published one and baselines."""
    return f"curves/{distance}{suffix}"


def chart_table_key(distance: str) -> str:
    """The table that W&B draws `chart_key` from."""
    return f"Custom Chart Tables/{chart_key(distance)}_table"


def best_key(distance: str, what: str = "") -> str:
    """Summary of the best layer before the projection: its score, or its `layer` or `depth`."""
    return f"best_{what}/{distance}" if what else f"best/{distance}"


def projection_key(distance: str) -> str:
    """Summary of the projection's score."""
    return f"projection/{distance}"


def level_curve_key(level: str, metric: str, distance: str) -> str:
    """Scores over depth of one level alone: `low/spearman/curve/cosine`."""
    return f"{level}/{metric}/curve/{distance}"


def level_baseline_key(level: str, metric: str) -> str:
    """The score of a baseline, from end to end of the depth."""
    return f"{level}/{metric}/baseline"


def level_best_key(level: str, metric: str, distance: str) -> str:
    """Summary of the best layer's score, of one level alone."""
    return f"{level}/{metric}/{best_key(distance)}"


def level_projection_key(level: str, metric: str, distance: str) -> str:
    """Summary of the projection's score, of one level alone."""
    return f"{level}/{metric}/{projection_key(distance)}"
