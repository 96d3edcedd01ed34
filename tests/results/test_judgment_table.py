"""The table of judgments in a run folder, against one that is made row by row."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

from alignbench.datasets.judgment_ids import NumberedIds
from alignbench.datasets.judgments import Judgments, Subset, unique_pairs
from alignbench.datasets.responses import Responses
from alignbench.results import judgment_table as module
from alignbench.results.judgment_table import COLUMNS, matrix, read_subsets, read_table, subjects_in, write_judgments
from made_judgments import odd_one_out, with_everything

KINDS = ("texts", "numbered", "parts", "ratings")


def judgments_of(kind: str) -> Judgments:
    """Seven judgments in two overlapping subsets with one and three clusters each, or ratings in one."""
    numbered = NumberedIds.joined([NumberedIds.of("a", np.arange(3)), NumberedIds.of("b", np.arange(10, 14))])
    if kind == "numbered":
        return replace(odd_one_out(), ids=numbered)
    if kind == "parts":
        return with_everything()
    if kind == "texts":
        return odd_one_out()
    pairs, judged = unique_pairs(np.random.default_rng(0).integers(0, 6, (7, 1, 2)))
    subset = Subset("all", np.array([6, 2, 4, 0]), np.array([[1], [1], [2], [7]]))
    human = np.array([0.1, -3.0, 1e-300, 7.25, 2.0, 1 / 3, 5.0])
    return replace(odd_one_out(), kind="rating", pairs=pairs, judged=judged, human=human, subsets=(subset,))


def row_by_row(judgments: Judgments, stimuli: list[str]) -> pd.DataFrame:
    rows = [
        {
            "id": judgments.ids[row],
            "subset": subset.name,
            "pairs": judgments.judged[row].tolist(),
            "value": float(judgments.human[row]),
            "cluster": cluster.tolist(),
            "stimuli": stimuli[row],
        }
        for subset in (*judgments.subsets, *judgments.parts)
        for row, cluster in zip(subset.rows.tolist(), subset.clusters, strict=True)
    ]
    return pd.DataFrame(rows)


def listed(table: pd.DataFrame) -> pd.DataFrame:
    """With lists of Python in place of arrays."""
    return table.assign(**{name: [list(row) for row in table[name]] for name in ("pairs", "cluster")})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at_once", [2, 65_536])
def test_every_row_is_written(tmp_path: Path, kind: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    judgments = judgments_of(kind)
    digests = judgments.stimuli(judgments.images.identities())
    write_judgments(judgments, digests, tmp_path / "judgments.parquet")
    expected = row_by_row(judgments, [digest.decode() for digest in digests.tolist()])
    found = pd.read_parquet(tmp_path / "judgments.parquet")
    assert tuple(found.columns) == COLUMNS
    assert all(isinstance(row, np.ndarray) and row.dtype == np.int64 for row in found["pairs"])
    pd.testing.assert_frame_equal(listed(found), expected, check_exact=True)
    read = read_table(tmp_path / "judgments.parquet")
    pd.testing.assert_frame_equal(listed(read), expected, check_exact=True)
    np.testing.assert_array_equal(matrix(read["pairs"]), np.stack(expected["pairs"].tolist()))
    first = read["subset"] == judgments.subsets[0].name
    np.testing.assert_array_equal(matrix(read.loc[first, "cluster"]), judgments.subsets[0].clusters)


def test_standard_errors_of_ratings_come_back(tmp_path: Path) -> None:
    judgments, path = judgments_of("ratings"), tmp_path / "judgments.parquet"
    digests = judgments.stimuli(judgments.images.identities())
    write_judgments(judgments, digests, path)
    assert read_subsets(path, ["all"])["all"].errors is None
    digest = read_subsets(path, ["all"])["all"].digest
    errors = np.array([0.1, 0.0, 0.3, 1 / 3, 0.5, 0.6, 0.7])
    write_judgments(replace(judgments, rating_errors=errors), digests, path)
    for by_id in (False, True):
        found = read_subsets(path, ["all"], by_id)["all"]
        said = dict(zip(judgments.human.tolist(), errors.tolist(), strict=True))
        assert found.errors is not None
        assert found.errors.tolist() == [said[value] for value in found.human.tolist()]
    assert found.digest == digest, "people said the same"
    table = read_table(path)
    table.assign(error="much", pairs=[[0]] * 4, cluster=[[0]] * 4).to_parquet(path)
    with pytest.raises(ValueError, match="its column error is of another type than ours"):
        read_subsets(path, ["all"])


def test_objects_beside_clusters_come_back(tmp_path: Path) -> None:
    judgments, path, digests = odd_one_out(), tmp_path / "judgments.parquet", [f"{row}" for row in range(7)]
    first, second = judgments.subsets
    objects = np.array([[1, 2, 0], [0, 1, 2], [1, 0, 2]])
    write_judgments(replace(judgments, subsets=(replace(first, objects=objects), second)), digests, path)
    found = read_subsets(path, ["first", "second"])
    assert found["second"].objects is None, "its clusters are the objects"
    said = {judgments.ids[row]: each for row, each in zip(first.rows.tolist(), objects.tolist(), strict=True)}
    assert found["first"].objects is not None
    assert found["first"].objects.tolist() == [said[name] for name in sorted(said)]
    in_order = read_subsets(path, ["first"], by_id=False)["first"].objects
    assert in_order is not None
    assert in_order.tolist() == objects.tolist()
    write_judgments(judgments, digests, path)
    assert "objects" not in read_table(path).columns
    assert read_subsets(path, ["first"])["first"].objects is None


def test_what_each_subject_said_comes_back(tmp_path: Path) -> None:
    judgments, path = judgments_of("ratings"), tmp_path / "judgments.parquet"
    digests = judgments.stimuli(judgments.images.identities())
    write_judgments(judgments, digests, path)
    plain = read_subsets(path, ["all"])["all"]
    assert (plain.subject_ratings, subjects_in(read_table(path))) == (None, None)
    said = np.arange(21.0).reshape(7, 3)
    said[2, 1], said[:, 2] = np.nan, np.nan  # the third is of another subset
    write_judgments(replace(judgments, subject_ratings=said), digests, path)
    for by_id in (False, True):
        found = read_subsets(path, ["all"], by_id)["all"]
        rows = dict(zip(judgments.human.tolist(), said[:, :2], strict=True))
        assert found.subject_ratings is not None
        np.testing.assert_array_equal(found.subject_ratings, [rows[value] for value in found.human.tolist()])
    assert found.digest != plain.digest
    table = read_table(path)
    in_table = subjects_in(table)
    assert in_table is not None
    np.testing.assert_array_equal(in_table, said[[6, 2, 4, 0], :2])
    table.assign(subjects=[[1]] * 4, pairs=[[0]] * 4, cluster=[[0]] * 4).to_parquet(path)
    with pytest.raises(ValueError, match="its column subjects is of another type than ours"):
        read_subsets(path, ["all"])


def test_who_judged_and_how_long_it_took_come_back(tmp_path: Path) -> None:
    judgments, path = odd_one_out(), tmp_path / "judgments.parquet"
    digests = judgments.stimuli(judgments.images.identities())
    write_judgments(judgments, digests, path)
    assert read_subsets(path, ["first"])["first"].responses is None
    responses = Responses(np.array([3, 1, 4, 1, 5, 9, 2]), np.array([0.5, np.nan, 2.0, 3.0, 4.0, 5.0, 6.0]))
    write_judgments(replace(judgments, responses=responses), digests, path)
    for by_id in (False, True):
        found = read_subsets(path, ["second"], by_id)["second"].responses
        assert found is not None
        rows = [2, 3, 6, 0] if not by_id else [0, 2, 3, 6]
        np.testing.assert_array_equal(found.participants, responses.participants[rows])
        np.testing.assert_array_equal(found.seconds, responses.seconds[rows])
    table = read_table(path)
    table.assign(participant=1.5, pairs=[[0]] * len(table), cluster=[[0]] * len(table)).to_parquet(path)
    with pytest.raises(ValueError, match="its column participant is of another type than ours"):
        read_subsets(path, ["second"])


def test_digests_may_be_texts(tmp_path: Path) -> None:
    judgments, texts = odd_one_out(), tuple(f"{row:016x}" for row in range(7))
    write_judgments(judgments, texts, tmp_path / "judgments.parquet")
    pd.testing.assert_frame_equal(
        listed(read_table(tmp_path / "judgments.parquet")), row_by_row(judgments, list(texts))
    )


def test_the_types_are_those_that_pandas_writes(tmp_path: Path) -> None:
    """As in run folders of before."""
    judgments, texts = odd_one_out(), [f"{row:016x}" for row in range(7)]
    write_judgments(judgments, texts, tmp_path / "ours.parquet")
    row_by_row(judgments, texts).to_parquet(tmp_path / "theirs.parquet", index=False)
    ours, theirs = (parquet.ParquetFile(tmp_path / f"{name}.parquet") for name in ("ours", "theirs"))
    assert ours.schema.equals(theirs.schema)
    assert str(ours.schema_arrow.remove_metadata()) == str(theirs.schema_arrow.remove_metadata()).replace(
        ": string",
        ": large_string",  # as pandas 3 calls the same column
    )
    pd.testing.assert_frame_equal(read_table(tmp_path / "ours.parquet"), read_table(tmp_path / "theirs.parquet"))


@pytest.mark.parametrize("rows", [[[1, 2], [3, 4], [5, 6]], [[7]], [[8, 9, 10]] * 5])
def test_lists_of_equal_length_are_a_matrix(rows: list[list[int]]) -> None:
    found: NDArray[np.int64] = matrix(pd.Series([np.array(row) for row in rows]))
    assert found.tolist() == rows
