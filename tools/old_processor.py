"""Run a command as on an x86-64 processor without AVX and FMA: what its vector units do must not change a result.

python tools/old_processor.py -m pytest tests/extraction

NumPy, ATen, oneDNN, MKL and OpenBLAS each choose their code by what the processor has, and each has a switch. Whether
the switches were heard is asked of the libraries themselves (`problems`), here and by the tests' configuration.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys

MARK = "ALIGNBENCH_OLD_PROCESSOR"
_OPENBLAS = ("Nehalem", "Prescott", "Core2", "Penryn")  # the kernels that it has without AVX


def environment() -> dict[str, str]:
    """The switches; those of NumPy have other names in every version, and an unknown name is no error there."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return {
        MARK: "1",
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name]),
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "OPENBLAS_CORETYPE": "Nehalem",
    }


def problems() -> list[str]:
    """What of this process still uses newer instructions; nothing if it is as on an old processor."""
    import numpy  # noqa: F401  its OpenBLAS is looked at below
    import scipy.linalg  # noqa: F401  and SciPy's
    import torch
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
    from threadpoolctl import threadpool_info

    found = [f"NumPy uses {name}" for name in __cpu_dispatch__ if __cpu_features__[name]]
    capability = torch.backends.cpu.get_cpu_capability()
    if capability != "DEFAULT":
        found.append(f"ATen uses {capability}")
    kernels = {pool["architecture"] for pool in threadpool_info() if pool["internal_api"] == "openblas"}
    found += [f"OpenBLAS uses {name}" for name in sorted(kernels) if name not in _OPENBLAS]
    return [*found, *_onednn_problems()]


def _onednn_problems() -> list[str]:
    """The same of oneDNN, which says what it uses in its log only."""
    ask = "import torch; torch.zeros(2, 3, 8, 8).to_mkldnn().relu()"
    told = subprocess.run(
        [sys.executable, "-c", ask], env=os.environ | {"ONEDNN_VERBOSE": "1"}, capture_output=True, text=True
    )
    used = [line.rpartition("isa:")[2] for line in told.stdout.splitlines() if "isa:" in line]
    return [f"oneDNN uses {name}" for name in used if "SSE4.1" not in name] if used else ["oneDNN says nothing"]


def main() -> int:
    """Run Python with the arguments of this one."""
    if platform.machine() not in ("x86_64", "AMD64"):
        print(f"{platform.machine()}: the switches are those of x86-64, and the other tests have run without AVX")
        return 0
    ended = subprocess.run([sys.executable, *sys.argv[1:]], env=os.environ | environment())
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
