"""The benchmarks of extraction in their smallest form, in this process: what they print is about what they say."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import ceilings
import extraction
import gpu
import head_nulls
import head_search
import heads
import highest
import nights
import objects
import paper_way
import ranks
import selection
import selection_worlds
import similarity_matrices
import stored
import textspan
import things
import towers
import uncertainty
import workload
from alignbench.cli.main import main as alignbench
from alignbench.datasets import DATASETS

pytestmark = pytest.mark.slow

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


def test_towers_of_timm(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--model", "timm:test_resnet", "--model", "timm:test_vit"]
    towers.main([*small, "--references", "1", "--threads", "1", "--rounds", "1"])
    shown = capsys.readouterr().out
    assert shown.count("121 images, timm:test_") == 2
    assert number(shown, "extract / bare forward") > 0.0
    ratio = number(shown, "ratio")
    assert shown.count("at most 1.15") == 2
    assert ratio == pytest.approx(number(shown, "ours") / number(shown, "bare"), rel=0.6)


def test_heads(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    heads.main([*TINY, "--images", "6", "--threads", "1", "--rounds", "1"])
    shown = capsys.readouterr().out
    assert "6 images, shapes-clip, batch 16, 1 threads" in shown
    assert 0 < number(shown, "largest error of a sum") < 1e-5
    assert number(shown, "decomposition / bare forward") > 0.0
    assert "at most 1.25" in shown


def test_answers_of_the_head_browser(capsys: pytest.CaptureFixture[str]) -> None:
    head_search.main([*TINY, "--pictures", "40", "--heads", "2", "--width", "8", "--small", "20", "--rounds", "1"])
    told = capsys.readouterr().out.splitlines()[1:]
    assert [line.split(",")[0] for line in told] == [
        *["property"] * 3,
        *["picture"] * 3,
        "start",
        told[7].split(",")[0],
    ]
    assert "property, centred, 2 heads of 8, 40 pictures: seconds" in told[2]
    assert told[7].startswith("topic map of shapes-clip: seconds")


def test_texts_of_heads(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--heads", "3", "--images", "90", "--texts", "120", "--width", "24", "--picks", "4", "--resamples", "3"]
    textspan.main(sizes)
    told = capsys.readouterr().out
    assert "picks equal on 3 heads" in told
    assert "3 resamples of all heads" in told


def test_tid2013(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    extraction.main([*TINY, "--references", "1", "--threads", "1"])
    shown = capsys.readouterr().out
    round_ = re.search(r"round 1: bare ([\d.]+) s, ours ([\d.]+) s, ratio ([\d.]+)", shown)
    assert round_ is not None
    assert number(shown, "extract / bare forward") == float(round_[3])
    assert "121 images, shapes-clip, batch 16, 1 threads, fp32, pixels cached" in shown


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


@pytest.mark.parametrize("everything", [[], ["--all"]])
def test_things(here: None, capsys: pytest.CaptureFixture[str], everything: list[str]) -> None:
    things.main([*TINY, *everything, "--objects", "12", "--rows", "90", "--threads", "1", "--tight", "1MB"])
    shown = capsys.readouterr().out
    assert "12 images, 90 triplets" in shown
    assert number(shown, "with --feature-memory 1MB: passes") > 1
    assert number(shown, "largest difference of a distance") < 1e-6
    assert "extract / bare forward" in shown


@pytest.mark.parametrize("form", ["safetensors", "npz"])
def test_features_that_exist_score_as_in_plain_numpy(
    here: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    sizes = "--pictures 60 --layers 2 --channels 8 --objects 20 --triplets 100 --distinct 20"
    monkeypatch.setattr(sys, "argv", ["stored.py", *sizes.split(), "--form", form])
    stored.main()
    printed = capsys.readouterr().out
    assert "60 x 2 x 8" in printed
    assert len(re.findall(r"^(plain NumPy|alignbench run) +\d+\.\d s, peak \d+\.\d\d GB$", printed, re.MULTILINE)) == 2
    assert printed.splitlines()[-1] == "largest difference of an accuracy: 0.0e+00"


def test_the_way_of_the_paper_gives_our_distances(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    paper_way.main([*TINY, "--pairs", "10", "--threads", "1"])
    shown = capsys.readouterr().out
    assert "10 pairs, 20 forward passes there and 11 here" in shown
    assert number(shown, "largest difference of a normalised distance") < 1e-3
    assert number(shown, "float32: times faster") > 0.0


def test_ranks(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    ranks.main([*TINY, "--references", "1", "--ranks", "1"])
    assert number(capsys.readouterr().out, "largest difference of a distance") < 1e-6


def test_without_a_gpu_there_is_nothing_to_measure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu.main([])
    assert capsys.readouterr().out.startswith("no GPU here: nothing to measure")


def test_gpu_table(here: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "SECONDS", 0.1)
    options = ["--triplets", "24", "--batch-size", "4", "--objects", "12", "--rows", "90", "--feature-memory", "1GB"]
    gpu.main(["--accelerator", "cpu", "--eager", "--models", "shapes-clip", *options])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| shapes-clip")]
    assert len(rows) == 2
    assert rows[0].count("|") == 7
    assert "pair by pair" in rows[1]


def test_intervals_over_objects_keep_to_their_limits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert objects.main(["--draws", "40", "--only", "80 objects, 600 triplets"]) == 0
    rows = [line.rsplit(maxsplit=3) for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[0].partition(",")[0] for row in rows] == ["accuracy", "difference of triplets alone"]
    for _, coverage, width, floored in rows:
        assert float(coverage) > 0.8
        assert 0.7 < float(width) < 1.5
        assert 0.0 <= float(floored) <= 1.0
    wrong = replace(objects.WORLDS[0], truth=lambda: 0.9)
    monkeypatch.setattr(objects, "WORLDS", (wrong,))
    assert objects.main(["--draws", "5"]) == 1
    assert "NO" in capsys.readouterr().out
    monkeypatch.setattr(objects, "WORLDS", (replace(wrong, beyond="too narrow"),))
    assert objects.main(["--draws", "5"]) == 0
    assert "too narrow, as documented" in capsys.readouterr().out


def test_truths_of_worlds_of_objects_are_what_draws_are_about() -> None:
    """The probit's closed form, against the mean over draws."""
    for world in objects.WORLDS[3:6:2]:
        estimates = [world.draw(np.random.default_rng((3, number)))[0] for number in range(60)]
        error = np.std(estimates) / np.sqrt(60)
        assert abs(np.mean(estimates) - world.truth()) < 3.5 * error


