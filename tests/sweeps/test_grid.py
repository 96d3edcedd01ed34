"""Sweep files: the cells of the paper's Table 1, the command lines of W&B's agent, and what is refused.

W&B's wheel has no schema of sweep files (its server has), so the rules are written out here. Where W&B's package
`sweeps` can be imported, its schema and its enumeration are asked as well; it pins an old NumPy, so install it by
`pip install --no-deps sweeps jsonref`.
"""

from __future__ import annotations

import json
import os
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from alignbench.cli.commands.run import run
from alignbench.cli.main import app
from alignbench.cli.options import options_of
from alignbench.errors import AlignbenchError, DataError, ModelError, UsageError
from alignbench.sweeps import Sweep, Value, find_sweep, read_sweep, shipped_sweeps
from documented import ROOT

FOLDER = ROOT / "sweeps"
OPTIONS = options_of(run)

BASE_16 = "openai/clip-vit-base-patch16"
CHINESE = "OFA-Sys/chinese-clip-vit-base-patch16"
SIGLIP = "google/siglip-base-patch16-224"
BIOMED = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
SIZES = [
    BASE_16,
    "openai/clip-vit-base-patch32",
    "openai/clip-vit-large-patch14",
    "openai/clip-vit-large-patch14-336",
]
BASELINES = ["pixels", "ssim", "ms-ssim", "lpips-alex", "lpips-vgg", "perceptnet"]
PAPER = ["tid2013", "nights", "things"]
# each file's models and data sets, and how many cells they make: the rows of Table 1, baselines, all, and the demo
TABLE = {
    "architecture": (SIZES, PAPER, 12),
    "activation": ([BASE_16, SIGLIP], PAPER, 6),
    "language": ([BASE_16, CHINESE], PAPER, 6),
    "data": ([BASE_16, BIOMED], PAPER, 6),
    "baselines": (BASELINES, PAPER, 18),
    "all": ([*SIZES, CHINESE, SIGLIP, BIOMED, *BASELINES], PAPER, 39),
    "demo": (
        ["shapes-clip", "random:shapes-clip", "pixels", "ssim"],
        ["shapes-low", "shapes-middle", "shapes-high"],
        12,
    ),
}
NAMES = [*TABLE, "distance"]


def _sweep(name: str) -> Sweep:
    return read_sweep(FOLDER / f"{name}.yaml", OPTIONS)


def _config(name: str) -> dict[str, Any]:
    """The file as W&B's server gets it and gives it to the agent."""
    found = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    sent: dict[str, Any] = yaml.safe_load(yaml.dump(json.loads(json.dumps(found))))
    return sent


# ------------------------------------------------------------------------------------------- the files themselves


def test_every_file_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(NAMES) == list(shipped_sweeps())


@pytest.mark.parametrize("name", TABLE)
def test_cells_are_those_of_the_table(name: str) -> None:
    models, datasets, count = TABLE[name]
    cells = list(_sweep(name).cells)
    assert cells == [{"dataset": dataset, "model": model} for dataset in datasets for model in models]
    assert len(cells) == count


def test_distance_varies_on_one_model() -> None:
    distances = ["normalized_euclidean", "euclidean", "cosine"]
    wanted = [{"dataset": dataset, "distance": d, "model": BASE_16} for dataset in PAPER for d in distances]
    assert list(_sweep("distance").cells) == wanted
    assert len(wanted) == 9


@pytest.mark.parametrize("name", NAMES)
def test_file_keeps_the_rules_of_wandb(name: str) -> None:
    config = _config(name)
    assert set(config) == {"name", "description", "project", "program", "method", "command", "parameters"}
    assert config["name"] == name
    assert config["method"] == "grid"
    assert config["command"] == ["${env}", "alignbench", "run", "${args_no_boolean_flags}"]
    assert all(isinstance(config[key], str) for key in ("name", "description", "project", "program"))
    for parameter, spec in config["parameters"].items():
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", parameter)
        assert list(spec) in (["value"], ["values"])
        assert all(isinstance(value, str) and value for value in spec.get("values", [spec.get("value")]))
    assert (FOLDER / f"{name}.yaml").read_text(encoding="utf-8").startswith(f"# {config['description']}\n")


@pytest.mark.parametrize("name", NAMES)
def test_wandb_loads_the_file_as_it_is(name: str) -> None:
    from wandb.sdk.launch.sweeps.utils import load_sweep_config

    assert load_sweep_config(str(FOLDER / f"{name}.yaml")) == _config(name)


