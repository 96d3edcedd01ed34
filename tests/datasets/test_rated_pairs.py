"""Human similarity matrices as data sets, from files in the published layouts."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from alignbench.datasets import DATASETS
from alignbench.datasets.judgments import Judgments
from alignbench.errors import AlignbenchError, AlignbenchWarning, DataError, UsageError
from similarity_layouts import people, write_cichy, write_king, write_peterson

Floats = NDArray[np.float64]
NAMES = [f"p{number}.jpg" for number in range(6)]


def read(name: str, root: Path, *subsets: str) -> Judgments:
    return DATASETS.load(name).read(root, subsets or ("all",))


def pictures(judgments: Judgments, row: int) -> tuple[str, str]:
    first, second = judgments.pairs[judgments.judged[row, 0]]
    return judgments.images.names[first], judgments.images.names[second]


def matrix_of(judgments: Judgments, subset: int, folder: str, values: Floats) -> Floats:
    """What judgments say of every two pictures of a subset, (6, 6) or (6, 6, subjects), by the pictures' names."""
    found = np.full((6, 6, *values.shape[1:]), math.nan)
    for row in judgments.subsets[subset].rows.tolist():
        i, j = (NAMES.index(Path(name).name) for name in pictures(judgments, row))
        assert all(name.startswith(folder) for name in pictures(judgments, row))
        found[i, j] = found[j, i] = values[row]
    return found


def off_diagonal(matrix: Floats) -> Floats:
    return np.asarray(matrix[~np.eye(6, dtype=bool)])


def test_cichy_is_minus_the_mean_dissimilarity_with_its_subjects(tmp_path: Path) -> None:
    said = people(3, 6)
    judgments = read("cichy2019", write_cichy(tmp_path, said))
    assert (judgments.level, judgments.kind, [subset.name for subset in judgments.subsets]) == (
        "high",
        "rating",
        ["all"],
    )
    found = matrix_of(judgments, 0, "images/", judgments.human)
    np.testing.assert_allclose(off_diagonal(found), off_diagonal(-said.mean(axis=0)), rtol=1e-12)
    assert judgments.subject_ratings is not None
    each = matrix_of(judgments, 0, "images/", judgments.subject_ratings)
    np.testing.assert_array_equal(off_diagonal(each), off_diagonal(-said.transpose(1, 2, 0)))
    np.testing.assert_array_equal(judgments.subsets[0].clusters, judgments.pairs)
    assert len(set(judgments.ids)) == 15
    assert judgments.ids[0] == "cichy2019: p0.jpg with p1.jpg"


def test_the_first_pairs_are_all_those_of_some_pictures(tmp_path: Path) -> None:
    judgments = read("cichy2019", write_cichy(tmp_path, people(2, 6))).limited(6)
    assert judgments.images.names == tuple(f"images/p{number}.jpg" for number in range(4))
    assert {tuple(pair) for pair in judgments.pairs.tolist()} == {(i, j) for j in range(4) for i in range(j)}
    assert judgments.subject_ratings is not None
    assert judgments.subject_ratings.shape == (6, 2)


def test_the_sets_of_king_have_subjects_of_their_own(tmp_path: Path) -> None:
    said = {"set1": people(2, 6, seed=1), "set2": people(4, 6, seed=2)}
    root = write_king(tmp_path, said)
    both = read("king2019", root)
    assert [subset.name for subset in both.subsets] == ["set1", "set2"]
    for place, (name, matrices) in enumerate(said.items()):
        found = matrix_of(both, place, f"images/{name}/", both.human)
        np.testing.assert_allclose(off_diagonal(found), off_diagonal(-matrices.mean(axis=0)), rtol=1e-12)
        alone = read("king2019", root, name)
        assert alone.subject_ratings is not None
        assert alone.subject_ratings.shape == (15, len(matrices))
        assert both.subject_ratings is not None
        own = both.subject_ratings[both.subsets[place].rows]
        np.testing.assert_array_equal(own[:, : len(matrices)], alone.subject_ratings)
        assert np.isnan(own[:, len(matrices) :]).all()
    assert set(both.subsets[0].clusters.ravel()).isdisjoint(both.subsets[1].clusters.ravel())


def test_peterson_are_similarities_of_the_categories_that_are_there(tmp_path: Path) -> None:
    [alike] = people(1, 6)
    write_peterson(tmp_path, "fruits", alike)
    write_peterson(tmp_path, "birds", 2.0 * alike)
    judgments = read("peterson", tmp_path)
    assert [subset.name for subset in judgments.subsets] == ["birds", "fruits"]
    assert judgments.subject_ratings is None
    np.testing.assert_array_equal(
        off_diagonal(matrix_of(judgments, 1, "fruits/", judgments.human)), off_diagonal(alike)
    )
    assert [subset.name for subset in read("peterson", tmp_path, "fruits").subsets] == ["fruits"]
    assert [subset.name for subset in read("peterson", tmp_path, "fruits", "all").subsets] == ["fruits", "birds"]


def test_a_pair_that_one_subject_judged_leaves_intervals_over_pictures(tmp_path: Path) -> None:
    said = people(3, 6)
    said[1:, 0, 3] = said[1:, 3, 0] = math.nan
    with pytest.warns(
        AlignbenchWarning, match=r"judgments_general\.mat: 1 of 15 pairs were judged by one subject only: interv"
    ):
        judgments = read("cichy2019", write_cichy(tmp_path / "one", said))
    assert judgments.subject_ratings is None
    assert read("cichy2019", write_cichy(tmp_path / "alone", people(1, 6))).subject_ratings is None


def test_the_fingerprint_tells_who_said_what(tmp_path: Path) -> None:
    said = people(2, 6)
    other = np.stack([said.mean(axis=0) * 0.5, said.mean(axis=0) * 1.5])  # whose mean is the same
    prints = []
    for name, matrices in (("one", said), ("same", said), ("other", other)):
        judgments = read("cichy2019", write_cichy(tmp_path / name, matrices))
        prints.append(judgments.fingerprint(judgments.images.identities()))
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    ("name", "subset", "error", "message"),
    [
        ("king2019", "set3", UsageError, "unknown subset of king2019 'set3': did you mean set2 or set1"),
        ("cichy2019", "set1", UsageError, "unknown subset of cichy2019 'set1'"),
        ("peterson", "fruit", UsageError, "unknown subset of peterson 'fruit': did you mean fruits"),
        ("peterson", "animals", DataError, r"animals/images is missing: put the pictures there"),
    ],
)
def test_what_is_not_there_is_refused(
    tmp_path: Path, name: str, subset: str, error: type[AlignbenchError], message: str
) -> None:
    write_peterson(tmp_path, "fruits", people(1, 6)[0])
    with pytest.raises(error, match=message):
        read(name, tmp_path, subset)


def test_a_folder_without_categories_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(
        DataError, match=r"has no CATEGORY/images beside CATEGORY/sim_judgements: put the published sets"
    ):
        read("peterson", tmp_path)
    with pytest.raises(UsageError, match="king2019 needs --data-root DIR"):
        DATASETS.load("king2019").read(None, ("all",))
