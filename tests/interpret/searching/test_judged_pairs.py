"""A store of pictures of a data set, against the data set itself; stores of other pictures are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.datasets import DATASETS
from alignbench.datasets.images import images_digest
from alignbench.errors import DataError, UsageError
from alignbench.interpret.searching.judged_pairs import JudgedStore, PeopleJob
from alignbench.interpret.searching.search import read_search
from alignbench.interpret.store import HeadStore, StoreShape
from head_stores import fill_store, random_contributions

JUDGMENTS = DATASETS.load("shapes-low").read(None, ("test",))
KEPT = 120


def of_pictures(root: Path, start: int = 0, **changes: object) -> HeadStore:
    """A store of some pictures of shapes-low, of random numbers."""
    images = JUDGMENTS.images.select(np.arange(start, start + KEPT))
    shape = StoreShape(pictures=KEPT, blocks=1, layers=(1,), heads=2, width=3, dtype="fp32")
    settings = {"images": images_digest(images.names, images.identities())} | changes
    values = random_contributions(KEPT, 4, 3, seed=start)
    return fill_store(root / f"own__heads__{start}", shape, values, images.names, **settings)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> JudgedStore:
    return JudgedStore.read(of_pictures(tmp_path_factory.mktemp("people")), "shapes-low")


def test_ratings_are_those_of_the_data_set(judged: JudgedStore) -> None:
    names, said = judged.store.names, {}
    for row, (pair,) in enumerate(JUDGMENTS.judged):
        ends = [JUDGMENTS.images.names[end] for end in JUDGMENTS.pairs[pair]]
        if all(name in names for name in ends):
            said[frozenset(ends)] = JUDGMENTS.human[row]
    assert 0 < len(said) < len(JUDGMENTS.human)
    best = sorted(said.items(), key=lambda each: -each[1])[:4]
    found = judged.pairs(PeopleJob(count=4))
    assert [each.heads for each in found] == [((1, 0),), ((1, 1),)]
    for each in found:
        assert [frozenset((names[a], names[b])) for a, b in zip(each.first, each.second, strict=True)] == [
            pair for pair, _ in best
        ]
        np.testing.assert_array_equal(each.people, [value for _, value in best])
    left_out = len(JUDGMENTS.human) - len(said)
    assert judged.notes == (
        "shapes-low: simulated observers, not human data",
        f"{left_out:,} of {len(JUDGMENTS.human):,} judgments are left out: the contributions lack a picture of them",
    )


def test_what_is_found_is_kept_and_taken_again(judged: JudgedStore) -> None:
    first = int(judged.alike.pairs[7, 0])
    job = PeopleJob(((1, 1),), first, "cosine", 2)
    folder, is_finished = judged.keep(job)
    assert not is_finished
    assert judged.keep(job) == (folder, True)
    record, table = read_search(folder)
    assert record["settings"]["picture"] == judged.store.names[first]
    assert record["people"] == {"unit": "mean rating", "notes": list(judged.notes)}
    (found,) = judged.pairs(job)
    assert table["heads"].tolist() == ["1.1"] * len(found.first)
    for column, numbers in (("first", found.first), ("second", found.second)):
        assert table[column].tolist() == [judged.store.names[number] for number in numbers]
    columns = {"people": found.people, "judgments": found.counts, "value": found.values, "rank": found.ranks}
    for column, values in columns.items():
        np.testing.assert_array_equal(table[column], values)
    assert judged.keep(PeopleJob(((1, 1),), first, "dot", 2))[0] != folder


def test_stores_of_other_pictures_are_refused(judged: JudgedStore, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="hold no pictures that were judged in shapes-high: decompose its own pictures"):
        JudgedStore.read(judged.store, "shapes-high")
    changed = of_pictures(tmp_path, images="0" * 64)
    with pytest.raises(DataError, match="is of other pictures than shapes-low has under their names"):
        JudgedStore.read(changed, "shapes-low")
    with pytest.raises(UsageError, match="unknown data set 'shapes-lo'"):
        JudgedStore.read(judged.store, "shapes-lo")


@pytest.mark.parametrize(
    ("job", "said"),
    [
        (PeopleJob(((2, 0),)), "holds no heads of layer 2"),
        (PeopleJob(count=0), "--count 0: give 1 or more"),
        (PeopleJob(measure="cosin"), "unknown --measure 'cosin'"),
        (PeopleJob(picture=KEPT), f"there is no picture {KEPT}"),
    ],
)
def test_what_cannot_be_asked_is_refused(job: PeopleJob, said: str, judged: JudgedStore) -> None:
    with pytest.raises(UsageError, match=said):
        judged.pairs(job)
