"""What a shell is told while a line is typed: names of commands, options and values, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from alignbench.cli.app import app
from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.distances.names import DISTANCES
from alignbench.distances.protocols import PROTOCOLS
from alignbench.interpret.labelling.labeller import LABELLERS
from alignbench.measurement.cell import ACCELERATORS, PRECISIONS, RESIZINGS, TOKEN_VIEWS
from alignbench.models.cards import cards
from alignbench.models.pair_metrics import METRICS
from alignbench.transforms.learning.recipe import OBJECTIVES, OPTIMISERS, PENALTIES
from alignbench.transforms.published import PUBLISHED
from patience import PATIENCE

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Any:
    """Gives what bash is offered for the last word of a line."""

    def offer(line: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        monkeypatch.setenv("_ALIGNBENCH_COMPLETE", "complete_bash")
        assert main([]) == 0
        told = capsys.readouterr()
        assert told.err == ""
        return told.out.split()

    return offer


def test_a_process_offers_names_and_says_nothing_else() -> None:
    code = (
        "import sys; from alignbench.cli.main import main; code = main([]); "
        "sys.exit(', '.join(sorted({'torch', 'transformers', 'pandas', 'matplotlib'} & set(sys.modules))) or code)"
    )
    asked = {"COMP_WORDS": "alignbench run --model sha", "COMP_CWORD": "3", "_ALIGNBENCH_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["shapes-clip", "shapes-levels-vit"], "")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("alignbench tr", ["transform"]),
        ("alignbench transform ", ["apply", "list", "learn", "evaluate"]),
        ("alignbench datasets ch", ["check"]),
        ("alignbench run --to", ["--tokens"]),
        ("alignbench run --dataset nigh", ["nights"]),
        ("alignbench run --dataset nights,shapes-l", ["nights,shapes-low", "nights,shapes-levels"]),
        ("alignbench run --dataset shapes-low,shapes-m", ["shapes-low,shapes-middle"]),
        ("alignbench run --dataset things --subset testset1", ["testset1"]),
        ("alignbench run --model random:shapes", ["random:shapes-clip", "random:shapes-levels-vit"]),
        ("alignbench run --model shapes-clip,pix", ["shapes-clip,pixels"]),
        ("alignbench run --seed x --protocol cor", ["corrected"]),
        ("alignbench datasets cache kad", ["kadid10k"]),
        ("alignbench sweep arch", ["architecture"]),
        ("alignbench report --published perc", ["perceptnet"]),
        ("alignbench transform evaluate --transform dinov2-vit-l", ["dinov2-vit-large-p14"]),
        ("alignbench run --model /tm", []),
        ("alignbench run --data-root ", []),
    ],
)
def test_a_line_is_gone_on_with(line: str, names: list[str], offered: Any) -> None:
    assert offered(line) == names


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("run --model ", sorted([*cards(), *METRICS.names()])),
        ("extract --model ", list(cards())),
        ("run --dataset ", DATASETS.names()),
        ("run --distance ", [*DISTANCES, "all"]),
        ("run --tokens ", list(TOKEN_VIEWS)),
        ("run --protocol ", list(PROTOCOLS)),
        ("run --precision ", list(PRECISIONS)),
        ("run --accelerator ", list(ACCELERATORS)),
        ("run --resize ", list(RESIZINGS)),
        ("run --transform ", ["published", *PUBLISHED]),
        ("interpret label --labeller ", LABELLERS.names()),
        ("interpret score --judge ", LABELLERS.names()),
        ("transform learn --objective ", [each for each in OBJECTIVES if each != "soft"]),  # of `alignet teacher`
        ("transform learn --optimiser ", list(OPTIMISERS)),
        ("transform learn --penalty ", list(PENALTIES)),
    ],
)
def test_what_is_offered_is_all_that_there_is(line: str, names: list[str], offered: Any) -> None:
    assert offered(f"alignbench {line}") == names


COMPLETED = {
    *("model", "dataset", "subset", "distance", "tokens", "protocol", "resize", "precision", "accelerator", "wandb"),
    *("transform", "at", "over", "similarity", "objective", "penalty", "optimiser", "published", "device"),
}


def parameters(group: Any, words: tuple[str, ...] = ()) -> Any:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from parameters(command, (*words, name))
        else:
            yield from ((" ".join((*words, name)), each) for each in command.params)


def test_names_are_offered_in_every_command(offered: Any) -> None:
    lacking = [
        f"{command} --{each.name}"
        for command, each in parameters(get_command(app))
        if each.name in COMPLETED
        and each.param_type_name == "option"
        and not each.is_flag
        and each.name != "subset"  # which are those of a data set
        and not offered(f"alignbench {command} --{each.name} ")
    ]
    assert not lacking


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_shown(
    shell: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("completion", "_completion_shared"):
        monkeypatch.setattr(f"typer.{place}._get_shell_name", lambda: shell)
    assert main(["--show-completion"]) == 0
    assert f"_ALIGNBENCH_COMPLETE=complete_{shell}" in capsys.readouterr().out
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["--install-completion"]) == 0
    assert f"{shell} completion installed in {tmp_path}" in capsys.readouterr().out
