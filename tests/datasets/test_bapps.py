"""BAPPS against plain loops over its files: options, shares, subsets, scores, and what is refused."""

import io
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import alignbench
from agreeing import memberships, pairs_of
from alignbench.cli.main import main
from alignbench.datasets.bapps import BAPPS
from alignbench.errors import AlignbenchWarning, DataError, UsageError
from layouts import BAPPS_TYPES, write_bapps
from reference import embed

TRIPLETS = 6
SPLITS = {split: tuple(f"{split}/{kind}" for kind in types) for split, types in BAPPS_TYPES.items()}
SUBSETS = SPLITS | {group.replace("/", "-"): (group,) for groups in SPLITS.values() for group in groups}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "bapps"
    write_bapps(folder, TRIPLETS)
    return folder


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """Shares that may be changed, and pictures, which no test writes into, under second names of the same files."""
    return Path(shutil.copytree(root, tmp_path / "bapps", copy_function=link_pictures))


def link_pictures(source: str, target: str) -> None:
    if source.endswith(".png"):
        os.link(source, target)
    else:
        shutil.copy(source, target)


def stems(root: Path, subset: str) -> list[tuple[Path, str]]:
    """Folder and number of every triplet of a subset, in the order of types and numbers."""
    folders = [root / "2afc" / group for group in SUBSETS[subset]]
    return [(folder, f"{number:06d}") for folder in folders for number in range(TRIPLETS)]


def shares(root: Path, subset: str) -> NDArray[np.float64]:
    return np.array([np.load(folder / "judge" / f"{stem}.npy").item() for folder, stem in stems(root, subset)])


@pytest.mark.parametrize("subset", SUBSETS)
def test_options_are_the_reference_with_p0_and_with_p1(root: Path, subset: str) -> None:
    judgments = BAPPS.read(root, (subset,))
    expected = [
        [{folder / "ref" / f"{stem}.png", folder / side / f"{stem}.png"} for side in ("p0", "p1")]
        for folder, stem in stems(root, subset)
    ]
    assert pairs_of(judgments, root) == expected
    assert judgments.human.tolist() == shares(root, subset).tolist()
    assert judgments.kind == "preference"
    assert judgments.ids == tuple(f"{folder.parent.name}/{folder.name}/{stem}" for folder, stem in stems(root, subset))
    assert memberships(judgments.subsets[0].clusters.tolist()) == [[row] for row in range(len(expected))]
    assert len(judgments.images.names) == 3 * len(expected)


def test_the_documented_subsets_are_the_ones_there_are() -> None:
    assert set(BAPPS.subsets) == set(SUBSETS)
    assert BAPPS.default_subset == "val"
    assert BAPPS.corrected is not None
    assert (BAPPS.corrected.subsets, BAPPS.corrected.calibration) == (("val",), "train")


def test_subsets_of_one_run_share_their_triplets(root: Path) -> None:
    judgments = BAPPS.read(root, ("val-cnn", "val", "train-mix"))
    cnn, val, mix = judgments.subsets
    assert len(judgments.ids) == 7 * TRIPLETS
    assert set(cnn.rows) < set(val.rows)
    assert not set(mix.rows) & set(val.rows)


def test_parts_are_the_types(root: Path) -> None:
    judgments = BAPPS.read(root, ("val",))
    assert [part.name for part in judgments.parts] == [f"type_{kind}" for kind in BAPPS_TYPES["val"]]
    for part in judgments.parts:
        kind = part.name.removeprefix("type_")
        assert [judgments.ids[row] for row in part.rows] == [f"val/{kind}/{n:06d}" for n in range(TRIPLETS)]


def test_the_folder_may_lie_in_dataset(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "clone" / "dataset")
    below, beside = BAPPS.read(tmp_path / "clone", ("val",)), BAPPS.read(root, ("val",))
    assert below.ids == beside.ids
    assert below.human.tolist() == beside.human.tolist()
    assert below.images.identities() == beside.images.identities()
    assert below.images.names[0] == "dataset/2afc/val/traditional/ref/000000.png"


