"""Folders of scored components: what is written comes back, and what is another's is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.errors import DataError
from alignbench.results.head_alignment import (
    COLUMNS,
    CUMULATIVE,
    CUMULATIVE_COLUMNS,
    RECORD,
    TABLE,
    by_place,
    component_name,
    find_head_alignments,
    has_head_alignment,
    own_scores,
    read_head_alignment,
    sums_of_heads,
)
from head_folders import alignment_table, cumulative_table, write_head_folder


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    """Both tables to the last digit, and the record."""
    folder = write_head_folder(tmp_path)
    alignment, cumulative, record = read_head_alignment(folder)
    pd.testing.assert_frame_equal(alignment, alignment_table(), check_exact=True)
    pd.testing.assert_frame_equal(cumulative, cumulative_table(), check_exact=True)
    assert tuple(alignment.columns) == COLUMNS
    assert tuple(cumulative.columns) == CUMULATIVE_COLUMNS
    assert record["settings"]["model"] == "my/clip"
    assert has_head_alignment(folder)
    assert find_head_alignments([tmp_path]) == find_head_alignments([folder]) == [folder]


def test_a_model_without_heads_has_no_sums(tmp_path: Path) -> None:
    """The table of sums is there, and empty."""
    _, cumulative, _ = read_head_alignment(
        write_head_folder(tmp_path, tables=(alignment_table(), cumulative_table().iloc[:0]))
    )
    assert cumulative.empty
    assert tuple(cumulative.columns) == CUMULATIVE_COLUMNS


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (TABLE, "kind,layer\nhead,1\n", "does not have the columns kind, layer, head, way"),
        (TABLE, ",".join(COLUMNS) + "\n", "does not hold scores of components"),
        (CUMULATIVE, "", "cannot be read"),
        (RECORD, "[]", "cannot be read as a record"),
        (RECORD, json.dumps({"settings": {"model": 3}, "store": "it"}), "cannot be read as a record"),
        (RECORD, json.dumps({"settings": {"model": "it"}}), "cannot be read as a record"),
    ],
)
def test_what_is_another_s_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    """In a line that names the file and the remedy."""
    folder = write_head_folder(tmp_path)
    (folder / name).write_text(text)
    with pytest.raises(DataError, match=said) as raised:
        read_head_alignment(folder)
    assert name in str(raised.value)
    assert "make it again by `alignbench interpret align`" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (TABLE, "left_out", "left"),  # no such way
        (TABLE, "embedding", "token"),
        (TABLE, "head,6,", "head,600000000,"),  # more layers than could be drawn
        (TABLE, "head,6,", "head,6.5,"),
        (TABLE, "head,6,3,", "head,6,2,"),  # the same head twice
        (
            TABLE,
            "head,6,3,alone,low,tid2013,all,spearman,cosine,paper,",
            "head,6,3,alone,low,tid2013,all,spearman,cosine,paper,inf",
        ),
        (CUMULATIVE, "random", "drawn"),
        (CUMULATIVE, "paper,0,", "paper,-1,"),
        (CUMULATIVE, ",12,chosen,", ",13,chosen,"),  # one that has none beside it
    ],
)
def test_what_is_none_of_ours_is_refused(tmp_path: Path, name: str, old: str, new: str) -> None:
    """In a line: tables that could not be drawn, or would say something else."""
    folder = write_head_folder(tmp_path)
    text = (folder / name).read_text()
    changed = re.sub(rf"{old}[\d.]*", new, text) if new.endswith("inf") else text.replace(old, new)
    assert changed != text
    (folder / name).write_text(changed)
    with pytest.raises(DataError, match="does not hold scores of"):
        read_head_alignment(folder)


def test_a_whole_without_its_parts_is_refused(tmp_path: Path) -> None:
    """It would be a map of nothing."""
    folder = write_head_folder(tmp_path)
    table = alignment_table()
    table[table["kind"] == "all"].to_csv(folder / TABLE, index=False)
    with pytest.raises(DataError, match="does not hold scores of components"):
        read_head_alignment(folder)


def test_components_are_called_as_people_read_them() -> None:
    """Heads from 0, layers from 1."""
    found = [component_name(*of) for of in (("head", 12, 3), ("mlp", 2, -1), ("embedding", 0, -1), ("all", 0, -1))]
    assert found == ["head 3 of layer 12", "MLP of layer 2", "the embedding", "the whole"]


def test_sums_are_summed_up_by_kind_and_number() -> None:
    """Mean and 90 % range over halves."""
    rows = cumulative_table().query("level == 'high'")
    found = sums_of_heads(rows).set_index(["kind", "heads"]).loc[("chosen", 3)]
    values = rows.query("kind == 'chosen' and heads == 3")["value"].to_numpy()
    assert found["mean"] == pytest.approx(values.mean())
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(values, [0.05, 0.95])))


def test_what_is_shown_is_of_the_own_metric_in_the_distance_of_the_heads() -> None:
    """The whole stands in other distances too, and everything in other metrics."""
    table = alignment_table()
    further = table[table["kind"] == "all"].assign(distance="euclidean")
    shown = own_scores(pd.concat([table, further, table.assign(measure="kendall")]))
    pd.testing.assert_frame_equal(shown, table)


def test_places_come_by_level() -> None:
    """Then as they stand in the table."""
    table = alignment_table()
    upside_down = pd.concat([rows for _, rows in table.groupby("level", sort=False)][::-1])
    assert [place["level"] for place, _ in by_place(upside_down)] == ["low", "middle", "high"]
