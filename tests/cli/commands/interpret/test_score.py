"""`alignbench interpret score` through the command line: scores, comparisons of models, W&B, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.results.head_scores import read_scores
from extracted import refused
from score_folders import write_scores
from span_folders import write_span
from wandb_runs import isolate, logged_in, read_logged

Capture = pytest.CaptureFixture[str]
EVEN = ["red a", "red b", "red c", "red d", "cup"]
PICKED = {
    (11, 0): [text for number, each in enumerate(EVEN) for text in (f"blue {number}", each)],
    (12, 0): [text for number in range(5) for text in (f"a dog {number}", f"dogs {number}")],
}
OWN = "colours: [red]\nanimals: [dog]\n"


@pytest.fixture
def labels(tmp_path: Path, capsys: Capture) -> Path:
    span = write_span(tmp_path / "heads/own__textspan__0", PICKED, [PICKED] * 2)
    assert main(["interpret", "label", "--textspan", str(span), "--permutations", "5"]) == 0
    (tmp_path / "own.yaml").write_text(OWN)
    return Path(capsys.readouterr().out.splitlines()[-1])


def score(labels: Path, *further: str) -> list[str]:
    own = labels.parent.parent / "own.yaml"
    order = ["interpret", "score", "--labels", str(labels), "--judge", "words", "--properties", str(own)]
    return [*order, "--wandb", "off", *further]


def test_labels_are_scored_shown_and_taken_again(labels: Path, capsys: Capture) -> None:
    assert main(score(labels)) == 0
    told = capsys.readouterr()
    folder = Path(told.out.splitlines()[-1])
    assert folder.parent == labels.parent
    assert {path.name for path in folder.iterdir()} == {"scores.json", "scores.csv", "heads.csv", "judged.csv"}
    values = read_scores(folder)[1].set_index("measure")["value"]
    assert values["association_mean"] == pytest.approx((4 / 5 + 1) / 2)
    assert (values["association_all"], values["ccs_high"], values["unique"]) == (0.5, 0.5, 1)
    assert "2 heads of own, labelled by words, judged by words" in told.out
    assert "0.900 │ 0.900 .. 0.900" in told.out
    assert "labels are made anew in each draw of the images" in told.err
    assert main([*score(labels), "--json"]) == 0
    told = capsys.readouterr()
    shown = json.loads(told.out)
    assert {row["measure"]: row["value"] for row in shown["scores"]}["association_mean"] == pytest.approx(0.9)
    assert f"these labels were judged before: taken from {folder}" in told.err


def test_scores_are_logged(labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    wandb.teardown()
    isolate(monkeypatch, tmp_path / "home")
    order = score(labels, "--wandb", "offline")
    assert main(order) == 0
    (place,) = logged_in(labels.parent)
    assert len(read_logged(place).table("heads")) == 2
    assert main(order) == 0
    assert len(logged_in(labels.parent)) == 1, "what is logged is not logged again"
    wandb.teardown()


def test_models_are_compared_by_size(tmp_path: Path, capsys: Capture) -> None:
    sizes = (144, 144, 144, 144, 384, 384)
    folders = [write_scores(tmp_path / f"{n}", f"m{n}", size, n / 10) for n, size in enumerate(sizes)]
    order = ["interpret", "score", *(word for folder in folders for word in ("--compare", str(folder)))]
    assert main(order) == 0
    told = capsys.readouterr().out
    assert "larger models more interpretable? 6 models cannot decide it at 5 %" in " ".join(told.split())
    assert "no p below 0.0667" in " ".join(told.split())
    assert main([*order, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [each["size"] for each in shown["models"]] == list(sizes)
    by_measure = {each["measure"]: each for each in shown["trends"]}
    assert by_measure["association_mean"]["p"] == pytest.approx(1 / 15)
    assert by_measure["entangled"]["p"] == 1
    assert "cannot decide" in shown["verdict"]


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (("--judge", "wrds"), "unknown labeller 'wrds': did you mean words"),
        (("--labels", "nowhere"), "nowhere holds no labels.json and labels.csv"),
        (("--judge", ""), "give --labels and --judge, or --compare with scores of several models"),
        (("--compare", "a"), "--compare takes finished scores: leave out --labels and --judge"),
        (("--properties", "twice.yaml"), "twice.yaml has the key a twice"),
        (("--properties", "other.yaml"), "words cannot judge the label 'animals'"),
        (("--judge", "file", "--file", "nowhere.yaml"), "nowhere.yaml cannot be read"),
    ],
)
def test_wrong_input_is_said_in_one_line(
    further: tuple[str, ...],
    said: str,
    labels: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twice.yaml").write_text("a: [b]\na: [c]\n")
    (tmp_path / "other.yaml").write_text("colours: [red]\nplants: [rose]\n")
    before = set(labels.parent.iterdir())
    assert said in refused(capsys, score(labels, *further))
    assert set(labels.parent.iterdir()) == before


def test_the_labeller_does_not_judge_itself(labels: Path, capsys: Capture) -> None:
    line = refused(capsys, ["interpret", "score", "--labels", str(labels), "--judge", "words", "--wandb", "off"])
    assert "the judge words is what labelled these heads (words), and would find its own labels right" in line
    assert "give another by --judge" in line
