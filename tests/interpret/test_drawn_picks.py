"""Picks of draws: kept as they were, and refused where they are damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from alignbench.errors import DataError
from alignbench.interpret.drawn_picks import read_drawn, write_drawn

TEXTS = ("never", 'with a "quote", and a comma', "zebra", "apple")
PICKS = np.array([[[3, 1], [2, -1]], [[1, 3], [-1, -1]]])


def test_picks_come_back_with_their_texts(tmp_path: Path) -> None:
    write_drawn(tmp_path, PICKS, TEXTS)
    found = read_drawn(tmp_path)
    assert set(found.texts) == set(TEXTS[1:]), "what is never picked is not kept"
    said = [[[found.texts[row] if row >= 0 else "" for row in head] for head in draw] for draw in found.picks]
    assert said == [[[TEXTS[row] if row >= 0 else "" for row in head] for head in draw] for draw in PICKS]


def test_draws_without_picks_are_kept(tmp_path: Path) -> None:
    write_drawn(tmp_path, np.full((3, 2, 4), -1), TEXTS)
    found = read_drawn(tmp_path)
    assert found.texts == ()
    assert (found.picks == -1).all()


@pytest.mark.parametrize(
    ("rows", "texts", "said"),
    [
        (np.zeros((2, 2), np.int32), ["a"], "holds no picks of draws and heads"),
        (np.zeros((2, 2, 2), np.int64), ["a"], "holds no picks of draws and heads"),
        (np.full((1, 1, 1), 1, np.int32), ["a"], "names texts that are not in drawn.csv"),
        (np.full((1, 1, 1), -2, np.int32), ["a"], "names texts that are not in drawn.csv"),
        (np.zeros((1, 1, 1), np.int32), ["a", "a"], "drawn.csv is not one column of texts"),
    ],
)
def test_what_does_not_fit_is_refused(rows: np.ndarray, texts: list[str], said: str, tmp_path: Path) -> None:
    save_file({"picks": rows}, tmp_path / "draws.safetensors")
    pd.DataFrame({"text": texts}).to_csv(tmp_path / "drawn.csv", index=False)
    with pytest.raises(DataError, match=said):
        read_drawn(tmp_path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"cannot be read .*: remove the folder, and make it again by `alignbench interpret textspan`"
    ):
        read_drawn(tmp_path)
