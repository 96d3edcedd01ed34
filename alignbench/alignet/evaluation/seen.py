"""What a student and its teacher have seen of the data that they are judged on.

The student's folder says what it was trained from, on which triplets, and on which pictures: by their file names and by
what is in the files, since many data sets have a `0001.jpg`. The teacher's transform says which people's judgments it
was learned from. What nobody says is unknown, and never taken for unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.training.folder import RECORD
from alignbench.alignet.training.seen_pictures import SeenPictures
from alignbench.datasets.images import ImageSource
from alignbench.errors import DataError, UsageError, one_line
from alignbench.files.json_text import checked, checked_object, read_json
from alignbench.models.families import RANDOM_PREFIX
from alignbench.transforms.evaluation.leakage import (
    HELD_OUT,
    IN_SAMPLE,
    MAY_BE_IN_SAMPLE,
    NOT_SEEN,
    UNKNOWN,
    sample_of_data_set,
    sample_of_images,
)
from alignbench.transforms.named import NamedTransform

_NO_JUDGMENTS: Final = {"dataset": ""}  # of a teacher without a transform
SAME_FILE_NAMES: Final = "same file names"
_WORST_FIRST: Final = (IN_SAMPLE, MAY_BE_IN_SAMPLE, UNKNOWN, SAME_FILE_NAMES, HELD_OUT, NOT_SEEN)


@dataclass(frozen=True)
class TrainedStudent:
    """What `student.json` says.

    Attributes:
        model: The model that it was trained from, by a name that can be loaded if there is one.
        fingerprint: Digest of that model's weights; empty where it is not said.
        triplets: The place of its triplets, beside its folder; none where it is not said.
        labels: How these were labelled, as `labels.json` has it.
    """

    model: str
    fingerprint: str
    triplets: Path | None
    labels: Mapping[str, Any]


def trained_student(model: str) -> TrainedStudent | None:
    """Read what a student's folder says of its training; none if the model is no such folder.

    Args:
        model: Name of a model.

    Raises:
        DataError: If `student.json` is there and cannot be read, or names no model.
    """
    folder = Path(model).expanduser()
    if not (folder / RECORD).is_file():
        return None
    kinds: dict[str, tuple[type, ...]] = {"settings": (dict,), "data": (dict,), "labels": (dict,)}
    try:
        record = checked_object("record", read_json(folder / RECORD), kinds)
        told = {"model": (str,), "model_fingerprint": (str,), "random_init": (bool,)}
        settings = checked_object("settings", record.get("settings"), told)
        before: str = checked("settings.model", settings.get("model"), (str,))
        data = checked_object("data", record.get("data", {}), {"triplets_of": (str,)})
        labels = checked_object("labels", record.get("labels", {}), {"settings": (dict,)})
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder / RECORD} does not say what the student was trained from ({one_line(error)}): train it again, or "
            "take the file away and name --before"
        ) from error
    if settings.get("random_init"):
        before = f"{RANDOM_PREFIX}{before.rpartition('@')[0]}"
    beside = data.get("triplets_of", "")
    triplets = folder.resolve().parent / Path(beside).name if beside else None
    return TrainedStudent(before, settings.get("model_fingerprint", ""), triplets, labels.get("settings", {}))


def model_before(before: str, after: str) -> str:
    """The model before: the one that is named, or what the student was trained from.

    Args:
        before: Name of a model; empty for what the student says.
        after: Name of the model after.

    Raises:
        UsageError: If none is named, and the other is no student that says what it was trained from.
        DataError: See `trained_student`.
    """
    if before:
        return before
    student = trained_student(after)
    if student is None:
        raise UsageError(f"{after} holds no {RECORD} that says what it was trained from: name that by --before")
    return student.model


@dataclass(frozen=True)
class Seen:
    """What teacher and student have seen.

    Attributes:
        learned: Where the teacher's transform comes from, see `AffineTransform`; none where that is not known.
        teacher: The transform itself; none where it is not known, or there is none.
        pictures: The pictures that the student was trained on; none where they are not known.
        triplets: The place of its triplets; none where it is not known.
    """

    learned: Mapping[str, Any] | None = None
    teacher: NamedTransform | None = None
    pictures: SeenPictures | None = None
    triplets: Path | None = None

    @classmethod
    def by(cls, after: str, teacher: NamedTransform | None) -> Seen:
        """What a student says, if the model after is one, and its teacher.

        Args:
            after: Name of the model after.
            teacher: The teacher's transform, if it was given.

        Raises:
            UsageError: If the student was taught by another transform.
            DataError: If what it says cannot be read. Pictures that neither folder nor triplets name are unknown.
        """
        student = trained_student(after)
        if student is None:
            return cls(None if teacher is None else teacher.transform.provenance, teacher)
        pictures = SeenPictures.read(Path(after).expanduser())
        if pictures is None and student.triplets is not None and student.triplets.exists():
            pictures = SeenPictures.of(LabelledTriplets.open(student.triplets).names, None)
        return cls(_learned(student, teacher), teacher, pictures, student.triplets)

    @property
    def is_known(self) -> bool:
        """Whether anything is."""
        return self.learned is not None or self.pictures is not None

    @property
    def settings(self) -> dict[str, Any]:
        """What settles the marks of all rows."""
        return {
            "learned": None if self.learned is None else str(self.learned.get("dataset", "")),
            "teacher": None if self.teacher is None else self.teacher.settings(),
            "pictures": None if self.pictures is None else self.pictures.digest,
        }

    def of_judgments(self, dataset: str, images: ImageSource) -> str:
        """What can be said of people's judgments of pictures.

        Args:
            dataset: Name of the data set.
            images: Its pictures.
        """
        by_teacher = UNKNOWN if self.learned is None else sample_of_data_set(self.learned, dataset, images.names)
        return _worst(by_teacher, self._by_student(images))

    def of_pictures(self, images: ImageSource) -> str:
        """What can be said of pictures of which no human judgment is asked."""
        by_teacher = NOT_SEEN if self.learned == _NO_JUDGMENTS else UNKNOWN
        if self.teacher is not None:
            by_teacher = sample_of_images(self.teacher, images)
        return _worst(by_teacher, self._by_student(images))

    def of_triplets(self, place: Path, images: ImageSource) -> str:
        """What can be said of triplets that the teacher has labelled, of which the student may have learned.

        Args:
            place: Their folder or file.
            images: Their pictures.
        """
        if self.triplets is not None and place.resolve() == self.triplets.resolve():
            return IN_SAMPLE
        return self._by_student(images)

    def _by_student(self, images: ImageSource) -> str:
        """Whether the student was trained on some of these pictures.

        Another file of the same name may be another picture, as of data sets that number theirs, or the same in another
        size: nothing is claimed then.
        """
        if self.pictures is None:
            return UNKNOWN
        if self.pictures.has_contents_of(images):
            return MAY_BE_IN_SAMPLE
        return SAME_FILE_NAMES if self.pictures.has_file_names_of(images) else NOT_SEEN


def _learned(student: TrainedStudent, teacher: NamedTransform | None) -> Mapping[str, Any] | None:
    """What the teacher's transform was learned from, as far as its file or the labels say it."""
    transform = student.labels.get("transform")
    if teacher is not None:
        told = transform if isinstance(transform, dict) else {}
        known = told.get("sha256", teacher.digest)
        if known != teacher.digest or student.labels.get("space") == "raw":
            of = "none" if student.labels.get("space") == "raw" else f"another, {told.get('name')}"
            raise UsageError(f"--teacher {teacher.name}: the student's triplets were labelled by {of}; leave it out")
        return teacher.transform.provenance
    if student.labels.get("space") == "raw" or student.labels.get("teacher") == "untransformed":
        return _NO_JUDGMENTS
    if student.labels.get("released"):
        return {"dataset": "things"}  # of which objects is not published
    return None


def _worst(*samples: str) -> str:
    return min(samples, key=_WORST_FIRST.index)