def test_intervals_of_similarity_matrices_keep_to_their_limits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = similarity_matrices.World(14, 3, (0.5, 0.3, 0.5))
    monkeypatch.setattr(similarity_matrices, "WORLDS", (small, replace(small, gain=True)))
    monkeypatch.setattr(similarity_matrices, "_TRUTHS", 10)
    assert similarity_matrices.main(["--draws", "40"]) == 0
    first, second = (
        [float(number) for number in re.findall(r"\d\.\d+", line.partition(")")[2])]
        for line in capsys.readouterr().out.splitlines()[2:]
    )
    for crossed, _, pictures, _, pairs, _ in (first, second):
        assert crossed >= pictures > pairs
    monkeypatch.setattr(similarity_matrices.World, "truth", lambda self: 0.99)
    assert similarity_matrices.main(["--draws", "5"]) == 1
    with pytest.raises(SystemExit):
        similarity_matrices.main(["--only", "none"])


def test_intervals_of_uncertainty_scores_keep_to_their_limits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apart = (0.6, 0.2, 0.3)
    worlds = (
        uncertainty.World(100, 10, apart, "entropy_spearman"),
        uncertainty.World(300, 10, apart, "log_rt_spearman", blocks=True),
    )
    monkeypatch.setattr(uncertainty, "WORLDS", worlds)
    monkeypatch.setattr(uncertainty, "_TRUTHS", 5)
    monkeypatch.setattr(uncertainty, "_MANY", 5_000)
    monkeypatch.setattr(uncertainty, "_CEILINGS", 5)
    assert uncertainty.main(["--draws", "40"]) == 0
    for line in capsys.readouterr().out.splitlines()[2:]:
        crossed, wide, triplets, narrow, *_ = map(float, re.findall(r"\d\.\d+", line.partition(")")[2]))
        assert crossed >= triplets
        assert wide > narrow
    monkeypatch.setattr(uncertainty.World, "truth", lambda self: 0.99)
    assert uncertainty.main(["--draws", "5"]) == 1
    with pytest.raises(SystemExit):
        uncertainty.main(["--only", "none"])


