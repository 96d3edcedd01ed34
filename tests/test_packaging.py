"""The built wheel is all that a user needs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.mark.slow
def test_wheel_runs_demo_in_an_environment_of_its_own(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(REPOSITORY)]
    subprocess.run(build, check=True)
    (wheel,) = tmp_path.glob("alignbench-*.whl")
    home = tmp_path / "environment"
    venv.create(home)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    # the dependencies are borrowed as a plain path, which does not activate the development install beside them
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([*pip, "--python", str(home), "install", "--no-deps", "--no-index", str(wheel)], check=True)

    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    where = [str(home / "bin" / "python"), "-c", "import alignbench; print(alignbench.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, check=True, cwd=tmp_path, env=clean)
    assert Path(found.stdout.strip()).is_relative_to(home)

    sweeps = [str(home / "bin" / "python"), "-c", "from alignbench.sweeps import *; print(find_sweep('architecture'))"]
    found = subprocess.run(sweeps, capture_output=True, text=True, check=True, cwd=tmp_path, env=clean)
    carried = Path(found.stdout.strip())
    assert carried.is_relative_to(home)
    files = sorted(REPOSITORY.glob("sweeps/*.yaml"))
    assert [path.read_bytes() for path in sorted(carried.parent.iterdir())] == [path.read_bytes() for path in files]

    demo = [str(home / "bin" / "alignbench"), "demo", "--output", "out"]
    done = subprocess.run(demo, capture_output=True, text=True, cwd=tmp_path, env=clean)
    assert done.returncode == 0, done.stderr
    assert "simulated observers" in done.stdout
    assert (tmp_path / "out" / "demo.png").stat().st_size > 10_000
    assert (tmp_path / "out" / "demo.svg").is_file()
    assert len(list((tmp_path / "out").glob("*/curve.csv"))) == 9
