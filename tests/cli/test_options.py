"""Names, numbers and folders on the command line that cannot be used are refused in one line that helps."""

from pathlib import Path

import pytest
import torch
import typer

from alignbench.cli.app import app
from alignbench.cli.commands.run import run
from alignbench.cli.options import check_output, parse_bytes, read_options
from alignbench.errors import AlignbenchError, UsageError
from command_bench import RUNNING, TREE, USAGE, Bench

pytestmark = pytest.mark.usefixtures("no_surroundings")


# --- Names and numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "options", "given", "nearest"),
    [
        ("tid2031", (), "tid2031", "tid2013"),
        ("tid2013,nigths", (), "nigths", "nights"),
        ("shape-low", (), "shape-low", "shapes-low"),
        ("tid2013", ("--distance", "cosin"), "cosin", "cosine"),
        ("tid2013", ("--distance", "cosine,euclidian"), "euclidian", "euclidean"),
        ("tid2013", ("--tokens", "clss"), "clss", "cls"),
        ("tid2013", ("--protocol", "papre"), "papre", "paper"),
        ("tid2013", ("--precision", "pf16"), "pf16", "bf16"),
        ("tid2013", ("--accelerator", "cdua"), "cdua", "cuda"),
        ("tid2013", ("--distance", "nothing-like-it"), "nothing-like-it", "normalized_euclidean"),
        ("tid2013", ("--modle", "clip"), "--modle", "--model"),
    ],
)
@pytest.mark.usefixtures("no_model")
def test_unknown_name_is_answered_by_the_nearest(
    bench: Bench, dataset: str, options: tuple[str, ...], given: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIGNBENCH_DATA", str(bench.world))
    bench.run(dataset, *options).refused(USAGE, given, nearest)


@pytest.mark.parametrize(
    ("model", "nearest"),
    [("shapes-clop", "shapes-clip"), ("random:shapes-clop", "shapes-clip"), ("pixel", "pixels")],
)
def test_unknown_model_is_answered_by_the_nearest(bench: Bench, model: str, nearest: str) -> None:
    given = model.removeprefix("random:")
    bench.run("tid2013", model=model, root=bench.data("tid2013")).refused(USAGE, f"'{given}'", nearest)


@pytest.mark.parametrize(
    ("dataset", "given", "nearest"),
    [
        ("tid2013", "distortion_001", "distortion_01"),
        ("tid2013", "distortion_25", "distortion_2"),
        ("nights", "tests", "test"),
        ("things", "testset11", "testset1"),
        ("things", "testset1,validation", "validationset"),
        ("shapes-low", "trainsett", "trainset"),
    ],
)
@pytest.mark.usefixtures("no_model")
def test_unknown_subset_is_answered_by_the_nearest(bench: Bench, dataset: str, given: str, nearest: str) -> None:
    root = None if dataset.startswith("shapes") else bench.data(dataset)
    bench.run(dataset, "--subset", given, root=root).refused(USAGE, f"'{given.split(',')[-1]}'", nearest)


def test_unknown_data_set_to_check_is_answered_by_the_nearest(bench: Bench) -> None:
    bench.command("datasets", "check", "nigths").refused(USAGE, "nigths", "nights")


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--batch-size", "0", "batch size 0"),
        ("--batch-size", "-3", "batch size -3"),
        ("--batch-size", "many", "--batch-size"),
        ("--batch-size", "1.5", "--batch-size"),
        ("--devices", "0", "devices 0"),
        ("--num-nodes", "-1", "number of nodes -1"),
        ("--num-nodes", "2", "--num-nodes 2"),
        ("--check-precision", "-1", "-1"),
        ("--check-precision", "9", "--precision bf16"),
        ("--limit", "0", "limit 0"),
        ("--loader-workers", "-1", "loader workers -1"),
        ("--feature-memory", "lots", "'lots'"),
        ("--feature-memory", "0GB", "feature memory 0"),
        ("--seed", "-1", "seed -1"),
        ("--seed", "99999999999999999999", "seed 99999999999999999999"),
        ("--distance", "", "distance"),
    ],
)
@pytest.mark.usefixtures("no_model")
def test_number_out_of_range_is_refused(bench: Bench, option: str, value: str, named: str) -> None:
    bench.run("tid2013", option, value, root=bench.data("tid2013")).refused(USAGE, named)


def test_feature_memory_too_small_for_one_layer_is_refused(bench: Bench) -> None:
    outcome = bench.run("tid2013", "--feature-memory", "1KB", root=bench.data("tid2013"))
    outcome.refused(USAGE, "--feature-memory", "raise it")


@pytest.mark.parametrize(("model", "options"), [("pixels", ("--random-init",)), ("random:pixels", ())])
def test_baseline_has_no_weights_to_randomise(bench: Bench, model: str, options: tuple[str, ...]) -> None:
    bench.run("tid2013", *options, model=model, root=bench.data("tid2013")).refused(USAGE, "pixels", "--random-init")