@pytest.mark.parametrize("name", NAMES)
def test_schema_and_enumeration_of_wandb_where_it_is_installed(name: str) -> None:
    pytest.importorskip("sweeps.config", reason="W&B's package sweeps pins an old NumPy")
    from sweeps.config import schema_violations_from_proposed_config
    from sweeps.grid_search import grid_search_next_runs

    assert schema_violations_from_proposed_config(_config(name)) == []
    found = grid_search_next_runs([], _config(name), validate=True, n=100)
    cells = [{key: item["value"] for key, item in one.config.items()} for one in found if one is not None]
    assert cells == [dict(cell) for cell in _sweep(name).cells]


# ----------------------------------------------------------------------------------------------- the command lines


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the agent of W&B starts, without starting it, for a sweep's configuration and the cells of the server."""
    from wandb import wandb_agent

    class Process:
        def __init__(self, command: list[str], **_: object) -> None:
            self.command = command

    monkeypatch.setattr(wandb_agent, "AgentProcess", Process)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH"):  # the agent sets them
        monkeypatch.setenv(name, "")

    def lines(config: dict[str, Any], cells: list[dict[str, Value]]) -> list[list[str]]:
        agent = wandb_agent.Agent(None, None, sweep_id="sweep")
        agent._sweep_command = config["command"]
        for number, cell in enumerate(cells):
            args = {name: {"value": value} for name, value in cell.items()}
            agent._command_run({"run_id": str(number), "program": config.get("program", ""), "args": args})
        return [process.command for process in agent._run_processes.values()]

    return lines


@pytest.mark.parametrize("name", NAMES)
def test_command_lines_are_those_of_the_agent(name: str, started: Any) -> None:
    sweep, config = _sweep(name), _config(name)
    # the server's cells, by the rule that it keeps: names sorted, the last one's values fastest
    names = sorted(config["parameters"])
    values = [spec.get("values") or [spec["value"]] for _, spec in sorted(config["parameters"].items())]
    cells = [dict(zip(names, one, strict=True)) for one in product(*values)]
    wanted = started(config, cells)
    assert [sweep.command_line(cell) for cell in sweep.cells] == wanted
    start = ["/usr/bin/env", "alignbench", "run"]
    assert [start + sweep.arguments(cell) for cell in sweep.cells] == wanted
    assert sweep.command == tuple(_config(name)["command"])  # and still has its macros


def test_command_line_is_the_one_that_is_wanted() -> None:
    sweep = _sweep("distance")
    assert sweep.command_line(sweep.cells[1]) == [
        *("/usr/bin/env", "alignbench", "run"),
        *("--dataset=tid2013", "--distance=euclidean", "--model=openai/clip-vit-base-patch16"),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_command_lines_are_understood_by_run(name: str) -> None:
    command = typer.main.get_command(app).commands["run"]
    sweep = _sweep(name)
    for cell in sweep.cells:
        params = command.make_context("run", sweep.arguments(cell)).params
        assert {parameter: params[parameter] for parameter in cell} == cell


def test_flags_constants_and_other_macros_reach_the_command_line(
    tmp_path: Path, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "out/side")
    start = ["${interpreter}", "-m", "alignbench", "run", "--output=${envvar:FROM_OUTSIDE}"]
    text = _text(
        command=[*start, "${args_no_boolean_flags}"],
        parameters={
            "model": {"value": "shapes-clip"},
            "random-init": {"values": [True, False]},
            "dataset": {"value": "shapes-low"},
            "seed": {"values": [3, 1, 3]},
        },
    )
    sweep = read_sweep(_file(tmp_path, text), OPTIONS)
    rest = [
        ["--output=out/side", "--dataset=shapes-low", "--model=shapes-clip", *flag, f"--seed={seed}"]
        for flag in (["--random-init"], [])
        for seed in (3, 1)
    ]
    assert [sweep.arguments(cell) for cell in sweep.cells] == rest
    wanted = started(yaml.safe_load(text), [dict(cell) for cell in sweep.cells])
    assert [sweep.command_line(cell) for cell in sweep.cells] == wanted
    assert wanted[0] == ["python", "-m", "alignbench", "run", *rest[0]]


# -------------------------------------------------------------------------------------------------- where they are


def test_bare_name_finds_the_file_that_comes_with_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_sweep("activation").read_bytes() == (FOLDER / "activation.yaml").read_bytes()
    Path("activation").write_text("mine\n")
    assert find_sweep("activation") == Path("activation")


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("arhcitecture", UsageError, ["unknown sweep 'arhcitecture'", "did you mean architecture"]),
        ("nowhere.yaml", DataError, ["nowhere.yaml", "architecture"]),
        ("no/where", DataError, ["no/where", "architecture"]),
        (".", DataError, ["folder"]),
    ],
)
def test_file_that_is_not_there_is_refused(source: str, kind: type[AlignbenchError], words: list[str]) -> None:
    _refused(source, kind, *words)


