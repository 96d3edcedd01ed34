"""Every command and snippet of README and docs runs as it stands, small data and towers in the place of real ones."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import yaml

from alignbench import alignet
from alignbench.alignet.chain import QUICK
from alignbench.cli.main import main
from baselines.perceptnet.__main__ import main as train_perceptnet
from documented import DOCS, MADE, PAGES, ROOT, blocks, command_lines, pages
from layouts import write_levels, write_nights, write_things, write_tid2013
from reference import save_clip
from similarity_layouts import people, write_cichy

pytestmark = pytest.mark.slow

MODEL = "openai/clip-vit-base-patch32"
ELSEWHERE = (  # what other tests run
    *("alignbench demo", "python tools/train_shapes_"),  # test_packaging, test_shapes_clip, test_world_student
    *("wandb sweep sweeps/demo.yaml", "wandb agent", "wandb leet", "wandb sync"),  # test_agent, test_tracking
    *("alignbench pull", "alignbench wandb setup"),  # cli/commands/test_pull and test_wandb_view
    *("torchrun", "alignbench run --model openai/clip-vit-base-patch32 --dataset nights --devices"),  # test_scaling
    "alignbench run --model openai/clip-vit-large-patch14 --dataset nights --devices",  # likewise, the same in large
    "alignbench run --model openai/clip-vit-large-patch14 --dataset things --transform",  # test_transform_docs
    "alignbench run --model /models/my-clip --dataset nights --transform",  # likewise
    *("alignbench transform", "alignbench extract"),  # likewise
    *("alignbench alignet", "alignbench run --model alignet/"),  # docs/test_alignet, cli/commands/alignet
    *("alignbench interpret", "alignbench report heads"),  # docs/test_interpret, docs/test_head_nulls
    *("alignbench sweep heads", "alignbench sweep sweeps/demo.yaml --slurm"),  # docs/test_head_alignment, test_scaling
    "ssh -N -L",  # to a machine that there is not; its port: docs/test_head_browser
    "python benchmarks/alignet.py",  # test_alignet_benchmark
    *("alignbench run --model features:", "mkdir spose"),  # measurement/test_stored_kind
    *(f"alignbench run --model {name}" for name in ("facebook/", "torchvision:", "timm:")),  # tests/models
    *("python3 -m venv", ".venv/bin/python -m pip install", ".venv/bin/uv", "source .venv", "make", "wandb login"),
    "UV_TORCH_BACKEND=cpu make",  # as the workflows do
)


def _commands() -> list[list[str]]:
    """Those that are run here."""
    return [shlex.split(line) for line in command_lines() if not line.startswith(ELSEWHERE)]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, write in (("tid2013", write_tid2013), ("nights", write_nights), ("things", write_things)):
        (tmp_path / "data" / name).mkdir(parents=True)
        write(tmp_path / "data" / name)
    write_levels(tmp_path / "data/levels")
    write_cichy(tmp_path / "data/cichy2019", people(3, 12))
    (tmp_path / "clip").mkdir()
    save_clip(tmp_path / "clip")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALIGNBENCH_DATA", "data")
    for name in ("DATA", "CACHE", "CONFIG"):  # the one command that logs does so in this folder
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "wandb" / name.lower()))
    monkeypatch.setenv("WANDB_SILENT", "true")
    parameters = {"model": {"value": "pixels"}, "dataset": {"value": "shapes-low"}, "limit": {"value": 45}}
    command = ["alignbench", "run", "${args}"]
    text = yaml.safe_dump({"method": "grid", "command": command, "parameters": parameters})
    (tmp_path / "small.yaml").write_text(text)
    places = {f"/data/{name}": f"data/{name}" for name in ("tid2013", "nights", "levels", "cichy2019")}
    places["sweeps/demo.yaml"] = "small.yaml"
    return places | dict.fromkeys((MODEL, "/models/my-clip", "/models/run-7/step-1000"), "clip")


def test_commands_run_in_order(
    world: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = _commands()
    assert len(commands) >= 15
    for program, *arguments in commands:
        if program == "export":
            name, _, value = arguments[0].partition("=")
            monkeypatch.setenv(name, value.removeprefix("/"))
            continue
        if program == "python":
            assert arguments[:2] == ["-m", "baselines.perceptnet"]
            assert train_perceptnet([*arguments[2:], "--epochs", "1"]) == 0
            continue
        assert program == "alignbench"
        if "demo" in arguments and not Path("demo").exists():  # the runs of `alignbench demo`, on less
            small = ("--dataset", "shapes-low,shapes-middle,shapes-high", "--output", "demo", "--limit", "600")
            for model in ("shapes-clip", "random:shapes-clip", "pixels"):
                assert main(["run", "--model", model, *small, "--wandb", "off"]) == 0, capsys.readouterr().err
        if "RUN" in arguments:  # any on one data set
            measured = map(str, sorted(Path("runs").glob("*__tid2013__*"))[:3])
            world |= zip(("RUN", "OTHER", "PIXELS"), measured, strict=True)
        assert main([world.get(word, word) for word in arguments]) == 0, f"{arguments}: {capsys.readouterr().err}"
    assert Path("curves.pdf").is_file()
    assert Path("table.tex").is_file()
    assert Path("table.bib").is_file()
    assert Path("report.html").is_file()
    assert Path("reproduce.csv").is_file()
    assert len(list(Path("runs").glob("pixels__shapes-low__*/run.json"))) == 1
    assert len(list(Path("runs/.wandb").glob("offline-run-*/*.wandb"))) == 1


SNIPPETS = [snippet for snippet in blocks("python") if not snippet.startswith("# ")]  # files are for test_plugins


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_python_snippets_run(snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where a snippet leaves a run folder
    monkeypatch.setattr(alignet, "ChainSettings", partial(replace, QUICK))  # what a snippet does not set takes minutes
    exec(compile(snippet, "README.md", "exec"), {})


def test_options_of_the_table_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    shown = capsys.readouterr().out
    options = re.findall(r"^\| `(--[a-z-]+)", pages("measure/run.md"), flags=re.MULTILINE)
    assert len(options) > 6
    for option in options:
        assert option in shown


def test_files_that_they_name_are_there() -> None:
    made = {(DOCS / name).resolve() for name in MADE}
    for page, text in PAGES.items():
        for name in re.findall(r"`((?:alignbench|tools|benchmarks|docs|sweeps)/[\w./-]+)`", text):
            assert (ROOT / name).exists(), name
        for target in re.findall(r"\]\((?!https:)([^)#]*)(?:#[\w-]+)?\)", text):
            assert (page.parent / target).exists() or (page.parent / target).resolve() in made, target


def test_sections_that_they_link_to_are_there() -> None:
    for page, text in PAGES.items():
        for target, section in re.findall(r"\]\((?!https:)([^)#]*)#([\w-]+)\)", text):
            other = PAGES[(page.parent / target).resolve() if target else page]
            headings = re.findall(r"^#+ (.*)$", other, flags=re.MULTILINE)
            assert section in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