# --- Scores ---------------------------------------------------------------------------------------------------------


def two_afc(first: NDArray[np.float64], second: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """judge [d1 < d0] + (1 - judge) [d0 < d1] + 1/2 [d0 = d1], one triplet at a time."""
    scores = []
    for d0, d1, judge in zip(first, second, share, strict=True):
        scores.append(0.5 if d0 == d1 else judge if d1 < d0 else 1.0 - judge)
    return float(np.mean(scores))


def pixel_distances(root: Path, subset: str, side: str) -> NDArray[np.float64]:
    """Root mean square difference at 64 x 64 pixels, in [0, 1]."""

    def pixels(path: Path) -> NDArray[np.float64]:
        image = Image.open(path).convert("RGB").resize((64, 64), Image.Resampling.BICUBIC)
        return np.asarray(image, dtype=np.float64) / 255.0

    found = [
        np.sqrt(((pixels(f / "ref" / f"{stem}.png") - pixels(f / side / f"{stem}.png")) ** 2).mean())
        for f, stem in stems(root, subset)
    ]
    return np.array(found)


def test_scores_overall_and_by_type_equal_the_formula_of_the_paper(root: Path) -> None:
    curve = alignbench.measure("pixels", "bapps", data_root=root, workers=0)
    rows = curve.frame.set_index(["subset", "metric"])["value"]
    for subset in ("val", *(f"type_{kind}" for kind in BAPPS_TYPES["val"])):
        whole = subset.replace("type_", "val-")
        expected = two_afc(*(pixel_distances(root, whole, side) for side in ("p0", "p1")), shares(root, whole))
        assert rows[subset, "accuracy"] == pytest.approx(expected, abs=1e-12)
    judge = shares(root, "val")
    assert rows["val", "ceiling_attainable"] == pytest.approx(np.maximum(judge, 1.0 - judge).mean(), abs=1e-12)
    assert set(curve.main()["subset"]) == {"val"}
    assert curve.best("euclidean")["value"] == rows["val", "accuracy"]


def test_types_that_are_asked_for_come_alone(root: Path) -> None:
    curve = alignbench.measure("pixels", "bapps", data_root=root, workers=0, subsets=("val-color", "val-cnn"))
    assert list(dict.fromkeys(curve.frame["subset"])) == ["val-color", "val-cnn"]


def test_channel_means_of_the_corrected_protocol_come_from_train(root: Path, tiny_tower: Callable[[str], Path]) -> None:
    model = tiny_tower("clip")
    curve = alignbench.measure(
        str(model), "bapps", data_root=root, workers=0, protocol="corrected", distances=("normalized_euclidean",)
    )
    features = {}
    for split in ("val", "train"):
        paths = [f / side / f"{stem}.png" for f, stem in stems(root, split) for side in ("ref", "p0", "p1")]
        features[split] = embed(model, paths)["layer_2"]

    def differences(split: str) -> NDArray[np.float64]:
        """(triplets, 2, channels)."""
        tokens = np.stack(features[split]).reshape(-1, 3, *features[split][0].shape)
        return ((tokens[:, :1] - tokens[:, 1:]) ** 2).mean(axis=2)

    means = differences("train").reshape(-1, differences("train").shape[-1]).mean(axis=0)
    distances = np.sqrt((differences("val") / means).mean(axis=-1))
    expected = two_afc(distances[:, 0], distances[:, 1], shares(root, "val"))
    found = curve.frame.query("subset == 'val' and layer == 'layer_2' and metric == 'accuracy'")
    assert found["value"].item() == pytest.approx(expected, abs=1e-12)
    assert found["n"].item() == 6 * TRIPLETS


# --- Files that are not as they should be ---------------------------------------------------------------------------


def as_array(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ">f8", np.int64])
@pytest.mark.parametrize("shape", [(1,), (), (1, 1)])
def test_a_share_is_read_whatever_number_it_is(copy: Path, dtype: str, shape: tuple[int, ...]) -> None:
    value = np.full(shape, 1 if dtype is np.int64 else 0.4, dtype=dtype)
    np.save(copy / "2afc/val/cnn/judge/000003.npy", value)
    assert BAPPS.read(copy, ("val-cnn",)).human[3] == float(value.reshape(-1)[0])


