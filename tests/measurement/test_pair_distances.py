"""From judgments to distances of all their pairs: equal pictures are looked at once, and nothing is mixed up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from alignbench import Cell
from alignbench.datasets import DATASETS, FileImages, Judgments, Subset
from alignbench.errors import DataError
from alignbench.extraction.distributed import Ranks
from alignbench.extraction.execution import Execution
from alignbench.extraction.progress import ProgressListener
from alignbench.extraction.source import PairWorkload, SourceDistances
from alignbench.measurement.pair_distances import CellData, PairDistances, Session, columns, pair_distances
from alignbench.models.preparation import Sized
from cached_pictures import SIDE, cache_at, write_pictures
from folders import Folders
from made_judgments import NamedImages, odd_one_out
from measured_cells import measured

ALONE = Ranks(0, 1, torch.device("cpu"))


@dataclass
class Letters:
    """A source whose distances are those of first letters in the alphabet, and their squares; it notes its work."""

    layers: tuple[str, ...] = ("image", "squared")
    depths: tuple[float, ...] = (0.0, 50.0)
    fingerprint: str | None = None
    streams_only: bool = True
    prepare: Callable[[Image.Image], Tensor] = field(default_factory=lambda: Sized(SIDE))

    def fastest_batch(self, execution: Execution) -> int:
        return 1

    def distances(self, workload: PairWorkload, execution: Execution, listener: ProgressListener) -> SourceDistances:
        self.workload, self.execution = workload, execution
        for index in range(len(workload.images.names)) if workload.pixels is not None else ():
            workload.pixels(index)
        letters = np.array([ord(name[0]) for name in workload.images.names], dtype=np.float64)
        apart = np.abs(letters[workload.pairs[:, 0]] - letters[workload.pairs[:, 1]])
        return SourceDistances(self.layers, self.depths, {"apart": np.stack([apart, apart**2])})


class Ended(ProgressListener):
    """Counts how often it heard of an end."""

    times = 0

    def finished(self) -> None:
        self.times += 1


def found_by(source: Letters, judgments: Judgments, identities: list[str], **options: object) -> PairDistances:
    """Distances for a cell on TID2013, of which only the rules are taken."""
    data = CellData(DATASETS.load("tid2013"), judgments, identities)
    cell = Cell("shapes-clip", "tid2013", **options)  # type: ignore[arg-type]
    return pair_distances(cell, data, source, Session(ALONE))


# --- Which pairs are looked at --------------------------------------------------------------------------------------


def test_distances_are_those_of_the_judgments_pairs_in_their_order() -> None:
    judgments, source = odd_one_out(), Letters()
    measured = found_by(source, judgments, list("abcdef"))
    expected = np.abs(np.diff(judgments.pairs, axis=1)[:, 0]).astype(float)
    np.testing.assert_array_equal(measured.found.values["apart"], [expected, expected**2])
    assert (measured.embedded, measured.dense, measured.pixel_cache) == (6, False, None)
    chosen = np.array([4, 0, 4])
    np.testing.assert_array_equal(measured.of_pairs(chosen).values["apart"], [expected[chosen], expected[chosen] ** 2])


def test_equal_pictures_are_looked_at_once() -> None:
    """The second and the fifth picture are the same, so that the fifth is looked at as the second."""
    judgments, source = odd_one_out(), Letters()
    measured = found_by(source, judgments, ["a", "same", "c", "d", "same", "f"])
    assert source.workload.images.names == ("a", "b", "c", "d", "f")
    assert measured.embedded == 5
    place = np.array([0, 1, 2, 3, 1, 5])
    expected = np.abs(np.diff(place[judgments.pairs], axis=1)[:, 0]).astype(float)
    np.testing.assert_array_equal(measured.found.values["apart"][0], expected)
    distinct = {frozenset(pair) for pair in place[judgments.pairs].tolist()}
    assert len(source.workload.pairs) == len(distinct) < len(judgments.pairs)


@pytest.mark.parametrize(("protocol", "pairs"), [("paper", 1), ("corrected", 2)])
def test_a_pair_of_two_references_is_one_for_each_where_each_is_left_out_in_turn(protocol: str, pairs: int) -> None:
    """Three ratings of pictures that are equal, under two references: the channel means of the two differ."""
    judgments = Judgments(
        dataset="tid2013",
        level="low",
        kind="rating",
        images=NamedImages(("a", "c", "a again", "c again")),
        pairs=np.array([[0, 1], [2, 3]]),
        judged=np.array([[0], [1], [0]]),
        human=np.array([1.0, 2.0, 3.0]),
        ids=("first", "second", "third"),
        subsets=(Subset("all", np.arange(3), np.array([[7], [9], [7]])),),
    )
    source = Letters()
    measured = found_by(source, judgments, ["1", "2", "1", "2"], protocol=protocol)
    assert len(source.workload.pairs) == pairs
    np.testing.assert_array_equal(measured.found.values["apart"], [[2.0, 2.0], [4.0, 4.0]])
    # under the paper's rules both references count in one mean, otherwise each in that of the other alone
    expected = [[3.0]] if protocol == "paper" else [[0.0, 1.0], [2.0, 0.0]]
    np.testing.assert_array_equal(source.workload.fit.weights.numpy(), expected)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 16])
@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_identical_files_tie_exactly(tiny_tower: Folders, nights_root: Path, family: str, batch_size: int) -> None:
    run = measured(str(tiny_tower(family)), "nights", nights_root, batch_size=batch_size)
    left, right = run.judgments.judged[2]
    for values in run.distances.values():
        np.testing.assert_array_equal(values[:, left], values[:, right])
    others = np.delete(run.judgments.judged, 2, axis=0)
    assert (run.distances["euclidean"][:, others[:, 0]] != run.distances["euclidean"][:, others[:, 1]]).all()


def test_the_end_is_told_even_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> SourceDistances:
        raise DataError("a picture is damaged")

    source, ended = Letters(), Ended()
    data = CellData(DATASETS.load("tid2013"), odd_one_out(), list("abcdef"))
    pair_distances(Cell("m", "tid2013"), data, source, Session(ALONE, ended))
    assert ended.times == 1
    monkeypatch.setattr(source, "distances", fail)
    with pytest.raises(DataError, match="damaged"):
        pair_distances(Cell("m", "tid2013"), data, source, Session(ALONE, ended))
    assert ended.times == 2


# --- Prepared pixels ------------------------------------------------------------------------------------------------


def test_pixels_that_are_all_there_need_no_loader_unless_it_is_asked_for(tmp_path: Path) -> None:
    names = write_pictures(tmp_path / "pictures")
    pictures = FileImages(tmp_path / "pictures", names)
    pairs = np.array([[0, number] for number in range(1, len(names))])
    rows = np.arange(len(pairs))
    judgments = replace(
        odd_one_out(),
        images=pictures,
        pairs=pairs,
        judged=rows[:, None],
        human=np.zeros(len(rows)),
        ids=tuple(map(str, rows)),
        subsets=(Subset("all", rows, rows[:, None]),),
    )
    data, source = CellData(DATASETS.load("tid2013"), judgments, pictures.identities()), Letters()
    session = Session(ALONE, cache=cache_at(tmp_path / "cache"))
    found = []
    for workers in (None, None, 3):
        measured = pair_distances(Cell("m", "tid2013", workers=workers), data, source, session)
        found.append((measured.pixels_there, source.execution.workers, measured.pixel_cache))
    place = str(tmp_path / "cache")
    assert found == [(0, None, place), (len(names), 0, place), (len(names), 3, place)]


# --- Columns --------------------------------------------------------------------------------------------------------


def test_columns_are_copied_only_where_something_changes() -> None:
    values = np.arange(6.0).reshape(2, 3)
    assert columns(values, np.arange(3)) is values
    for chosen in ([2, 1, 0], [0, 1], [0, 1, 2, 2], []):
        found = columns(values, np.array(chosen, dtype=np.int64))
        np.testing.assert_array_equal(found, [[row[column] for column in chosen] for row in values.tolist()])
