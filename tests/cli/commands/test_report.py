"""`alignbench report` writes figures, tables and bibliographies; folders without runs are refused in one line."""

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image

from alignbench.cli.main import main
from command_bench import RUNNING, USAGE, Bench
from published_runs import BASE_32
from studies import Made, write_made

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
    bench.command("report", finished, "--output", figure).refused(
        USAGE, figure, ".html", ".png", ".svg", ".csv", ".tex"
    )
    assert not figure.exists()


def test_a_place_that_cannot_be_written_is_told_before_anything_is_read(bench: Bench) -> None:
    (bench.scratch / "blocked").write_text("in the way\n")
    for name in ("report.html", "figure.pdf", "table.csv"):
        path = bench.scratch / "blocked" / name
        bench.command("report", bench.scratch / "nowhere", "--output", path).refused(RUNNING, path, "--output")


def test_neither_output_nor_bibliography_is_refused(bench: Bench, finished: Path) -> None:
    bench.command("report", finished).refused(USAGE, "--output", "--bibtex")


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("f.png", ["--published", "clip-vit-base-patch61"], ["clip-vit-base-patch61", "did you mean", "perceptnet"]),
        ("f.png", ["--published", "nothing like it"], ["nothing like it", "valid:", "ssim"]),
        ("t.csv", ["--published", "ssim"], ["--published", ".html", ".png"]),
        ("f.png", ["--width", "broad"], ["--width broad", "column", "page", "inches"]),
        ("t.md", ["--width", "column"], ["--width", ".png"]),
        ("f.pdf", ["--width", "1"], ["--width 1", "2 to 30"]),
        ("t.csv", ["--distance", "euclidian"], ["euclidian", "euclidean"]),
    ],
)
def test_wrong_options_are_refused(
    bench: Bench, finished: Path, name: str, options: list[str], words: list[str]
) -> None:
    output = bench.scratch / name
    bench.command("report", finished, "--output", output, *options).refused(USAGE, *words)
    assert not output.exists()


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with three distances, its twin, and a baseline, on NIGHTS."""
    root = tmp_path_factory.mktemp("several")
    for label in (BASE_32, f"{BASE_32}@random-0", "ssim"):
        write_made(Made(label.partition("@")[0], "nights", 60, lambda *_: 0.6, label=label), root)
    return root


@pytest.mark.parametrize(("distance", "rows"), [("", 3), ("all", 7), ("cosine,euclidean", 5)])
def test_a_table_has_one_distance_unless_more_are_asked_for(
    bench: Bench, several: Path, distance: str, rows: int
) -> None:
    path = bench.scratch / "table.csv"
    found = bench.command("report", several, "--output", path, *(["--distance", distance] if distance else []))
    assert (found.code, found.out.strip()) == (0, str(path))
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == rows
    assert {line["run"] for line in lines} == {folder.name for folder in several.iterdir()}


@pytest.mark.parametrize("name", ["table.md", "table.tex"])
def test_a_table_is_written_to_be_read(bench: Bench, several: Path, name: str) -> None:
    path = bench.scratch / name
    assert bench.command("report", several, "--output", path).code == 0
    text = path.read_text(encoding="utf-8")
    assert BASE_32 in text
    assert "selected on these judgments" in text
    assert "60 of 20,019 triplets" in text


def test_a_figure_has_the_width_of_a_column(bench: Bench, several: Path) -> None:
    path = bench.scratch / "figure.png"
    published = ["--published", "clip-vit-base-patch16,perceptnet"]
    assert bench.command("report", several, "--output", path, "--width", "column", *published).code == 0
    with Image.open(path) as image:
        assert image.width == 3.25 * 300


def test_published_curves_that_can_stand_nowhere_are_refused(bench: Bench, several: Path) -> None:
    path = bench.scratch / "figure.png"
    found = bench.command(
        "report", several, "--output", path, "--published", "siglip-base-patch16-224", "--distance", "cosine"
    )
    found.refused(USAGE, "google/siglip-base-patch16-224", "normalized_euclidean")
    assert not path.exists()


def test_what_to_cite_is_written_beside_and_printed_alone(bench: Bench, several: Path) -> None:
    path = bench.scratch / "table.csv"
    found = bench.command("report", several, "--output", path, "--bibtex")
    assert found.out.split() == [str(path), str(path.with_suffix(".bib"))]
    text = path.with_suffix(".bib").read_text(encoding="utf-8")
    for key in ("{hernandez-camara2024,", "{fu2023dreamsim,", "{radford2021clip,", "{wang2004ssim,"):
        assert key in text
    alone = bench.command("report", several, "--bibtex")
    assert (alone.code, alone.out) == (0, text)
    again = bench.command("report", several, "--output", path, "--bibtex")
    assert again.code == 0, "its own is written anew"


def test_somebodys_bibliography_is_not_written_over(bench: Bench, several: Path) -> None:
    path = bench.scratch / "paper.pdf"
    path.with_suffix(".bib").write_text("@book{mine}\n")
    bench.command("report", several, "--output", path, "--bibtex").refused(USAGE, path.with_suffix(".bib"), "--output")
    assert path.with_suffix(".bib").read_text() == "@book{mine}\n"
    assert not path.exists()


def test_a_table_names_an_odd_folder_and_leaves_it_out(bench: Bench, several: Path) -> None:
    copied = Path(shutil.copytree(several, bench.scratch / "runs"))
    torn = sorted(copied.iterdir())[0]
    (torn / "curve.csv").write_text("")
    path = bench.scratch / "table.csv"
    bench.command("report", copied, "--output", path, "--distance", "cosine").complained(RUNNING, torn)
    assert len(path.read_text().splitlines()) == 3


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
