"""Slurm: one array job for some cells, by submitit, and what Slurm says of its tasks, by `squeue` and `sacct`."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alignbench.errors import AlignbenchError, UsageError, one_line, shortened
from alignbench.sweeps.cell_job import SIGNAL_DELAY, CellJob
from alignbench.sweeps.process import last_line

_NEEDED: Final = ("sbatch", "srun", "squeue")  # and sacct where there is accounting
_TIME: Final = re.compile(r"(?:(?P<days>\d{1,3})-)?(?P<hours>\d{1,4}):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d)")
_MINUTES: Final = re.compile(r"\d{1,6}")
_PATIENCE: Final = 60.0  # seconds for an answer of Slurm
_QUIETLY: Final = ("sbatch: error:", "sbatch:", "Batch job submission failed:")


@dataclass(frozen=True)
class Resources:
    """What each cell is given, and how many run at the same time.

    Attributes:
        partition: Name of Slurm's partition; its default one if empty.
        gpus: Number of GPUs of a cell.
        cpus: Number of cores of a cell.
        minutes: Time limit of a cell.
        at_once: How many cells run at the same time at most; as many as Slurm lets if none.
    """

    partition: str
    gpus: int
    cpus: int
    minutes: int
    at_once: int | None


def read_minutes(text: str) -> int:
    """Read a time limit: minutes, or [D-]HH:MM:SS, of which a part of a minute counts as one.

    Raises:
        UsageError: If it is neither, or no time at all.
    """
    found, minutes = _TIME.fullmatch(text), 0
    if _MINUTES.fullmatch(text) and text.isascii():
        minutes = int(text)
    elif found is not None and text.isascii():
        days, hours, whole, seconds = (int(part or 0) for part in found.groups())
        minutes = (days * 24 + hours) * 60 + whole + (seconds > 0)
    if minutes < 1:
        raise UsageError(f"--time '{shortened(text)}' is no time: give minutes, such as 90, or [D-]HH:MM:SS")
    return minutes


class Slurm:
    """The Slurm of a cluster, as a machine sees it that may submit jobs.

    Args:
        folder: Folder of the sweep, on a disk that all machines of the cluster share.
        name: Name of the array job.
        resources: What each cell is given.

    Raises:
        UsageError: If submitit is not installed.
        AlignbenchError: If this machine has no commands of Slurm.
    """

    def __init__(self, folder: Path, name: str, resources: Resources) -> None:
        try:
            import submitit  # noqa: F401
        except ImportError as error:
            raise UsageError("--slurm needs its package: pip install 'alignbench[slurm]'") from error
        lacking = [command for command in _NEEDED if shutil.which(command) is None]
        if lacking:
            raise AlignbenchError(
                f"--slurm needs {lacking[0]}, which is not on the path: start it on a machine of the cluster that "
                "submits jobs, where Slurm's commands are loaded"
            )
        self._folder, self._name, self._resources = folder / "slurm", name, resources

    def submit(self, jobs: Sequence[CellJob]) -> list[str]:
        """Submit jobs as one array, and return Slurm's name for each.

        Raises:
            AlignbenchError: If Slurm refuses them.
        """
        from submitit import SlurmExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        resources = self._resources
        # -P: a file in the current folder that is called as a module is not taken for it
        executor = SlurmExecutor(self._folder, python=f"{shlex.quote(sys.executable)} -P")
        executor.update_parameters(
            job_name=self._name,
            time=resources.minutes,
            cpus_per_task=resources.cpus,
            srun_args=["--cpus-per-task", str(resources.cpus)],  # which it inherits in some versions only
            array_parallelism=resources.at_once or len(jobs),
            signal_delay_s=SIGNAL_DELAY,
            **({"partition": resources.partition} if resources.partition else {}),
            **({"gpus_per_node": resources.gpus} if resources.gpus else {}),
        )
        try:
            with redirect_stderr(io.StringIO()):  # where submitit repeats what sbatch says
                return [job.job_id for job in executor.submit_array(jobs)]
        except (FailedJobError, FailedSubmissionError) as error:
            said = _complaint(str(error)) or "it gave no reason"
            raise AlignbenchError(
                f"sbatch refused the cells ({said}): see `sinfo` for what this cluster has, and change the options"
            ) from error

    def states(self, jobs: Collection[str]) -> dict[str, str] | None:
        """The state of each job in Slurm's words, such as PENDING; empty if nothing is known, none if it is silent.

        The queue tells of jobs that ended within the last minutes too, and where there is accounting, that of all.

        Args:
            jobs: Slurm's names for them.
        """
        found = _answer("squeue", "--me", "--array", "--states=all", "--noheader", "--format=%i|%T")
        if found is None:
            return None
        gone = sorted({job.partition("_")[0] for job in jobs if job not in found})
        asked = ("sacct", "--noheader", "--parsable2", "--format=JobID,State", f"--jobs={','.join(gone)}")
        ended = _answer(*asked) if gone else None
        return {job: found.get(job) or (ended or {}).get(job, "") for job in jobs}

    def said(self, job: str) -> str:
        """What a job said last on stderr, and where; for one that ended before it could tell more."""
        from submitit.core.utils import JobPaths

        log = JobPaths(self._folder, job_id=job).stderr
        line = last_line(log)
        return f"{line[:200]} ({log})" if line else f"see {log}"


def _answer(*command: str) -> dict[str, str] | None:
    """The jobs that a command of Slurm lists with their states; none if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    rows = (line.partition("|") for line in done.stdout.splitlines() if line.strip())
    return {job.strip(): (state.split() or [""])[0] for job, _, state in rows}  # without `by 1000` of CANCELLED


def _complaint(text: str) -> str:
    """What sbatch complained of, in one line and without its own name."""
    lines = []
    for line in text.splitlines():
        for beginning in _QUIETLY:
            line = line.strip().removeprefix(beginning)
        lines.append(line.strip())
    return shortened(one_line(Exception("; ".join(dict.fromkeys(filter(None, lines))))), 200) if any(lines) else ""
