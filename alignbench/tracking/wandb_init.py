"""What all W&B runs have alike: how they begin, and the artifacts of their files.

What the environment settles is left to it. Runs are logged to disk, where no server can hold them up.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alignbench.tracking.unlogged import note_begun

if TYPE_CHECKING:
    import wandb

PROJECT: Final = "alignbench"
_LONGEST_NAME: Final = 128  # of an artifact
_FINISH_SECONDS: Final = 300.0  # until a disk that does not take the data is given up


@dataclass(frozen=True)
class RunTitle:
    """What a W&B run is listed under.

    Attributes:
        name: Name of the run, unless the environment has one.
        group: Group of the run, unless the environment has one.
        job_type: Kind of run.
    """

    name: str
    group: str
    job_type: str


@contextmanager
def logged_to_disk(folder: Path, title: RunTitle, config: dict[str, Any]) -> Iterator[wandb.Run]:
    """Log a W&B run to disk, whole or not at all.

    Args:
        folder: What is logged. W&B's own files go to `.wandb` beside it, or where `WANDB_DIR` says.
        title: What the run is listed under.
        config: Its configuration.

    Yields:
        The run, whose `settings.sync_dir` is W&B's folder of it.
    """
    run = _start(folder, title, config)
    place = Path(run.settings.sync_dir)
    note_begun(folder, place)
    try:
        with run:
            yield run
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)  # else half a log would be uploaded beside the whole one
        raise


def _start(folder: Path, title: RunTitle, config: dict[str, Any]) -> wandb.Run:
    import wandb

    directory = None
    if "WANDB_DIR" not in os.environ:
        directory = folder.parent
        (directory / ".wandb").mkdir(exist_ok=True)  # used by W&B instead of `wandb` if it is there
    in_sweep = "WANDB_SWEEP_ID" in os.environ  # then project and group are the sweep's
    settings = wandb.Settings(
        console="off",
        silent=True,
        x_disable_stats=True,  # the work is done: there is nothing to watch
        finish_timeout=_FINISH_SECONDS,
        finish_timeout_raises=True,
    )
    return wandb.init(
        mode="offline",
        dir=directory,
        project=None if in_sweep or "WANDB_PROJECT" in os.environ else PROJECT,
        group=None if in_sweep or "WANDB_RUN_GROUP" in os.environ else title.group,
        job_type=title.job_type,
        name=None if "WANDB_NAME" in os.environ else title.name,
        config=config,
        settings=settings,
    )


def make_artifact(folder: Path, kind: str, about: Mapping[str, str], files: Iterable[Path]) -> wandb.Artifact:
    """Files of a folder as an artifact that is called after it; to log it again makes a further version."""
    import wandb

    name = re.sub(r"[^\w.-]", "-", folder.name, flags=re.ASCII)[-_LONGEST_NAME:]
    artifact = wandb.Artifact(name, type=kind, metadata=dict(about))
    for file in files:
        artifact.add_file(str(file))
    return artifact
