"""THINGS against the independent reader, wherever the files are and however they are written."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agreeing import check_equal, memberships, pairs_of
from alignbench.datasets.judgments import Judgments
from alignbench.datasets.things import THINGS
from alignbench.errors import AlignbenchWarning, DataError
from layouts import CONCEPTS, ConceptOrder, write_things
from reference import read_things

SPLITS = ("testset1", "validationset", "trainset")
TABLE = "triplets_large_final_correctednc_correctedorder.csv"


@pytest.fixture
def copy(things_root: Path, tmp_path: Path) -> Path:
    shutil.copytree(things_root, tmp_path / "things")
    return tmp_path / "things"


def select_rows(root: Path, split: str) -> NDArray[np.int64]:
    return np.loadtxt(root / "triplets" / f"{split}.txt", dtype=np.int64)


def said(judgments: Judgments, root: Path) -> list[list[set[str]]]:
    """The pairs of every judgment by the names of the objects' pictures."""
    return [[{path.name for path in pair} for pair in row] for row in pairs_of(judgments, root)]


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_equals_the_reference(things_root: Path, split: str) -> None:
    check_equal(THINGS.read(things_root, (split,)), things_root, read_things(things_root, split))


@pytest.mark.parametrize("order", ["unique_id", "concepts"])
def test_objects_are_numbered_as_the_concept_file_lists_them(tmp_path: Path, order: ConceptOrder) -> None:
    write_things(tmp_path / "things", order=order)
    with warnings.catch_warnings():
        warnings.simplefilter("error", AlignbenchWarning)
        judgments = THINGS.read(tmp_path / "things", ("testset1",))
    first = select_rows(tmp_path / "things", "testset1")[0]
    a, b, odd = (f"{CONCEPTS[number]}_01b.jpg" for number in first)
    assert said(judgments, tmp_path / "things")[0] == [{a, b}, {a, odd}, {b, odd}]


def test_without_a_concept_file_the_order_is_sorted_with_a_warning(tmp_path: Path) -> None:
    write_things(tmp_path / "things", order="sorted")
    with pytest.warns(AlignbenchWarning, match="sorted"):
        judgments = THINGS.read(tmp_path / "things", ("testset1",))
    check_equal(judgments, tmp_path / "things", read_things(tmp_path / "things"))


def test_the_kept_pair_comes_first_and_was_chosen(things_root: Path) -> None:
    judgments = THINGS.read(things_root, ("testset1",))
    assert not judgments.human.any()
    for row, (kept, *others) in zip(select_rows(things_root, "testset1"), said(judgments, things_root), strict=True):
        names = [f"{CONCEPTS[number]}_01b.jpg" for number in row]
        assert kept == set(names[:2])
        assert set.intersection(*others) == {names[2]}


# --- Where the files are --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [".", "triplets", "triplet_dataset", "data/triplet_dataset"])
def test_triplet_files_are_found_in(copy: Path, things_root: Path, place: str) -> None:
    (copy / place).mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        if place != "triplets":
            shutil.move(copy / "triplets" / f"{split}.txt", copy / place / f"{split}.txt")
    found, expected = (THINGS.read(root, ("validationset",)) for root in (copy, things_root))
    assert said(found, copy) == said(expected, things_root)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16, np.float64])
def test_triplets_may_be_arrays(copy: Path, things_root: Path, dtype: type) -> None:
    np.save(copy / "triplets" / "testset1.npy", select_rows(copy, "testset1").astype(dtype))
    (copy / "triplets" / "testset1.txt").unlink()
    found, expected = (THINGS.read(root, ("testset1",)) for root in (copy, things_root))
    assert said(found, copy) == said(expected, things_root)
    assert found.ids == expected.ids


@pytest.mark.parametrize("name", ["images", "object_images", "Images"])
def test_the_image_folder_may_be_called(copy: Path, things_root: Path, name: str) -> None:
    (copy / "object_images").rename(copy / name)
    found = THINGS.read(copy, ("testset1",))
    assert {Path(path).parts[0] for path in found.images.names} == {name}
    assert said(found, copy) == said(THINGS.read(things_root, ("testset1",)), things_root)


def test_images_may_lie_flat(copy: Path, things_root: Path) -> None:
    for folder in [path for path in (copy / "object_images").iterdir() if path.is_dir()]:
        shutil.move(folder / f"{folder.name}_01b.jpg", copy / "object_images" / f"{folder.name}.jpg")
        shutil.rmtree(folder)
    expected = THINGS.read(things_root, ("testset1",))
    flat = [[{name.replace("_01b", "") for name in pair} for pair in row] for row in said(expected, things_root)]
    found = THINGS.read(copy, ("testset1",))
    assert said(found, copy) == flat
    assert found.images.identities() == expected.images.identities()


