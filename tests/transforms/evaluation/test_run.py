"""What a transform has seen, everything it is judged on, and the folder that is left."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from alignbench.datasets import shapes
from alignbench.datasets.human_matrices import HumanMatrix
from alignbench.datasets.image_folder import image_folder, labelled_folder
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.extraction.features import Reading
from alignbench.report.figures.similarity import similarity_figure, tree_order
from alignbench.transforms import AffineTransform
from alignbench.transforms.evaluation import downstream
from alignbench.transforms.evaluation import measures as evaluation
from alignbench.transforms.evaluation import run as evaluation_job
from alignbench.transforms.evaluation.folder import (
    Evaluated,
    evaluation_frame,
    find_evaluated,
    is_evaluated,
    read_evaluation,
    write_evaluated,
)
from alignbench.transforms.evaluation.leakage import judged_triplets, sample_of_images, sample_of_matrix
from alignbench.transforms.evaluation.odd_one_out import triplets_of
from alignbench.transforms.evaluation.run import Evidence, Labelled, evaluate, run_evaluation
from alignbench.transforms.learning.run import digest_of_images
from alignbench.transforms.named import Chosen

Floats = NDArray[np.float64]
WIDTH = 6


@pytest.fixture(scope="module")
def triplets() -> Judgments:
    return shapes.read("high", None, ("trainset",)).limited(60)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 12 pictures."""
    root = tmp_path_factory.mktemp("pictures")
    for label in ("cats", "dogs"):
        (root / label).mkdir()
        for number in range(12):
            Image.new("RGB", (8, 8), (20 * number, 9 * len(label), 100)).save(root / label / f"{label}{number:02d}.png")
    return root


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downstream, "PENALTIES", (1.0,))
    monkeypatch.setattr(evaluation, "RESAMPLES", 20)


def transform(**provenance: Any) -> Chosen:
    weights = np.eye(WIDTH) + 0.2 * np.random.default_rng(0).normal(size=(WIDTH, WIDTH))
    return Chosen("turn", AffineTransform(weights, 0.1, 1.2, np.full(WIDTH, 0.3), provenance))


def features_of(images: ImageSource) -> Floats:
    """Features by the names of pictures."""
    return np.stack([np.random.default_rng(list(name.encode())).normal(size=WIDTH) for name in images.names])


