"""Pairs, subsets and fingerprints of judgments, by hand and against plain loops."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alignbench.datasets.judgment_ids import NumberedIds
from alignbench.datasets.judgments import Judgments, Subset, distinct_pairs, unique_pairs
from alignbench.datasets.responses import Responses
from alignbench.errors import DataError
from made_judgments import NamedImages, odd_one_out, with_everything

Indices = NDArray[np.int64]


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


def test_pairs_of_different_folds_stay_apart() -> None:
    ends = np.array([[[0, 1]], [[1, 0]], [[0, 1]], [[2, 0]], [[0, 2]]])
    pairs, judged = unique_pairs(ends, folds=np.array([0, 0, 1, 1, 1]))
    np.testing.assert_array_equal(pairs, [[0, 1], [0, 1], [2, 0]])
    np.testing.assert_array_equal(judged, [[0], [0], [1], [2], [2]])


@given(ends_of_judgments, st.integers(0, 2**31))
def test_distinct_pairs_of_a_fold_are_those_of_its_pairs_alone(ends: Indices, seed: int) -> None:
    pairs, _ = unique_pairs(ends)
    rng = np.random.default_rng(seed)
    folds = rng.integers(0, 3, len(pairs))
    identities = [str(copy) for copy in rng.integers(0, 4, int(pairs.max()) + 1)]
    found = distinct_pairs(pairs, identities, folds)
    kept = [identities[int(image)] for image in found.images]
    seen = [frozenset(kept[int(end)] for end in pair) for pair in found.pairs]
    expected = [
        (frozenset(identities[int(end)] for end in pair), fold) for pair, fold in zip(pairs, folds, strict=True)
    ]
    assert [seen[int(back)] for back in found.back] == [pair for pair, _ in expected]
    assert len(seen) == len(set(expected))
    for pair, back in zip(expected, found.back, strict=True):
        assert {expected[other] for other in np.flatnonzero(found.back == back)} == {pair}


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


def test_a_subset_keeps_rows_clusters_and_objects_together() -> None:
    subset = Subset("a", np.arange(10, 14), np.arange(4)[:, None], np.arange(12).reshape(4, 3))
    for some in (
        subset.taken(np.array([3, 1])),
        subset.kept(np.array([False, True, False, True])).taken(np.array([1, 0])),
    ):
        assert some.rows.tolist() == [13, 11]
        assert some.clusters.tolist() == [[3], [1]]
        assert some.objects is not None
        assert some.objects.tolist() == [[9, 10, 11], [3, 4, 5]]
    assert subset.taken(slice(2)).rows.tolist() == [10, 11]
    assert replace(subset, objects=None).taken(slice(2)).objects is None


def test_used_and_limited_leave_the_original_alone() -> None:
    whole = odd_one_out()
    whole.limited(1)
    assert len(whole.ids) == 7
    assert [subset.rows.tolist() for subset in whole.subsets] == [[5, 0, 1], [2, 3, 6, 0]]


# --- Parts, votes and calibration -----------------------------------------------------------------------------------


def named(judgments: Judgments, rows: Indices) -> list[str]:
    return [judgments.ids[int(row)] for row in rows]


def test_parts_keep_only_what_the_subsets_hold() -> None:
    used = with_everything().used()
    assert [part.name for part in used.parts] == ["votes_03"]
    assert named(used, used.parts[0].rows) == ["triplet 0", "triplet 2", "triplet 6"]
    assert used.parts[0].clusters.tolist() == [[0], [2], [6]]
    limited = with_everything().limited(1)
    assert named(limited, limited.parts[0].rows) == ["triplet 2"]


def test_votes_follow_their_judgments() -> None:
    limited = with_everything().limited(1)
    assert limited.votes is not None
    votes = dict(zip(limited.ids, limited.votes.tolist(), strict=True))
    assert votes == {"triplet 2": 3, "triplet 4": 3, "triplet 5": 6}


def test_answers_follow_their_judgments_and_count_in_the_fingerprint() -> None:
    plain = with_everything()
    seconds = np.array([0.5, 1.0, 2.0, 3.0, 4.0, 5.0, np.nan])
    whole = replace(plain, responses=Responses(np.array([7, 6, 5, 4, 3, 2, 1]), seconds))
    limited = whole.limited(1)
    assert limited.responses is not None
    assert dict(zip(limited.ids, limited.responses.participants.tolist(), strict=True)) == {
        **{"triplet 2": 5, "triplet 4": 3, "triplet 5": 2}
    }
    names = list("abcdef")
    later = replace(whole, responses=Responses(np.array([7, 6, 5, 4, 3, 2, 1]), seconds + 0.001))
    other = replace(whole, responses=Responses(np.array([7, 6, 5, 4, 3, 2, 8]), seconds))
    assert len({each.fingerprint(names) for each in (plain, whole, later, other)}) == 4


@given(st.integers(1, 9), st.integers(1, 25), st.integers(0, 2**31))
def test_what_is_used_says_the_same_in_ascending_order(images: int, judgments: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs, judged = unique_pairs(rng.integers(0, images, (judgments, 2, 2)))
    rows = [rng.permutation(judgments)[: rng.integers(1, judgments + 1)] for _ in range(2)]
    whole = Judgments(
        dataset="drawn",
        level="high",
        kind="choice",
        images=NamedImages(tuple(map(str, range(images)))),
        pairs=pairs,
        judged=judged,
        human=rng.integers(0, 2, judgments).astype(float),
        ids=tuple(f"row {row}" for row in range(judgments)),
        subsets=tuple(Subset(str(index), some, some[:, None]) for index, some in enumerate(rows)),
        calibration=rng.permutation(judgments)[: rng.integers(0, judgments + 1)],
        rating_errors=np.arange(float(judgments)),
    )
    used, (evaluated, kept) = whole.used(), whole.without_calibration()
    named_rows = np.unique(np.concatenate([*rows, whole.calibration]))
    assert used.ids == tuple(named(whole, named_rows))
    assert named(used, used.calibration) == named(whole, whole.calibration)
    assert used.rating_errors is not None
    assert used.ids == tuple(f"row {int(error)}" for error in used.rating_errors)
    assert evaluated.ids == tuple(named(whole, np.unique(np.concatenate(rows))))
    np.testing.assert_array_equal(kept, np.unique(judged[np.concatenate(rows)]))
    for subset in range(2):
        assert said(used, subset) == said(evaluated, subset) == said(whole, subset)
    ends = pairs[np.unique(judged[named_rows])]
    assert used.images.names == tuple(map(str, np.unique(ends)))
    assert [[int(used.images.names[end]) for end in pair] for pair in used.pairs.tolist()] == ends.tolist()


def test_what_calibrates_stays_although_no_subset_holds_it() -> None:
    whole = with_everything().used()
    assert named(whole, whole.calibration) == ["triplet 4"]
    assert "triplet 4" not in named(whole, whole.evaluated())
    assert whole.multiplicity(whole.calibration).sum() == 3
    shown = [{whole.images.names[int(end)] for end in whole.pairs[pair]} for pair in whole.judged[whole.calibration[0]]]
    assert shown == [{"f", "a"}, {"f", "b"}, {"a", "b"}]


def test_multiplicity_of_some_judgments_counts_only_theirs() -> None:
    judgments = odd_one_out()
    rows = np.array([0, 1, 3])
    counted = Counter(frozenset(pair) for row in judgments.judged[rows] for pair in judgments.pairs[row].tolist())
    assert judgments.multiplicity(rows).tolist() == [counted[frozenset(pair)] for pair in judgments.pairs.tolist()]
    assert counted[frozenset({0, 1})] == 2


def test_without_calibration_only_what_is_evaluated_is_left_in_its_place() -> None:
    whole = with_everything().used()
    evaluated, pairs = whole.without_calibration()
    assert not len(evaluated.calibration)
    assert evaluated.ids == tuple(named(whole, whole.evaluated()))
    for subset in range(2):
        assert said(evaluated, subset) == said(whole, subset)
    assert evaluated.images.names == whole.images.names
    before, after = (
        [[judgments.images.names[int(end)] for end in pair] for pair in judgments.pairs]
        for judgments in (whole, evaluated)
    )
    assert after == [before[int(pair)] for pair in pairs]
    assert len(after) == len(before) - 2, "f met a and b in the calibration alone"


def test_judgments_of_few_people_are_left_out() -> None:
    trusted = with_everything().with_votes(6)
    assert named(trusted, trusted.subsets[0].rows) == ["triplet 5", "triplet 1"]
    assert trusted.subsets[0].clusters.tolist() == [[10], [12]]
    assert named(trusted, trusted.subsets[1].rows) == ["triplet 3"]
    assert named(trusted, trusted.calibration) == ["triplet 4"]


def test_a_subset_that_nobody_judged_often_enough_is_refused() -> None:
    with pytest.raises(DataError, match="by hand has no judgment of subset first with 7 votes or more"):
        with_everything().with_votes(7)
    with pytest.raises(DataError, match="by hand does not say how many people judged what"):
        odd_one_out().with_votes(1)


def test_stimuli_are_equal_where_the_same_files_were_shown_option_by_option() -> None:
    judgments = odd_one_out()
    digests = judgments.stimuli(judgments.images.identities()).tolist()
    names = judgments.images.names
    for row, other in itertools.product(range(7), repeat=2):
        shown, beside = (
            [[names[int(end)] for end in judgments.pairs[pair]] for pair in judgments.judged[index]]
            for index in (row, other)
        )
        assert (digests[row] == digests[other]) == (shown == beside)
    full = [f"{identity}/0123" for identity in judgments.images.identities()]
    assert judgments.stimuli(full).tolist() == digests, "what tells copies apart in a run does not count between runs"
    names = [digest.decode() for digest in digests]
    assert names[:3] == ["2ad01d6c490ebebc", "c05a1d43e51813c5", "8cf2ffe6a1c4af8f"], "as in run folders of before"
    some = judgments.stimuli(judgments.images.identities(), np.array([5, 0]))
    assert some.tolist() == [digests[5], digests[0]]


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
    "calibration": lambda judgments: replace(judgments, calibration=np.array([4])),
    "kind": lambda judgments: replace(judgments, kind="preference"),
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


def test_fingerprints_are_those_of_before() -> None:
    found = fingerprint(odd_one_out())
    assert found == "906dfc5c9a5373ec87e3a1d30f7b22155b649af77bf82e5505b6416fcb7c3700"


def test_numbered_names_have_the_fingerprint_of_their_texts() -> None:
    ids = NumberedIds.joined([NumberedIds.of("testset1", np.arange(4)), NumberedIds.of("trainset", np.arange(3))])
    numbered = replace(odd_one_out(), ids=ids)
    texts = replace(numbered, ids=tuple(ids))
    assert fingerprint(numbered) == fingerprint(texts)
    assert fingerprint(numbered.used()) == fingerprint(texts.used())
    assert numbered.limited(2).ids == texts.limited(2).ids


def test_text_cannot_move_between_the_parts_of_a_fingerprint() -> None:
    judgments = odd_one_out()
    moved = replace(judgments, ids=("triplet 0triplet 1", *judgments.ids[2:], "a"))
    assert fingerprint(moved) != fingerprint(judgments)
