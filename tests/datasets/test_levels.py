"""Levels, from files in the published layout: read by Python's own unpickler, and by the data set."""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.datasets import DATASETS
from alignbench.datasets.judgments import Judgments
from alignbench.errors import AlignbenchWarning, DataError, UsageError
from layouts import write_levels

NAMES = {"between_class": "coarse", "within_class": "fine", "class_border": "boundary", "class_boundary": "boundary"}
Table = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("levels")
    write_levels(folder)
    return folder


def read(root: Path, *subsets: str) -> Judgments:
    return DATASETS.load("levels").read(root, subsets or ("all",))


def table_of(root: Path) -> Table:
    table: Table = pickle.loads((root / "pruned_dataset.pkl").read_bytes())
    return table


def changed(root: Path, folder: Path, change: Callable[[Table], object]) -> Path:
    """A copy of the data whose table is another."""
    table = table_of(root)
    change(table)
    folder.mkdir(exist_ok=True)
    (folder / "train").symlink_to(root / "train")
    (folder / "pruned_dataset.pkl").write_bytes(pickle.dumps(table))
    return folder


def trials(root: Path) -> Iterator[tuple[str, int, str, frozenset[str], str, float]]:
    """Participant, place, level, pictures, the odd one and milliseconds of each trial that counts."""
    for who, given in table_of(root).items():
        for place, trial in enumerate(given):
            if trial["exp_trial_type"] == "exp_trial":
                names = [Path(trial[key]).name for key in ("image1Path", "image2Path", "image3Path", "selected_image")]
                yield who, place, NAMES[trial["triplet_type"]], frozenset(names[:3]), names[3], float(trial["rt"])


def pictures(judgments: Judgments, row: int) -> list[frozenset[str]]:
    """The names of the two pictures of each option of a judgment."""
    names = [Path(name).name for name in judgments.images.names]
    return [frozenset(names[end] for end in judgments.pairs[pair]) for pair in judgments.judged[row]]


def test_every_trial_is_a_judgment_whose_first_option_was_kept(root: Path) -> None:
    judgments = read(root)
    assert (judgments.dataset, judgments.level, judgments.kind) == ("levels", "high", "choice")
    assert [subset.name for subset in judgments.subsets] == ["coarse", "fine", "boundary"]
    assert judgments.responses is not None
    found = []
    for subset in judgments.subsets:
        for row in subset.rows.tolist():
            kept, *others = pictures(judgments, row)
            [odd] = (others[0] | others[1]) - kept
            who, _, place = judgments.ids[row].partition(":")
            participant = int(judgments.responses.participants[row])
            assert int(who) == participant
            milliseconds = 1000.0 * float(judgments.responses.seconds[row])
            found.append((f"subject_{who}", int(place), subset.name, kept | {odd}, odd, pytest.approx(milliseconds)))
            assert {*others} == {kept - {name} | {odd} for name in kept}
    assert sorted(map(str, (each[:2] for each in found))) == sorted(str(each[:2]) for each in trials(root))
    by_place = {each[:2]: each for each in trials(root)}
    for each in found:
        assert by_place[each[0], each[1]] == each
    assert not judgments.human.any()
    assert len(set(judgments.ids)) == len(judgments.ids)


def test_clusters_are_triplets_and_objects_are_pictures(root: Path) -> None:
    judgments = read(root)
    for subset in judgments.subsets:
        shown = [frozenset().union(*pictures(judgments, row)) for row in subset.rows.tolist()]
        clusters = subset.clusters[:, 0].tolist()
        assert subset.objects is not None
        for (one, first), (other, second) in combinations(zip(shown, clusters, strict=True), 2):
            assert (one == other) == (first == second)
        for names, objects in zip(shown, subset.objects.tolist(), strict=True):
            assert len(set(objects)) == 3
            assert len(names) == 3
        runs = 1 + int((np.diff(subset.clusters[:, 0]) != 0).sum())
        assert runs == len(set(clusters)), "judgments of a triplet stand together"