def matrix_of(root: Path) -> HumanMatrix:
    images = image_folder(root)
    count = len(images.names)
    values = np.random.default_rng(2).uniform(size=count * (count - 1) // 2)
    return HumanMatrix("people", images, values, "dissimilarity", "")


# --------------------------------------------------------------------------------------- what it has seen


def told(judgments: Judgments, learned: slice, held_out: slice = slice(0, 0)) -> dict[str, Any]:
    """Provenance of a transform that was learned on some of the pictures."""
    names = list(judgments.images.names)
    return {
        "dataset": "shapes-high",
        "learned_objects": names[learned],
        "held_out_objects": names[held_out],
    }


def test_only_triplets_of_unseen_objects_are_judged(triplets: Judgments) -> None:
    every, count = triplets_of(triplets), len(triplets.images.names)
    half = count // 2
    chosen = transform(**told(triplets, slice(0, half), slice(half, count)))
    kept, sample = judged_triplets(chosen, "shapes-high", triplets, False)
    expected = [triplet for triplet in every.tolist() if min(triplet) >= half]
    assert kept.tolist() == expected
    assert 0 < len(expected) < len(every)
    assert sample == "held-out objects"


def test_new_objects_are_not_seen_and_held_out_ones_are_said(triplets: Judgments) -> None:
    every = triplets_of(triplets)
    for provenance, sample in (
        ({"dataset": "shapes-high", "learned_objects": ["another"], "held_out_objects": ["a third"]}, "not seen"),
        (told(triplets, slice(0, 0), slice(0, 5)), "held-out objects"),
    ):
        kept, found = judged_triplets(transform(**provenance), "shapes-high", triplets, False)
        np.testing.assert_array_equal(kept, every)
        assert found == sample


def test_seen_objects_are_judged_only_if_asked_for_and_marked(triplets: Judgments) -> None:
    chosen = transform(**told(triplets, slice(0, 1000)))
    with pytest.raises(DataError, match=r"every triplet of shapes-high names an object that turn was learned on: .*"):
        judged_triplets(chosen, "shapes-high", triplets, False)
    kept, sample = judged_triplets(chosen, "shapes-high", triplets, True)
    assert (len(kept), sample) == (60, "in-sample")
    new = transform(dataset="shapes-high", learned_objects=["another"])
    assert judged_triplets(new, "shapes-high", triplets, True)[1] == "not seen", "nothing of it was learned on"


@pytest.mark.parametrize(
    ("provenance", "dataset", "sample"),
    [
        ({"sha256": "0", "model": "clip_ViT-L/14"}, "things", "may be in-sample"),
        ({"sha256": "0", "model": "clip_ViT-L/14"}, "shapes-high", "not seen"),
        ({"dataset": "things"}, "things", "may be in-sample"),
        ({"dataset": "things", "learned_objects": ["aardvark"]}, "shapes-high", "not seen"),
        ({}, "shapes-high", "unknown"),
        ({"layer": "projection", "model": "clip"}, "things", "unknown"),
    ],
)
def test_what_is_known_of_other_data(
    triplets: Judgments, provenance: dict[str, Any], dataset: str, sample: str
) -> None:
    kept, found = judged_triplets(transform(**provenance), dataset, triplets, False)
    assert (len(kept), found) == (60, sample)


def test_pictures_of_the_local_term_are_in_sample(pictures: Path) -> None:
    files, drawn = image_folder(pictures), shapes.labelled_scenes(2)[0]
    learned = transform(local_images=digest_of_images(files))
    assert sample_of_images(learned, files) == "in-sample"
    assert sample_of_images(learned, image_folder(pictures / "cats")) == "not seen"
    assert sample_of_images(transform(local_images=None), files) == "not seen"
    assert sample_of_images(transform(sha256="0"), files) == "may be in-sample", "theirs were ImageNet's"
    assert sample_of_images(transform(sha256="0"), drawn) == "not seen"
    assert sample_of_images(transform(), files) == "unknown"


def test_no_transform_is_learned_from_a_matrix(pictures: Path) -> None:
    for provenance, sample in (({"dataset": "things"}, "not seen"), ({"sha256": "0"}, "not seen"), ({}, "unknown")):
        assert sample_of_matrix(transform(**provenance), matrix_of(pictures)) == sample


def test_packaged_classes_are_not_those_of_the_packaged_local_term() -> None:
    learned_on = set(shapes.read("middle", None, ("trainset",)).images.names)
    assert learned_on.isdisjoint(shapes.labelled_scenes()[0].names)


# --------------------------------------------------------------------------------------------- everything


def all_evidence(triplets: Judgments, pictures: Path) -> Evidence:
    images, labels, _ = labelled_folder(pictures)
    return Evidence(
        dataset="shapes-high",
        judgments=triplets,
        ceiling=0.7,
        matrices=(matrix_of(pictures),),
        local=("local", image_folder(pictures)),
        labelled=Labelled("classes", images, labels),
    )


def test_everything_there_is_makes_one_table(triplets: Judgments, pictures: Path) -> None:
    evidence = all_evidence(triplets, pictures)
    found = evaluate(transform(dataset="things", local_images=None), evidence, features_of)
    counts = {"rsa": 4, "odd-one-out": 2, "local structure": 6, "few-shot": 1, "anomaly": 1}
    assert [row.task for row in found.rows] == [task for task, count in counts.items() for _ in range(count)]
    assert {row.sample for row in found.rows} == {"not seen"}
    assert found.title == "people"
    assert [row.data for row in found.rows if row.task in ("odd-one-out", "few-shot")] == ["shapes-high"] * 2 + [
        "classes"
    ]


def test_similarities_are_those_of_the_first_evidence(triplets: Judgments, pictures: Path) -> None:
    evidence = all_evidence(triplets, pictures)
    chosen = transform(dataset="things", local_images=None)

    def cosine(x: Floats) -> Floats:
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        return np.asarray(x @ x.T)

    def after(x: Floats) -> Floats:
        return np.asarray((x - 0.1) / 1.2 @ chosen.transform.weights + 0.3)

    people = evaluate(chosen, evidence, features_of)
    x = features_of(evidence.matrices[0].images)
    np.testing.assert_allclose(people.matrices["before"], cosine(x), atol=1e-12)
    np.testing.assert_allclose(people.matrices["after"], cosine(after(x)), atol=1e-12)
    said = people.matrices["people"]
    assert said[3, 1] == said[1, 3] == -evidence.matrices[0].values[23 + 1]  # pairs of 0 come first, then (1, 2)
    assert np.isnan(np.diagonal(said)).all()
    learned = transform(**told(triplets, slice(0, 20)))
    choices = evaluate(learned, replace(evidence, matrices=()), features_of)
    assert choices.title == "shapes-high, not seen"
    kept = np.unique(judged_triplets(learned, "shapes-high", triplets, False)[0])
    np.testing.assert_allclose(choices.matrices["before"], cosine(features_of(triplets.images)[kept]), atol=1e-12)
    shuffled = evidence.labelled
    assert shuffled is not None
    labels = np.tile([1, 0], 12)
    classes = evaluate(chosen, Evidence(labelled=replace(shuffled, labels=labels)), features_of)
    by_class = features_of(shuffled.images)[np.argsort(labels, kind="stable")]
    np.testing.assert_allclose(classes.matrices["before"], cosine(by_class), atol=1e-12)


def test_evidence_that_cannot_be_used_is_refused(triplets: Judgments, pictures: Path) -> None:
    with pytest.raises(UsageError, match="nothing to judge the transform on: name triplets, matrices, or folders"):
        evaluate(transform(), Evidence(), features_of)
    with pytest.raises(UsageError, match="unknown similarity 'cosin': did you mean cosine"):
        evaluate(transform(), Evidence("shapes-high", triplets, similarity="cosin"), features_of)
    with pytest.raises(UsageError, match="shapes-low has no odd-one-out triplets"):
        evaluate(transform(), Evidence("shapes-low", shapes.read("low", None, ("test",)).limited(4)), features_of)
    with pytest.raises(UsageError, match="the human matrix people is named twice: name one folder of it"):
        evaluate(transform(), Evidence(matrices=(matrix_of(pictures),) * 2), features_of)


# --------------------------------------------------------------------------------------------- the folder


@pytest.fixture
def judge(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Path, bool]]:
    """Judges on the neighbourhoods of the pictures, without a model; counts passes over them in `judge.passes`."""

    def extract(tower: object, images: ImageSource, layers: list[Any], *_: object, **__: object) -> dict[str, Floats]:
        judged.passes += 1
        return {layers[0].name: features_of(images).astype(np.float32)}

    def draw(found: Evaluated, folder: Path) -> None:
        for suffix in ("png", "svg"):
            (folder / f"similarity.{suffix}").write_text(found.title)

    def judged(chosen: Chosen | None = None, **options: Any) -> tuple[Path, bool]:
        evidence = options.pop("evidence", Evidence(local=("pictures", image_folder(pictures))))
        tower: Any = SimpleNamespace(fingerprint="f")
        layer: Any = SimpleNamespace(name="projection")
        options = {"draw": draw} | options
        reading = Reading("cls", "fp32", "cpu", 16, 0)
        return run_evaluation(
            chosen or transform(), evidence, tower, "hub:my/clip", layer, reading, tmp_path / "judged", **options
        )

    judged.passes = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(evaluation_job, "extract_features", extract)
    return judged


