"""The records of a sweep's jobs: what is read is what was written, and nothing else passes for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.errors import DataError
from alignbench.sweeps.job_records import JobEnd, JobRecord, JobRecords


def test_a_cell_is_known_until_it_is_dropped(tmp_path: Path) -> None:
    records = JobRecords(tmp_path)
    assert records.keys() == set()
    assert records.given("k") is records.begun("k") is records.ended("k", "t") is None
    records.give("k", JobRecord("t"))
    records.give("k", JobRecord("t", "41_3"))
    records.begin("k", JobRecord("t", "41_3"))
    records.end("k", JobEnd("t", ("a", "b"), "", 1.5))
    other = JobRecords(tmp_path)
    assert other.keys() == {"k"}
    assert other.given("k") == other.begun("k") == JobRecord("t", "41_3")
    assert other.ended("k", "t") == JobEnd("t", ("a", "b"), "", 1.5)
    assert other.ended("k", "u") is None, "of another submission"
    assert other.ended("l", "t") is None
    other.drop("k")
    other.drop("k")
    assert records.keys() == set()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "Expecting"),
        ("{}", "no token"),
        ('{"token": 1, "job": "1"}', "record.token is not a text"),
        ('{"token": "t", "token": "u", "job": "1"}', "twice"),
    ],
)
def test_damaged_record_is_refused(tmp_path: Path, text: str, words: str) -> None:
    records = JobRecords(tmp_path)
    records.give("k", JobRecord("t"))
    (tmp_path / "jobs" / "k.given.json").write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        records.given("k")
    assert str(tmp_path / "jobs" / "k.given.json") in str(caught.value)
    assert f"remove {tmp_path / 'jobs' / 'k.*'}" in str(caught.value)


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc"])
def test_an_end_names_folders_of_the_output_alone(tmp_path: Path, name: str) -> None:
    records = JobRecords(tmp_path)
    end = {"token": "t", "folders": [name], "error": "", "seconds": 1, "interrupted": False}
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "k.ended.json").write_text(json.dumps(end))
    with pytest.raises(DataError, match="not names of folders"):
        records.ended("k", "t")