def test_subsets_are_those_that_are_asked_for(root: Path) -> None:
    whole = read(root)
    assert [subset.name for subset in read(root, "fine").subsets] == ["fine"]
    assert [subset.name for subset in read(root, "boundary", "coarse", "boundary").subsets] == ["boundary", "coarse"]
    alone = read(root, "fine")
    ids = {whole.ids[row] for row in whole.subsets[1].rows.tolist()}
    assert {*alone.ids} == ids
    with pytest.raises(UsageError, match="unknown subset of levels 'boundry': did you mean boundary"):
        read(root, "boundry")


@pytest.mark.parametrize("layout", ["flat", "links", "link to the folder"])
def test_pictures_lie_flat_or_in_folders_or_behind_links(root: Path, tmp_path: Path, layout: str) -> None:
    (tmp_path / "pruned_dataset.pkl").write_bytes((root / "pruned_dataset.pkl").read_bytes())
    if layout == "link to the folder":
        (tmp_path / "train").symlink_to(root / "train")
    else:
        (tmp_path / "images").mkdir()
        for path in sorted((root / "train").iterdir() if layout == "links" else (root / "train").glob("*/*")):
            (tmp_path / "images" / path.name).symlink_to(path)
    there, here = read(root), read(tmp_path)
    assert there.images.identities() == here.images.identities()
    assert [Path(name).name for name in here.images.names] == [Path(name).name for name in there.images.names]
    np.testing.assert_array_equal(there.judged, here.judged)


def test_published_numbers_are_known() -> None:
    data_set = DATASETS.load("levels")
    counts = {"coarse": 61_727, "fine": 62_549, "boundary": 30_826}
    assert data_set.published_counts("paper") == data_set.published_counts("corrected") == counts


def test_a_time_that_is_not_known_is_told(root: Path, tmp_path: Path) -> None:
    def change(table: Table) -> None:
        for place, time in enumerate((None, 0, -5.0, math.nan, math.inf, 10**400), start=1):
            table["subject_0"][place]["rt"] = time

    folder, total = changed(root, tmp_path, change), sum(1 for _ in trials(root))
    with pytest.warns(AlignbenchWarning, match=f"has no response time of 6 of {total} trials"):
        judgments = read(folder)
    assert judgments.responses is not None
    assert int(np.isnan(judgments.responses.seconds).sum()) == 6


def _first(change: Callable[[dict[str, Any]], object]) -> Callable[[Table], object]:
    return lambda table: change(table["subject_2"][1])


