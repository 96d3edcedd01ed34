"""`alignbench run` draws what it found, and runs that fail, repeat or end early leave no half of one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from alignbench.cli.main import main
from command_bench import RUNNING, TREE, Bench, Outcome, picture
from patience import PATIENCE

pytestmark = pytest.mark.usefixtures("no_surroundings")


@pytest.mark.parametrize("broken", ["tid2013", "nights"])
def test_failure_of_one_data_set_leaves_the_others(bench: Bench, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = {dataset: bench.copy(dataset) for dataset in TREE}
    path = picture(broken, roots[broken])
    path.unlink()
    monkeypatch.setenv("ALIGNBENCH_DATA", str(bench.scratch))
    outcome = bench.run(",".join(TREE))
    outcome.complained(RUNNING, f" on {broken}: ", path.name)
    assert [name.split("__")[1] for name in outcome.left] == sorted(set(TREE) - {broken})


def test_identical_run_is_taken_and_overwrite_makes_it_anew(bench: Bench) -> None:
    def stamps(folder: Path) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    root = bench.data("tid2013")
    folder = bench.run("tid2013", root=root).succeeded()
    before, curve = stamps(folder), (folder / "curve.csv").read_bytes()
    again = bench.run("tid2013", root=root)
    assert again.succeeded() == folder
    assert stamps(folder) == before
    assert "is finished" in again.err
    assert bench.run("tid2013", "--overwrite", root=root).succeeded() == folder
    anew = stamps(folder)
    assert anew.keys() == before.keys()
    assert all(anew[name] > before[name] for name in before)
    assert (folder / "curve.csv").read_bytes() == curve
    assert again.left == [folder.name]


@pytest.mark.parametrize("lost", ["run.json", "curve.csv"])
def test_run_folder_that_lost_a_file_is_made_whole(bench: Bench, lost: str) -> None:
    folder = bench.run("tid2013", root=bench.data("tid2013")).succeeded()
    (folder / lost).unlink()
    outcome = bench.run("tid2013", root=bench.data("tid2013"))
    if outcome.code:
        outcome.complained(RUNNING, folder, "--overwrite")
        outcome = bench.run("tid2013", "--overwrite", root=bench.data("tid2013"))
    assert outcome.succeeded() == folder
    assert (folder / lost).is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "delay"), [(0, 0.0), (1, 2.0)])
def test_ctrl_c_leaves_nothing(tmp_path: Path, workers: int, delay: float) -> None:
    output = tmp_path / "out"
    options = ("--model", "random:shapes-clip", "--dataset", "shapes-low", "--output", str(output))
    process = subprocess.Popen(
        [sys.executable, "-m", "alignbench", "run", *options, "--loader-workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        start_new_session=True,  # a terminal's Ctrl-C reaches the loader's processes too
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a shell that runs us in its background ignores it
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert " on shapes-low: " in said
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    outcome = Outcome(process.returncode, out, said + err, output)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert not outcome.left
    assert [line for line in err.splitlines() if not line.startswith("alignbench: ")] == []
    assert len(outcome.complaints) == 1
    assert "interrupted" in outcome.complaints[0]


@pytest.mark.draws
def test_run_draws_and_prints_the_folder_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--model", "pixels", "--dataset", "shapes-low", "--limit", "45", "--output", str(tmp_path)]
    assert main(arguments) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"{tmp_path}/pixels__shapes-low__")
    with Image.open(Path(last) / "curve.png") as figure:
        assert min(figure.size) > 500
    assert "<path" in (Path(last) / "curve.svg").read_text()
