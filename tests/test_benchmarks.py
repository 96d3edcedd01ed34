"""The benchmarks of extraction in their smallest form, in this process: what they print is about what they say."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import extraction
import gpu
import nights
import paper_way
import ranks
import things
import workload
from alignbench.cli.main import main as alignbench
from alignbench.datasets import DATASETS

TINY = ["--model", "shapes-clip"]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs what the benchmarks run in processes of their own in this one, which has loaded everything already."""

    def run(command: list[str], threads: int, cores: Sequence[int] | None) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if command[1] == "-c":
                exec(command[2], {})
            else:
                assert command[1:3] == ["-m", "alignbench"]
                assert alignbench(command[3:]) == 0
        return printed.getvalue()

    monkeypatch.setattr(workload, "_process", run)
    monkeypatch.setattr(sys, "argv", ["benchmark"])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


# ---------------------------------------------------------------------------------------------------- data


def test_shapes_of_the_data(tmp_path: Path) -> None:
    images = {
        "tid2013": workload.write_tid2013(tmp_path / "tid2013", 1),
        "nights": workload.write_nights(tmp_path / "nights", 5, 32),
        "things": workload.write_things(tmp_path / "things", 9, 70, 12),
    }
    assert images == {"tid2013": 121, "nights": 15, "things": 9}
    for name, pairs in (("tid2013", 120), ("nights", 10), ("things", None)):
        data_set = DATASETS.load(name)
        judgments = data_set.read(tmp_path / name, (data_set.default_subset,))
        assert len(judgments.images.names) == images[name]
        assert pairs in (None, len(judgments.pairs))
        assert judgments.images.open(0).size == {"tid2013": (512, 384), "nights": (32, 32)}.get(
            name, judgments.images.open(0).size
        )
    triplets = np.loadtxt(tmp_path / "things" / "testset1.txt", dtype=np.int64)
    assert triplets.shape == (70, 3)
    distinct, count = np.unique(np.sort(triplets, axis=1), axis=0, return_counts=True)
    assert len(distinct) <= 12
    assert count.min() >= 5
    assert len(np.unique(triplets[:, 2])) > 3  # any object of a triplet is the odd one now and then


def test_triplets_of_everything(tmp_path: Path) -> None:
    assert workload.write_things(tmp_path, 10, 400, None) == 10
    judgments = DATASETS.load("things").read(tmp_path, ("all",))
    assert len(judgments.judged) == 400
    assert len(judgments.pairs) == 45


def test_a_process_of_its_own_has_the_cores_and_threads_that_it_is_given() -> None:
    core = max(os.sched_getaffinity(0))
    code = "import os; print(os.environ['OMP_NUM_THREADS'], sorted(os.sched_getaffinity(0)))"
    assert workload.child(code, 3, [core]).strip() == f"3 [{core}]"
    with pytest.raises(SystemExit, match="no such thing"):
        workload.child("raise ValueError('no such thing')", 1)


def test_a_verdict_says_whether_a_number_is_enough() -> None:
    assert workload.verdict("ratio", 1.0804, at_most=1.08) == "ratio 1.080 (at most 1.08: NO)"
    assert workload.verdict("times", 2.5, at_least=2.5) == "times 2.500 (at least 2.5: yes)"
    assert workload.verdict("share", 0.5) == "share 0.500"
    assert workload.median_ratio([1.0, 9.0, 2.0], [4.0]) == 0.5
    assert "cores" in workload.machine()


# ------------------------------------------------------------------------------------------------- scripts


def number(shown: str, what: str) -> float:
    """The number that follows some words."""
    found = re.search(rf"{re.escape(what)} ([\d.e+-]+)", shown)
    assert found is not None, shown
    return float(found[1])


@pytest.mark.slow
def test_tid2013(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    extraction.main([*TINY, "--references", "1", "--threads", "1"])
    shown = capsys.readouterr().out
    round_ = re.search(r"round 1: bare ([\d.]+) s, ours ([\d.]+) s, ratio ([\d.]+)", shown)
    assert round_ is not None
    assert number(shown, "extract / bare forward") == float(round_[3])
    assert "121 images, shapes-clip, batch 16, 1 threads, fp32, pixels cached" in shown


@pytest.mark.slow
def test_nights(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    nights.main([*TINY, "--triplets", "6", "--side", "64", "--threads", "1"])
    shown = capsys.readouterr().out
    assert "18 images" in shown
    assert number(shown, "bfloat16: lowest Spearman with float32") > 0.8
    assert number(shown, "bfloat16: largest share of choices that change") < 0.5
    for ratio in ("cached / bare forward", "first / (decoding + bare forward)", "bfloat16: throughput / float32's"):
        assert number(shown, ratio) > 0.0


def test_what_bfloat16_changes(tmp_path: Path, here: None) -> None:
    workload.write_nights(tmp_path / "data", 5, 32)
    one, other = (
        workload.ours("shapes-clip", "nights", tmp_path / "data", tmp_path / "runs", "--seed", seed, threads=1)
        for seed in ("0", "1")
    )
    assert nights.change(one.folder, one.folder) == pytest.approx((1.0, 0.0))
    worst, changed = nights.change(one.folder, other.folder)
    assert worst < 1.0
    assert 0.0 <= changed <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("everything", [[], ["--all"]])
def test_things(here: None, capsys: pytest.CaptureFixture[str], everything: list[str]) -> None:
    things.main([*TINY, *everything, "--objects", "12", "--rows", "90", "--threads", "1", "--tight", "1MB"])
    shown = capsys.readouterr().out
    assert "12 images, 90 triplets" in shown
    assert number(shown, "with --feature-memory 1MB: passes") > 1
    assert number(shown, "largest difference of a distance") < 1e-6
    assert "extract / bare forward" in shown


@pytest.mark.slow
def test_the_way_of_the_paper_gives_our_distances(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    paper_way.main([*TINY, "--pairs", "10", "--threads", "1"])
    shown = capsys.readouterr().out
    assert "10 pairs, 20 forward passes there and 11 here" in shown
    assert number(shown, "largest difference of a normalised distance") < 1e-3
    assert number(shown, "float32: times faster") > 0.0


@pytest.mark.slow
def test_ranks(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    ranks.main([*TINY, "--references", "1", "--ranks", "1"])
    assert number(capsys.readouterr().out, "largest difference of a distance") < 1e-6


def test_without_a_gpu_there_is_nothing_to_measure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main([])
    assert capsys.readouterr().out.startswith("no GPU here: nothing to measure")


@pytest.mark.slow
def test_gpu_table(here: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "SECONDS", 0.1)
    options = ["--triplets", "24", "--batch-size", "4", "--objects", "12", "--rows", "90", "--feature-memory", "1GB"]
    gpu.main(["--accelerator", "cpu", "--eager", "--models", "shapes-clip", *options])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| shapes-clip")]
    assert len(rows) == 2
    assert rows[0].count("|") == 7
    assert "pair by pair" in rows[1]