FAULTS: dict[str, tuple[Callable[[Table], object], str]] = {
    "no participants": (dict.clear, "holds no dictionary of participants"),
    "no list": (lambda table: table.update(subject_2={"rt": 1}), "participant subject_2 has no list of trials"),
    "no trial": (lambda table: table["subject_2"].insert(1, 3), "subject_2, trial 1 has no exp_trial_type"),
    "no type": (_first(lambda trial: trial.pop("exp_trial_type")), "subject_2, trial 1 has no exp_trial_type"),
    "missing keys": (
        _first(lambda trial: [trial.pop(key) for key in ("rt", "image2Path")]),
        "subject_2, trial 1 lacks image2Path, rt",
    ),
    "level": (
        _first(lambda trial: trial.update(triplet_type="medium")),
        "triplet_type medium is none of between_class, within_class, class_border, class_boundary",
    ),
    "level that is a list": (
        _first(lambda trial: trial.update(triplet_type=[1])),
        "triplet_type of type list is none of",
    ),
    "level without end": (
        _first(lambda trial: trial.update(triplet_type=10**5000)),
        "triplet_type of type int is none of",
    ),
    "participant without end": (
        lambda table: table.update({10**5000: 3}),  # type: ignore[dict-item]
        "participant of type int has no list of trials",
    ),
    "no odd one": (
        _first(lambda trial: trial.update(selected_image="other.JPEG")),
        "selected_image other.JPEG is none of its pictures",
    ),
    "a picture twice": (
        _first(lambda trial: trial.update(image1Path=trial["image2Path"], selected_image=trial["image3Path"])),
        "JPEG twice: download it again",
    ),
    "number for a name": (_first(lambda trial: trial.update(image1Path=5)), "trial 1: '5' is no name of a picture"),
    "way out": (_first(lambda trial: trial.update(image1Path="a/..")), "'a/..' is no name of a picture"),
    "zero in a name": (_first(lambda trial: trial.update(image1Path="a\0b")), "is no name of a picture"),
    "text for a time": (_first(lambda trial: trial.update(rt="3 s")), "rt 3 s is no number of milliseconds"),
    "practice alone": (
        lambda table: [trial.update(exp_trial_type="a") for each in table.values() for trial in each],
        "has no trial with 'exp_trial' as its exp_trial_type",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_table_that_cannot_be_is_refused_by_its_place(root: Path, tmp_path: Path, fault: str) -> None:
    change, said = FAULTS[fault]
    with pytest.raises(DataError, match=re.escape(said)) as refused:
        read(changed(root, tmp_path, change))
    assert "pruned_dataset.pkl" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table["subject_2"].extend(table["subject_2"][:]), "participant subject_2 has "),
        (lambda table: table.update({f"{who}b": given for who, given in [*table.items()]}), "subject_0 and subject_0b"),
    ],
)
def test_a_list_of_trials_that_is_there_twice_is_refused(
    root: Path, tmp_path: Path, change: Callable[[Table], object], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        read(changed(root, tmp_path, change), "coarse")


def test_another_pickle_and_a_list_are_refused(root: Path, tmp_path: Path) -> None:
    folder = changed(root, tmp_path, lambda table: None)
    for content, said in (
        (pickle.dumps(np.ones((3, 3))), "is a pickle that names numpy"),
        (pickle.dumps([1, 2]), "holds no dictionary of participants"),
        (b"text", "is no pickle of plain data"),
    ):
        (folder / "pruned_dataset.pkl").write_bytes(content)
        with pytest.raises(DataError, match=said):
            read(folder)
    (folder / "pruned_dataset.pkl").unlink()
    with pytest.raises(DataError, match=r"pruned_dataset\.pkl cannot be read \(No such file"):
        read(folder)


def test_a_level_that_is_not_there_is_refused(root: Path, tmp_path: Path) -> None:
    def without_fine(table: Table) -> None:
        for who, given in table.items():
            table[who] = [trial for trial in given if trial.get("triplet_type") != "within_class"]

    folder = changed(root, tmp_path, without_fine)
    assert read(folder, "coarse", "boundary").subsets[1].name == "boundary"
    with pytest.raises(DataError, match=r"pruned_dataset\.pkl has no trial of subset fine"):
        read(folder)


def test_missing_pictures_are_named(root: Path, tmp_path: Path) -> None:
    (tmp_path / "pruned_dataset.pkl").write_bytes((root / "pruned_dataset.pkl").read_bytes())
    with pytest.raises(DataError, match="has neither images nor train: put the pictures there"):
        read(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/other.JPEG").touch()
    with pytest.raises(
        DataError, match=r"images has none of the \d+ pictures that pruned_dataset\.pkl names, as n00_0"
    ):
        read(tmp_path)
    for path in sorted((root / "train").glob("*/*"))[1:]:
        (tmp_path / "images" / path.name).symlink_to(path)
    with pytest.raises(DataError, match=r"1 of 20 images under .* images/n00_0\.JPEG \(missing\); complete"):
        read(tmp_path).images.identities()


def test_doubled_pictures_are_refused_with_examples(root: Path, tmp_path: Path) -> None:
    folder = changed(root, tmp_path, lambda table: None)
    (folder / "train").unlink()
    for kind, names in (("a", ("n00_0.JPEG", "n00_1.JPEG")), ("b", ("n00_1.JPEG", "n00_0.JPEG", "other.JPEG"))):
        (folder / "train" / kind).mkdir(parents=True)
        for name in (*names, "unnamed.JPEG"):
            (folder / "train" / kind / name).touch()
    with pytest.raises(
        DataError, match=r"has 2 pictures twice, as train/a/n00_0\.JPEG and train/b/n00_0\.JPEG; train/a/n00_1"
    ):
        read(folder)


def test_the_first_of_two_image_folders_is_taken(root: Path, tmp_path: Path) -> None:
    folder = changed(root, tmp_path, lambda table: None)
    (folder / "images").mkdir()
    for path in (root / "train").glob("*/*"):
        (folder / "images" / path.name).symlink_to(path)
    with pytest.warns(AlignbenchWarning, match="holds the image folders images and train: the first is taken"):
        judgments = read(folder)
    assert judgments.images.names[0] == "images/n00_0.JPEG"
