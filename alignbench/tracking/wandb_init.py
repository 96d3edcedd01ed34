"""What all W&B runs have alike: how they begin, and the artifacts of their files.

What the environment settles is left to it, and a server that does not answer is not waited for.
"""

from __future__ import annotations

import os
import re
import shlex
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alignbench.errors import AlignbenchWarning, one_line

if TYPE_CHECKING:
    import wandb

PROJECT: Final = "alignbench"
_INIT_SECONDS: Final = 30.0  # until a server that does not answer is given up
_LONGEST_NAME: Final = 128  # of an artifact
_FINISH_SECONDS: Final = 300.0  # until data that cannot be uploaded are left on disk


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


def start_run(folder: Path, mode: str, title: RunTitle, config: dict[str, Any]) -> wandb.Run:
    """Begin a W&B run; if the server does not take it, offline, with a warning that says why and how to upload it.

    Args:
        folder: What is logged. W&B's own files go to `.wandb` beside it, or where `WANDB_DIR` says.
        mode: `online` or `offline`.
        title: What the run is listed under.
        config: Its configuration.
    """
    import wandb

    try:
        return _start(folder, mode, title, config)
    except wandb.Error as error:
        if mode == "offline":
            raise
        run = _start(folder, "offline", title, config)
        remedy = f"it goes to disk; to upload it: wandb sync {shlex.quote(run.settings.sync_dir)}"
        text = f"W&B's server did not take the run of {folder} ({one_line(error)}): {remedy}"
        warnings.warn(text, AlignbenchWarning, stacklevel=2)
        return run


def _start(folder: Path, mode: str, title: RunTitle, config: dict[str, Any]) -> wandb.Run:
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
        init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT", _INIT_SECONDS)),
    )
    return wandb.init(
        mode="online" if mode == "online" else "offline",
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
