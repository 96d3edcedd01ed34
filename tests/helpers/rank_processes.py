"""Runs a function on several ranks, each a forked process in whose environment it finds itself launched."""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing import start_processes

from patience import PATIENCE

CLUSTER = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "SLURM_PROCID")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def on_ranks(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(rank, *arguments)` in so many processes of one machine.

    Raises:
        ProcessRaisedException, ProcessExitedException: If any of them fails; the others are ended then.
    """
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(count), "NODE_RANK": "0"}
    launched([place | {"LOCAL_RANK": str(rank)} for rank in range(count)], work, *arguments)


def launched(environments: list[dict[str, str]], work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(number, *arguments)` in a process for each environment, which is added to this one's."""
    processes = start_processes(
        _launched,
        (environments, work, arguments),
        nprocs=len(environments),
        join=False,
        daemon=False,
        start_method="fork",
    )
    assert processes is not None
    try:
        done = any(processes.join(timeout=PATIENCE) for _ in environments)
    finally:
        for process in processes.processes:
            process.kill()
    assert done, "the ranks wait for each other"


def _launched(
    number: int, environments: list[dict[str, str]], work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    for name in CLUSTER:
        os.environ.pop(name, None)
    os.environ.update(environments[number])
    work(number, *arguments)


def run_command(number: int, folder: Path, arguments: list[str], code: int = 0) -> None:
    """What a rank does that runs the command line; what it prints goes to files, see `printed`."""
    for stream, descriptor in (("out", 1), ("err", 2)):
        file = os.open(folder / f"{number}.{stream}", os.O_WRONLY | os.O_CREAT)
        os.dup2(file, descriptor)
    sys.stdout, sys.stderr = (open(descriptor, "w", buffering=1, closefd=False) for descriptor in (1, 2))  # noqa: SIM115
    from alignbench.cli.main import main

    assert main(arguments) in (0, code)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def printed(folder: Path, number: int, stream: str) -> str:
    """What a rank has printed on `out` or `err`."""
    return (folder / f"{number}.{stream}").read_text()


def save(folder: Path, rank: int, found: object) -> None:
    """Leave what a rank has found for the process that started it."""
    torch.save(found, folder / f"rank_{rank}.pt")


def load(folder: Path, rank: int) -> Any:
    """What a rank has left."""
    return torch.load(folder / f"rank_{rank}.pt", weights_only=False)
