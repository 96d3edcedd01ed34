"""`alignbench report` on folders that hold no runs, or that are damaged, is refused in one line."""

import shutil
from pathlib import Path

import pytest

from alignbench.cli.main import main
from command_bench import RUNNING, USAGE, Bench

pytestmark = pytest.mark.usefixtures("no_surroundings")


@pytest.fixture(scope="module")
def finished(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished")
    assert main(["run", "--model", "pixels", *_place(world, "tid2013"), "--output", str(output)]) == 0
    return output


def _place(world: Path, dataset: str) -> list[str]:
    return ["--dataset", dataset, "--data-root", str(world / dataset), "--loader-workers", "0"]


@pytest.mark.parametrize("name", ["empty", "nowhere"])
def test_report_on_a_folder_without_runs_is_refused(bench: Bench, name: str) -> None:
    folder, figure = bench.scratch / name, bench.scratch / "figure.png"
    if name == "empty":
        folder.mkdir()
    bench.command("report", folder, "--output", figure).refused(RUNNING, folder, "alignbench run")
    assert not figure.exists()


@pytest.mark.parametrize("name", ["figure.docx", "figure"])
def test_report_with_an_unknown_ending_is_refused(bench: Bench, finished: Path, name: str) -> None:
    figure = bench.scratch / name
    bench.command("report", finished, "--output", figure).refused(USAGE, figure, ".png", ".svg", ".pdf")
    assert not figure.exists()


def test_report_with_an_unknown_distance_is_refused(bench: Bench, finished: Path) -> None:
    figure = bench.scratch / "figure.png"
    bench.command("report", finished, "--output", figure, "--distance", "euclidian").refused(
        USAGE, "euclidian", "euclidean"
    )
    assert not figure.exists()


def test_report_below_a_file_is_refused(bench: Bench, finished: Path) -> None:
    (bench.scratch / "blocked").write_text("in the way\n")
    figure = bench.scratch / "blocked" / "figure.png"
    bench.command("report", finished, "--output", figure).refused(RUNNING, figure, "--output")


@pytest.mark.parametrize("content", ["", "model,dataset\n", "\0"], ids=["empty", "cut", "zero"])
def test_report_on_a_broken_curve_is_refused(bench: Bench, finished: Path, content: str) -> None:
    folder = Path(shutil.copytree(next(finished.iterdir()), bench.scratch / "run"))
    (folder / "curve.csv").write_text(content)
    bench.command("report", folder, "--output", bench.scratch / "figure.png").refused(RUNNING, folder)


def test_a_figure_names_an_odd_folder_and_leaves_it_out(bench: Bench, finished: Path) -> None:
    whole = next(finished.iterdir())
    for name in ("a", "b", "c"):
        shutil.copytree(whole, bench.scratch / "runs" / name)
    (bench.scratch / "runs" / "a" / "run.json").write_text("[]")
    torn = bench.scratch / "runs" / "c" / "curve.csv"
    torn.write_text(torn.read_text()[:300])
    figure = bench.scratch / "figure.png"
    found = bench.command("report", bench.scratch / "runs", bench.scratch / "nowhere", "--output", figure)
    assert found.code == RUNNING
    assert [line.removeprefix("alignbench: ").partition(" ")[0] for line in found.complaints] == [
        str(bench.scratch / "runs" / "a" / "run.json"),
        str(torn),
        str(bench.scratch / "nowhere"),
    ]
    assert figure.read_bytes().startswith(b"\x89PNG")
