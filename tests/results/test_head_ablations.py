"""Folders of ablations: read as they are written, refused where they are not whole, and told in words."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from ablation_folders import ROWS, write_ablation
from alignbench.errors import DataError
from alignbench.results.head_ablations import COLUMNS, ablated_model, arm_name, arms, read_ablation, rows_to_show


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    record, table = read_ablation(write_ablation(tmp_path / "it"))
    assert ablated_model(record) == "own"
    assert tuple(table.columns) == COLUMNS
    assert table["value"].tolist() == [row[9] for row in ROWS]
    assert table["group"].tolist() == [row[7] for row in ROWS]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("ablate.json", "{}", "settings is not there"),
        (
            "ablate.json",
            json.dumps({"settings": {}, "store": "", "reference": "", "classes": {}}),
            "heads is not an ob",
        ),
        ("ablations.csv", "kind,layer\n", "head is not there"),
        ("ablations.csv", f"{','.join(COLUMNS)}\n", "does not begin with an accuracy"),
    ],
)
def test_damaged_folders_are_refused(file: str, text: str, said: str, tmp_path: Path) -> None:
    folder = write_ablation(tmp_path / "it")
    (folder / file).write_text(text)
    with pytest.raises(DataError, match=rf"cannot be read .*{said}.*make it again by `alignbench interpret ablate`"):
        read_ablation(folder)
    (folder / file).unlink()
    with pytest.raises(DataError, match=r"holds no ablate.json and ablations.csv: make it by"):
        read_ablation(folder)


def test_drawn_groups_of_the_same_heads_are_arms_of_their_own(tmp_path: Path) -> None:
    _, table = read_ablation(write_ablation(tmp_path / "it"))
    twice = pd.concat([table, table[table["kind"] == "random"]], ignore_index=True)
    found = [(arm_name(next(rows.itertuples())), len(rows)) for rows in arms(twice)]
    assert found == [
        ("nothing", 4),
        *[("colours: 5.1,6.0", 4), ("drawn: 5.0,6.1", 4)],
        *[("head 5.1", 4), ("head 6.0", 4), ("MLP 5", 4), ("attention up to layer 5", 4), ("drawn: 5.0,6.1", 4)],
    ]


def test_single_heads_that_change_most_are_shown(tmp_path: Path) -> None:
    """By the worst group where there is one: head 6.0 loses more of it, and less of all."""
    _, table = read_ablation(write_ablation(tmp_path / "it"))
    shown, left_out = rows_to_show(table, 1)
    assert set(shown["measure"]) == {"accuracy", "worst_group"}
    heads = shown[shown["kind"] == "head"]
    assert list(zip(heads["layer"], heads["head"], heads["measure"], strict=True)) == [
        (6, 0, "accuracy"),
        (6, 0, "worst_group"),
    ]
    assert left_out == "1 of 2 ablations of single heads, those that change most; all are in the folder"
    assert len(shown) == 2 * 6
    without = table[table["measure"] == "accuracy"]
    assert rows_to_show(without, 1)[0].query("kind == 'head'")["layer"].tolist() == [5]
    assert rows_to_show(table, 2)[1] == ""


def test_every_kind_has_a_name() -> None:
    kinds = ("all", "head", "layer", "mlp", "mlps", "class", "early", "random", "group")
    rows = pd.DataFrame({"kind": kinds, "layer": 5, "head": 1, "heads": "5.1,6.0", "label": ""})
    assert list(map(arm_name, rows.itertuples())) == [
        *("nothing", "head 5.1", "heads of layer 5", "MLP 5", "all MLPs", "class token to itself"),
        *("attention up to layer 5", "drawn: 5.1,6.0", "5.1,6.0"),
    ]
