"""Sweep files of Weights & Biases: read as the server reads them, and run without one."""

from alignbench.sweeps.files import find_sweep, shipped_sweeps
from alignbench.sweeps.grid import Option, Sweep, Value, read_sweep

__all__ = ["Option", "Sweep", "Value", "find_sweep", "read_sweep", "shipped_sweeps"]
