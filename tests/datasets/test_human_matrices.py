"""Matrices of what people said, from files in the published layouts, against averages worked out here."""

import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from alignbench.datasets.human_matrices import (
    MATRICES,
    HumanMatrix,
    categories,
    read_cichy,
    read_king,
    read_matrix,
    read_peterson,
)
from alignbench.errors import AlignbenchWarning, DataError, UsageError

Floats = NDArray[np.float64]
NAMES = ("apple.jpg", "bus.jpg", "cat.jpg", "dog.jpg", "egg.jpg")
PAIRS = [(i, j) for i in range(5) for j in range(i + 1, 5)]


def draw(folder: Path, names: tuple[str, ...] = NAMES) -> None:
    folder.mkdir(parents=True)
    for shade, name in enumerate(names):
        Image.new("RGB", (8, 8), (40 * shade, 0, 0)).save(folder / name)


def save(path: Path, **variables: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables)


def people(subjects: int = 3, n: int = 5, diagonal: float = 0.0) -> Floats:
    """Symmetric matrices of several subjects."""
    found = np.random.default_rng(0).uniform(0.1, 1.0, (subjects, n, n))
    found = (found + found.transpose(0, 2, 1)) / 2
    found[:, np.arange(n), np.arange(n)] = diagonal
    return found


def cichy(root: Path, judgments: Any) -> Path:
    draw(root / "images")
    save(root / "sim_judgements" / "judgments_general.mat", judgments=judgments)
    return root


def king(root: Path, sets: dict[str, Any]) -> Path:
    for name in ("set1", "set2"):
        draw(root / "images" / name)
    fields = {name: {"pairwisedistances": distances} for name, distances in sets.items()}
    save(root / "sim_judgements" / "BEHAVIOR.mat", BEHAVIOR=fields)
    return root


def peterson(root: Path, category: str = "animals", file: str = "animalsSimMat.mat", **variables: Any) -> Path:
    draw(root / category / "images", ("a.jpg", "b.png", "c.jpg", "d.png", "e.jpg"))
    save(root / category / "sim_judgements" / file, **variables)
    return root


def names(found: HumanMatrix) -> list[str]:
    return [found.images.picture_file(i).name for i in range(len(found.images.names))]


# --------------------------------------------------------------------------------------------- the values


def test_cichy_is_the_mean_over_subjects(tmp_path: Path) -> None:
    judgments = people()
    found = read_cichy(cichy(tmp_path, judgments))
    expected = [sum(judgments[s, i, j] for s in range(3)) / 3 for i, j in PAIRS]
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)
    assert (found.name, found.kind, found.values.dtype) == ("cichy2019", "dissimilarity", np.float64)
    assert found.dissimilarities is found.values
    assert found.images.names == tuple(f"images/{name}" for name in NAMES)
    assert found.images.faults() == []


@pytest.mark.parametrize("set_name", ["set1", "set2"])
def test_king_is_the_mean_of_the_set(tmp_path: Path, set_name: str) -> None:
    rng = np.random.default_rng(1)
    sets = {name: rng.uniform(0, 1, (4, 10)) for name in ("set1", "set2")}
    found = read_king(king(tmp_path, sets), set_name)
    np.testing.assert_allclose(found.values, [sum(column) / 4 for column in sets[set_name].T], rtol=1e-12)
    assert (found.name, found.kind) == (f"king2019-{set_name}", "dissimilarity")
    assert found.images.names == tuple(f"images/{set_name}/{name}" for name in NAMES)
    assert found.images.faults() == []


@pytest.mark.parametrize("diagonal", [0.0, 10.0, math.nan])
def test_peterson_are_similarities(tmp_path: Path, diagonal: float) -> None:
    (ratings,) = people(1, diagonal=diagonal)
    found = read_peterson(peterson(tmp_path, simMatrix=ratings, other=np.eye(2)), "animals")
    np.testing.assert_array_equal(found.values, [ratings[pair] for pair in PAIRS])
    np.testing.assert_array_equal(found.dissimilarities, [-ratings[pair] for pair in PAIRS])
    assert (found.name, found.kind) == ("peterson-animals", "similarity")
    assert names(found) == ["a.jpg", "b.png", "c.jpg", "d.png", "e.jpg"]
    assert found.images.faults() == []