def test_conclusions_about_chosen_layers_keep_to_their_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert selection.main(["--draws", "12", "--only", "clusters, 13 equal, 1 good, 0.8"]) == 0
    title, _, row = capsys.readouterr().out.splitlines()
    columns, cells = (line.strip("| ").split(" | ")[1:] for line in (title, row))
    found = dict(zip(columns, map(float, cells), strict=True))
    assert found["called"] <= 0.2
    assert found["near"] >= 0.75
    assert 10.0 < found["size"] <= 13.0
    assert 0.8 < found["error"] < 1.8
    (world,) = selection_worlds.worlds("limit, 13 equal, 1 good, 0.6")
    wrong = replace(world, first=world.first + 0.1)
    found_wrong = selection.row(wrong, 5)
    assert found_wrong.interval == found_wrong.band == 0.0
    assert selection.verdicts(wrong, found_wrong, 5) == ["interval", "band", "difference_band"]
    assert selection.verdicts(world, replace(found_wrong, called=0.4, interval=1.0), 1000)[-1] == "called"


def test_worlds_of_curves_have_the_truth_and_the_errors_that_they_say() -> None:
    """Means and correlations over draws."""
    for name in ("new, skewed, 13", "limit, 13 equal, 13 equal, 0.8"):
        (world,) = selection_worlds.worlds(name)
        values = np.array([world.draw(np.random.default_rng((6, number))).both.value for number in range(2_000)])
        assert values.mean(axis=0) == pytest.approx(np.concatenate([world.first, world.second]), abs=0.0015)
        assert values.std(axis=0) == pytest.approx(selection_worlds.ERROR, rel=0.1)
        within = float(np.corrcoef(values[:, 0], values[:, 1])[0, 1])
        assert within == pytest.approx(0.9 if "skewed" in name else 0.8, abs=0.03)
        assert np.corrcoef(values[:, 0], values[:, 13])[0, 1] == pytest.approx(0.6 * within, abs=0.05)


def test_ceilings_are_held_against_known_truths(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceilings, "FOREVER", 12_000)
    ceilings.main(["--draws", "1"])
    rows = [line for line in capsys.readouterr().out.splitlines() if re.search(r" [+-]0\.\d{4}( |$)", line)]
    found = {(line[:38].strip(), line[38:73].strip()): [float(each) for each in line[73:].split()] for line in rows}
    assert len(found) == 6 * 3 + 4 * 2 + 8 + 3 + 6 * 2
    for responses in ("2", "4 to 5", "16"):
        world = f"Dirichlet 1, {responses} responses"
        lower, upper, middle = (found[world, f"ceiling_{name}"] for name in ("loo", "max_share", "mean"))
        assert upper[0] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3, abs=0.01)  # of three uniform shares of 1
        assert lower[2] < -0.01 < 0.01 < upper[2]
        assert abs(middle[2]) < 0.03
    for kept in (0.6, 0.8, 0.9, 0.98):
        truth, estimate, _ = found[f"reliability {kept:g}", "ceiling_pearson"]
        assert truth == pytest.approx(kept**0.5, abs=0.02)
        assert estimate == pytest.approx(truth, abs=0.02)
    for (world, _), values in found.items():
        if "added" in world or world.startswith("25 x"):
            assert all(0.0 <= share <= 1.0 for share in values[3:])
            assert len(values) == 6
    for world in ("25 x 120 ratings", "1,800 pairs of options", "250 triplets x 16"):
        of_world = [values for (name, _), values in found.items() if name.startswith(f"{world}, added")]
        assert of_world[0][0] < of_world[-2 if "ratings" not in world else -1][0]


def test_a_section_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ceilings.main(["--only", "people,sharks"])
    assert "no section sharks: there are people, ratings, shares, power" in capsys.readouterr().err


def test_highest_counts_the_calls_among_equal_layers() -> None:
    simultaneous, anew = highest.mistakes(highest.World(25, 13, 1, 0.8), draws=8)
    assert 0.0 <= simultaneous <= anew <= 0.5
    assert anew > 0.0, "what choosing anew calls"


def test_nulls_of_heads_take_chance_for_more_as_seldom_as_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert head_nulls.main(["--worlds", "12", "--draws", "240", "--triplets", "300"]) == 0
    rows = [line.rsplit(maxsplit=4) for line in capsys.readouterr().out.splitlines()[2:-1]]
    assert [row[0].strip() for row in rows] == list(head_nulls.NULLS)
    for _, called, uncorrected, planted, _ in rows:
        assert float(called) < float(uncorrected)
        assert float(planted) > 0.5
    head_nulls.main(["--time", "--draws", "20", "--triplets", "50"])
    assert number(capsys.readouterr().out, "subspaces, seconds for a layer") > 0.0
