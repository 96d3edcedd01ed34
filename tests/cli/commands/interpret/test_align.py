"""`alignbench interpret align` through the command line: what it leaves and shows, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.results.head_alignment import read_head_alignment
from alignbench.results.head_differences import read_comparison
from extracted import refused
from folders import Folders
from random_transforms import transform

Capture = pytest.CaptureFixture[str]
FEW = ("--loader-workers", "0", "--draws", "19", "--splits", "2", "--protocol", "paper", "--wandb", "off")
pytestmark = pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")


@pytest.fixture
def base(data_root: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of data sets, of which one is not there."""
    (tmp_path / "data").mkdir()
    for name in ("tid2013", "things"):
        (tmp_path / "data" / name).symlink_to(data_root(name))
    monkeypatch.setenv("ALIGNBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_data_sets_that_are_there_are_scored(base: Path, tiny_tower: Folders, capsys: Capture) -> None:
    order = ["interpret", "align", "--model", str(tiny_tower("clip")), *FEW]
    assert main(order) == 0
    told = capsys.readouterr()
    folders = [Path(line) for line in told.out.splitlines()[-2:]]
    assert [read_head_alignment(folder)[0]["dataset"].iloc[0] for folder in folders] == ["tid2013", "things"]
    assert {path.name for path in folders[0].iterdir()} == {
        *("alignment.csv", "cumulative.csv", "align.json", "part_distances.safetensors", "heads.png", "heads.svg"),
    }
    assert "Heads of clip on tid2013" in told.out
    for folder in folders:
        alignment, cumulative, record = read_head_alignment(folder)
        own = alignment[alignment["measure"].isin(["spearman", "accuracy"]) & (alignment["way"] == "alone")]
        heads = own[own["kind"] == "head"]
        assert heads[["p_choices", "p_twin"]].notna().all(axis=None)
        best = heads[heads["protocol"] == "paper"].sort_values("value", ascending=False, kind="stable").iloc[0]
        assert f"head {best['layer']}.{best['head']}" in told.out
        assert f"{best['value']:.3f}" in told.out
        assert set(cumulative["kind"]) == {"chosen", "random"}
        assert (folder.parent / record["store"] / "heads.json").is_file()
    assert len(list((base / "heads").glob("clip__heads__*"))) == 2
    assert len(list((base / "heads").glob("clip@random-0__heads__*"))) == 2
    assert main([*order, "--json"]) == 0
    told = capsys.readouterr()
    shown = json.loads(told.out)
    assert [each["folder"] for each in shown] == [str(folder) for folder in folders]
    assert len(shown[0]["alignment"]) == len(read_head_alignment(folders[0])[0])
    assert told.err.count("these heads were scored before: taken from") == 2


def test_one_that_fails_does_not_stop_the_others(base: Path, tiny_tower: Folders, capsys: Capture) -> None:
    order = ["interpret", "align", "--model", str(tiny_tower("clip")), *FEW, "--twins", "0", "--limit", "8"]
    assert main([*order, "--dataset", "nights,things"]) == 1
    told = capsys.readouterr()
    assert "clip on nights: data root" in told.err
    (folder,) = [Path(line) for line in told.out.splitlines() if line.startswith("heads/")]
    assert set(read_head_alignment(folder)[0]["n"]) == {8}


def test_weights_at_random_have_no_twin(base: Path, tiny_tower: Folders, capsys: Capture) -> None:
    order = ["interpret", "align", "--model", str(tiny_tower("clip")), "--random-init", *FEW, "--dataset", "things"]
    assert main(order) == 0
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    assert folder.name.startswith("clip@random-0__align__")
    assert read_head_alignment(folder)[0]["p_twin"].isna().all()


def test_a_transform_is_held_against_the_plain_model(base: Path, tiny_tower: Folders, capsys: Capture) -> None:
    few = (
        "--dataset",
        "tid2013",
        "--draws",
        "0",
        "--twins",
        "0",
        "--splits",
        "0",
        "--protocol",
        "paper",
        "--wandb",
        "off",
    )
    order = ["interpret", "align", "--model", str(tiny_tower("clip")), "--loader-workers", "0", *few]
    assert main(order) == 0
    plain = capsys.readouterr().out.splitlines()[-1]
    transform(24, 10).save(base / "by.safetensors")
    order += ["--transform", "by.safetensors", "--against", plain]
    assert main(order) == 0
    told = capsys.readouterr().out
    folder, compared = map(Path, told.splitlines()[-2:])
    assert folder.name.startswith("clip@by__align__")
    assert compared.name.startswith("clip@by__against__")
    assert "Heads of clip@by less those of clip" in told
    record, table = read_comparison(compared)
    assert (record["first"], record["second"]) == (folder.name, Path(plain).name)
    best = table[(table["kind"] == "head") & (table["way"] == "alone") & (table["protocol"] == "paper")]
    assert f"{best['difference'].iloc[best['difference'].abs().argmax()]:+.3f}" in told
    assert len(list((base / "heads").glob("clip__heads__*"))) == 1  # the same contributions
    assert main([*order, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown[1]["folder"], len(shown[1]["differences"])) == (str(compared), len(table))
    line = refused(capsys, [*order, "--dataset", "tid2013,things"])
    assert "--against goes with one data set, not 2" in line
    assert "nowhere" in refused(capsys, [*order[:-1], "nowhere"])


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (("--dataset", "thing"), "did you mean things"),
        (("--protocol", "papers"), "did you mean paper"),
        (("--distance", "normalized_euclidean"), "unknown distance 'normalized_euclidean'"),
        (("--draws", "3"), "--draws 3: give 0, or 19 or more"),
        (("--data-root", "there"), "--data-root is the folder of one data set: name it with --dataset"),
        (("--model", "pixels"), "pixels has no heads: name a model"),
        (("--model", "features:x.npz"), "x.npz has no heads: name a model"),
        (("--batch-size", "many"), "--batch-size many is neither a number nor auto"),
    ],
)
def test_wrong_input_is_said_in_one_line(further: tuple[str, ...], said: str, base: Path, capsys: Capture) -> None:
    assert said in refused(capsys, ["interpret", "align", "--model", "shapes-clip", *further])
    assert not (base / "heads").exists()


def test_no_data_at_all_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    line = refused(capsys, ["interpret", "align", "--model", "shapes-clip"])
    assert "none of tid2013, nights, things is there: name data sets with --dataset, or set ALIGNBENCH_DATA" in line