def test_what_each_subject_said_is_kept(tmp_path: Path) -> None:
    judgments = people()
    judgments[1, 0, 3] = judgments[1, 3, 0] = math.nan
    found = read_cichy(cichy(tmp_path / "cichy", judgments)).subjects
    np.testing.assert_array_equal(found, [[judgments[s, i, j] for i, j in PAIRS] for s in range(3)])
    distances = np.random.default_rng(1).uniform(0, 1, (4, 10))
    np.testing.assert_array_equal(read_king(king(tmp_path / "king", {"set1": distances}), "set1").subjects, distances)
    assert read_peterson(peterson(tmp_path / "peterson", sim=people(1)[0]), "animals").subjects is None


def test_whole_numbers_and_a_missing_diagonal_are_read(tmp_path: Path) -> None:
    judgments = np.round(9 * people())
    whole = read_cichy(cichy(tmp_path / "whole", judgments.astype(np.uint8))).values
    judgments[:, np.arange(5), np.arange(5)] = math.nan
    np.testing.assert_array_equal(read_cichy(cichy(tmp_path / "missing", judgments)).values, whole)


def test_a_subject_without_a_value_is_left_out_of_its_mean(tmp_path: Path) -> None:
    judgments = people()
    judgments[1, 0, 3] = judgments[1, 3, 0] = math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = read_cichy(cichy(tmp_path, judgments))
    expected = [judgments[[0, 2] if pair == (0, 3) else [0, 1, 2], *pair].mean() for pair in PAIRS]
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)


# ---------------------------------------------------------------------------------------------- the names


def test_every_name_is_read(tmp_path: Path) -> None:
    cichy(tmp_path / "cichy2019", people())
    king(tmp_path / "king2019", {name: np.arange(20.0).reshape(2, 10) for name in ("set1", "set2")})
    for name in MATRICES:
        if name.startswith("peterson-"):
            peterson(tmp_path / "peterson", name.removeprefix("peterson-"), sim=people(1)[0])
    for name in MATRICES:
        found = read_matrix(name, tmp_path / name.partition("-")[0])
        assert found.name == name
        assert len(found.values) == 10
        assert found.citation
    assert len(MATRICES) == 9
    assert categories(tmp_path / "peterson") == tuple(name.partition("-")[2] for name in MATRICES[3:])


def test_a_category_of_ones_own_is_read_by_name(tmp_path: Path) -> None:
    peterson(tmp_path, "birds", sim=people(1)[0])
    (tmp_path / "notes").mkdir()
    assert categories(tmp_path) == ("birds",)
    assert read_matrix("peterson-birds", tmp_path).name == "peterson-birds"


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown human matrix 'cichy2018': did you mean cichy2019"):
        read_matrix("cichy2018", tmp_path / "none")
    with pytest.raises(UsageError, match="unknown human matrix 'peterson-birds'"):
        read_matrix("peterson-birds", tmp_path)
    with pytest.raises(UsageError, match="unknown set of king2019 'set3': did you mean set2 or set1"):
        read_king(tmp_path, "set3")
    with pytest.raises(DataError, match=r"fruits/images is missing: put the pictures there"):
        read_matrix("peterson-fruits", tmp_path)


# ---------------------------------------------------------------------------------------- the files there


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"images is missing: put the pictures there"):
        read_cichy(tmp_path)
    draw(tmp_path / "images")
    with pytest.raises(DataError, match=r"judgments_general\.mat is missing: put the published file there"):
        read_cichy(tmp_path)
    draw(tmp_path / "fruits" / "images")
    with pytest.raises(DataError, match=r"sim_judgements is missing: put the published \*sim\*\.mat there"):
        read_peterson(tmp_path, "fruits")
    (tmp_path / "fruits" / "sim_judgements").mkdir()
    with pytest.raises(DataError, match=r"sim_judgements holds no \*sim\*\.mat"):
        read_peterson(tmp_path, "fruits")


def test_a_wrong_variable_is_refused_with_those_there(tmp_path: Path) -> None:
    cichy(tmp_path / "cichy", people())
    save(tmp_path / "cichy/sim_judgements/judgments_general.mat", rdms=people(), subjects=3)
    with pytest.raises(DataError, match=r"judgments_general\.mat has no judgments, it holds rdms, subjects: take the"):
        read_cichy(tmp_path / "cichy")
    king(tmp_path / "king", {"set1": np.arange(20.0).reshape(2, 10)})
    with pytest.raises(DataError, match=r"BEHAVIOR\.mat has no set2, it holds set1"):
        read_king(tmp_path / "king", "set2")
    save(tmp_path / "king/sim_judgements/BEHAVIOR.mat", BEHAVIOR={"set1": {"distances": 1}})
    with pytest.raises(DataError, match=r"BEHAVIOR\.mat has no pairwisedistances, it holds distances"):
        read_king(tmp_path / "king", "set1")
    save(tmp_path / "king/sim_judgements/BEHAVIOR.mat", BEHAVIOR=np.ones((2, 2)))
    with pytest.raises(DataError, match=r"BEHAVIOR\.mat has no set1, it holds no variables"):
        read_king(tmp_path / "king", "set1")
    with pytest.raises(DataError, match=r"animalsSimMat\.mat has no \*sim\*, it holds ratings"):
        read_peterson(peterson(tmp_path / "none", ratings=np.eye(5)), "animals")
    with pytest.raises(DataError, match=r"animalsSimMat\.mat holds aSim and bSIM: leave the one variable to read"):
        read_peterson(peterson(tmp_path / "two", aSim=np.eye(5), bSIM=np.eye(5)), "animals")


