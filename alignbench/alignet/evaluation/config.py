"""What is asked of a model before and after it was taught."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from alignbench.alignet.evaluation.relative_distances import FOLDERS
from alignbench.datasets import DATASETS
from alignbench.distances.names import DISTANCES
from alignbench.distances.protocols import PROTOCOLS
from alignbench.errors import UsageError, counted, unknown
from alignbench.transforms.evaluation.odd_one_out import KINDS

_VIEWS: Final = ("all", "cls", "mean")


@dataclass(frozen=True)
class GainsConfig:
    """Two models, and what they are judged on; the fields are the options of `alignbench alignet evaluate`.

    Attributes:
        before: The model before, any that `alignbench run` takes.
        after: The model after.
        head: A file of an affine transform of the model after, as training leaves its head; it is then judged by what
            that gives.
        teacher: The teacher's transform, which says what people's judgments it was learned from.
        datasets: Data sets of people's judgments.
        roots: The folder of each of them that is not packaged.
        distances: Distances by which they are compared.
        at: `projection`, or a layer of both.
        tokens: Token view, as for `Cell`; features of pictures are of the class token, or the mean, where it is `all`.
        protocol: `paper` or `corrected`; noise ceilings come with the latter.
        limit: How many judgments of each subset are taken.
        labelled: A folder of pictures in classes, for few shots.
        shots: Pictures of each class to learn from.
        shift: Two folders of pictures of the same classes.
        triplets: Triplets that a teacher has labelled: folders or published files.
        images: The folder of their pictures.
        similarity: By which similarity agreement with the teacher is judged.
        hierarchy: Superordinates of the classes of `labelled`: `folders`, or a table; empty for none.
        batch_size: Images a batch.
        precision: Precision of the towers.
        accelerator: `auto`, `cpu` or `cuda`.
        workers: Loader processes.
        pixel_cache: Folder of prepared pictures, `off` for none.
        seed: Seed of random weights, of draws and of resampling.
    """

    before: str
    after: str
    head: str | Path | None = None
    teacher: str | Path | None = None
    datasets: tuple[str, ...] = ()
    roots: tuple[Path | None, ...] = ()
    distances: tuple[str, ...] = ("cosine",)
    at: str = "projection"
    tokens: str = "all"
    protocol: str = "corrected"
    limit: int | None = None
    labelled: Path | None = None
    shots: int = 5
    shift: tuple[Path, Path] | None = None
    triplets: tuple[Path, ...] = ()
    images: Path | None = None
    similarity: str = "cosine"
    hierarchy: str = ""
    batch_size: int | Literal["auto"] = 16
    precision: str = "fp32"
    accelerator: str = "auto"
    workers: int | None = None
    pixel_cache: str | Path | None = None
    seed: int = 0

    def checked(self) -> GainsConfig:
        """Return it, if it asks something, and nothing that cannot be.

        Raises:
            UsageError: If there is nothing to judge on, a name is unknown, or options contradict each other.
        """
        if not (self.datasets or self.labelled or self.shift or self.triplets):
            raise UsageError("nothing to judge the models on: give --dataset, --labelled, --shift or --triplets")
        choices = (
            ("distance", self.distances, DISTANCES),
            ("token view", (self.tokens,), _VIEWS),
            ("protocol", (self.protocol,), tuple(PROTOCOLS)),
            ("similarity", (self.similarity,), KINDS),
        )
        for kind, given, valid in choices:
            for name in given:
                if name not in valid:
                    raise unknown(kind, name, valid)
        if not self.distances:
            raise UsageError(f"no distance to compare by: choose from {', '.join(DISTANCES)}")
        for name in self.datasets:
            DATASETS.load(name)
        self._check_together()
        return self

    def _check_together(self) -> None:
        if self.roots and len(self.roots) != len(self.datasets):
            folders, data_sets = counted(len(self.roots), "folder"), counted(len(self.datasets), "data set")
            raise UsageError(f"{folders} of {data_sets}: give one for each, or none")
        if bool(self.triplets) != (self.images is not None):
            lacking, given = ("--images", "--triplets") if self.triplets else ("--triplets", "--images")
            raise UsageError(f"{given} goes with {lacking}: triplets name pictures, which lie in a folder")
        if self.hierarchy and self.labelled is None:
            raise UsageError("--hierarchy goes with --labelled: it tells superordinates of the classes of its pictures")
        if self.hierarchy and self.hierarchy != FOLDERS and Path(self.hierarchy).suffix != ".csv":
            raise UsageError(
                f"--hierarchy {self.hierarchy} is neither {FOLDERS} nor a table (.csv) of class,superordinate"
            )
        if self.at != "projection" and self.head is not None:
            raise UsageError("--head is of the layer that it says itself: leave out --at")
        if self.shots < 2:
            raise UsageError(f"{counted(self.shots, 'shot')}: 2 at least are needed, for cross-validation")
        if not 0 <= self.seed < 2**31:
            raise UsageError(f"seed {self.seed} is out of range 0 to 2^31 - 1")
        if self.before == self.after and self.head is None:
            raise UsageError(f"before and after are one model, {self.after}: name two by --before and --after")
