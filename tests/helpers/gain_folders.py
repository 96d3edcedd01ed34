"""Folders of models that were judged before and after, made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from alignbench.results.gains import CURVE_COLUMNS, Gain, Gains, write_gains

NAN = float("nan")
CEILING = 0.62


def gain(task: str, data: str, measure: str, **changed: Any) -> Gain:
    """A row whose score rises from 0.4 to 0.5, of a ceiling of 0.62."""
    usual: dict[str, Any] = {
        **{"task": task, "data": data, "subset": "", "measure": measure, "better": "higher", "distance": "cosine"},
        **{"before_layer": "projection", "after_layer": "projection", "before": (0.4, 0.35, 0.45)},
        **{"after": (0.5, 0.44, 0.56), "difference": (0.1, 0.04, 0.16), "corrected_low": 0.02, "corrected_high": 0.18},
        **{"p": 0.001, "p_corrected": 0.005, "relative": 0.25, "ceiling": CEILING, "share_of_gap": 0.1 / 0.22},
        **{"n": 1234, "over": "clusters", "sample": "not seen"},
    }
    return Gain(**usual | changed)


ROWS = (
    gain("human choices", "levels", "accuracy", subset="coarse"),
    gain("human choices", "shapes-high", "accuracy", subset="test", sample="in-sample"),
    gain("human similarity", "cichy2019", "spearman", subset="all", sample="may be in-sample", ceiling=NAN),
    gain(
        *("human uncertainty", "levels", "entropy_spearman"),
        **{"subset": "coarse", "before": (NAN,) * 3, "after": (NAN,) * 3, "difference": (NAN,) * 3, "relative": NAN},
        **{"corrected_low": NAN, "corrected_high": NAN, "p": NAN, "p_corrected": NAN, "share_of_gap": NAN},
    ),
    gain(
        *("human uncertainty", "levels", "log_rt_spearman"),
        **{"subset": "fine", "before": (NAN,) * 3, "after": (0.3, 0.2, 0.4), "difference": (NAN,) * 3, "relative": NAN},
        **{"corrected_low": NAN, "corrected_high": NAN, "p": NAN, "p_corrected": NAN, "share_of_gap": NAN},
    ),
    gain("few-shot", "pets", "accuracy, 5 a class", corrected_low=-0.02, sample="unknown"),
    gain("agreement with the teacher", "border", "agreement with the teacher", sample="held-out objects"),
    gain("relative distance", "pets", "within a class, over the mean", better=""),
)
CURVES = pd.DataFrame(
    [["levels", "coarse", "accuracy", "cosine", 50.0, "layer_1", "layer_1", 0.3, 0.4, 0.1, 0.05, 0.15, 1234]],
    columns=list(CURVE_COLUMNS),
)


def draw(_: pd.DataFrame, folder: Path) -> None:
    """A figure of 60 x 20 pixels."""
    Image.new("RGB", (60, 20), (200, 0, 0)).save(folder / "gains.png")
    (folder / "gains.svg").write_text("<svg/>")


def write_gain_folder(
    root: Path, name: str = "student__alignet-evaluation__01234567", rows: tuple[Gain, ...] = ROWS
) -> Path:
    """A folder of such rows."""
    root.mkdir(parents=True, exist_ok=True)
    record = {"settings": {"before": "my/clip", "after": "student"}, "notes": ["Levels, coarse: 12 of 20 triplets."]}
    write_gains(root / name, Gains(rows, CURVES), record, draw)
    return root / name
