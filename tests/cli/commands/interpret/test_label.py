"""`alignbench interpret label` through the command line: what it leaves and shows, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.interpret.labelling.labelling import read_labels
from chat_models import save_chat_model
from chat_server import says, serving
from extracted import refused
from span_folders import write_span

Capture = pytest.CaptureFixture[str]
PICKED = {
    (11, 0): ["a red dog", "x", "red light", "y", "a blue wall"],
    (11, 1): ["two cats", "x", "a dog"],
    (12, 0): ["a cup", "y"],
}


@pytest.fixture
def span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    return write_span(tmp_path / "heads/own__textspan__0", PICKED, [PICKED])


def label(span: Path, *further: str) -> list[str]:
    return ["interpret", "label", "--textspan", str(span), "--permutations", "3", *further]


def test_heads_are_labelled_shown_and_taken_again(span: Path, capsys: Capture) -> None:
    assert main(label(span)) == 0
    told = capsys.readouterr()
    folder = Path(told.out.splitlines()[-1])
    assert folder.parent == span.parent
    assert {path.name for path in folder.iterdir()} == {"labels.csv", "labels.json", "anew.safetensors"}
    assert read_labels(folder).table["label"].tolist() == ["colours", "animals", "objects"]
    assert "colours" in told.out
    assert main([*label(span), "--json"]) == 0
    told = capsys.readouterr()
    shown = json.loads(told.out)
    assert [row["label"] for row in shown["labels"]] == ["colours", "animals", "objects"]
    assert shown["settings"]["labeller"]["name"] == "words"
    assert f"these heads were labelled before: taken from {folder}" in told.err


def test_words_of_your_own_are_used(span: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "own.yaml").write_text("cups: [cup]\nlight: [light, wall]\n")
    assert main(label(span, "--properties", str(tmp_path / "own.yaml"))) == 0
    folder = Path(capsys.readouterr().out.splitlines()[-1])
    assert read_labels(folder).table["label"].tolist() == ["light", "", "cups"]


def test_a_chat_model_labels_with_examples(span: Path, tmp_path: Path, capsys: Capture) -> None:
    model = save_chat_model(tmp_path / "chat")
    (tmp_path / "examples.yaml").write_text("12: {0: objects}\n")
    order = label(span, "--labeller", "transformers", "--model", str(model))
    assert main([*order, "--examples", str(tmp_path / "examples.yaml")]) == 0
    told = capsys.readouterr().out
    found = read_labels(Path(told.splitlines()[-1]))
    assert found.table["source"].tolist() == ["labelled", "labelled", "example"]
    assert "objects (example)" in told
    before, answer = found.record["settings"]["labeller"]["examples"]
    assert "- a cup\n" in before
    assert answer == "objects"
    assert found.drawn is None


def test_an_endpoint_labels_and_its_key_is_nowhere(
    span: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIGNBENCH_ENDPOINT_KEY", "sk-very-secret")
    with serving(lambda question: says({"answer": "animals"})) as server:
        order = label(span, "--labeller", "endpoint", "--model", "m", "--url", server.url)
        assert main(order) == 0
        told = capsys.readouterr()
        assert len(server.asked) == 3
        server.answers = lambda question: says("nonsense")
        line = refused(capsys, [*order, "--seed", "1", "--model", "n"])
        assert "answers other than its JSON schema asks (nonsense)" in line
    folder = Path(told.out.splitlines()[-1])
    assert read_labels(folder).table["label"].tolist() == ["animals"] * 3
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert all(b"sk-very-secret" not in content for content in written)
    assert "sk-very-secret" not in told.out + told.err + line


@pytest.mark.parametrize(
    ("content", "further", "said"),
    [
        ("", ("--labeller", "wrds"), "unknown labeller 'wrds': did you mean words"),
        ("", ("--textspan", "nowhere"), "nowhere holds no textspan.json and texts.csv"),
        ("", ("--permutations", "-1"), "--permutations -1: give from 0"),
        ("", ("--labeller", "file"), "file needs --file: give it"),
        ("", ("--model", "x"), "words takes no --model: leave it out"),
        ("", ("--labeller", "prototypes"), "prototypes needs --model: give it"),
        ("", ("--labeller", "endpoint", "--model", "m"), "endpoint needs --url: give it"),
        ("13: {0: a}\n", ("--labeller", "file", "--file", "it.yaml"), "labels layer 13, head 0, which is not there"),
        ("11: {0: a, 0: b}\n", ("--labeller", "file", "--file", "it.yaml"), "it.yaml has the key 0 twice"),
        ("11: {0: ''}\n", ("--labeller", "file", "--file", "it.yaml"), "it.yaml has a label of layer 11, head 0, that"),
        (
            "heads: [1]\n",
            ("--labeller", "file", "--file", "it.yaml"),
            "it.yaml has heads where a layer's number belongs",
        ),
        ("11: {0: a}\n", ("--examples", "it.yaml"), "words takes no --examples: leave it out"),
        ("11: {9: a}\n", ("--examples", "it.yaml"), "it.yaml labels layer 11, head 9, which is not there"),
        ("a: [b]\n", ("--properties", "it.yaml"), "it.yaml has one label alone"),
    ],
)
def test_wrong_input_is_said_in_one_line(
    content: str,
    further: tuple[str, ...],
    said: str,
    span: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it.yaml").write_text(content)
    assert said in refused(capsys, label(span, *further))
    assert [path.name for path in span.parent.iterdir()] == [span.name]
