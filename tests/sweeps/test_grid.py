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

from alignbench.cli.app import app
from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.measurement.cell import Cell
from alignbench.sweeps import Sweep, Value, read_sweep
from alignbench.transforms import PUBLISHED
from sweep_files import BASE_16, COMMANDS, FOLDER, GOOD, NAMES, PAPER, TABLE, refused_sweep, sweep_file, sweep_text


def _sweep(name: str) -> Sweep:
    return read_sweep(FOLDER / f"{name}.yaml", COMMANDS)


def _config(name: str) -> dict[str, Any]:
    """The file as W&B's server gets it and gives it to the agent."""
    found = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    sent: dict[str, Any] = yaml.safe_load(yaml.dump(json.loads(json.dumps(found))))
    return sent


# ------------------------------------------------------------------------------------------- the files themselves


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


def test_each_model_of_glocal_is_asked_for_its_own_transform() -> None:
    cells = _sweep("glocal").cells
    asked = [Cell(str(cell["model"]), "things", transform="published").checked().transform for cell in cells]
    assert sorted(map(str, asked)) == sorted(PUBLISHED)
    everywhere = {"dataset": "things", "resize": "published", "transform": "published"}
    assert all(cell == everywhere | {"model": cell["model"]} for cell in cells)


@pytest.mark.parametrize("name", NAMES)
def test_file_keeps_the_rules_of_wandb(name: str) -> None:
    config = _config(name)
    assert set(config) == {"name", "description", "project", "program", "method", "command", "parameters"}
    assert config["name"] == name
    assert config["method"] == "grid"
    runs = ["interpret", "align"] if name == "heads" else ["run"]
    assert config["command"] == ["${env}", "alignbench", *runs, "${args_no_boolean_flags}"]
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
    start = ["/usr/bin/env", "alignbench", *sweep.runs.split()]
    assert sweep.runs == ("interpret align" if name == "heads" else "run")
    assert [start + sweep.arguments(cell) for cell in sweep.cells] == wanted
    assert sweep.command == tuple(_config(name)["command"])  # and still has its macros


def test_command_line_is_the_one_that_is_wanted() -> None:
    sweep = _sweep("distance")
    assert sweep.command_line(sweep.cells[1]) == [
        *("/usr/bin/env", "alignbench", "run"),
        *("--dataset=tid2013", "--distance=euclidean", "--model=openai/clip-vit-base-patch16"),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_command_lines_are_understood_by_their_command(name: str) -> None:
    command: Any = typer.main.get_command(app)
    sweep = _sweep(name)
    for word in sweep.runs.split():
        command = command.commands[word]
    for cell in sweep.cells:
        params = command.make_context(sweep.runs, sweep.arguments(cell)).params
        assert {parameter: params[parameter] for parameter in cell} == cell


def test_flags_constants_and_other_macros_reach_the_command_line(
    tmp_path: Path, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_OUTSIDE", "out/side")
    start = ["${interpreter}", "-m", "alignbench", "run", "--output=${envvar:FROM_OUTSIDE}"]
    text = sweep_text(
        command=[*start, "${args_no_boolean_flags}"],
        parameters={
            "model": {"value": "shapes-clip"},
            "random-init": {"values": [True, False]},
            "dataset": {"value": "shapes-low"},
            "seed": {"values": [3, 1, 3]},
        },
    )
    sweep = read_sweep(sweep_file(tmp_path, text), COMMANDS)
    rest = [
        ["--output=out/side", "--dataset=shapes-low", "--model=shapes-clip", *flag, f"--seed={seed}"]
        for flag in (["--random-init"], [])
        for seed in (3, 1)
    ]
    assert [sweep.arguments(cell) for cell in sweep.cells] == rest
    wanted = started(yaml.safe_load(text), [dict(cell) for cell in sweep.cells])
    assert [sweep.command_line(cell) for cell in sweep.cells] == wanted
    assert wanted[0] == ["python", "-m", "alignbench", "run", *rest[0]]


# ------------------------------------------------------------------------------------------------------- bad input


def test_good_file_is_read(tmp_path: Path) -> None:
    cells = read_sweep(sweep_file(tmp_path, sweep_text()), COMMANDS).cells
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
    refused_sweep(sweep_file(tmp_path, text), DataError, *words)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"method: \xff\xfe\n")
    refused_sweep(tmp_path / "mine.yaml", DataError, "not YAML")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads everything")
def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = sweep_file(tmp_path, sweep_text())
    path.chmod(0)
    refused_sweep(path, DataError, "cannot be read")


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
        ({"command": ["python", "train.py", "${args}"]}, UsageError, ["'python train.py'"]),
        ({"command": ["alignbench", "run", "\ud800"]}, UsageError, ["a word of its command '?' is no text in UTF-8"]),
        ({"program": "\ud800"}, UsageError, ["its program '?' is no text in UTF-8"]),
        ({"parameters": GOOD | {"model": {"value": "a\udcff"}}}, UsageError, ["model 'a?' is no text in UTF-8"]),
        ({"command": ["alignbench", "run"]}, UsageError, ["--model", "args_no_boolean_flags"]),
        ({"command": ["alignbench", "run", "${args_json}"]}, UsageError, ["--model", "args_no_boolean_flags"]),
    ],
)
def test_wrong_top_is_refused(
    tmp_path: Path, changes: dict[str, Any], kind: type[AlignbenchError], words: list[str]
) -> None:
    refused_sweep(sweep_file(tmp_path, sweep_text(**changes)), kind, *words)


@pytest.mark.parametrize("missing", ["model", "dataset"])
def test_sweep_without_model_or_data_set_is_refused(tmp_path: Path, missing: str) -> None:
    parameters = {name: spec for name, spec in GOOD.items() if name != missing}
    refused_sweep(sweep_file(tmp_path, sweep_text(parameters=parameters)), UsageError, f"--{missing}", "parameters")


def test_flag_needs_the_macro_that_writes_flags(tmp_path: Path) -> None:
    parameters = GOOD | {"model": {"value": "shapes-clip"}, "random-init": {"values": [True, False]}}
    text = sweep_text(command=["alignbench", "run", "${args}"], parameters=parameters)
    refused_sweep(sweep_file(tmp_path, text), UsageError, "random-init is a flag", "args_no_boolean_flags")


# ------------------------------------------------------------------------------------------------------ large files


def test_a_grid_is_counted_before_it_is_listed(tmp_path: Path) -> None:
    values = {"values": list(range(1, 101))}
    large = sweep_text(parameters=GOOD | {"seed": values, "limit": values, "batch-size": values})
    refused_sweep(sweep_file(tmp_path, large), UsageError, "its grid has 1,000,000 cells, above 10,000: give fewer")
    fits = sweep_text(parameters=GOOD | {"seed": values})
    assert len(read_sweep(sweep_file(tmp_path, fits), COMMANDS).cells) == 100


@pytest.mark.parametrize(
    "parameters",
    [
        GOOD | {"model": {"value": [["x" * 50] * 20] * 20}},
        GOOD | {"seed": {"value": "x" * 100_000}},
        GOOD | {"x" * 100_000: {"value": 1}},
        GOOD | {"model": {f"{n}": n for n in range(2_000)}},
        GOOD | {"dataset": {"value": "x" * 100_000}},
    ],
    ids=range(5),
)
def test_values_are_cut_in_messages(tmp_path: Path, parameters: dict[str, Any]) -> None:
    with pytest.raises(AlignbenchError) as caught:
        read_sweep(sweep_file(tmp_path, sweep_text(parameters=parameters)), COMMANDS)
    assert len(str(caught.value)) < 1500 + len(str(tmp_path))