BAD = {
    "two numbers": (as_array(np.array([0.2, 0.4])), r"shape \(2,\) of float64"),
    "no number": (as_array(np.array([])), r"shape \(0,\) of float64"),
    "text": (as_array(np.array(["0.2"])), r"shape \(1,\) of <U3"),
    "complex": (as_array(np.array([0.2j])), r"of complex128"),
    "object": (as_array(np.array([None], dtype=object)), "(?i)pickle|object"),
    "pickle": (pickle.dumps(0.4), "no .npy file"),
    "archive": (b"PK\x03\x04" + bytes(200), "no .npy file"),
    "empty": (b"", "no .npy file"),
    "short": (as_array(np.array([0.4]))[:-4], "(?i)buffer"),
    "cut header": (as_array(np.array([0.4]))[:40], "header"),
    "two arrays": (2 * as_array(np.array([0.4])), "goes on behind its number"),
    "trailing": (as_array(np.array([0.4])) + b"\n", "goes on behind its number"),
    "above 1": (as_array(np.array([1.2])), r"share 1\.2 is not from 0 to 1"),
    "below 0": (as_array(np.array([-0.2])), r"share -0\.2 is not from 0 to 1"),
    "no finite number": (as_array(np.array([np.nan])), "share nan is not from 0 to 1"),
}


@pytest.mark.parametrize("content", BAD)
def test_a_bad_share_is_refused_in_a_line(copy: Path, content: str) -> None:
    (copy / "2afc/val/color/judge/000002.npy").write_bytes(BAD[content][0])
    with pytest.raises(DataError, match=BAD[content][1]) as refused:
        BAPPS.read(copy, ("val",))
    assert f"{copy}/2afc/val/color/judge/000002.npy" in str(refused.value)
    assert str(refused.value).endswith("download it again")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("side", ["ref", "p0", "p1"])
def test_a_share_without_pictures_is_refused(copy: Path, side: str, capsys: pytest.CaptureFixture[str]) -> None:
    (copy / f"2afc/val/deblur/{side}/000004.png").unlink()
    with pytest.raises(DataError, match=rf"1 of 108 images .* 2afc/val/deblur/{side}/000004\.png \(missing\)"):
        BAPPS.read(copy, ("val",)).images.identities()
    assert main(["datasets", "check", "bapps", "--data-root", str(copy)]) == 1
    assert f"2afc/val/deblur/{side}/000004.png (missing)" in capsys.readouterr().out


@pytest.mark.parametrize("sides", [("ref", "p0", "p1"), ("p1",)])
def test_pictures_without_a_share_are_refused(copy: Path, sides: tuple[str, ...]) -> None:
    for side in sides:
        shutil.copy(copy / f"2afc/val/cnn/{side}/000000.png", copy / f"2afc/val/cnn/{side}/000099.png")
    with pytest.raises(DataError, match=r"cnn/judge/000099\.npy is missing, and its pictures are not: complete the"):
        BAPPS.read(copy, ("val",))


def test_endings_in_capitals_are_read(copy: Path, root: Path) -> None:
    folder = copy / "2afc/val/cnn"
    (folder / "judge/000002.npy").rename(folder / "judge/000002.NPY")
    (folder / "p0/000003.png").rename(folder / "p0/000003.Png")
    (folder / "ref/000001.png").rename(folder / "ref/000001.PNG")
    found, expected = (BAPPS.read(place, ("val-cnn",)) for place in (copy, root))
    assert (found.ids, found.human.tolist()) == (expected.ids, expected.human.tolist())
    assert found.images.identities() == expected.images.identities()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("judge/0.npy", r"cnn/judge/0\.npy: expected a name like 000123\.npy: rename it, or take it out"),
        ("judge/0000000.npy", r"cnn/judge/0000000\.npy: expected a name like 000123\.npy"),
        ("judge/000000 (1).npy", r"cnn/judge/000000 \(1\)\.npy: expected a name like"),
        ("p1/1.PNG", r"cnn/p1/1\.PNG: expected a name like 000123\.png"),
        ("judge/000000.NPY", r"cnn/judge holds 000000\.NPY and 000000\.npy: leave the one that was published"),
        ("ref/000002.PNG", r"cnn/ref holds 000002\.PNG and 000002\.png: leave the one"),
    ],
)
def test_a_number_in_another_spelling_is_refused(copy: Path, made: str, said: str) -> None:
    (copy / "2afc/val/cnn" / made).touch()
    with pytest.raises(DataError, match=said):
        BAPPS.read(copy, ("val",))


