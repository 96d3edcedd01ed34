"""What docs/interpret/labels.md says: its commands, its files by hand, its scores, its options and its columns."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.interpret.labelling.endpoint import KEY
from alignbench.interpret.labelling.labeller import LABELLERS
from alignbench.interpret.labelling.measures import BETTER
from alignbench.interpret.labelling.word_lists import packaged_properties
from alignbench.results.head_scores import HEAD_COLUMNS, SCORE_COLUMNS
from chat_models import save_chat_model
from chat_server import Answer, says, schema_of, serving
from documented import command_lines, pages
from score_folders import write_scores
from span_folders import write_span
from text_towers import save_clip_texts

PAGE = pages("interpret/labels.md", "interpret/labellers.md", "interpret/label_scores.md")
COMMANDS = [
    shlex.split(line)[1:]
    for line in command_lines()
    if line.startswith(("alignbench interpret label", "alignbench interpret score"))
]
EVEN = [f"something {text} {number}" for number in range(5) for text in ("red", "blue")]
PICKED = {(layer, head): EVEN for layer in (3, 4) for head in range(4)}


def answer(question: dict[str, object]) -> Answer:
    return says({"about": schema_of(question)["about"]["items"]["enum"][:1]})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    write_span(tmp_path / "heads/own__textspan__0", PICKED, [PICKED] * 2)
    save_clip_texts(tmp_path / "clip")
    save_chat_model(tmp_path / "chat")
    for number in range(6):
        write_scores(tmp_path / f"scores/{number}", f"m{number}", 144 + 240 * (number > 1), number / 10)
    for name, content in re.findall(r"```yaml\n# (\S+\.yaml)\n(.*?)```", PAGE, flags=re.DOTALL):
        (tmp_path / name).write_text(content)
    return tmp_path


@pytest.mark.slow
def test_documented_commands_label_and_score(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, compared = "", iter(range(6))
    seen = set()
    with serving(answer) as server:
        places = {"openai/clip-vit-large-patch14": "clip", "Qwen/Qwen3-4B-Instruct-2507": "chat"}
        for words in COMMANDS:
            given = [places.get(word, word) for word in words]
            for place, word in enumerate(words):
                if word.startswith("http"):
                    given[place] = server.url
                elif "__textspan__" in word:
                    given[place] = "heads/own__textspan__0"
                elif "__labels__" in word:
                    given[place] = labels
                elif "__scores__" in word:
                    given[place] = f"scores/{next(compared)}"
            wandb = ["--wandb", "off"] if words[1] == "score" else []
            assert main([*given, *wandb]) == 0, capsys.readouterr().err
            last = capsys.readouterr().out.splitlines()[-1]
            labels = last if words[1] == "label" else labels
            seen.add((words[1], words[words.index("--labeller" if words[1] == "label" else "--judge") + 1]
                      if {"--labeller", "--judge"} & set(words) else ""))  # fmt: skip
    assert {name for stage, name in seen if name} == {"words", "prototypes", "file", "transformers", "endpoint"}
    assert any("--compare" in words for words in COMMANDS)


def test_all_scores_labellers_and_columns_are_explained() -> None:
    for name in (*BETTER, *LABELLERS.names()[:5], KEY):
        assert f"`{name}`" in PAGE, name
    for name in (*HEAD_COLUMNS, *SCORE_COLUMNS):
        assert f"`{name}`" in PAGE, name
    assert f"{len(packaged_properties())} packaged properties" in PAGE


def test_options_that_it_names_exist(capsys: pytest.CaptureFixture[str]) -> None:
    shown = ""
    for command in ("label", "score", "textspan"):
        assert main(["interpret", command, "--help"]) == 0
        shown += capsys.readouterr().out
    for option in set(re.findall(r"`(--[a-z-]+)", PAGE)):
        assert option in shown, option
