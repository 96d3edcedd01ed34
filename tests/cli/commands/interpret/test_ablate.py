"""`alignbench interpret ablate` through the command line, on a model whose class is carried by one late head."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from alignbench.cli.main import main
from alignbench.interpret.labelling.head_picks import read_picks
from alignbench.interpret.labelling.labelling import LabelJob, label_heads
from alignbench.interpret.labelling.words import WordLabeller
from alignbench.interpret.store import HeadStore
from alignbench.results.head_ablations import read_ablation
from extracted import refused
from planted_tower import PLANTED, TEMPLATE, save_planted, write_colours
from span_folders import write_span
from wandb_runs import isolate, logged_in, read_logged

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_planted(tmp_path_factory.mktemp("models") / "planted")


def decomposed(model: Path, pictures: Path, output: Path) -> Path:
    order = ["interpret", "decompose", "--model", str(model), "--images", str(pictures), "--output", str(output)]
    assert main([*order, "--layers", "all", "--class-token", "--loader-workers", "0"]) == 0
    (store,) = output.glob("*__heads__*")
    return store


@pytest.fixture(scope="module")
def store(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("colours")
    return decomposed(model, write_colours(root / "pictures"), root / "heads")


@pytest.fixture
def order(model: Path, store: Path) -> list[str]:
    return ["interpret", "ablate", "--heads", str(store), "--model", str(model)]


def ablated(order: list[str], capsys: Capture) -> pd.DataFrame:
    capsys.readouterr()
    assert main(order) == 0
    return read_ablation(Path(capsys.readouterr().out.splitlines()[-1]))[1]


def test_only_the_head_that_carries_the_class_matters(order: list[str], capsys: Capture) -> None:
    kinds = "head,layer,mlp,mlps,early,class"
    table = ablated([*order, "--by", kinds, "--template", TEMPLATE], capsys).set_index(["kind", "layer", "head"])
    carries = {("head", *PLANTED), ("layer", 2, -1), ("early", 2, -1)}
    assert len(table) == 1 + 4 + 2 + 2 + 1 + 2 + 1
    for place, row in table.iterrows():
        if place in carries:
            assert (row["value"], row["difference"]) == (0.5, -0.5), place
            assert row["difference_high"] < -0.3
        else:
            assert (row["value"], row["difference"], row["difference_low"]) == (1.0, 0.0, 0.0), place


def test_groups_of_heads_stand_beside_drawn_ones(order: list[str], capsys: Capture) -> None:
    given = [*order, "--group", "2.1,1.0", "--group", "1.0", "--random", "1", "--template", TEMPLATE]
    table = ablated(given, capsys)
    assert table["kind"].tolist() == ["all", "group", "random", "group", "random"]
    assert table["heads"].tolist()[:4] == ["", "2.1,1.0", "1.1,2.0", "1.0"]
    assert table["value"].tolist()[:4] == [1.0, 0.5, 1.0, 1.0]


def test_the_reference_says_what_is_put_in_its_place(
    order: list[str], model: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Red pictures alone: the planted head then says red of everything."""
    write_colours(tmp_path / "pictures", each=5, seed=1)
    for path in (tmp_path / "pictures/green").iterdir():
        path.unlink()
    reference = decomposed(model, tmp_path / "pictures", tmp_path / "heads")
    given = [*order, "--group", "2.1", "--reference", str(reference), "--way", "mean,resample", "--template", TEMPLATE]
    capsys.readouterr()
    assert main([*given, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["reference"] == reference.name
    assert told["settings"]["reference"]["images"] != told["settings"]["heads"]["images"]
    assert [row["value"] for row in told["ablations"]] == [1.0, 0.5, 0.5]
    assert main([*given, "--json"]) == 0
    assert "these ablations were made before: taken from" in capsys.readouterr().err


def test_groups_are_scored_from_a_table(order: list[str], store: Path, tmp_path: Path, capsys: Capture) -> None:
    names = json.loads((store / "names.json").read_text())
    rows = [f"{name},{int(name.startswith('red'))},{'odd' if int(name[-6:-4]) % 2 else 'even'}" for name in names]
    (tmp_path / "metadata.csv").write_text("\n".join(["file,y,place", *reversed(rows)]) + "\n")
    texts = [f"{number},{TEMPLATE.format(name)}" for number, name in enumerate(("green", "red"))]
    (tmp_path / "classes.csv").write_text("\n".join(["class,text", *texts]) + "\n")
    given = [*order, "--metadata", str(tmp_path / "metadata.csv"), "--columns", "file,y,place", "--worst-group"]
    table = ablated([*given, "--group", "2.1", "--classes", str(tmp_path / "classes.csv")], capsys)
    groups = table[(table["measure"] == "group") & (table["kind"] == "group")]
    assert groups["group"].tolist() == ["0/even", "0/odd", "1/even", "1/odd"]
    assert sorted(groups["value"]) == [0.0, 0.0, 1.0, 1.0]
    worst = table[table["measure"] == "worst_group"]
    assert worst["value"].tolist() == [1.0, 0.0]


def test_heads_of_a_label_are_a_group(order: list[str], store: Path, tmp_path: Path, capsys: Capture) -> None:
    settings = HeadStore.open(store).record["settings"]
    picked = {(1, 0): ["a red dog"], (1, 1): ["the tree"], (2, 0): ["striped"], (2, 1): ["green"]}
    span = write_span(tmp_path / "own__textspan__0", picked, heads=settings)
    words = WordLabeller({"colours": ("red", "green"), "plants": ("tree",)})
    labels = str(label_heads(read_picks(span), words, LabelJob("words", 0))[0])
    given = [*order, "--template", TEMPLATE, "--labels", labels]
    table = ablated(given, capsys)
    assert table["label"].tolist() == ["", "colours", "plants"]
    assert table["heads"].tolist() == ["", "1.0,2.1", "1.1"]
    assert table["value"].tolist() == [1.0, 0.5, 1.0]
    assert ablated([*given, "--label", "plants"], capsys)["heads"].tolist() == ["", "1.1"]
    searched = ["interpret", "search", "property", *order[2:], "--picture", "red/00.png", "--labels", labels]
    assert main([*searched, "--label", "colours", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["among"] == "1.0,2.1"
    assert "unknown --label 'colour'" in refused(capsys, [*given, "--label", "colour"])
    assert "--label names one label of --labels: give --labels too" in refused(capsys, [*order, "--label", "plants"])
    assert "are chosen by --labels and --label together, or by --group" in refused(capsys, searched)


def test_the_table_shows_the_heads_that_change_most(order: list[str], capsys: Capture) -> None:
    capsys.readouterr()
    assert main([*order, "--template", TEMPLATE]) == 0
    told = capsys.readouterr()
    assert "40 images of 2 classes, 2 classes in texts" in told.err
    for shown in ("nothing", "head 2.1", "heads of layer 2", "MLP 1", "all MLPs", "attention up to layer 2", "-0.500"):
        assert shown in told.out


def test_ablations_are_logged_once(
    order: list[str], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    import wandb

    wandb.teardown()
    isolate(monkeypatch, tmp_path / "home")
    given = [*order, "--group", "2.0", "--template", TEMPLATE, "--wandb", "offline"]
    assert main(given) == 0
    assert "logged to W&B offline; to upload: wandb sync" in capsys.readouterr().err
    (place,) = logged_in(store.parent)
    assert read_logged(place).table("ablations")["ablated"].tolist() == ["nothing", "2.0"]
    assert main(given) == 0
    assert len(logged_in(store.parent)) == 1, "what is logged is not logged again"
    wandb.teardown()


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (("--by", "heads"), "unknown --by 'heads'"),
        (("--group", "5"), "--group 5 names no heads: write layer and head of each, as in 5.3,6.0"),
        (("--group", "3.0"), "holds no heads of layer 3: it has those of 1, 2"),
        (("--random", "2"), "--random draws groups beside those of --group"),
        (("--way", "median"), "unknown --way 'median'"),
        (("--template", "a dog"), "--template 'a dog' has to have {} once"),
        (("--template", "a {}", "--classes", "x.csv"), "--classes gives the texts that --template would make"),
        (("--metadata", "nowhere.csv"), "nowhere.csv is missing: give a CSV by --metadata, and name its columns"),
        (("--metadata", "nowhere.csv", "--worst-group"), "--worst-group needs a column of attributes: give --columns"),
        (("--classes", "nowhere.csv"), "nowhere.csv is missing: give a CSV with the columns class and text"),
        (("--worst-group",), "green/00.png does not lie in folders as CLASS/ATTRIBUTE/PICTURE"),
        (("--reference", "nowhere"), "nowhere is not there: name a folder of contributions"),
        (("--model", "shapes-clip"), "is of another model than shapes-clip: name its model with --model"),
    ],
)
def test_wrong_input_is_said_in_one_line(
    further: tuple[str, ...], said: str, order: list[str], store: Path, capsys: Capture
) -> None:
    before = set(store.parent.iterdir())
    assert said in refused(capsys, [*order, *further])
    assert set(store.parent.iterdir()) == before