def test_several_files_of_similarities_are_refused(tmp_path: Path) -> None:
    peterson(tmp_path, sim=people(1)[0])
    save(tmp_path / "animals/sim_judgements/SIM.MAT", sim=people(1)[0])
    with pytest.raises(DataError, match=r"sim_judgements holds SIM\.MAT and animalsSimMat\.mat: leave the one file"):
        read_peterson(tmp_path, "animals")


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    draw(tmp_path / "fruits" / "images")
    folder = tmp_path / "fruits" / "sim_judgements"
    folder.mkdir()
    (folder / "fruits_mturkRESULTS_all.pickle").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(
        DataError, match=r"_all\.pickle is a pickle, which is not opened.*: convert it to a \*sim\*\.mat"
    ):
        read_peterson(tmp_path, "fruits")
    (folder / "fruits_sim.mat").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match=r"fruits_sim\.mat is a pickle, which is not opened"):
        read_peterson(tmp_path, "fruits")
    assert not (tmp_path / "sprung").exists()


# --------------------------------------------------------------------------------------------- the pictures


def test_the_matrix_of_other_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"judgments is 3 x 6 x 6, where subjects x 5 x 5 belong to the 5 pictures of"):
        read_cichy(cichy(tmp_path / "cichy", people(n=6)))
    with pytest.raises(DataError, match=r"pairwisedistances is 2 x 15, where subjects x 10 belong to the 5 pictures"):
        read_king(king(tmp_path / "king", {"set1": np.ones((2, 15))}), "set1")
    with pytest.raises(DataError, match=r"sim is 1 x 4 x 4, where subjects x 5 x 5 belong to the 5 pictures"):
        read_peterson(peterson(tmp_path / "peterson", sim=np.eye(4)), "animals")


def test_a_listed_order_settles_that_of_the_pictures(tmp_path: Path) -> None:
    listed = ["dog.jpg", "apple.jpg", "egg.jpg", "cat.jpg", "bus.jpg"]
    cichy(tmp_path / "cichy", people())
    (tmp_path / "cichy/sim_judgements/order.txt").write_text("\n".join(listed) + "\n\n")
    assert names(read_cichy(tmp_path / "cichy")) == listed
    king(tmp_path / "king", {name: np.arange(20.0).reshape(2, 10) for name in ("set1", "set2")})
    (tmp_path / "king/sim_judgements/order-set2.txt").write_text("\r\n".join(listed))
    assert names(read_king(tmp_path / "king", "set1")) == list(NAMES)
    assert names(read_king(tmp_path / "king", "set2")) == listed


@pytest.mark.parametrize(
    "read", [lambda root: read_cichy(root), lambda root: read_king(root, "set1"), lambda root: read_peterson(root, "x")]
)
def test_numbered_names_are_warned_of(tmp_path: Path, read: Any) -> None:
    numbered = tuple(f"{number}.jpg" for number in (2, 10, 1))
    for folder in ("images", "images/set1", "x/images"):
        draw(tmp_path / "drawn" / folder.replace("/", "-"), numbered)
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name in numbered:
            (tmp_path / folder / name).write_bytes((tmp_path / "drawn" / folder.replace("/", "-") / name).read_bytes())
    matrices = people(2, 3)
    save(tmp_path / "sim_judgements/judgments_general.mat", judgments=matrices)
    save(tmp_path / "sim_judgements/BEHAVIOR.mat", BEHAVIOR={"set1": {"pairwisedistances": [[0, 1, 2]]}})
    save(tmp_path / "x/sim_judgements/sim.mat", sim=matrices[0])
    with pytest.warns(AlignbenchWarning, match=r"in plain order of their names, 10\.jpg before 2\.jpg; if the matrix"):
        found = read(tmp_path)
    assert names(found) == ["1.jpg", "10.jpg", "2.jpg"]
