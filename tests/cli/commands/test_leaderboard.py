"""`alignbench leaderboard` prints, writes and refuses."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from command_bench import RUNNING, USAGE, Bench
from studies import BASE_16, BASE_32, Made, write_made

pytestmark = pytest.mark.usefixtures("no_surroundings")
LABELS = {f"odd_%&[{BASE_16}]": 0.7, BASE_32: 0.6, "ssim": 0.5}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("led") / "runs"
    root.mkdir()
    for label, score in LABELS.items():
        model = label if label in (BASE_32, "ssim") else BASE_16
        write_made(Made(model, "tid2013", 60, lambda *_, score=score: score, label=label), root)
    return root


def test_the_table_is_printed_and_what_it_says_stands_beside(bench: Bench, runs: Path) -> None:
    found = bench.command("leaderboard", runs)
    assert found.code == 0
    places = [found.out.index(name) for name in (*LABELS, "chance")]
    assert places == sorted(places), "from the highest to the lowest"
    assert "ssim, baseline" in found.out
    assert "`alignbench compare`" in found.err
    assert not found.complaints


def test_json_stands_alone_in_full_precision(bench: Bench, runs: Path) -> None:
    found = bench.command("leaderboard", runs, "--json", "--distance", "cosine")
    rows = json.loads(found.out)
    assert [row["model"] for row in rows] == [*LABELS, "chance"]
    [folder] = runs.glob(f"{BASE_32.replace('/', '--')}__*")
    with (folder / "curve.csv").open(encoding="utf-8") as file:
        [value] = [
            float(row["value"])
            for row in csv.DictReader(file)
            if (row["distance"], row["layer"], row["metric"]) == ("cosine", "projection", "spearman")
        ]
    assert rows[1]["TID2013 (60 of 3,000 ratings)"] == value
    assert rows[1]["seeds"] is None


@pytest.mark.parametrize("name", ["board.csv", "board.md", "board.tex"])
def test_the_table_is_written(bench: Bench, runs: Path, name: str) -> None:
    path = bench.scratch / "new" / name
    found = bench.command("leaderboard", runs, "--output", path, "--at", "best", "--sort", "tid2013")
    assert (found.code, found.out.strip()) == (0, str(path))
    assert "0.7" in path.read_text(encoding="utf-8")


def test_a_folder_that_is_no_run_is_named_and_left_out(bench: Bench, runs: Path) -> None:
    copied = Path(shutil.copytree(runs, bench.scratch / "runs"))
    torn = sorted(copied.iterdir())[0]
    (torn / "run.json").write_text("[]")
    found = bench.command("leaderboard", copied, "--json", "--distance", "cosine")
    found.complained(RUNNING, torn / "run.json")
    assert len(json.loads(found.out)) == len(LABELS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--distance", "euclidian"], ["euclidian", "did you mean", "euclidean"]),
        (["--sort", "night"], ["night", "tid2013"]),
        (["--at", "middle"], ["middle", "best", "projection"]),
        (["--output", "board.png"], ["board.png", ".csv", ".md", ".tex"]),
        (["--output", "board.csv", "--json"], ["--json", "--output"]),
    ],
)
def test_wrong_options_are_refused(bench: Bench, runs: Path, options: list[str], words: list[str]) -> None:
    bench.command("leaderboard", runs, *options).refused(USAGE, *words)
    assert not list(Path.cwd().glob("board.*"))


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_read(bench: Bench) -> None:
    (bench.scratch / "blocked").write_text("in the way\n")
    path = bench.scratch / "blocked" / "board.csv"
    bench.command("leaderboard", bench.scratch / "nowhere", "--output", path).refused(RUNNING, path, "--output")
    bench.command("leaderboard", bench.scratch / "nowhere").refused(RUNNING, bench.scratch / "nowhere")
