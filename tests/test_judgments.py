"""Pairs, subsets and fingerprints of judgments, by hand and against plain loops."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from alignbench.datasets.judgments import Judgments, Subset, distinct_pairs, unique_pairs

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class NamedImages:
    """Pictures that are nothing but names."""

    names: tuple[str, ...]

    def open(self, index: int) -> Image.Image:
        return Image.new("RGB", (1, 1))

    def select(self, indices: Indices) -> "NamedImages":
        return NamedImages(tuple(self.names[int(index)] for index in indices))

    def identities(self) -> list[str]:
        return [f"bytes of {name}" for name in self.names]


def odd_one_out() -> Judgments:
    """Seven triplets of six images in two overlapping subsets; the fifth triplet is in none."""
    triplets = np.array([[0, 1, 2], [1, 0, 2], [3, 4, 5], [0, 4, 3], [5, 0, 1], [1, 2, 0], [4, 3, 5]])
    pairs, judged = unique_pairs(np.stack([triplets[:, [0, 1]], triplets[:, [0, 2]], triplets[:, [1, 2]]], axis=1))
    subsets = (
        Subset("first", np.array([5, 0, 1]), np.array([[10], [11], [12]])),
        Subset("second", np.array([2, 3, 6, 0]), np.array([[3, 4, 5], [0, 4, 3], [4, 3, 5], [0, 1, 2]])),
    )
    return Judgments(
        dataset="by hand",
        level="high",
        kind="choice",
        images=NamedImages(tuple("abcdef")),
        pairs=pairs,
        judged=judged,
        human=np.array([0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 0.0]),
        ids=tuple(f"triplet {row}" for row in range(7)),
        subsets=subsets,
    )


def said(judgments: Judgments, subset: int) -> list[tuple[str, float, list[int], list[list[str]]]]:
    """What a subset says in terms that do not depend on numbering: id, value, clusters, names of pairs."""
    rows = judgments.subsets[subset].rows
    names = judgments.images.names
    return [
        (
            judgments.ids[int(row)],
            float(judgments.human[row]),
            cluster.tolist(),
            [[names[int(end)] for end in judgments.pairs[pair]] for pair in judgments.judged[row]],
        )
        for row, cluster in zip(rows, judgments.subsets[subset].clusters, strict=True)
    ]


# --- Pairs ----------------------------------------------------------------------------------------------------------

ends_of_judgments = st.tuples(st.integers(1, 3), st.integers(1, 30), st.integers(1, 9), st.integers(0, 2**31)).map(
    lambda drawn: np.random.default_rng(drawn[3]).integers(0, drawn[2], (drawn[1], drawn[0], 2))
)


def test_unique_pairs_by_hand() -> None:
    pairs, judged = unique_pairs(np.array([[[4, 2], [2, 0]], [[2, 4], [1, 1]], [[0, 2], [4, 2]]]))
    np.testing.assert_array_equal(pairs, [[4, 2], [2, 0], [1, 1]])
    np.testing.assert_array_equal(judged, [[0, 1], [0, 2], [1, 0]])


@given(ends_of_judgments)
def test_unique_pairs_come_once_in_the_order_of_their_first_occurrence(ends: Indices) -> None:
    expected: dict[frozenset[int], list[int]] = {}
    for pair in ends.reshape(-1, 2).tolist():
        expected.setdefault(frozenset(pair), pair)
    pairs, judged = unique_pairs(ends)
    assert pairs.tolist() == list(expected.values())
    assert judged.shape == ends.shape[:2]
    for pair, index in zip(ends.reshape(-1, 2).tolist(), judged.ravel().tolist(), strict=True):
        assert set(pairs[index].tolist()) == set(pair)


@given(ends_of_judgments, st.integers(0, 2**31))
def test_distinct_pairs_lead_from_every_pair_to_the_same_pictures(ends: Indices, seed: int) -> None:
    pairs, _ = unique_pairs(ends)
    identities = [str(copy) for copy in np.random.default_rng(seed).integers(0, 4, int(pairs.max()) + 1)]
    found = distinct_pairs(pairs, identities)
    kept = [identities[int(image)] for image in found.images]
    assert len(kept) == len(set(kept)) == len(set(identities))
    assert all(identities.index(identity) == image for identity, image in zip(kept, found.images, strict=True))
    seen = [frozenset(kept[int(end)] for end in pair) for pair in found.pairs]
    assert len(seen) == len(set(seen))
    for pair, back in zip(pairs, found.back, strict=True):
        assert seen[int(back)] == {identities[int(end)] for end in pair}


def test_without_copies_every_pair_is_distinct() -> None:
    pairs = np.array([[2, 0], [1, 2], [0, 1]])
    found = distinct_pairs(pairs, ["c", "a", "b"])
    np.testing.assert_array_equal(found.images, [0, 1, 2])
    np.testing.assert_array_equal(found.pairs, pairs)
    np.testing.assert_array_equal(found.back, [0, 1, 2])


def test_multiplicity_counts_every_occurrence_of_a_pair() -> None:
    judgments = odd_one_out()
    counted = Counter(frozenset(pair) for row in judgments.judged for pair in judgments.pairs[row].tolist())
    assert judgments.multiplicity().tolist() == [counted[frozenset(pair)] for pair in judgments.pairs.tolist()]
    assert counted[frozenset({0, 1})] == 4
    assert judgments.multiplicity().sum() == 21


# --- Subsets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_limited_keeps_the_first_judgments_of_every_subset(limit: int) -> None:
    whole = odd_one_out()
    limited = whole.limited(limit)
    for subset in range(2):
        assert said(limited, subset) == said(whole, subset)[:limit]


def test_limited_drops_the_images_and_pairs_that_nothing_names() -> None:
    limited = odd_one_out().limited(1)
    assert sorted(limited.ids) == ["triplet 2", "triplet 5"]
    assert set(limited.images.names) == set("abcdef")
    assert len(limited.pairs) == 6
    only_first = replace(odd_one_out(), subsets=odd_one_out().subsets[:1]).limited(3)
    assert sorted(only_first.images.names) == ["a", "b", "c"]
    assert sorted(sorted(only_first.images.names[int(end)] for end in pair) for pair in only_first.pairs) == [
        ["a", "b"],
        ["a", "c"],
        ["b", "c"],
    ]
    assert only_first.multiplicity().tolist() == [3.0, 3.0, 3.0]


def test_used_forgets_judgments_that_are_in_no_subset() -> None:
    whole = odd_one_out()
    used = whole.used()
    assert "triplet 4" not in used.ids
    assert len(used.ids) == 6
    for subset in range(2):
        assert said(used, subset) == said(whole, subset)
    assert used.multiplicity().sum() == 18


def test_used_and_limited_leave_the_original_alone() -> None:
    whole = odd_one_out()
    whole.limited(1)
    assert len(whole.ids) == 7
    assert [subset.rows.tolist() for subset in whole.subsets] == [[5, 0, 1], [2, 3, 6, 0]]


# --- Fingerprints ---------------------------------------------------------------------------------------------------


def fingerprint(judgments: Judgments, identities: Sequence[str] | None = None) -> str:
    return judgments.fingerprint(judgments.images.identities() if identities is None else identities)


def with_other_value(judgments: Judgments) -> Judgments:
    human = judgments.human.copy()
    human[3] = 2.0
    return replace(judgments, human=human)


def with_swapped_pairs(judgments: Judgments) -> Judgments:
    judged = judgments.judged.copy()
    judged[0] = judged[0][[1, 0, 2]]
    return replace(judgments, judged=judged)


def with_fewer_rows(judgments: Judgments) -> Judgments:
    first, second = judgments.subsets
    return replace(judgments, subsets=(replace(first, rows=first.rows[:2], clusters=first.clusters[:2]), second))


CHANGES: dict[str, Callable[[Judgments], Judgments]] = {
    "id": lambda judgments: replace(judgments, ids=("triplet zero", *judgments.ids[1:])),
    "value": with_other_value,
    "judged pairs": with_swapped_pairs,
    "image name": lambda judgments: replace(judgments, images=NamedImages(tuple("abcdeF"))),
    "pair": lambda judgments: replace(judgments, pairs=judgments.pairs[:, ::-1]),
    "data set": lambda judgments: replace(judgments, dataset="another"),
    "rows of a subset": with_fewer_rows,
    "name of a subset": lambda judgments: replace(
        judgments, subsets=(replace(judgments.subsets[0], name="third"), judgments.subsets[1])
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_fingerprint_changes_with(change: str) -> None:
    assert fingerprint(CHANGES[change](odd_one_out())) != fingerprint(odd_one_out())


def test_the_fingerprint_changes_with_the_bytes_of_an_image() -> None:
    judgments = odd_one_out()
    identities = judgments.images.identities()
    assert fingerprint(judgments, [*identities[:-1], "other bytes"]) != fingerprint(judgments, identities)


def test_the_fingerprint_of_equal_judgments_is_equal() -> None:
    assert fingerprint(odd_one_out()) == fingerprint(odd_one_out())
    fortran = replace(odd_one_out(), pairs=np.asfortranarray(odd_one_out().pairs))
    assert fingerprint(fortran) == fingerprint(odd_one_out())


def test_text_cannot_move_between_the_parts_of_a_fingerprint() -> None:
    judgments = odd_one_out()
    moved = replace(judgments, ids=("triplet 0triplet 1", *judgments.ids[2:], "a"))
    assert fingerprint(moved) != fingerprint(judgments)