def test_a_folder_is_made_once_and_again_if_asked(judge: Any) -> None:
    folder, there = judge()
    assert not there
    assert is_evaluated(folder)
    assert folder.name.startswith("hub--my--clip@turn__evaluation__")
    assert judge() == (folder, True)
    assert judge.passes == 1
    (folder / "note.txt").write_text("old")
    assert judge(overwrite=True) == (folder, False)
    assert judge.passes == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        "evaluated.json",
        "evaluation.csv",
        "similarities.npz",
        "similarity.png",
        "similarity.svg",
    ]


def test_what_can_change_a_number_or_a_mark_makes_another_folder(
    judge: Any, triplets: Judgments, pictures: Path
) -> None:
    matrix = matrix_of(pictures)
    other = replace(matrix, values=matrix.values[::-1])
    folders = [
        judge()[0],
        judge(seed=1)[0],
        judge(transform(dataset="things"))[0],  # the same numbers, of which more is known
        judge(evidence=Evidence(local=("cats", image_folder(pictures / "cats"))))[0],
        judge(evidence=Evidence(matrices=(matrix,)))[0],
        judge(evidence=Evidence(matrices=(other,)))[0],
        judge(evidence=Evidence("shapes-high", triplets))[0],
        judge(evidence=Evidence("shapes-high", triplets, similarity="dot"))[0],
        judge(evidence=Evidence("shapes-high", triplets, in_sample=True))[0],
    ]
    assert len(set(folders)) == len(folders)


def test_it_is_read_back_as_it_was(judge: Any, pictures: Path) -> None:
    chosen = transform(dataset="things", learned_objects=["aardvark"], objective="global")
    folder, _ = judge(chosen)
    frame, record = read_evaluation(folder)
    found = evaluate(
        chosen,
        Evidence(local=("pictures", image_folder(pictures))),
        lambda images: features_of(images).astype(np.float32).astype(np.float64),
    )
    expected = evaluation_frame(found.rows)
    assert frame.columns.tolist() == expected.columns.tolist()
    for name in frame:
        if expected[name].dtype.kind in "fi":
            np.testing.assert_allclose(frame[name].to_numpy(float), expected[name].to_numpy(float), rtol=1e-12)
        else:
            assert frame[name].tolist() == expected[name].tolist()
    assert frame["after_low"].isna().all()
    assert record["settings"]["transform"]["name"] == "turn"
    assert record["provenance"] == {"dataset": "things", "objective": "global"}, "names of objects are in the file"
    assert record["title"] == "pictures"
    with np.load(folder / "similarities.npz") as arrays:
        assert sorted(arrays.files) == ["after", "before"]
        np.testing.assert_allclose(arrays["after"], found.matrices["after"], atol=1e-6)


