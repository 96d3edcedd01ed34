"""The recipes of `docs/scale` for several processes and machines, in small and on this one; and its table."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import scaling_table
from alignbench.cli.main import main
from alignbench.results.folders import is_complete
from documented import ROOT, pages
from patience import PATIENCE
from rank_processes import CLUSTER, free_port, launched, printed, run_command
from slurm_stand_in import SlurmStandIn

pytestmark = pytest.mark.slow

Folders = Callable[[str], Path]
PAGE = pages("scale/which_way.md", "scale/slurm.md", "scale/memory.md", "scale/precision.md", "scale/speed.md")
MODEL = "openai/clip-vit-base-patch32"
NUMBER = r"\d[\d,]*(?:\.\d+)?"


def recipe(start: str, *containing: str) -> list[str]:
    """The words of the one command of the page that starts like this and contains all that."""
    lines = [line.strip() for line in PAGE.splitlines() if line.startswith(start)]
    (line,) = (line for line in lines if all(part in line for part in containing))
    return shlex.split(line)


def in_small(words: list[str], tower: Path, data: Path, output: Path, devices: int) -> list[str]:
    """A command with so many processes a machine, on a tiny tower and small data."""
    at = words.index("alignbench")
    given = {"--devices": str(devices), "--nproc-per-node": str(devices), "--model": str(tower)}
    small = [given.get(previous, word) for previous, word in zip(["", *words], words, strict=False)]
    launcher = [sys.executable, "-m", "torch.distributed.run", *small[1:]] if words[0] == "torchrun" else None
    command = launcher or [sys.executable, "-m", *small[at:]]
    more = ["--data-root", str(data), "--output", str(output), "--accelerator", "cpu", "--wandb", "off"]
    return [*command, *more, "--limit", "6", "--loader-workers", "0"]


def run_all(commands: list[tuple[list[str], dict[str, str]]]) -> list[str]:
    """Start commands at the same time, each with an environment, and wait for them; what each prints."""
    base = {name: value for name, value in os.environ.items() if name not in CLUSTER} | {"OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(command, env=base | own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for command, own in commands
    ]
    try:
        printed = [process.communicate(timeout=PATIENCE) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, printed, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [out for out, _ in printed]


def check_run(printed: list[str], output: Path, devices: int, nodes: int) -> None:
    """One process has spoken, and one run folder is there."""
    (folder,) = output.iterdir()
    assert is_complete(folder)
    execution = json.loads((folder / "run.json").read_text())["execution"]
    assert (execution["devices"], execution["nodes"]) == (devices, nodes)
    assert [out.splitlines()[-1] for out in printed if out.strip()] == [str(folder)]


def forked(words: list[str], output: Path, environments: list[dict[str, str]]) -> list[str]:
    """Run a command of the page in processes that find themselves launched; what each prints."""
    arguments = words[words.index("alignbench") + 1 :]
    output.mkdir()
    launched(environments, run_command, output.parent, arguments)
    return [printed(output.parent, number, "out") for number in range(len(environments))]


def test_one_machine(tmp_path: Path, tiny_tower: Folders, nights_root: Path) -> None:
    words = recipe(f"alignbench run --model {MODEL} --dataset nights --devices")
    command = in_small(words, tiny_tower("clip"), nights_root, tmp_path, 2)
    check_run(run_all([(command, {})]), tmp_path, 2, 1)


def torchrun_ranks(devices: int, nodes: int) -> list[dict[str, str]]:
    """What torchrun leaves in the environment of each process."""
    count = devices * nodes
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "TORCHELASTIC_RUN_ID": "none"}
    place |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(devices)}
    ranks = ({"RANK": rank, "LOCAL_RANK": rank % devices, "GROUP_RANK": rank // devices} for rank in range(count))
    return [place | {name: str(value) for name, value in rank.items()} for rank in ranks]


@pytest.mark.parametrize(("start", "nodes"), [("torchrun --nproc-per-node", 1), ("torchrun --nnodes 2", 2)])
def test_torchrun(tmp_path: Path, tiny_tower: Folders, nights_root: Path, start: str, nodes: int) -> None:
    output, devices = tmp_path / "runs", 2 // nodes
    words = in_small(recipe(start), tiny_tower("clip"), nights_root, output, devices)
    check_run(forked(words, output, torchrun_ranks(devices, nodes)), output, devices, nodes)


def test_slurm_on_two_machines(tmp_path: Path, tiny_tower: Folders, nights_root: Path) -> None:
    output = tmp_path / "runs"
    words = in_small(recipe("srun alignbench run", "--num-nodes 2"), tiny_tower("clip"), nights_root, output, 1)
    job = {"JOB_ID": str(free_port()), "JOB_NAME": "align", "NNODES": "2", "NTASKS": "2", "NTASKS_PER_NODE": "1"}
    job |= {"NODELIST": "localhost", "JOB_NODELIST": "localhost", "LOCALID": "0"}
    tasks = [job | {"PROCID": node, "NODEID": node} for node in "01"]
    environments = [{f"SLURM_{name}": value for name, value in task.items()} for task in tasks]
    check_run(forked(words, output, environments), output, 1, 2)


def test_the_script_for_slurm_asks_for_as_many_tasks_as_there_are_processes() -> None:
    words = recipe("srun alignbench run")
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(\w+)", PAGE, flags=re.MULTILINE))
    assert words[words.index("--devices") + 1] == asked["ntasks-per-node"] == asked["gpus-per-node"]
    assert words[words.index("--num-nodes") + 1] == asked["nodes"]


def test_a_sweep_on_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is written, but that the stand-in has one partition, and the file one cell."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    cluster = SlurmStandIn(tmp_path / "cluster", monkeypatch)
    parameters = {"model": {"value": "pixels"}, "dataset": {"value": "shapes-low"}, "limit": {"value": 45}}
    file = {"method": "grid", "command": ["alignbench", "run", "${args}"], "parameters": parameters}
    Path("demo.yaml").write_text(yaml.safe_dump(file))
    places = {"sweeps/demo.yaml": "demo.yaml", "gpu": "short"}
    words = [places.get(word, word) for word in recipe("alignbench sweep sweeps/demo.yaml --slurm")]
    assert main([*words[1:], "--wandb", "off"]) == 0
    said = capsys.readouterr()
    first, *_ = said.err.splitlines()
    assert first == "demo: 1 cells, 0 finished before; 1 at a time"
    assert "(1 of 1)" in said.err
    (script,) = cluster.scripts()
    asked = dict(re.findall(r"^#SBATCH --([\w-]+)=(.+)$", script, flags=re.MULTILINE))
    stated = {"job-name": "alignbench-demo", "gpus-per-node": "1", "cpus-per-task": "8", "time": "30"}
    assert {name: asked[name] for name in stated} == stated


def test_the_table_is_what_the_plan_says() -> None:
    computed = scaling_table.rows("base-patch32")
    stated = [line for line in PAGE.splitlines() if line.startswith("| base-32 |")]
    assert [re.sub(NUMBER, "", line) for line in stated] == [re.sub(NUMBER, "", line) for line in computed]
    found, expected = (
        [float(n.replace(",", "")) for n in re.findall(NUMBER, " ".join(rows))] for rows in (stated, computed)
    )
    assert found == pytest.approx(expected, rel=0.05, abs=0.1)