def test_two_files_of_one_split_must_hold_the_same(copy: Path) -> None:
    rows = select_rows(copy, "testset1")
    shutil.copy(copy / "triplets" / "testset1.txt", copy / "testset1.txt")
    np.save(copy / "triplets" / "testset1.npy", rows)
    (copy / "triplet_dataset").symlink_to("triplets")
    assert len(THINGS.read(copy, ("testset1",)).ids) == len(rows)
    np.save(copy / "triplets" / "testset1.npy", rows[:-1])
    with pytest.raises(
        DataError, match=r"testset1\.txt and .*triplets/testset1\.npy hold other triplets: leave the one"
    ):
        THINGS.read(copy, ("testset1",))
    (copy / "triplets" / "testset1.npy").unlink()
    shutil.copy(copy / "triplets" / "trainset.txt", copy / "testset1.txt")
    for subset in ("testset1", "all"):
        with pytest.raises(DataError, match=r"testset1\.txt and .*triplets/testset1\.txt hold other triplets"):
            THINGS.read(copy, (subset,))


def test_two_full_tables_must_hold_the_same(copy: Path) -> None:
    triplets = np.random.default_rng(0).permuted(np.tile(np.arange(10), (50, 1)), axis=1)[:, :3]
    for place in (".", "triplets"):
        write_table(copy / place / TABLE, triplets)
    assert len(THINGS.read(copy, ("all",)).ids) == 50
    write_table(copy / "triplets" / TABLE, triplets[1:])
    with pytest.raises(DataError, match=rf"{TABLE} and .*triplets/{TABLE} hold other triplets"):
        THINGS.read(copy, ("all",))


# --- The full table -------------------------------------------------------------------------------------------------


def write_table(path: Path, triplets: NDArray[np.int64], seed: int = 0) -> list[tuple[frozenset[int], int]]:
    """Writes odd-last triplets as the 1-based table, its columns in any order; returns each kept pair and odd one."""
    rng = np.random.default_rng(seed)
    lines = ["subject_id\tRT\timage1\timage2\timage3\tchoice\tage"]
    for row in triplets:
        order = rng.permutation(3)
        choice = int(np.flatnonzero(order == 2)[0]) + 1
        numbers = "\t".join(str(number) for number in row[order] + 1)
        lines.append(f"s{rng.integers(9)}\t{rng.integers(400, 9000)}\t{numbers}\t{choice}\t")
    path.write_text("\n".join(lines) + "\n")
    return [(frozenset(row[:2].tolist()), int(row[2])) for row in triplets]


@pytest.mark.parametrize("place", [".", "triplets"])
def test_all_is_the_full_table_where_it_is_there(copy: Path, place: str) -> None:
    triplets = np.random.default_rng(0).permuted(np.tile(np.arange(10), (50, 1)), axis=1)[:, :3]
    expected = write_table(copy / place / TABLE, triplets)
    judgments = THINGS.read(copy, ("all",))
    number = {f"{name}_01b.jpg": index for index, name in enumerate(CONCEPTS)}
    found = [
        (frozenset(number[name] for name in kept), number[set.intersection(*others).pop()])
        for kept, *others in said(judgments, copy)
    ]
    assert found == expected
    assert not judgments.human.any()


def test_all_is_every_split_where_there_is_no_table(things_root: Path) -> None:
    found = said(THINGS.read(things_root, ("all",)), things_root)
    assert found == [row for split in SPLITS for row in said(THINGS.read(things_root, (split,)), things_root)]


# --- Clusters -------------------------------------------------------------------------------------------------------


def test_testset1_is_clustered_by_its_distinct_triplets(things_root: Path) -> None:
    clusters = THINGS.read(things_root, ("testset1",)).subsets[0].clusters
    rows = select_rows(things_root, "testset1")
    assert memberships(clusters.tolist()) == memberships([(frozenset(row),) for row in rows.tolist()])
    assert len(np.unique(clusters)) == 8, "a fifth as many distinct triplets as rows"


@pytest.mark.parametrize("split", ["validationset", "trainset"])
def test_larger_splits_are_clustered_by_object(things_root: Path, split: str) -> None:
    clusters = THINGS.read(things_root, (split,)).subsets[0].clusters
    assert memberships(clusters.tolist()) == memberships(select_rows(things_root, split).tolist())


def test_testset1_has_objects_beside_its_clusters_and_the_others_have_objects_as_clusters(things_root: Path) -> None:
    [subset] = THINGS.read(things_root, ("testset1",)).subsets
    assert subset.objects is not None
    assert memberships(subset.objects.tolist()) == memberships(select_rows(things_root, "testset1").tolist())
    [other] = THINGS.read(things_root, ("validationset",)).subsets
    assert other.objects is None


