"""The tables of the page: best layers as the curves have them, paired differences with their charts, any table."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.report.page.charts import Section
from alignbench.report.page.tables import difference_tables
from pages import Parsed
from studies import BASE_32, DATASETS
from study_pages import COSINE, MAIN, TWINS, architecture, select_rows, values_of

PEAK = "depth of peak, %"


@pytest.mark.parametrize("dataset", DATASETS)
def test_best_layers_are_those_of_the_curves(parsed: Parsed, folders: list[Path], dataset: str) -> None:
    table = [found for found in parsed.tables if PEAK in found[0]][list(DATASETS).index(dataset)]
    found = {(row[0], row[-1]): row for row in table[1:]}
    for distance, spoken in ((MAIN, "normalised Euclidean"), (COSINE, "cosine")):
        *blocks, projection = select_rows(folders, BASE_32, dataset, distance)
        best = max(blocks, key=lambda row: float(row["value"]))
        row = found[BASE_32, spoken]
        depth = float(best["depth"])
        peak = re.fullmatch(r"([\d.]+) \(([\d.]+)(?: \.\. ([\d.]+))?\)", row[3])
        assert peak
        first, last = float(peak[2]), float(peak[3] or peak[2])
        assert (row[2], float(peak[1])) == (best["layer"], round(depth, 1))
        assert first <= round(depth, 1) <= last
        for cell, expected in ((row[1], best), (row[4], projection)):
            low, high = float(expected["ci_low"]), float(expected["ci_high"])
            assert cell == f"{float(expected['value']):.3f} ({low:.3f} .. {high:.3f})"
    assert found["pixels", "euclidean"][2:4] == ["", ""], "a baseline has no layers"
    tops = [max(values_of(select_rows(folders, twin, dataset, COSINE)[:-1])) for twin in TWINS]
    twins = found[f"{BASE_32}, 2 untrained twins", "cosine"]
    assert twins[1] == f"{np.mean(tops):.3f} ({min(tops):.3f} .. {max(tops):.3f})"


def test_paired_differences_are_told_and_drawn(parsed: Parsed, text: str) -> None:
    first, second = (table for table in parsed.tables if "separable (corrected p)" in table[0])
    rows = [[*row[:4], *row[5:]] for row in first[1:]]  # without the little chart
    pair, at_best = "base-16 \N{MINUS SIGN} base-32", "best layer (layer_2, layer_9)"
    seen = "no (0.040) could be seen: 0.250"
    assert rows == [
        [f"{pair} projection", "yes (0.040)", "+0.100", "+0.050 .. +0.150", "0.600", "0.500", "normalised Euclidean"],
        [f"{pair} {at_best}", seen, "-0.020", "-0.060 .. +0.020", "0.480", "0.500", "normalised Euclidean"],
    ]
    assert second[1][-1] == "cosine"
    forest = re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="8".*?<rect x="([\d.]+)".*?fill="(#\w+)"', text)
    zero, scale = 75.0, 0.95 * 75.0 / 0.15  # the widest end of the first table lies at 95 % of half the width
    for (low, high, left, fill), row in zip(forest, architecture().differences.itertuples(), strict=False):
        if row.dataset == "tid2013":
            places = [zero + scale * value for value in (row.corrected_low, row.corrected_high, row.difference)]
            np.testing.assert_allclose([float(low), float(high), float(left) + 4], places, atol=0.06)
            assert fill == ("#1b1b1b" if row.separable else "#fff")


def test_tables_name_the_part_and_the_corrected_protocols_subset() -> None:
    factor = architecture()
    section = Section((), {}, (), frozenset(), False)
    [whole] = difference_tables(replace(factor, differences=factor.differences.iloc[2:]), section, "f")
    assert (whole.title, whole.judgments) == ("NIGHTS (middle level)", "1,234 judgments in 25 clusters")
    changed = {
        "protocol": "corrected",
        "way": "corrected protocol",
        "subset": "test",
        "part": "12 of 1,824 test triplets",
    }
    [part] = difference_tables(replace(factor, differences=factor.differences.iloc[2:].assign(**changed)), section, "f")
    assert part.title == "NIGHTS, test, corrected protocol (middle level)"
    assert part.judgments == "12 of 1,824 test triplets in 25 clusters"


def test_each_part_and_each_way_of_measuring_has_a_table_of_its_own() -> None:
    factor = architecture()
    rows = factor.differences.iloc[2:]
    parts = [{"part": "200 of 20,019 triplets", "n": 200}, {"part": "100 of 20,019 triplets", "n": 100}]
    ways = [*parts, parts[0] | {"way": "cls tokens"}]
    frame = pd.concat([rows.assign(**changed) for changed in ways], ignore_index=True)
    tables = difference_tables(replace(factor, differences=frame), Section((), {}, (), frozenset(), False), "f")
    assert [(table.title, table.judgments, len(table.rows)) for table in tables] == [
        ("NIGHTS (middle level)", "200 of 20,019 triplets in 25 clusters", len(rows)),
        ("NIGHTS (middle level)", "100 of 20,019 triplets in 25 clusters", len(rows)),
        ("NIGHTS, cls tokens (middle level)", "200 of 20,019 triplets in 25 clusters", len(rows)),
    ]


@pytest.mark.parametrize(
    ("smallest", "seen"),
    [(0.25, "could be seen: 0.250"), (1e-4, "could be seen: less than 0.001"), (0.0, "no judgment tells them apart")],
)
def test_what_could_be_seen_is_never_said_to_be_nothing(smallest: float, seen: str) -> None:
    factor = architecture()
    frame = factor.differences.assign(separable=False, corrected_smallest=smallest)
    [table, *_] = difference_tables(replace(factor, differences=frame), Section((), {}, (), frozenset(), False), "f")
    assert {row.seen for row in table.rows} == {seen}
