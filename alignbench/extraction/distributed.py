"""The processes that share a run: who this one is, and the few moments at which they meet.

Lightning launches them (or finds that torchrun or Slurm has), and each runs the same command. They decide together what
only one of them can know, pass tokens around, and add up what each has found.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from alignbench.errors import AlignbenchError, LostRankError, UsageError, one_line
from alignbench.extraction.ended_ranks import notice_ended_ranks
from alignbench.extraction.leader import leading

if TYPE_CHECKING:
    import lightning
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.strategies import DDPStrategy

T = TypeVar("T")
_PATIENCE: Final = timedelta(days=1)  # that ranks wait for each other: shares may be uneven, a lost one is noticed
_ELSEWHERE: Final = ("TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "NODE_RANK", "LSB_JOBID", "OMPI_COMM_WORLD_SIZE")


@dataclass(frozen=True)
class Ranks:
    """This process among those that share a run.

    Attributes:
        number: Its rank, from 0.
        count: Number of processes.
        device: Device on which it computes.
        devices: Processes on each machine.
        nodes: Machines.
    """

    number: int
    count: int
    device: torch.device
    devices: int = 1
    nodes: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that decides, speaks and writes."""
        return self.number == 0

    @property
    def leads_machine(self) -> bool:
        """Whether this is the first process on its machine, which looks after what is on its disk."""
        return self.number % self.devices == 0

    def decide(self, value: T) -> T:
        """Give all ranks the value of the leading one."""
        if self.count == 1:
            return value
        said = [value]
        with noticing_losses():
            dist.broadcast_object_list(said, src=0, device=self.device)
        return said[0]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let every rank work by itself, then raise on all of them the first error of this package that any has met."""
        error: AlignbenchError | None = None
        try:
            yield
        except AlignbenchError as found:
            if self.count == 1 or isinstance(found, LostRankError):
                raise
            error = found
        if self.count == 1:
            return
        errors: list[AlignbenchError | None] = [None] * self.count
        with noticing_losses():
            dist.all_gather_object(errors, error)
        first = next((found for found in errors if found is not None), None)
        if first is not None:
            raise first

    def add(self, values: Tensor) -> Tensor:
        """The sum over ranks of equally large tensors, in place."""
        if self.count > 1:
            with noticing_losses():
                dist.all_reduce(values)
        return values

    def swap(self, outgoing: Tensor | None, receiver: int, incoming: Tensor | None, sender: int) -> None:
        """Send a tensor to one rank while receiving one from another; either may be nothing."""
        moves = []
        if outgoing is not None:
            moves.append(dist.P2POp(dist.isend, outgoing, receiver))
        if incoming is not None:
            moves.append(dist.P2POp(dist.irecv, incoming, sender))
        with noticing_losses():
            for move in dist.batch_isend_irecv(moves) if moves else ():
                move.wait()


def follows() -> bool:
    """Whether the environment makes this process another than the leading one, before anything is joined."""
    names = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
    return any(os.environ.get(name, "0") not in ("", "0") for name in names)


def join(accelerator: str, devices: int = 1, nodes: int = 1) -> Ranks:
    """Become one of the processes of a run; with more than one, those that are missing here are started.

    Args:
        accelerator: `cpu` or `cuda`.
        devices: Processes on each machine; on `cuda` each has a GPU of its own.
        nodes: Machines.

    Raises:
        UsageError: If there are not so many devices, or the scheduler has started another number of processes.
    """
    if devices * nodes == 1:
        return Ranks(0, 1, torch.device(accelerator))
    if nodes > 1 and not any(name in os.environ for name in _ELSEWHERE):
        raise UsageError(
            f"--num-nodes {nodes}: start the command on every machine with torchrun or srun, or set MASTER_ADDR, "
            "MASTER_PORT and NODE_RANK on each"
        )
    if accelerator == "cuda" and devices > torch.cuda.device_count():
        raise UsageError(f"--devices {devices}: this machine has {torch.cuda.device_count()} GPUs")
    with quietly():
        strategy = _strategy(accelerator, devices, nodes)
        if not dist.is_initialized():
            _launch(strategy)
    return Ranks(dist.get_rank(), dist.get_world_size(), strategy.root_device, devices, nodes)


def make_trainer(
    accelerator: str, devices: int, nodes: int, callbacks: Sequence[Callback] = (), **options: Any
) -> lightning.Trainer:
    """Lightning's trainer for a process of a run, which speaks and writes nothing; with several of them by `ddp`.

    Defaults of the environment (`PL_TRAINER_...`) are not taken. A run of one process asks no scheduler who it is:
    an allocation for several tasks may hold it. Signals are left as they are: Lightning would let ranks talk of them,
    which the other ranks do not expect, and would have Slurm put the job into its queue again.

    Args:
        accelerator: `cpu` or `cuda`.
        devices: Processes on each machine.
        nodes: Machines.
        callbacks: Called by the loop.
        **options: Further ones of the trainer.
    """
    import lightning
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.pytorch.strategies import DDPStrategy

    backend = "nccl" if accelerator == "cuda" else "gloo"
    several = devices * nodes > 1
    with _own_defaults():
        trainer = lightning.Trainer(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            strategy=DDPStrategy(timeout=_PATIENCE, process_group_backend=backend) if several else "auto",
            plugins=None if several else [LightningEnvironment()],
            callbacks=list(callbacks),
            use_distributed_sampler=False,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    return trainer


@contextmanager
def _own_defaults() -> Iterator[None]:
    """Hide the variables from which Lightning fills arguments that its trainer is not given."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PL_TRAINER_")}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def quietly() -> Iterator[None]:
    """Silence Lightning's advice on devices and workers, which is for this package to take, not for its user."""
    import lightning  # noqa: F401  it sets the levels as it is loaded

    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            warnings.filterwarnings("ignore", message=r".*does not have many workers.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for Ctrl-C in Lightning's loop, where Lightning exits, and leave Ctrl-C working."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stop:
        raise KeyboardInterrupt from stop
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


def _strategy(accelerator: str, devices: int, nodes: int) -> DDPStrategy:
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch.strategies import DDPStrategy

    try:
        strategy = make_trainer(accelerator, devices, nodes).strategy
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise UsageError(f"{devices} devices on {nodes} nodes cannot be had: {one_line(error)}") from error
    assert isinstance(strategy, DDPStrategy)
    return strategy


def _launch(strategy: DDPStrategy) -> None:
    """Start the processes that are missing, by Lightning's own launcher, and let all meet."""
    notice_ended_ranks()
    launcher = strategy.launcher
    assert launcher is not None
    atexit.register(launcher.kill, signal.SIGKILL)  # a rank that outlives this process by a moment would complain
    try:
        with leading(), noticing_losses():
            launcher.launch(strategy.setup_environment)
    except KeyboardInterrupt:
        launcher.kill(signal.SIGKILL)
        raise
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"the processes of this run cannot meet: {one_line(error)}") from error


@contextmanager
def noticing_losses() -> Iterator[None]:
    """Turn what collective operations raise when a rank is gone into an error of this package.

    Lightning has such operations too.

    Raises:
        LostRankError: If a rank is gone.
    """
    try:
        yield
    except RuntimeError as error:  # gloo has no type of its own
        if isinstance(error, dist.DistError) or "gloo" in str(error):
            raise LostRankError from error
        raise
