"""MATLAB files and matrices that are not what they should be, and the order of pictures."""

import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from alignbench.datasets.images import FileImages
from alignbench.datasets.matrix_files import averaged, of_subjects, ordered_pictures, upper_triangles, variables
from alignbench.errors import AlignbenchWarning, DataError

PATH = Path("m.mat")
IMAGES = FileImages(Path("root"), ("images/a.jpg", "images/b.jpg", "images/c.jpg"))
ABC = np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 3.0], [2.0, 3.0, 0.0]])


def folder_of(root: Path, *names: str) -> Path:
    (root / "images").mkdir()
    for name in names:
        (root / "images" / name).touch()
    return root


# ----------------------------------------------------------------------------------------------- pictures


def test_pictures_are_sorted_as_python_sorts(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "b.jpg", "a.JPG", "Z.jpg", "c.png", ".hidden.jpg", "notes.txt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ordered_pictures(root, "images", (".jpg",), root / "order.txt")
    assert found.names == ("images/Z.jpg", "images/a.JPG", "images/b.jpg")


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (("a1.jpg", "a2.jpg", "a10.jpg"), ("a10.jpg", "a2.jpg")),
        (("1b9.jpg", "1b12.jpg", "0.jpg"), ("1b12.jpg", "1b9.jpg")),
        (("01.jpg", "02.jpg", "10.jpg"), None),
        (("a.jpg", "b1.jpg", "c.jpg"), None),
        (("1.jpg", "a.jpg", "_.jpg"), None),
    ],
)
def test_only_an_order_that_numbers_would_change_is_warned_of(
    tmp_path: Path, names: tuple[str, ...], pair: tuple[str, str] | None
) -> None:
    root = folder_of(tmp_path, *names)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = ordered_pictures(root, "images", (".jpg",), root / "order.txt")
    assert found.names == tuple(f"images/{name}" for name in sorted(names))
    assert [warning.category for warning in caught] == ([AlignbenchWarning] if pair else [])
    if pair:
        assert f"{pair[0]} before {pair[1]}" in str(caught[0].message)
        assert str(root / "order.txt") in str(caught[0].message)
        (root / "order.txt").write_text("\n".join(names))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            listed = ordered_pictures(root, "images", (".jpg",), root / "order.txt")
        assert listed.names == tuple(f"images/{name}" for name in names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a.jpg\nb.jpg\nd.jpg\n", r"\(d\.jpg is no picture\): correct it, or remove it"),
        (b"a.jpg\nb.jpg\n", r"\(c\.jpg is not listed\)"),
        (b"a.jpg\nb.jpg\nc.jpg\na.jpg\n", r"\(a\.jpg is listed twice\)"),
        (b"", r"\(a\.jpg is not listed\)"),
        (b"\xff\xfe\x00", "cannot be read as text: write one picture name a line"),
    ],
)
def test_a_list_of_other_pictures_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    root = folder_of(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (root / "order.txt").write_bytes(text)
    with pytest.raises(DataError, match=rf"order\.txt .*{message}"):
        ordered_pictures(root, "images", (".jpg",), root / "order.txt")


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "a.gif")
    with pytest.raises(DataError, match=r"images holds no pictures \(\.jpg, \.png\): put them there"):
        ordered_pictures(root, "images", (".jpg", ".png"), root / "order.txt")


# ------------------------------------------------------------------------------------------ MATLAB files


def test_a_file_of_matlab_7_3_is_refused_with_the_remedy(tmp_path: Path) -> None:
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 .".ljust(124) + b"\x00\x02IM"
    for content in (header.ljust(512, b"\x00") + b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(600)):
        (tmp_path / "new.mat").write_bytes(content)
        with pytest.raises(DataError, match=r"new\.mat is a MATLAB 7\.3 file, which is not read: save it .* with -v7"):
            variables(tmp_path / "new.mat")


