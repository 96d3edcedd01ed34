"""`alignbench interpret search` through the command line: each analysis, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.interpret.searching.search import read_search
from extracted import refused, write_scenes

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def store(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("heads")
    order = ["interpret", "decompose", "--model", "shapes-clip", "--images", str(pictures), "--output", str(output)]
    assert main([*order, "--loader-workers", "0"]) == 0
    return next(output.iterdir())


@pytest.mark.parametrize(
    ("words", "rows", "shown"),
    [
        (("property", "--picture", "b.png", "--group", "5.0,6.3"), 4, "5.0,6.3"),
        (("picture", "--picture", "b.png", "--count", "2"), 32, "6.3"),
        (("picture", "--picture", "PICTURES/c.png", "--group", "6.3"), 7, "c.png ("),
        (("text", "--text", "a red circle", "--measure", "centred"), 48, "3.0"),
        (("topic", "--picture", "PICTURES/c.png", "--text", "a red circle"), 64, "8 x 8 patches, "),
        (
            ("contrast", "--picture", "PICTURES/c.png", "--text", "a red circle", "--against", "a blue star"),
            *(64, "8 x 8 patches, "),
        ),
    ],
)
def test_each_analysis_is_shown_and_kept(
    words: tuple[str, ...], rows: int, shown: str, store: Path, pictures: Path, capsys: Capture
) -> None:
    order = ["interpret", "search", *(word.replace("PICTURES", str(pictures)) for word in words), "--heads", str(store)]
    capsys.readouterr()
    assert main(order) == 0
    told = capsys.readouterr().out
    assert shown in told
    folder = Path(told.splitlines()[-1])
    record, table = read_search(folder)
    assert (record["analysis"], len(table)) == (words[0], rows)
    assert main([*order, "--json"]) == 0
    told_again = capsys.readouterr()
    assert f"this was asked before: taken from {folder}" in told_again.err
    assert json.loads(told_again.out)["found"] == table.to_dict("records")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("topics", "--text", "x"), "unknown analysis 'topics': did you mean topic"),
        (("text",), "text takes a text: give --text"),
        (("picture",), "picture is asked about one: give --picture"),
        (("contrast", "--against", "x"), "--against is compared with a text: give --text"),
        (("picture", "--picture", "nowhere"), "nowhere is neither a picture of"),
        (("topic", "--text", "x", "--picture", "b.png"), "b.png is not a file: a map takes the file of a picture"),
        (("picture", "--picture", "b.png", "--group", "1.0"), "holds no heads of layer 1"),
        (("picture", "--picture", "b.png", "--group", "one"), "--group one names no heads"),
        (("text", "--text", "x", "--model", "shapes-levels-vit"), "is of another model than shapes-levels-vit"),
    ],
)
def test_wrong_input_is_said_in_one_line(words: tuple[str, ...], said: str, store: Path, capsys: Capture) -> None:
    before = set(store.parent.iterdir())
    assert said in refused(capsys, ["interpret", "search", *words, "--heads", str(store)])
    assert set(store.parent.iterdir()) == before
