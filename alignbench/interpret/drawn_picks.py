"""What is picked of each head in each draw of the images: kept beside the picks, so that scores need no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from alignbench.arrays import Indices
from alignbench.errors import DataError, one_line
from alignbench.files import UNREADABLE, open_plain, write_safetensors
from alignbench.results.csv_table import read_csv_table

PICKS: Final = "draws.safetensors"
TEXTS: Final = "drawn.csv"
_TENSOR: Final = "picks"
_AGAIN: Final = "remove the folder, and make it again by `alignbench interpret textspan`"


@dataclass(frozen=True)
class DrawnPicks:
    """The picks of all heads in draws of the images.

    Attributes:
        picks: Rows of `texts`, in the order in which they were picked, -1 where nothing was left, (draws, heads, k).
        texts: All texts that are picked in any draw, each once.
    """

    picks: Indices
    texts: tuple[str, ...]


def write_drawn(folder: Path, picks: Indices, texts: Sequence[str]) -> None:
    """Write the picks of draws into a folder.

    Args:
        folder: The folder, while it is written.
        picks: Lines of the texts, -1 where nothing was left, (draws, heads, k).
        texts: All texts that could have been picked.

    Raises:
        OSError: If they cannot be written.
    """
    found = np.unique(picks[picks >= 0])
    rows = np.where(picks >= 0, np.searchsorted(found, picks), -1).astype(np.int32)
    write_safetensors(folder / PICKS, {_TENSOR: rows}, {})
    pd.DataFrame({"text": [texts[index] for index in found]}).to_csv(folder / TEXTS, index=False)


def read_drawn(folder: Path) -> DrawnPicks:
    """Read the picks of draws.

    Args:
        folder: What `span_store` has left with resamples.

    Raises:
        DataError: If there are none, or they are damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        open_plain(folder / PICKS).close()
        with safe_open(folder / PICKS, framework="np") as file:
            picks = file.get_tensor(_TENSOR)
        table = read_csv_table(folder / TEXTS, texts=("text",))
        if list(table) != ["text"] or table["text"].duplicated().any() or not table["text"].str.strip().all():
            raise ValueError(f"{TEXTS} is not one column of texts")
        texts = tuple(table["text"])
        if picks.ndim != 3 or picks.dtype != np.int32 or not picks.size:
            raise ValueError(f"{PICKS} holds no picks of draws and heads")
        if picks.min() < -1 or picks.max() >= len(texts):
            raise ValueError(f"{PICKS} names texts that are not in {TEXTS}")
    except (SafetensorError, *UNREADABLE) as error:
        raise DataError(f"the picks of draws in {folder} cannot be read ({one_line(error)}): {_AGAIN}") from error
    return DrawnPicks(picks.astype(np.int64), texts)