def test_a_folder_is_whole_or_absent(judge: Any, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("drawing failed")

    with pytest.raises(RuntimeError, match="drawing failed"):
        judge(draw=fail)
    assert list((tmp_path / "judged").iterdir()) == []
    folder, _ = judge()
    kept = (folder / "evaluation.csv").read_bytes()
    with pytest.raises(RuntimeError, match="drawing failed"):
        judge(draw=fail, overwrite=True)
    assert list((tmp_path / "judged").iterdir()) == [folder]
    assert (folder / "evaluation.csv").read_bytes() == kept


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("in the way")
    found = Evaluated((), "nothing", {})
    with pytest.raises(AlignbenchError, match=r"judged__0 cannot be written \(.*\): choose another --output"):
        write_evaluated(tmp_path / "blocked" / "judged__0", found, {}, lambda *_: None)


def test_folders_are_found_at_and_below_a_place(judge: Any, tmp_path: Path) -> None:
    first, second = judge()[0], judge(seed=1)[0]
    (first.parent / ".tmp-0-host-1").mkdir()
    (first.parent / ".tmp-0-host-1" / "evaluated.json").write_text("{}")
    assert find_evaluated([first.parent]) == sorted([first, second])
    assert find_evaluated([second, tmp_path / "none"]) == [second]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("evaluated.json", "{", "does not hold a judged transform that can be read"),
        ("evaluated.json", "[]", r"evaluated\.json lacks what a judged transform says of itself"),
        ("evaluated.json", '{"settings": {}}', r"evaluated\.json lacks what a judged transform says of itself"),
        ("evaluation.csv", "", "does not hold a judged transform that can be read"),
        ("evaluation.csv", "model,dataset\n", r"evaluation\.csv does not hold the columns of a judged transform"),
    ],
)
def test_damaged_folders_are_refused(judge: Any, file: str, content: str, reason: str) -> None:
    folder, _ = judge()
    (folder / file).write_text(content)
    with pytest.raises(DataError, match=f"{reason}: judge (it|the transform) again"):
        read_evaluation(folder)


# --------------------------------------------------------------------------------------------- the figure


def blocks() -> tuple[Floats, list[int]]:
    """Similarities of 15 pictures in three groups, mixed up; and the group of each."""
    rng = np.random.default_rng(4)
    groups = rng.permutation(np.repeat(np.arange(3), 5))
    noise = rng.uniform(0, 0.3, (15, 15))
    return np.where(groups[:, None] == groups, 0.9, 0.1) + (noise + noise.T) / 4, groups.tolist()


@pytest.mark.parametrize("diagonal", [1.0, math.nan])
def test_like_pictures_stand_together(diagonal: float) -> None:
    matrix, groups = blocks()
    np.fill_diagonal(matrix, diagonal)
    order = tree_order(matrix)
    assert sorted(order) == list(range(15))
    shown = [groups[index] for index in order]
    assert sum(one != other for one, other in pairwise(shown)) == 2, "three groups, two borders"
    assert tree_order(matrix[:2, :2]).tolist() == [0, 1]


def test_matrices_are_drawn_in_one_order_with_scales_of_their_own() -> None:
    matrix, _ = blocks()
    before = np.random.default_rng(5).uniform(-1, 1, (15, 15))
    people = np.where(np.eye(15, dtype=bool), math.nan, -before)
    for matrices in ({"before": before, "after": matrix}, {"before": before, "after": matrix, "people": people}):
        figure = similarity_figure("cats & dogs", matrices)
        order = tree_order(matrices.get("people", matrix))
        images = [axis.images[0] for axis in figure.axes if axis.images]
        assert len(images) == len(matrices)
        for drawn, (name, whole) in zip(images, matrices.items(), strict=True):
            np.testing.assert_array_equal(drawn.get_array().filled(math.nan), whole[np.ix_(order, order)])
            ends = np.quantile(whole[~np.eye(15, dtype=bool)], [0.01, 0.99])
            np.testing.assert_allclose(drawn.get_clim(), ends, err_msg=name)
        said = figure.get_suptitle()
        assert said.startswith("cats & dogs: 15 pictures")
        assert said.endswith("what people said" if "people" in matrices else "the similarities after")
