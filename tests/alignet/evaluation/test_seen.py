"""What teacher and student have seen: what they say, what nobody says, and the worse of the two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alignbench.alignet.evaluation.seen import Seen, model_before, trained_student
from alignbench.alignet.training.seen_pictures import SeenPictures
from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import FileImages
from alignbench.errors import DataError, UsageError
from alignbench.transforms import AffineTransform
from alignbench.transforms.named import NamedTransform


def teacher(**provenance: Any) -> NamedTransform:
    return NamedTransform("teacher", AffineTransform(np.eye(2), 0.0, 1.0, None, provenance))


def write_student(root: Path, **record: Any) -> Path:
    folder = root / "student"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "student.json").write_text(json.dumps({"settings": {"model": "base"}, **record}))
    return folder


def of_triplets(name: str, **labels: Any) -> dict[str, Any]:
    return {"data": {"triplets_of": name}, "labels": {"settings": labels}}


def taught(**provenance: Any) -> Seen:
    return Seen(provenance, teacher(**provenance))


def named(*names: str) -> FileImages:
    """Pictures that are not there, so that their names alone are looked at."""
    return FileImages(Path("nowhere"), names)


def write_triplets(root: Path, *names: str) -> Path:
    folder = root / "labels"
    folder.mkdir()
    (folder / "labels.json").write_text(json.dumps({"settings": {}}))
    (folder / "names.json").write_text(json.dumps(list(names)))
    np.save(folder / "triplets.npy", np.array([[0, 1, 2]], dtype=np.int32))
    np.save(folder / "similarities.npy", np.array([[3, 1, 2]], dtype=np.float32))
    return folder


def test_the_model_before_is_named_or_the_student_says_it(tmp_path: Path) -> None:
    folder = write_student(tmp_path)
    assert model_before("other", str(folder)) == "other"
    assert model_before("", str(folder)) == "base"
    with pytest.raises(
        UsageError, match=r"plain holds no student\.json that says what it was trained from: name that by"
    ):
        model_before("", "plain")
    write_student(tmp_path, settings={"model": "shapes-clip@random-3", "random_init": True})
    assert model_before("", str(folder)) == "random:shapes-clip"
    for content in ("{", "[]", "{}", '{"settings": {"model": 3}}', '{"settings": {"model": "a"}, "data": 1}'):
        (folder / "student.json").write_text(content)
        with pytest.raises(DataError, match="does not say what the student was trained from"):
            trained_student(str(folder))


@pytest.mark.parametrize(
    ("provenance", "expected"),
    [
        ({}, "unknown"),
        ({"dataset": "things"}, "unknown"),
        ({"dataset": "levels"}, "may be in-sample"),
        ({"dataset": "levels", "learned_objects": ["a.png"]}, "in-sample"),
        ({"dataset": "levels", "learned_objects": ["z.png"], "held_out_objects": ["b.png"]}, "unknown"),
    ],
)
def test_judgments_are_marked_by_what_the_teacher_learned_from(provenance: dict[str, Any], expected: str) -> None:
    """Of a student that says nothing what it has seen is unknown, and not unseen."""
    assert taught(**provenance).of_judgments("levels", named("a.png", "b.png")) == expected


def test_a_student_has_seen_the_pictures_of_its_triplets(tmp_path: Path) -> None:
    labels = write_triplets(tmp_path, "x/one.png", "x/two.png", "y/three.png")
    seen = Seen.by(str(write_student(tmp_path, **of_triplets("labels"))), teacher(dataset="things"))
    assert seen.of_judgments("levels", named("train/one.png")) == "may be in-sample"
    assert seen.of_judgments("levels", named("train/four.png")) == "not seen"
    learned = {"dataset": "levels", "learned_objects": ["z"], "held_out_objects": ["four.png"]}
    assert Seen(learned, None, seen.pictures).of_judgments("levels", named("four.png")) == "held-out objects"
    assert Seen(None, None, seen.pictures).of_pictures(named("four.png")) == "unknown"
    assert Seen(None, None, seen.pictures).of_pictures(named("two.png")) == "may be in-sample"
    assert seen.of_triplets(labels, named("two.png")) == "in-sample"
    assert seen.of_triplets(tmp_path / "others", named("two.png")) == "may be in-sample"
    assert seen.of_triplets(tmp_path / "others", named("four.png")) == "not seen"


def test_pictures_are_told_by_what_is_in_their_files(tmp_path: Path) -> None:
    """Many data sets have a `0001.png`: another file of that name is neither the same picture nor unseen."""

    def pictures(folder: str, **shades: int) -> FileImages:
        (tmp_path / folder).mkdir()
        for name, shade in shades.items():
            Image.new("RGB", (8, 8), (shade, 0, 0)).save(tmp_path / folder / f"{name}.png")
        return image_folder(tmp_path / folder)

    student = write_student(tmp_path, **of_triplets("gone", space="raw"))
    trained = pictures("trained", one=1, two=2)
    SeenPictures.of(trained.names, trained.identities()).write(student)
    seen = Seen.by(str(student), None)
    asked = {"same": {"five": 2}, "named": {"one": 9}, "new": {"five": 9}}
    found = {name: pictures(name, **shades) for name, shades in asked.items()}
    expected = {"same": "may be in-sample", "named": "same file names", "new": "not seen"}
    assert {name: seen.of_judgments("levels", images) for name, images in found.items()} == expected
    assert {name: seen.of_pictures(images) for name, images in found.items()} == expected
    assert {name: seen.of_triplets(tmp_path / "x", images) for name, images in found.items()} == expected
    assert Seen(None, None, seen.pictures).of_pictures(found["named"]) == "unknown", "of another teacher"


def test_labels_say_what_the_teacher_learned_from(tmp_path: Path) -> None:
    write_triplets(tmp_path, "one.png", "two.png", "three.png")

    def seen(given: NamedTransform | None = None, **labels: Any) -> Seen:
        return Seen.by(str(write_student(tmp_path, **of_triplets("labels", **labels))), given)

    other = named("four.png")
    untransformed = seen(space="raw")
    assert (untransformed.of_judgments("things", named("four.png")), untransformed.of_pictures(other)) == (
        "not seen",
    ) * 2
    assert seen(space="transformed").of_judgments("things", named("four.png")) == "unknown"
    assert seen(released="alignet_train.npz").of_judgments("things", named("four.png")) == "may be in-sample"
    assert seen(released="alignet_train.npz").of_judgments("levels", named("four.png")) == "not seen"
    mine = teacher(dataset="things", learned_objects=["four.png"])
    told = {"name": "teacher", "sha256": mine.digest}
    assert seen(mine, space="transformed", transform=told).of_judgments("things", named("four.png")) == "in-sample"
    with pytest.raises(UsageError, match=r"--teacher teacher: .* were labelled by another, teacher; leave it out"):
        seen(mine, space="transformed", transform={"name": "teacher", "sha256": "0"})
    with pytest.raises(UsageError, match="were labelled by none; leave it out"):
        seen(mine, space="raw")


def test_triplets_that_are_gone_leave_pictures_unknown(tmp_path: Path) -> None:
    folders = ("plain", str(write_student(tmp_path)), str(write_student(tmp_path, **of_triplets("gone"))))
    for folder in folders:
        seen = Seen.by(folder, None)
        assert seen.of_judgments("levels", named("a.png")) == "unknown"
        assert seen.of_triplets(tmp_path / "other", named("a.png")) == "unknown"