def test_a_share_of_another_number_of_people_is_said(copy: Path) -> None:
    for kind, share in (("val/cnn", 0.5), ("train/cnn", 0.2)):
        for number in (2, 4):
            np.save(copy / "2afc" / kind / "judge" / f"00000{number}.npy", np.array([share]))
    for subset, people in (("val", 5), ("train", 2)):
        said = rf"cnn/judge/000002\.npy holds 0\.\d \(2 such in all\), which is no share of {people} people"
        with pytest.warns(AlignbenchWarning, match=said):
            BAPPS.read(copy, (subset,))


def test_two_folders_of_triplets_are_refused(copy: Path) -> None:
    (copy / "dataset").mkdir()
    (copy / "dataset/2afc").symlink_to("../2afc")
    assert len(BAPPS.read(copy, ("val-cnn",)).ids) == TRIPLETS
    (copy / "dataset/2afc").unlink()
    (copy / "dataset/2afc").mkdir()
    with pytest.raises(DataError, match=r"bapps holds both 2afc and dataset/2afc: leave the one that is meant"):
        BAPPS.read(copy, ("val",))


@pytest.mark.parametrize("place", ["judge", "ref", "p0", "p1"])
def test_a_missing_folder_is_refused(copy: Path, place: str) -> None:
    shutil.rmtree(copy / "2afc/val/superres" / place)
    with pytest.raises(DataError, match=rf"2afc/val/superres/{place} is missing: complete the download"):
        BAPPS.read(copy, ("val",))


def test_without_some_types_the_rest_is_measured_with_a_warning(copy: Path) -> None:
    for kind in ("deblur", "color"):
        shutil.rmtree(copy / "2afc/val" / kind)
    with pytest.warns(AlignbenchWarning, match="bapps val is here without deblur, color: only a part of it"):
        judgments = BAPPS.read(copy, ("val",))
    assert len(judgments.ids) == 4 * TRIPLETS
    with pytest.raises(DataError, match="2afc/val/color is missing: complete the download"):
        BAPPS.read(copy, ("val", "val-color"))


def test_without_train_the_corrected_protocol_says_what_it_needs(copy: Path) -> None:
    shutil.rmtree(copy / "2afc/train")
    with pytest.raises(DataError, match="train/traditional is missing, on which the corrected protocol fits"):
        alignbench.measure("shapes-clip", "bapps", data_root=copy, workers=0, protocol="corrected")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "jnd").mkdir()
    with pytest.raises(DataError, match="has no folder 2afc: --data-root"):
        BAPPS.read(tmp_path, ("val",))
    (tmp_path / "2afc").mkdir()
    with pytest.raises(DataError, match="2afc/val/traditional is missing: complete the download"):
        BAPPS.read(tmp_path, ("val",))


@pytest.mark.parametrize("subset", ["test", "val-mix", "train-deblur", "all"])
def test_an_unknown_subset_is_refused(root: Path, subset: str) -> None:
    with pytest.raises(UsageError, match=f"unknown subset of bapps '{subset}'"):
        BAPPS.read(root, (subset,))


def test_check_counts_triplets_pairs_and_images(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "check", "bapps", "--data-root", str(root)]) == 0
    shown = capsys.readouterr().out
    assert f"subset val: {6 * TRIPLETS} triplets\n" in shown
    assert f"{12 * TRIPLETS} distinct pairs of {18 * TRIPLETS} images" in shown