def test_splits_that_are_read_together_keep_their_own_clusters(things_root: Path) -> None:
    together = THINGS.read(things_root, ("validationset", "testset1"))
    for subset in together.subsets:
        alone = THINGS.read(things_root, (subset.name,)).subsets[0]
        assert memberships(subset.clusters.tolist()) == memberships(alone.clusters.tolist())
    assert together.ids[:40] == THINGS.read(things_root, ("validationset",)).ids


# --- Calibration ----------------------------------------------------------------------------------------------------


def test_calibration_is_the_whole_training_split_where_that_is_small(things_root: Path) -> None:
    drawn, whole = (THINGS.read(things_root, (subset,)) for subset in ("calibration", "trainset"))
    assert drawn.ids == whole.ids
    assert said(drawn, things_root) == said(whole, things_root)


def test_calibration_is_a_fixed_draw_of_10_000_training_rows(copy: Path) -> None:
    rng = np.random.default_rng(0)
    triplets = rng.permuted(np.tile(np.arange(10), (12_000, 1)), axis=1)[:, :3]
    np.savetxt(copy / "triplets" / "trainset.txt", triplets, fmt="%d")
    drawn = THINGS.read(copy, ("calibration",))
    rows = [int(name.removeprefix("trainset:")) for name in drawn.ids]
    assert len(rows) == 10_000
    assert rows == sorted(set(rows))
    assert rows[-1] > 11_000, "not simply the first ones"
    everything = said(THINGS.read(copy, ("trainset",)), copy)
    assert said(drawn, copy) == [everything[row] for row in rows]
    beside = THINGS.read(copy, ("testset1", "calibration"))
    assert tuple(beside.ids[row] for row in beside.subsets[1].rows) == drawn.ids, "whatever else is read"


def test_without_a_training_split_there_is_nothing_to_calibrate_on(copy: Path) -> None:
    (copy / "triplets" / "trainset.txt").unlink()
    with pytest.raises(
        DataError, match=r"trainset\.txt is missing under .*, and the corrected protocol .*--protocol paper"
    ):
        THINGS.read(copy, ("testset1", "calibration"))


# --- Copies of splits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subsets", [("all",), ("testset1", "testset2"), ("testset2", "calibration")])
def test_a_split_under_two_names_is_refused(copy: Path, subsets: tuple[str, ...]) -> None:
    of = "trainset" if "calibration" in subsets else "testset1"
    rows = np.random.default_rng(1).permutation(select_rows(copy, of))[:, [1, 0, 2]]
    for more in (rows, np.concatenate([rows, [[0, 1, 2], [5, 4, 3]]])):
        np.savetxt(copy / "triplets" / "testset2.txt", more, fmt="%d")
        with pytest.raises(DataError, match=r"triplets/\w+\.txt holds every judgment of .*triplets/\w+\.txt") as caught:
            THINGS.read(copy, subsets)
        assert {"testset2.txt", f"{of}.txt"} <= {Path(word.strip(":")).name for word in str(caught.value).split()}


def test_calibrating_on_evaluated_rows_is_said(copy: Path) -> None:
    evaluated, training = select_rows(copy, "validationset"), select_rows(copy, "trainset")
    np.savetxt(copy / "triplets" / "trainset.txt", np.concatenate([evaluated[:30], training]), fmt="%d")
    with pytest.warns(
        AlignbenchWarning, match=r"3\d of the 40 judgments of .*validationset\.txt are in .*trainset\.txt"
    ):
        THINGS.read(copy, ("validationset", "calibration"))


# --- What is not there ----------------------------------------------------------------------------------------------


def test_an_object_without_pictures_matters_only_if_a_triplet_names_it(copy: Path) -> None:
    unused = CONCEPTS[9]
    shutil.rmtree(copy / "object_images" / unused)
    rows = [row for row in select_rows(copy, "trainset").tolist() if 9 not in row]
    (copy / "triplets" / "trainset.txt").write_text("\n".join(" ".join(map(str, row)) for row in rows))
    with pytest.warns(AlignbenchWarning, match=f"lacks the picture of {unused}"):
        found = THINGS.read(copy, ("trainset",))
    assert len(found.ids) == len(rows)
    assert len(found.images.identities()) == 9
    with pytest.raises(DataError, match=unused):
        THINGS.read(copy, ("validationset",)).images.identities()


def test_an_object_number_beyond_the_concepts_is_refused(copy: Path) -> None:
    (copy / "triplets" / "testset1.txt").write_text("0 1 2\n3 4 10\n")
    with pytest.raises(DataError, match=r"line 2: object 10 is out of range 0 to 9"):
        THINGS.read(copy, ("testset1",))
