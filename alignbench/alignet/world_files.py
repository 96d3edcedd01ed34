"""What the packaged world needs to be taught and judged on, in files: pictures, and features as a teacher's base.

The folder holds `alignment/` (pictures to be taught on, of the kinds that are not held out), `labelled/` and `shifted/`
(pictures of all leaves, a folder for each, the latter with backgrounds and sizes of another kind), `superordinates.csv`
(of the leaves), `features.safetensors` (of `alignment/`) and `objects.safetensors` (of those that people judged).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alignbench.alignet.stage_folders import is_stage, write_record
from alignbench.alignet.world_teacher import FEATURES_VERSION, write_factor_features
from alignbench.datasets import shapes_levels
from alignbench.datasets.levels_people import OBJECTS
from alignbench.datasets.levels_world import EACH, SUPERORDINATES, VERSION, LevelsWorld
from alignbench.errors import UsageError
from alignbench.files import whole_folder
from alignbench.results.folders import folder_of
from alignbench.results.run_folder import run_hash

STAGE: Final = "world"


@dataclass(frozen=True)
class WorldFiles:
    """A folder of the packaged world.

    Attributes:
        folder: The folder.
    """

    folder: Path

    @property
    def pictures(self) -> Path:
        """Folder of the pictures that a student is taught on."""
        return self.folder / "alignment"

    @property
    def features(self) -> Path:
        """What a teacher's base says of these."""
        return self.folder / "features.safetensors"

    @property
    def objects(self) -> Path:
        """What it says of the objects of `shapes-objects`."""
        return self.folder / "objects.safetensors"

    @property
    def labelled(self) -> Path:
        """Folder of pictures, with a folder for each leaf."""
        return self.folder / "labelled"

    @property
    def shifted(self) -> Path:
        """The same of pictures of another kind."""
        return self.folder / "shifted"

    @property
    def superordinates(self) -> Path:
        """Table of the superordinate kinds of the leaves."""
        return self.folder / "superordinates.csv"


def write_world(pictures: int, labelled: int, output: Path) -> tuple[WorldFiles, bool]:
    """Write the packaged world, unless it is there.

    Args:
        pictures: Pictures of each leaf to be taught on.
        labelled: Pictures of each leaf to be classified, of either kind.
        output: Folder of the folders of stages.

    Returns:
        The folder, and whether it had been finished before.

    Raises:
        UsageError: If fewer pictures than one are asked for.
        AlignbenchError: If it cannot be written.
    """
    for count in (pictures, labelled):
        if count < 1:
            raise UsageError(f"{count} pictures of each leaf are none: ask for one or more")
    world = shapes_levels.WORLD
    versions = {"version": VERSION, "features": FEATURES_VERSION, "objects": OBJECTS}
    settings: dict[str, Any] = {**versions, "seed": world.seed, "pictures": pictures, "labelled": labelled}
    folder = output / folder_of(f"shapes-levels-{world.seed}", STAGE, run_hash(settings))
    files = WorldFiles(folder)
    if is_stage(folder, STAGE):
        return files, True
    with whole_folder(folder) as scratch:
        written = WorldFiles(scratch)
        taught = world.pictures("alignment", pictures, world.seen_leaves)
        taught.write(written.pictures)
        write_factor_features(written.features, taught)
        write_factor_features(written.objects, world.pictures("objects", OBJECTS))
        world.pictures("labelled", labelled).write(written.labelled, by_leaf=True)
        world.pictures("shifted", labelled).write(written.shifted, by_leaf=True)
        written.superordinates.write_text(_table(world), encoding="utf-8")
        write_record(scratch, STAGE, settings, {"taught": len(taught.chosen)})
    return files, False


def _table(world: LevelsWorld) -> str:
    rows = [f"{name},{SUPERORDINATES[leaf // EACH**2]}" for leaf, name in enumerate(world.leaf_names)]
    return "\n".join(["class,superordinate", *rows]) + "\n"
