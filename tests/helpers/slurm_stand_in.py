"""A stand-in for Slurm: its commands as one small program, whose jobs are processes of this machine.

It keeps a file for each task in a folder, `ARRAY_TASK`, with its state and the process id of what runs it. It does of
sbatch, srun, squeue, sacct, scancel and scontrol what is asked of them here, and nothing of queues and resources:
tasks begin at once, as many at a time as the array's `%N` says, and there is one partition, `short`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from patience import wait_for
from sweep_folders import is_gone

COMMANDS = ("sbatch", "srun", "squeue", "sacct", "scancel", "scontrol")
_PROGRAM = r"""
import os, re, shlex, signal, subprocess, sys, time
from pathlib import Path

root, name, words = Path(os.environ["STAND_IN"]), Path(sys.argv[0]).name, sys.argv[1:]
with (root / "calls").open("a") as calls:
    calls.write(shlex.join([name, *words]) + "\n")

def tell(job, state, process=""):
    (root / f".{job}.{os.getpid()}").write_text(f"{state} {process}")
    os.replace(root / f".{job}.{os.getpid()}", root / job)

def state_of(job):
    return (root / job).read_text().split()

def jobs():
    return sorted(path.name for path in root.iterdir() if re.fullmatch(r"\d+(_\d+)?", path.name))

def run(script, job):
    array, _, task = job.partition("_")
    own = {"SLURM_JOB_ID": str(1000 + int(task or 0)), "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    own |= {"SLURM_ARRAY_JOB_ID": array, "SLURM_ARRAY_TASK_ID": task} if task else {"SLURM_JOB_ID": array}
    while state_of(job)[0] == "PENDING":
        process = subprocess.Popen(["/bin/bash", script], env=os.environ | own, start_new_session=True)
        tell(job, "RUNNING", process.pid)
        code = process.wait()
        if state_of(job)[0] == "RUNNING":
            tell(job, "FAILED" if code else "COMPLETED")
    os._exit(0)

if name == "sbatch":
    text = Path(words[-1]).read_text()
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", text, re.M))
    if asked.get("partition", "short") != "short":
        print("sbatch: error: invalid partition specified: " + asked["partition"], file=sys.stderr)
        print("sbatch: error: Batch job submission failed: Invalid partition name specified", file=sys.stderr)
        sys.exit(1)
    number = 41 + len(list(root.glob("*.sh")))
    script = root / f"{number}.sh"
    script.write_text(text)
    last, most = re.fullmatch(r"0-(\d+)%(\d+)", asked["array"]).groups() if "array" in asked else ("", 1)
    tasks = [f"{number}_{task}" for task in range(int(last) + 1)] if last else [str(number)]
    for job in tasks:
        tell(job, "PENDING")
    print(f"Submitted batch job {number}", flush=True)
    if os.fork() == 0:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        for started, job in enumerate(tasks):
            if started >= int(most):
                os.wait()
            if os.fork() == 0:
                run(str(script), job)
elif name == "srun":
    own = {}
    while words[0].startswith("--"):
        option = words.pop(0)
        if option in ("--output", "--error", "--cpus-per-task"):
            own[option] = words.pop(0)
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = os.environ["SLURM_ARRAY_JOB_ID"] + "_" + os.environ["SLURM_ARRAY_TASK_ID"]
    for option, descriptor in (("--output", 1), ("--error", 2)):
        place = own[option].replace("%A_%a", job).replace("%j", job).replace("%t", "0")
        os.dup2(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), descriptor)
    os.execvp(words[0], words)
elif name == "squeue":
    if (root / "silent").exists():
        sys.exit("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    for job in jobs():
        if state_of(job)[0] in ("PENDING", "RUNNING"):
            print(f"{job}|{state_of(job)[0]}")
elif name == "sacct":
    asked = words[-1].partition("=")[2].split(",")
    for job in jobs():
        if job.partition("_")[0] in asked:
            state = state_of(job)[0]
            print(f"{job}|CANCELLED by 1000\n{job}.batch|CANCELLED" if state == "CANCELLED" else f"{job}|{state}")
elif name == "scancel":
    for job in words:
        state, *process = state_of(job)
        tell(job, "CANCELLED")
        if process:
            os.killpg(int(process[0]), signal.SIGTERM)
            time.sleep(0.5)
            os.killpg(int(process[0]), signal.SIGKILL)
elif name == "scontrol":
    job = words[1]
    _, process = state_of(job)
    tell(job, "PENDING")
    if os.fork() == 0:
        time.sleep(0.5)
        try:
            os.killpg(int(process), signal.SIGKILL)
        except ProcessLookupError:
            pass
"""


class SlurmStandIn:
    """The stand-in, on the path of this process and of those that it starts.

    Args:
        root: Folder for its program and its state.
        monkeypatch: Sets the path for the time of the test.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, commands = root / "state", root / "bin"
        self.root.mkdir(parents=True)
        commands.mkdir()
        program = commands / "program.py"
        program.write_text(f"#!{sys.executable} -SE\n{_PROGRAM}")
        program.chmod(0o755)
        for command in COMMANDS:
            (commands / command).symlink_to(program)
        monkeypatch.setenv("PATH", os.pathsep.join([str(commands), os.environ["PATH"]]))
        monkeypatch.setenv("STAND_IN", str(self.root))

    def calls(self, command: str) -> list[str]:
        """The command lines with which a command was called."""
        lines = (self.root / "calls").read_text().splitlines() if (self.root / "calls").exists() else []
        return [line for line in lines if line.split()[0] == command]

    def scripts(self) -> list[str]:
        """The scripts that were submitted."""
        return [path.read_text() for path in sorted(self.root.glob("*.sh"))]

    def states(self) -> dict[str, str]:
        """The state of each task."""
        return {path.name: path.read_text().split()[0] for path in self._tasks()}

    def lose(self, job: str) -> None:
        """End a task as the loss of its machine does."""
        process = int((self.root / job).read_text().split()[1])
        (self.root / job).write_text("NODE_FAIL")
        os.killpg(process, signal.SIGKILL)

    def warn(self, job: str) -> None:
        """Send a task's step the signal that it will be pre-empted, and its batch script none."""
        script = (self.root / job).read_text().split()[1]
        for step in Path(f"/proc/{script}/task/{script}/children").read_text().split():
            os.kill(int(step), signal.SIGUSR2)

    def end(self) -> None:
        """End every task, and wait until their processes are gone."""
        processes = [int(words[1]) for path in self._tasks() if len(words := path.read_text().split()) > 1]
        for path in self._tasks():
            path.write_text("CANCELLED")
        for process in processes:
            if not is_gone(process):
                os.killpg(process, signal.SIGKILL)
        wait_for(lambda: all(map(is_gone, processes)))

    def _tasks(self) -> list[Path]:
        return [path for path in sorted(self.root.iterdir()) if path.name.replace("_", "").isdigit()]
