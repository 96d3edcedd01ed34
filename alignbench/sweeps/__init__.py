"""Sweep files of Weights & Biases: read as the server reads them, and run without one."""

from alignbench.sweeps.grid import Sweep, read_sweep
from alignbench.sweeps.shipped import find_sweep, shipped_sweeps
from alignbench.sweeps.values import Option, Value

__all__ = ["Option", "Sweep", "Value", "find_sweep", "read_sweep", "shipped_sweeps"]
