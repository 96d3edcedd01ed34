"""The share of the strongest channel, read back from a run folder; what is wrong with the table is said in a line."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.errors import DataError
from alignbench.results.channel_shares import read_top_shares

LAYERS = ("layer_0", "layer_1", "projection")


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {"layer": layer, "depth": 0.0, "quantity": quantity, "top_channel": 0, "top_share": share}
        for quantity, shares in (("mean_square", (0.1, 0.9, 0.5)), ("mean_difference", (0.2, 0.3, 0.4)))
        for layer, share in zip(LAYERS, shares, strict=True)
    )


def read(folder: Path, frame: pd.DataFrame, layers: tuple[str, ...] = LAYERS) -> dict[str, list[float]]:
    frame.to_csv(folder / "channels.csv", index=False)
    return {quantity: shares.tolist() for quantity, shares in read_top_shares(folder, layers).items()}


def test_shares_are_by_quantity_and_in_the_order_of_the_layers(tmp_path: Path) -> None:
    expected = {"mean_square": [0.1, 0.9, 0.5], "mean_difference": [0.2, 0.3, 0.4]}
    assert read(tmp_path, table()) == expected
    assert read(tmp_path, table().iloc[::-1]) == expected
    assert read(tmp_path, table(), ("projection", "layer_0"))["mean_square"] == [0.5, 0.1]


def test_a_run_without_the_table_tells_nothing(tmp_path: Path) -> None:
    assert read_top_shares(tmp_path, LAYERS) == {}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda frame: frame.drop(columns="top_share"), "no table of channels"),
        (lambda frame: frame.iloc[:0], "no table of channels"),
        (lambda frame: frame.iloc[:-1], "one share of mean_difference for each layer"),
        (lambda frame: pd.concat([frame, frame.iloc[:1]]), "one share of mean_square for each layer"),
        (lambda frame: frame.assign(top_share=1.5), "a share of mean_square is not between 0 and 1"),
        (lambda frame: frame.assign(top_share=-0.1), "not between 0 and 1"),
        (lambda frame: frame.assign(top_share=np.inf), "not finite"),
        (lambda frame: frame.assign(top_share="much"), "holds what is no number"),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, changed: object, said: str) -> None:
    with pytest.raises(DataError, match=said) as raised:
        read(tmp_path, changed(table()))  # type: ignore[operator]
    assert str(tmp_path / "channels.csv") in str(raised.value)
    assert "measure it again with --overwrite" in str(raised.value)
    assert "\n" not in str(raised.value)