def test_class_token_of_a_siglip_is_refused(bench: Bench) -> None:
    outcome = bench.run("tid2013", "--tokens", "cls", model=bench.tower("siglip"), root=bench.data("tid2013"))
    outcome.refused(USAGE, "'cls'", "'all'", "'mean'")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_that_is_not_there_is_refused(bench: Bench) -> None:
    bench.run("tid2013", "--accelerator", "cuda", root=bench.data("tid2013")).refused(USAGE, "cuda")


# --- Folders of data and of output ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("dataset", list(TREE))
class TestDataRoot:
    def test_missing(self, bench: Bench, dataset: str) -> None:
        root = bench.scratch / "nowhere"
        bench.run(dataset, root=root).refused(RUNNING, root, "--data-root")

    def test_empty(self, bench: Bench, dataset: str) -> None:
        root = bench.scratch / "empty"
        root.mkdir()
        bench.run(dataset, root=root).refused(RUNNING, root, "alignbench datasets")

    def test_not_given(self, bench: Bench, dataset: str) -> None:
        bench.run(dataset).refused(USAGE, dataset, "--data-root", "ALIGNBENCH_DATA")

    def test_of_something_else(self, bench: Bench, dataset: str) -> None:
        root = bench.scratch / "other"
        root.mkdir()
        (root / "notes.txt").write_text("nothing of the kind\n")
        bench.run(dataset, root=root).refused(RUNNING, root)


@pytest.mark.usefixtures("no_model")
def test_data_root_with_several_data_sets_is_refused(bench: Bench) -> None:
    bench.run("tid2013,nights", root=bench.data("tid2013")).refused(USAGE, "--data-root", "ALIGNBENCH_DATA")


@pytest.mark.usefixtures("no_model")
def test_data_root_of_a_packaged_set_is_refused(bench: Bench) -> None:
    bench.run("shapes-low", root=bench.data("tid2013")).refused(USAGE, "shapes-low", "--data-root")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("below", ["", "deeper"])
def test_output_that_is_a_file_is_refused(bench: Bench, below: str) -> None:
    blocked = bench.scratch / "blocked"
    blocked.write_text("in the way\n")
    outcome = bench.run("tid2013", "--output", blocked / below, root=bench.data("tid2013"))
    outcome.refused(RUNNING, blocked, "--output")
    assert blocked.read_text() == "in the way\n"


@pytest.mark.usefixtures("no_model")
def test_a_folder_of_data_that_is_no_text_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNBENCH_DATA", "a\udcff")
    bench.run("tid2013").refused(USAGE, "$ALIGNBENCH_DATA 'a?' is no text in UTF-8")


def test_a_blank_within_a_models_name_is_shown(bench: Bench) -> None:
    outcome = bench.run("tid2013", model="random: shapes-clip", root=bench.data("tid2013"))
    outcome.refused(USAGE, "unknown model ' shapes-clip': write shapes-clip, without a blank")


def test_blanks_around_the_names_of_models_are_none_of_theirs(bench: Bench) -> None:
    bench.run("tid2013", "--wandb", "off", model=" pixels ", root=bench.data("tid2013")).succeeded()


@pytest.mark.parametrize(
    ("text", "size"), [("4GB", 4_000_000_000), ("2GiB", 2 * 1024**3), ("1.5 mb", 1_500_000), ("700", 700)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_bytes(text) == size


# --- Outputs --------------------------------------------------------------------------------------------------------


def test_an_output_file_is_looked_at_before_the_work(tmp_path: Path) -> None:
    check_output(None, [".csv"])
    check_output(tmp_path / "new" / "TABLE.CSV", [".csv"])
    with pytest.raises(UsageError, match=r"table.html has no ending that tells what to write: use .csv, .md or .tex$"):
        check_output(tmp_path / "table.html", [".csv", ".md", ".tex"])
    with pytest.raises(UsageError, match=r"table has no ending that tells what to write: use .csv$"):
        check_output(tmp_path / "table", [".csv"])
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(AlignbenchError, match=r"cannot be written \(Is a directory\): choose another --output"):
        check_output(tmp_path / "folder.csv", [".csv"])
    with pytest.raises(UsageError, match=r"--write-released .*it.zip has no ending"):
        check_output(tmp_path / "it.zip", [".npz"], "--write-released")
    with pytest.raises(AlignbenchError, match="choose another --write-released"):
        check_output(tmp_path / "folder.csv", [".csv"], "--write-released")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder.csv"]


def test_options_are_read_as_the_command_has_them() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    there = {name for option in group.commands["run"].params for name in option.opts if name.startswith("--")}
    assert {f"--{name}" for name in read_options(run)} | {"--help"} == there | {"--help"}