@pytest.mark.parametrize("content", [b"", b"no matrix at all", bytes(600), b"MATLAB 5.0 MAT-file".ljust(200)])
def test_a_file_that_is_no_matlab_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"m\.mat is no whole MATLAB file .*: take the published file") as caught:
        variables(tmp_path / "m.mat")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_is_cut_off_is_refused_or_lacks_a_variable(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "m.mat"
    savemat(path, {"note": {"by": "people"}, "sim": ABC}, do_compression=compressed)
    content = path.read_bytes()
    assert set(variables(path)) == {"note", "sim"}
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        try:
            found = variables(path)
        except DataError:
            continue
        assert "sim" not in found


# ---------------------------------------------------------------------------------------------- matrices


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (ABC[None] + math.inf, "sim holds infinite numbers"),
        (ABC[None] * 1j, "sim does not hold numbers"),
        (np.array(["abc"]), "sim does not hold numbers"),
        (ABC, r"sim is 3 x 3, where subjects x 3 x 3 belong to the 3 pictures of root/images: put there the pictures"),
        (np.stack([ABC] * 4, axis=2), "sim is 3 x 3 x 4, where subjects x 3 x 3 belong"),
    ],
)
def test_what_is_no_matrix_of_the_pictures_is_refused(array: "np.ndarray", message: str) -> None:
    with pytest.raises(DataError, match=rf"m\.mat: {message}"):
        of_subjects(PATH, "sim", array, (3, 3), IMAGES)


def test_a_matrix_that_is_not_symmetric_is_refused() -> None:
    turned = ABC.copy()
    turned[2, 1] += 4e-6
    with pytest.raises(
        DataError, match=r"not symmetric, it has 3 for b\.jpg with c\.jpg and 3\.000004 the other way round"
    ):
        upper_triangles(PATH, turned[None], IMAGES, zero_diagonal=True)
    turned[2, 1] = 3.0 + 2e-6
    np.testing.assert_array_equal(upper_triangles(PATH, turned[None], IMAGES, zero_diagonal=True), [[1.0, 2.0, 3.0]])
    turned[2, 1] = math.nan
    with pytest.raises(DataError, match=r"not symmetric, it has 3 for b\.jpg with c\.jpg and nan the other way round"):
        upper_triangles(PATH, turned[None], IMAGES, zero_diagonal=True)


def test_the_subject_whose_matrix_is_not_symmetric_is_named() -> None:
    turned = np.stack([ABC, ABC, ABC])
    turned[1, 0, 2], turned[2, 2, 0] = 2.5, 1.5  # whose mean is symmetric
    with pytest.raises(
        DataError, match=r"the matrix of subject 2 is not symmetric, it has 2\.5 for a\.jpg with c\.jpg and 2 the other"
    ):
        upper_triangles(PATH, turned, IMAGES, zero_diagonal=True)


def test_subjects_of_different_sizes_are_refused() -> None:
    cells = np.empty((1, 3), dtype=object)
    cells[0] = [ABC, ABC[:2, :2], ABC]
    with pytest.raises(
        DataError, match=r"m\.mat: sim holds subjects of different sizes, 2 x 2 and 3 x 3: leave one size"
    ):
        of_subjects(PATH, "sim", cells, (3, 3), IMAGES)


def test_values_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(DataError, match=r"m\.mat: all 3 pairs have the value 0\.5: take the published file"):
        averaged(PATH, np.array([[0.2, 0.8, 0.5], [0.8, 0.2, 0.5]]), IMAGES)


def test_dissimilarities_to_itself_must_be_zero() -> None:
    likeness = ABC + np.diag([0.0, 5.0, 5.0])
    with pytest.raises(DataError, match=r"m\.mat holds no dissimilarities, it has 5 for b\.jpg and itself"):
        upper_triangles(PATH, likeness[None], IMAGES, zero_diagonal=True)
    np.testing.assert_array_equal(upper_triangles(PATH, likeness[None], IMAGES, zero_diagonal=False), [[1.0, 2.0, 3.0]])


def test_a_pair_that_nobody_judged_is_named() -> None:
    with pytest.raises(DataError, match=r"m\.mat: nobody judged a\.jpg with c\.jpg \(nor 1 other pairs\)"):
        averaged(PATH, np.array([[1.0, math.nan, math.nan]]), IMAGES)
    subjects = of_subjects(PATH, "sim", np.full((2, 3), [math.nan, 1.0, 2.0]), (3,), IMAGES)
    with pytest.raises(DataError, match=r"nobody judged a\.jpg with b\.jpg: leave out such pictures"):
        averaged(PATH, subjects, IMAGES)


def test_a_variable_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"sim": np.eye(3)})
    content = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(content + content[128:])  # without its header once more
    with pytest.raises(DataError, match=r'a\.mat is no whole MATLAB file \(Duplicate variable name "sim"'):
        variables(tmp_path / "a.mat")