# ------------------------------------------------------------------------------------------------------- bad input


def _text(**changes: Any) -> str:
    """A good sweep file with some keys changed, or left out where they are None."""
    good = {
        "method": "grid",
        "command": ["${env}", "alignbench", "run", "${args_no_boolean_flags}"],
        "parameters": {"model": {"values": ["pixels", "ssim"]}, "dataset": {"value": "shapes-low"}},
    }
    return yaml.safe_dump({key: value for key, value in (good | changes).items() if value is not None})


def _file(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _refused(source: str | Path, kind: type[AlignbenchError], *words: str) -> None:
    with pytest.raises(kind) as caught:
        read_sweep(source, OPTIONS)
    assert type(caught.value) is kind
    said = str(caught.value)
    assert "\n" not in said
    for word in (str(source), *words):
        assert word in said, said


def test_good_file_is_read(tmp_path: Path) -> None:
    cells = read_sweep(_file(tmp_path, _text()), OPTIONS).cells
    assert [cell["model"] for cell in cells] == ["pixels", "ssim"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("method: [grid\n", ["not YAML", "line"]),
        ("when: 2024-13-45\n", ["not YAML", "month"]),
        ("- method\n", ["not a sweep file"]),
        ("", ["not a sweep file"]),
        ("grid\n", ["not a sweep file"]),
    ],
)
def test_what_is_no_sweep_file_is_refused(tmp_path: Path, text: str, words: list[str]) -> None:
    _refused(_file(tmp_path, text), DataError, *words)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"method: \xff\xfe\n")
    _refused(tmp_path / "mine.yaml", DataError, "not YAML")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, _text())
    path.chmod(0)
    _refused(path, DataError, "cannot be read")


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"method": None}, DataError, ["method: grid"]),
        ({"method": "random"}, UsageError, ["method random", "wandb agent"]),
        ({"method": "bayes"}, UsageError, ["method bayes", "wandb agent"]),
        ({"method": "gird"}, UsageError, ["unknown method 'gird'", "did you mean grid"]),
        ({"run_cap": 3}, UsageError, ["run_cap", "wandb agent"]),
        ({"paramaters": {}}, UsageError, ["unknown key 'paramaters'", "did you mean parameters"]),
        ({"parameters": None}, DataError, ["no parameters"]),
        ({"parameters": {}}, DataError, ["no parameters"]),
        ({"parameters": ["model"]}, DataError, ["no parameters"]),
        ({"command": None}, DataError, ["command: [", "args_no_boolean_flags"]),
        ({"command": "alignbench run"}, DataError, ["list of words"]),
        ({"command": ["python", "train.py", "${args}"]}, UsageError, ["'python train.py --dataset=shapes-low'"]),
        ({"command": ["alignbench", "run"]}, UsageError, ["--model", "args_no_boolean_flags"]),
        ({"command": ["alignbench", "run", "${args_json}"]}, UsageError, ["--model", "args_no_boolean_flags"]),
    ],
)
def test_wrong_top_is_refused(
    tmp_path: Path, changes: dict[str, Any], kind: type[AlignbenchError], words: list[str]
) -> None:
    _refused(_file(tmp_path, _text(**changes)), kind, *words)


GOOD = {"model": {"value": "pixels"}, "dataset": {"value": "shapes-low"}}


