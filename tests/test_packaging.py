"""The built wheel is all that a user needs: the demo runs on it alone, and shows what the packaged model learned."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import replace
from pathlib import Path

import pytest

from alignbench.results.run_folder import Run
from alignbench.results.stored_run import StoredRun
from documented import ROOT
from packaged_world import difference, projection

CLEAN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment, with the built wheel in it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, env=CLEAN)
    (wheel,) = folder.glob("alignbench-*.whl")
    home = folder / "environment"
    venv.create(home)
    install = [*pip, "--python", str(home), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, env=CLEAN)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)}))
    # the dependencies are borrowed as a plain path, which does not activate the development install beside them
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


@pytest.fixture(scope="module")
def demo(environment: Path) -> Path:
    """What `alignbench demo` leaves."""
    command = [str(environment / "bin" / "alignbench"), "demo", "--output", "out"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=environment.parent, env=CLEAN)
    assert done.returncode == 0, done.stderr
    assert "simulated observers" in done.stdout
    assert done.stdout.count("Spearman correlation") == 1  # the plots of the terminal, one a level
    assert done.stdout.count("agreement with the choices") == 2
    return environment.parent / "out"


@pytest.mark.slow
def test_wheel_carries_modules_and_sweep_files(environment: Path) -> None:
    code = "import alignbench.sweeps as s; print(s.__file__, s.find_sweep('architecture'))"
    command = [str(environment / "bin" / "python"), "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=environment.parent, env=CLEAN)
    module, sweep = map(Path, found.stdout.split())
    assert module.is_relative_to(environment)
    assert sweep.is_relative_to(environment)
    files = sorted(ROOT.glob("sweeps/*.yaml"))
    assert [path.read_bytes() for path in sorted(sweep.parent.iterdir())] == [path.read_bytes() for path in files]
    for package in ("alignbench", "baselines"):
        installed = module.parents[2] / package
        modules = {path.relative_to(ROOT / package) for path in (ROOT / package).rglob("*.py")}
        assert {path.relative_to(installed) for path in installed.rglob("*.py")} == modules


@pytest.mark.slow
def test_wheel_runs_demo_in_an_environment_of_its_own(demo: Path) -> None:
    assert (demo / "demo.png").stat().st_size > 10_000
    assert (demo / "demo.svg").is_file()
    assert len(list(demo.glob("*/curve.csv"))) == 9


@pytest.mark.slow
@pytest.mark.parametrize(("level", "margin"), [("low", 0.0), ("middle", 0.05), ("high", 0.05)])
def test_projection_lies_above_random_twins(level: str, margin: float, demo: Path) -> None:
    twin = projection("random:shapes-clip", level, 1)

    def of_demo(label: str) -> Run:
        (folder,) = demo.glob(f"{label}__shapes-{level}__*")
        return replace(twin, distances=StoredRun(folder).all_distances())  # on the same judgments

    trained = of_demo("shapes-clip")
    for untrained in (of_demo("shapes-clip@random-0"), twin):
        found = difference(trained, untrained)
        assert found.value > margin
        assert found.low > 0.0
