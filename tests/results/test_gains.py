"""The folder of a model that was judged before and after: what was written is read, and another's is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from alignbench.errors import DataError
from alignbench.results.gains import (
    GAIN_COLUMNS,
    Gains,
    find_gains,
    has_gains,
    marked,
    read_gain_curves,
    read_gains,
    said_measure,
    with_distances,
)
from gain_folders import CURVES, ROWS, gain, write_gain_folder


def test_what_was_written_is_read_to_the_last_digit(tmp_path: Path) -> None:
    folder = write_gain_folder(tmp_path)
    frame, record = read_gains(folder)
    assert has_gains(folder)
    assert find_gains([tmp_path]) == find_gains([folder]) == [folder]
    assert tuple(frame.columns) == GAIN_COLUMNS
    assert record["settings"]["before"] == "my/clip"
    for (_, read), row in zip(frame.iterrows(), ROWS, strict=True):
        for name, value in asdict(row).items():
            ends = value if isinstance(value, tuple) else (value,)
            columns = (name, f"{name}_low", f"{name}_high")[: len(ends)]
            pd.testing.assert_series_equal(
                read[list(columns)], pd.Series(ends, columns, name=read.name), check_dtype=False
            )
    pd.testing.assert_frame_equal(read_gain_curves(folder), CURVES)


def test_a_folder_that_lacks_a_file_is_not_whole(tmp_path: Path) -> None:
    folder = write_gain_folder(tmp_path)
    (folder / "gains.svg").unlink()
    assert not has_gains(folder)


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("evaluation.csv", "a,b\n1,2\n", "does not hold what a model gained"),
        ("evaluation.csv", "", "cannot be read"),
        ("evaluation.csv", ",".join(GAIN_COLUMNS) + "\n", "does not hold what a model gained"),
        ("alignet.json", "[]", "cannot be read as a record"),
        ("alignet.json", json.dumps({"settings": {"before": "a"}}), "cannot be read as a record"),
        ("alignet.json", json.dumps({"settings": {"before": "a", "after": "b"}, "notes": [1]}), "cannot be read as a"),
    ],
)
def test_what_is_anothers_is_refused_in_a_line(tmp_path: Path, name: str, content: str, fault: str) -> None:
    folder = write_gain_folder(tmp_path)
    (folder / name).write_text(content)
    with pytest.raises(DataError, match=fault) as error:
        read_gains(folder)
    assert "judge the model again by `alignbench alignet evaluate`" in str(error.value)
    assert "\n" not in str(error.value)


def test_curves_of_another_are_refused(tmp_path: Path) -> None:
    folder = write_gain_folder(tmp_path)
    for content, fault in (("a,b\n1,2\n", "does not hold curves"), ("", "cannot be read")):
        (folder / "curves.csv").write_text(content)
        with pytest.raises(DataError, match=fault):
            read_gain_curves(folder)


def test_what_was_seen_is_probably_too_optimistic() -> None:
    assert [marked(sample) for sample in ("in-sample", "may be in-sample", "held-out objects", "unknown")] == [
        "in-sample: probably too optimistic",
        "may be in-sample: probably too optimistic",
        "held-out objects",
        "unknown",
    ]


def test_of_several_distances_each_is_named_and_of_one_none() -> None:
    rows = [gain("human choices", "levels", "accuracy", distance=name) for name in ("cosine", "normalized_euclidean")]
    frame = Gains((*rows, gain("few-shot", "pets", "accuracy, 5 a class")), CURVES).frame
    assert with_distances(frame)["measure"].tolist() == [
        "accuracy, cosine",
        "accuracy, normalised Euclidean",
        "accuracy, 5 a class",
    ]
    assert with_distances(frame[1:])["measure"].tolist() == ["accuracy", "accuracy, 5 a class"]


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("entropy_spearman", "entropy of choices, Spearman"),
        ("log_rt_spearman, cosine", "entropy and log response time, Spearman, cosine"),
        ("spearman", "Spearman"),
        ("accuracy, 5 a class", "accuracy, 5 a class"),
    ],
)
def test_measures_have_words(measure: str, said: str) -> None:
    assert said_measure(measure) == said