@pytest.mark.parametrize(
    ("parameters", "kind", "words"),
    [
        ({"modle": {"value": "pixels"}}, UsageError, ["unknown parameter 'modle'", "model"]),
        ({"random_init": {"value": True}}, UsageError, ["unknown parameter 'random_init'", "random-init"]),
        ({3: {"value": True}}, UsageError, ["unknown parameter '3'"]),
        ({"seed": 3}, DataError, ["seed", "value"]),
        ({"seed": {}}, UsageError, ["seed", "nothing"]),
        ({"seed": {"min": 1, "max": 3}}, UsageError, ["seed", "min, max", "values"]),
        ({"seed": {"value": 1, "values": [1]}}, UsageError, ["seed", "value, values"]),
        ({"seed": {"values": [1, 2], "distribution": "q_normal"}}, UsageError, ["seed", "distribution"]),
        ({"seed": {"parameters": {"x": {"value": 1}}}}, UsageError, ["seed", "parameters below it"]),
        ({"seed": {"values": []}}, DataError, ["seed", "no list of values"]),
        ({"seed": {"values": 3}}, DataError, ["seed", "no list of values"]),
        ({"limit": {"values": [10, None]}}, UsageError, ["limit", "null"]),
        ({"limit": {"value": None}}, UsageError, ["limit", "null"]),
        ({"limit": {"value": 10.5}}, UsageError, ["limit", "10.5", "whole number"]),
        ({"limit": {"value": "10"}}, UsageError, ["limit", "'10'", "whole number"]),
        ({"limit": {"value": 0}}, UsageError, ["limit 0 is below 1"]),
        ({"limit": {"value": True}}, UsageError, ["limit", "true or false"]),
        ({"subset": {"value": ["all", "test"]}}, UsageError, ["subset", "list"]),
        ({"subset": {"values": [{"a": 1}]}}, UsageError, ["subset", "mapping"]),
        ({"tokens": {"value": True}}, UsageError, ["tokens", "true or false", "quote"]),
        ({"random-init": {"value": "yes"}}, UsageError, ["random-init", "'yes'", "true or false"]),
        ({"random-init": {"value": True}}, UsageError, ["pixels has no weights to randomise"]),
        ({"model": {"value": "openai/clip-vit-base-patch16", "values": []}}, UsageError, ["model"]),
        ({"model": {"value": "shapes-clop"}}, UsageError, ["unknown model 'shapes-clop'", "shapes-clip"]),
        ({"model": {"values": ["ssim", "lpips-alx"]}}, UsageError, ["unknown model 'lpips-alx'", "lpips-alex"]),
        ({"model": {"value": "random:shapes-clop"}}, UsageError, ["unknown model 'shapes-clop'", "shapes-clip"]),
        ({"model": {"value": "open_clap:ViT-B-32"}}, UsageError, ["unknown model family", "open_clip"]),
        ({"dataset": {"values": ["tid2013", "nigths"]}}, UsageError, ["unknown data set 'nigths'", "nights"]),
        ({"dataset": {"value": "nights,tid2031"}}, UsageError, ["unknown data set 'tid2031'", "tid2013"]),
        ({"distance": {"value": "euclidian"}}, UsageError, ["unknown distance 'euclidian'", "euclidean"]),
        ({"tokens": {"value": "clas"}}, UsageError, ["unknown token view 'clas'", "cls"]),
        ({"protocol": {"value": "papper"}}, UsageError, ["unknown protocol 'papper'", "paper"]),
        ({"resize": {"value": "squish"}}, UsageError, ["'squish'", "squash"]),
        ({"precision": {"value": "bf61"}}, UsageError, ["unknown precision 'bf61'", "bf16"]),
        ({"accelerator": {"value": "coda"}}, UsageError, ["unknown accelerator 'coda'", "cuda"]),
    ],
)
def test_wrong_parameter_is_refused(
    tmp_path: Path, parameters: dict[Any, Any], kind: type[AlignbenchError], words: list[str]
) -> None:
    text = yaml.safe_dump(yaml.safe_load(_text()) | {"parameters": GOOD | parameters}, sort_keys=False)
    _refused(_file(tmp_path, text), kind, *words)


def test_local_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    parameters = GOOD | {"model": {"value": "open_clip:ViT-B-32/no/such.safetensors"}}
    with pytest.raises((ModelError, UsageError), match="no/such"):
        read_sweep(_file(tmp_path, _text(parameters=parameters)), OPTIONS)


@pytest.mark.parametrize("missing", ["model", "dataset"])
def test_sweep_without_model_or_data_set_is_refused(tmp_path: Path, missing: str) -> None:
    parameters = {name: spec for name, spec in GOOD.items() if name != missing}
    _refused(_file(tmp_path, _text(parameters=parameters)), UsageError, f"--{missing}", "parameters")


def test_flag_needs_the_macro_that_writes_flags(tmp_path: Path) -> None:
    parameters = GOOD | {"model": {"value": "shapes-clip"}, "random-init": {"values": [True, False]}}
    text = _text(command=["alignbench", "run", "${args}"], parameters=parameters)
    _refused(_file(tmp_path, text), UsageError, "random-init is a flag", "args_no_boolean_flags")
