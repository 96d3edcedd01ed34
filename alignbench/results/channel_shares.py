"""The share of the strongest channel in each layer, read back from the `channels.csv` of a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alignbench.arrays import Floats
from alignbench.results.csv_table import read_csv_table
from alignbench.results.finished import unreadable

_NEEDED = {"layer", "quantity", "top_share"}


def read_top_shares(folder: Path, layers: Sequence[str]) -> dict[str, Floats]:
    """Read which share of a quantity the strongest channel of each layer has.

    Args:
        folder: A run folder.
        layers: Names of the layers, in this order; others are left out.

    Returns:
        By quantity, see `ChannelUse`, fractions, (layers,). Empty where the run has no `channels.csv`: baselines have
        none.

    Raises:
        DataError: If the file cannot be read, or does not tell one share of each layer; names it.
    """
    path = folder / "channels.csv"
    try:
        if not path.exists():
            return {}
        frame = read_csv_table(path, ("layer", "quantity"))
        if not set(frame.columns) >= _NEEDED or frame.empty:
            raise ValueError("it is no table of channels")
        found = {}
        for quantity, rows in frame.groupby("quantity", sort=False):
            shares = rows.set_index("layer")["top_share"]
            if not shares.index.is_unique or not set(layers) <= set(shares.index):
                raise ValueError(f"it does not tell one share of {quantity} for each layer")
            if not shares.between(0.0, 1.0).all():
                raise ValueError(f"a share of {quantity} is not between 0 and 1")
            found[str(quantity)] = shares.loc[list(layers)].to_numpy(np.float64)
    except (OSError, ValueError) as error:
        raise unreadable(path, error, "used") from error
    return found
