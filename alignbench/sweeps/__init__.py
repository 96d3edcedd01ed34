"""Sweep files of Weights & Biases: read as the server reads them, and run without one.

`grid` reads a file and `cells` lists its cells, `queue` hands them out by `locks` and a `ledger`, `runner` runs each in
a `process`. `array_runner` gives them to a scheduler instead (`slurm_jobs`), where each is a `cell_job`, known by its
`job_records`. `wandb_command` is the command line that the agent would make, `shipped` finds the files that come along.
"""

from alignbench.sweeps.grid import Sweep, SweptCommand, read_sweep
from alignbench.sweeps.shipped import find_sweep, shipped_sweeps
from alignbench.sweeps.values import Option, Value

__all__ = ["Option", "Sweep", "SweptCommand", "Value", "find_sweep", "read_sweep", "shipped_sweeps"]
