"""Runs a function on several ranks, each a forked process that finds itself launched, as torchrun would leave it."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing import start_processes

PATIENCE = 90  # seconds until ranks count as waiting for each other


def on_ranks(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """Call `work(rank, *arguments)` in so many processes.

    Raises:
        ProcessRaisedException, ProcessExitedException: If any of them fails; the others are ended then.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = start_processes(
        _ranked, (count, port, work, arguments), nprocs=count, join=False, daemon=False, start_method="fork"
    )
    assert processes is not None
    try:
        done = any(processes.join(timeout=PATIENCE) for _ in range(count))
    finally:
        for process in processes.processes:
            process.kill()
    assert done, "the ranks wait for each other"


def _ranked(rank: int, count: int, port: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": count, "NODE_RANK": 0, "LOCAL_RANK": rank}
    os.environ.update({name: str(value) for name, value in place.items()})
    work(rank, *arguments)


def save(folder: Path, rank: int, found: object) -> None:
    """Leave what a rank has found for the process that started it."""
    torch.save(found, folder / f"rank_{rank}.pt")


def load(folder: Path, rank: int) -> Any:
    """What a rank has left."""
    return torch.load(folder / f"rank_{rank}.pt", weights_only=False)
