"""Rated distortions are pairs with their reference, in parts by distortion and level, named in any letter case."""

from __future__ import annotations

from pathlib import Path

import pytest

from agreeing import memberships, pairs_of
from alignbench.datasets.rated_distortions import FilesInAnyCase, Rating, rated_distortions
from alignbench.datasets.tid2013 import TID2013
from alignbench.errors import AlignbenchWarning, DataError, UsageError

TABLE = Path("data") / "scores.txt"
RATINGS = [  # out of order, and without the second level of the first distortion of b
    Rating("b2", "b.png", "b-2-1.png", 3.0, (2, 2, 1)),
    Rating("a1", "a.png", "a-1-1.png", 5.0, (1, 1, 1)),
    Rating("a2", "a.png", "a-1-2.png", -1.5, (1, 1, 2)),
    Rating("b1", "b.png", "b-1-1.png", 5.0, (2, 1, 1)),
]


def test_each_rating_is_of_a_reference_beside_its_distortion() -> None:
    judgments = rated_distortions("small", TABLE, RATINGS, ("all",), distortions=2)
    assert judgments.images.names == ("b.png", "b-2-1.png", "a.png", "a-1-1.png", "a-1-2.png", "b-1-1.png")
    ends = judgments.pairs[judgments.judged[:, 0]].tolist()
    names = [tuple(judgments.images.names[image] for image in pair) for pair in ends]
    assert names == [(rating.reference, rating.distorted) for rating in RATINGS]
    assert (judgments.ids, judgments.human.tolist()) == (("b2", "a1", "a2", "b1"), [3.0, 5.0, -1.5, 5.0])
    assert judgments.subsets[0].clusters.tolist() == [[2], [1], [1], [2]], "ratings of one reference are one cluster"


def test_a_subset_drops_the_pictures_and_parts_that_it_does_not_name() -> None:
    judgments = rated_distortions("small", TABLE, RATINGS, ("level_2",), distortions=2)
    assert judgments.images.names == ("a.png", "a-1-2.png")
    assert [(part.name, part.rows.tolist()) for part in judgments.parts] == [("distortion_01", [0]), ("level_2", [0])]


@pytest.mark.parametrize("subset", ["distortion_03", "distortion_1", "level_6", "Level_1", ""])
def test_a_subset_of_another_data_set_is_refused(subset: str) -> None:
    with pytest.raises(UsageError, match=f"^unknown subset of small '{subset}': (did you mean|valid: )"):
        rated_distortions("small", TABLE, RATINGS, ("all", subset), distortions=2)


def test_files_are_found_by_their_names_in_any_letter_case(tmp_path: Path) -> None:
    (tmp_path / "Pictures").mkdir()
    for name in ("I01.BMP", "i01_01_1.Bmp", "ÄÖ.bmp"):
        (tmp_path / "Pictures" / name).touch()
    files = FilesInAnyCase(tmp_path, "Pictures")
    asked = ("i01.bmp", "I01.BMP", "i01_01_1.bmp", "äÖ.BMP", "I02.BMP")
    assert [files.path(name) for name in asked] == [
        *("Pictures/I01.BMP", "Pictures/I01.BMP", "Pictures/i01_01_1.Bmp", "Pictures/ÄÖ.bmp", "Pictures/I02.BMP")
    ]
    with pytest.raises(DataError, match=f"^{tmp_path / 'images'} is missing: --data-root must name the folder"):
        FilesInAnyCase(tmp_path, "images")


def test_of_names_that_differ_in_letter_case_the_published_one_is_taken_and_said(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name in ("I01.BMP", "i01.bmp", "I02.bmp", "i02.BMP"):
        (tmp_path / "p" / name).touch()
    with pytest.warns(
        AlignbenchWarning, match=r"p holds I01\.BMP and i01\.bmp, .*case only, and 1 more such names: the"
    ):
        files = FilesInAnyCase(tmp_path, "p")
    assert (files.path("I01.BMP"), files.path("i01.bmp")) == ("p/I01.BMP", "p/i01.bmp")
    with pytest.raises(DataError, match=r"p holds I02\.bmp and i02\.BMP and no I02\.BMP: leave the one"):
        files.path("I02.BMP")


# --- Through TID2013 ------------------------------------------------------------------------------------------------


def test_parts_are_every_distortion_and_every_level(tid2013_root: Path) -> None:
    judgments = TID2013.read(tid2013_root, ("all",))
    names = [name.removesuffix(".bmp").split("_") for name in judgments.ids]
    expected = {f"distortion_{n:02d}": [i for i, name in enumerate(names) if int(name[1]) == n] for n in (1, 2, 3)}
    expected |= {f"level_{n}": [i for i, name in enumerate(names) if int(name[2]) == n] for n in (1, 2, 3)}
    assert {part.name: part.rows.tolist() for part in judgments.parts} == expected
    for part in judgments.parts:
        references = [(names[row][0],) for row in part.rows]
        assert memberships(part.clusters.tolist()) == memberships(references)


def test_a_part_that_is_not_there_is_refused(tid2013_root: Path) -> None:
    with pytest.raises(DataError, match=r"mos_with_names\.txt has no rating of distortion_24"):
        TID2013.read(tid2013_root, ("distortion_24",))


def test_subsets_that_overlap_share_their_judgments(tid2013_root: Path) -> None:
    judgments = TID2013.read(tid2013_root, ("distortion_02", "all"))
    assert [subset.name for subset in judgments.subsets] == ["distortion_02", "all"]
    assert len(judgments.ids) == 36
    assert pairs_of(judgments, tid2013_root, 0) == pairs_of(
        TID2013.read(tid2013_root, ("distortion_02",)), tid2013_root
    )
    assert pairs_of(judgments, tid2013_root, 1) == pairs_of(TID2013.read(tid2013_root, ("all",)), tid2013_root)
