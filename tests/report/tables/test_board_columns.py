"""Runs that were measured in different ways have columns of their own, each with a name that says in what."""

from __future__ import annotations

import math
from pathlib import Path

from alignbench.report.tables.board_columns import board_columns
from alignbench.study.study import Study, read_study
from studies import BASE_16, BASE_32, Made, write_made


def test_a_column_for_each_way_in_the_order_of_levels(study: Study) -> None:
    assert [column.name for column in board_columns(study.runs, "projection")] == [
        "TID2013 (100 of 3,000 ratings)",
        "NIGHTS (60 of 20,019 triplets, fp32)",
        "NIGHTS (60 of 20,019 triplets, bf16)",
        "NIGHTS (40 of 20,019 triplets, fp32)",
    ]
    assert [column.chance for column in board_columns(study.runs, "projection")] == [0.0, 0.5, 0.5, 0.5]


def test_token_views_are_one_at_the_projection_and_not_before_it(tmp_path: Path) -> None:
    for label, tokens in ((BASE_16, "all"), (BASE_32, "cls")):
        write_made(Made(label, "nights", 30, lambda *_: 0.6, settings={"tokens": tokens}), tmp_path)
    study, _ = read_study([tmp_path])
    assert [column.name for column in board_columns(study.runs, "projection")] == ["NIGHTS (30 of 20,019 triplets)"]
    assert [column.name for column in board_columns(study.runs, "best")] == [
        "NIGHTS (30 of 20,019 triplets, all tokens)",
        "NIGHTS (30 of 20,019 triplets, cls tokens)",
    ]


def test_other_judgments_of_the_same_number_are_another_column(tmp_path: Path) -> None:
    for label, seed in ((BASE_16, 0), (BASE_32, 1)):
        write_made(Made(label, "nights", 30, lambda *_: 0.6, seed=seed), tmp_path)
    study, _ = read_study([tmp_path])
    first, second = board_columns(study.runs, "projection")
    assert first.name != second.name
    assert all(column.name.startswith("NIGHTS (30 of 20,019 triplets), 30 of data ") for column in (first, second))


def test_baselines_alone_have_a_column_and_no_ceiling(tmp_path: Path) -> None:
    write_made(Made("ssim", "tid2013", 30, lambda *_: 0.6), tmp_path)
    study, _ = read_study([tmp_path])
    [column] = board_columns(study.runs, "best")
    assert (column.dataset, column.subset, column.ceiling) == ("tid2013", "all", "")
    assert all(math.isnan(end) for end in column.ends)
