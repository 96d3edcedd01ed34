"""All stages one after another on the packaged world, from people's choices among objects to a student that is judged.

pictures, features -> teacher -> clusters -> triplets -> labels -> student -> before against after

Each stage is a function, leaves its folder below one output, and takes that where it is finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from alignbench.alignet.clustering import ClusteringJob, cluster_pictures
from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.alignet.evaluation.run import GainsListener, evaluate_student
from alignbench.alignet.k_means import KMeansOptions
from alignbench.alignet.label_folder import LabellingJob, label_triplets
from alignbench.alignet.picture_groups import cluster_groups
from alignbench.alignet.sampled_triplets import SampledTriplets, SamplingJob, draw_triplets
from alignbench.alignet.sampling import SamplingOptions
from alignbench.alignet.soft_targets import TeacherTargets
from alignbench.alignet.teacher import checked_targets, learn_teacher
from alignbench.alignet.teacher_features import teacher_features
from alignbench.alignet.training.listener import TrainingListener
from alignbench.alignet.training.recipe import Course, StudentRecipe
from alignbench.alignet.training.run import StudentJob, train_student
from alignbench.alignet.world_files import WorldFiles, write_world
from alignbench.measurement.sources import TowerRequest, load_base, load_ready_tower
from alignbench.models.layer_names import PROJECTION
from alignbench.report.figures.gains import draw_gains
from alignbench.report.figures.readout import draw_ceiling
from alignbench.transforms.learning.folder import Destination
from alignbench.transforms.learning.progress import LearningListener
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.run import LearningConfig

BASE: Final = "shapes-levels-vit"
PEOPLE: Final = "shapes-levels"
_OBJECTS: Final = "shapes-objects"
_TEACHER_RATE: Final = 3e-3
_BATCH: Final = 64
_PIXELS: Final = "pixels"  # folder of prepared pictures
STAGES: Final = ("world", "teacher", "clusters", "triplets", "labels", "student", "evaluation")
STUDENT: Final = StudentRecipe(
    objective="kl", temperature=300.0, width=256, learning_rate=7e-4, steps=1_500, batch=16, decay=9.5
)
"""For a tower of 140,000 parameters: fewer and longer steps of fewer triplets than large ones take."""


@dataclass(frozen=True)
class ChainSettings:
    """What can be chosen of all stages.

    Attributes:
        targets: What the teacher learns, see `TeacherTargets`.
        epochs: Epochs of the teacher at most.
        pictures: Pictures of each leaf that the student is taught on.
        labelled: Pictures of each leaf that are classified, of either kind.
        clusters: How many clusters; by default as many as there are leaves that are not held out.
        rule: `cluster-border` or `random`.
        triplets: How many triplets.
        student: How the student is trained.
        checkpoint_every: Steps of it between two checkpoints.
        limit: Judgments of each level that the student is judged by; none for all.
        seed: Seed of all stages; that of `student` does not count.
    """

    targets: str = "embedding"
    epochs: int = 100
    pictures: int = 120
    labelled: int = 20
    clusters: int = 48
    rule: str = "cluster-border"
    triplets: int = 30_000
    student: StudentRecipe = STUDENT
    checkpoint_every: int = 100
    limit: int | None = None
    seed: int = 0


QUICK: Final = ChainSettings(
    targets="hard",
    epochs=2,
    pictures=6,
    labelled=6,
    clusters=8,
    triplets=400,
    student=replace(STUDENT, steps=30, batch=8),
    checkpoint_every=10,
    limit=300,
)
"""All stages in seconds, to see that they work; next to nothing is learned."""


@dataclass(frozen=True)
class ChainListener:
    """Hears of all stages; this one ignores it all.

    Attributes:
        began: Hears which of `STAGES` begins.
        ended: Hears which one is over, its folder, the seconds that it took, and whether it had been finished before.
        learning: Hears of the teacher's progress.
        training: Hears of the student's.
        judging: Hears of the evaluation's.
    """

    began: Callable[[str], None] = lambda stage: None
    ended: Callable[[str, Path, float, bool], None] = lambda stage, folder, seconds, was_finished: None
    learning: LearningListener = field(default_factory=LearningListener)
    training: TrainingListener = field(default_factory=TrainingListener)
    judging: GainsListener = field(default_factory=GainsListener)

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[Path, bool], Path]]:
        """Tell of a stage; what is yielded takes its folder, and whether it had been finished before."""
        self.began(name)
        start = time.monotonic()

        def done(folder: Path, was_finished: bool) -> Path:
            self.ended(name, folder, time.monotonic() - start, was_finished)
            return folder

        yield done


@dataclass(frozen=True)
class ChainFolders:
    """What all stages left.

    Attributes:
        world: Pictures and features.
        teacher: The teacher.
        clusters: The clusters.
        triplets: Triplets without labels.
        labels: Triplets with labels.
        student: The student, which is a model.
        evaluation: What it gained.
    """

    world: Path
    teacher: Path
    clusters: Path
    triplets: Path
    labels: Path
    student: Path
    evaluation: Path


@dataclass(frozen=True)
class Chain:
    """All stages of one student; each method runs a stage, or takes what is finished.

    Attributes:
        base: The model that becomes the student.
        output: Folder of the folders of stages.
        settings: What is chosen.
        listener: Hears of the progress.
    """

    base: str
    output: Path
    settings: ChainSettings = field(default_factory=ChainSettings)
    listener: ChainListener = field(default_factory=ChainListener)

    def run(self) -> ChainFolders:
        """Run all stages.

        Raises:
            AlignbenchError: If a setting is impossible, or something cannot be written.
        """
        files = self.world()
        teacher = self.teacher(files)
        clusters = self.clusters(files.features, teacher)
        triplets = self.triplets(clusters)
        labels = self.labels(triplets, files.features, teacher)
        student = self.student(labels, files)
        evaluation = self.evaluation(student, teacher, labels, files)
        return ChainFolders(files.folder, teacher, clusters, triplets, labels, student, evaluation)

    def world(self) -> WorldFiles:
        """Write pictures and features of the packaged world, see `write_world`."""
        with self.listener.stage("world") as done:
            files, was_finished = write_world(self.settings.pictures, self.settings.labelled, self.output)
            done(files.folder, was_finished)
        return files

    def teacher(self, files: WorldFiles) -> Path:
        """Learn the teacher from choices among objects, of which none is of a held-out basic kind; see `learn_teacher`.

        Returns:
            Its folder, as all that follow.
        """
        recipe = Recipe("soft", learning_rate=_TEACHER_RATE, epochs=self.settings.epochs, seed=self.settings.seed)
        job = LearningConfig(_OBJECTS, subsets=("trainset",), recipe=recipe, similarity="dot")
        targets = checked_targets(job, TeacherTargets(self.settings.targets))
        with self.listener.stage("teacher") as done:
            base = load_base(TowerRequest(f"features:{files.objects}", "all", accelerator="cpu"), _OBJECTS)
            return done(
                *learn_teacher(job, base, targets, Destination(self.output, draw_ceiling), self.listener.learning)
            )

    def clusters(self, features: Path, teacher: Path | None) -> Path:
        """Cluster pictures, see `cluster_pictures`.

        Args:
            features: Features of the pictures, with names.
            teacher: The teacher; none for the features as they are.
        """
        with self.listener.stage("clusters") as done:
            seen = teacher_features(features, None, None if teacher is None else str(teacher))
            options = KMeansOptions(self.settings.seed)
            return done(*cluster_pictures(ClusteringJob(seen, self.settings.clusters, options, self.output)))

    def triplets(self, clusters: Path) -> Path:
        """Draw triplets of the pictures of clusters, see `draw_triplets`."""
        options = SamplingOptions(self.settings.rule, seed=self.settings.seed)
        with self.listener.stage("triplets") as done:
            job = SamplingJob(cluster_groups(clusters), self.settings.triplets, options, self.output)
            return done(*draw_triplets(job))

    def labels(self, triplets: Path, features: Path, teacher: Path | None) -> Path:
        """Label triplets, see `label_triplets`; features and teacher as for `clusters`."""
        with self.listener.stage("labels") as done:
            seen = teacher_features(features, None, None if teacher is None else str(teacher))
            return done(*label_triplets(LabellingJob(SampledTriplets.open(triplets), seen, "dot", self.output)))

    def student(self, labels: Path, files: WorldFiles) -> Path:
        """Train the student, see `train_student`."""
        recipe = replace(self.settings.student, seed=self.settings.seed)
        course = Course(checkpoint_every=self.settings.checkpoint_every, workers=0)
        job = StudentJob(self.base, labels, files.pictures, recipe, course, pixel_cache=self.output / _PIXELS)
        with self.listener.stage("student") as done:
            ready = load_ready_tower(TowerRequest(self.base, "cls", accelerator="cpu", layers=(PROJECTION,)))
            return done(*train_student(job, ready, Destination(self.output, _no_figure), self.listener.training))

    def evaluation(self, student: Path, teacher: Path | None, labels: Path, files: WorldFiles) -> Path:
        """Judge the student and what it was before, see `evaluate_student`."""
        config = GainsConfig(
            before=self.base,
            after=str(student),
            teacher=teacher,
            datasets=(PEOPLE,),
            limit=self.settings.limit,
            labelled=files.labelled,
            hierarchy=str(files.superordinates),
            shift=(files.labelled, files.shifted),
            triplets=(labels,),
            images=files.pictures,
            batch_size=_BATCH,
            accelerator="cpu",
            workers=0,
            pixel_cache=self.output / _PIXELS,
            seed=self.settings.seed,
        )
        title = f"{student.name}: after against before ({self.base})"
        with self.listener.stage("evaluation") as done:
            destination = Destination(self.output, partial(draw_gains, title=title))
            return done(*evaluate_student(config, destination, self.listener.judging))


def _no_figure(log: object, folder: Path) -> None:
    """Students have none."""
