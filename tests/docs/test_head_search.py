"""What docs/interpret/search.md says: its commands, its numbers and its Python."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.interpret.decomposing import store_contributions
from alignbench.interpret.searching.analysis import ANALYSES, COUNTS, MAPS
from alignbench.interpret.searching.search import read_search
from alignbench.interpret.store_job import StoreJob
from alignbench.measurement.sources import TowerRequest, load_ready_tower
from alignbench.models.families import load_tower
from documented import command_lines, draw_documented_pictures, pages
from random_transforms import transform

PAGE = pages(*(f"interpret/search{part}.md" for part in ("", "_why", "_difference", "_pairs")))
COMMANDS = [shlex.split(line)[1:] for line in command_lines() if line.startswith("alignbench interpret search")]
DIFFERENCE = next(words for words in COMMANDS if words[2] == "difference")


@pytest.mark.slow
def test_documented_analyses_give_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_documented_pictures()
    assert main(["interpret", "decompose", "--model", "shapes-clip", "--images", "pictures"]) == 0
    store = capsys.readouterr().out.splitlines()[-1]
    assert main(["interpret", "decompose", "--model", "shapes-clip", "--random-init", "--images", "pictures"]) == 0
    other = capsys.readouterr().out.splitlines()[-1]
    (line,) = re.findall(r"^alignbench (interpret textspan .*)$", PAGE, flags=re.MULTILINE)
    assert main([store if "__heads__" in word else word for word in line.split()]) == 0
    spans = capsys.readouterr().out.splitlines()[-1]
    judged = str(_store_of_judged(tmp_path / "heads"))
    assert f"heads/{Path(judged).name}" in PAGE
    places = {Path(judged).name: judged, "@random-0__heads__": other, "__heads__": store, "__textspan__": spans}
    fingerprint = load_tower("shapes-clip", protocol="corrected").fingerprint
    Path("learned").mkdir()
    transform(64, layer="projection", model_fingerprint=fingerprint).save(Path("learned/projection.safetensors"))
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE[PAGE.index("| analysis |") :].partition("\n\n")[0], re.MULTILINE))
    assert {words[2] for words in COMMANDS} == named >= {*ANALYSES, "difference"}
    for words in COMMANDS:
        given = [next((place for part, place in places.items() if part in word), word) for word in words]
        assert main(given) == 0
        shown = capsys.readouterr().out
        folder = Path(shown.splitlines()[-1])
        record, table = read_search(folder)
        assert record["analysis"] == words[2]
        assert (folder / "map.png").is_file() == (words[2] in MAPS)
        for column in table.columns:
            assert f"`{column}`" in PAGE
        if words[2] == "people":
            _check_pairs(shown, words)
        elif words[2] == "attention":
            _check_map(shown.splitlines()[0], _block(words).strip().splitlines()[0])
        if words[2] == "difference":
            assert (table.groupby(["heads", "when"]).size() == _neighbours_of(words)).all()
        elif "--why" in words:
            _check_texts(table, record)
        elif "--count" not in words and words[2] in COUNTS:
            assert (table.groupby("heads").size() == COUNTS[words[2]]).all()
        if words in (COMMANDS[0], DIFFERENCE):
            lines, documented = (_of_trained(text) for text in (shown, _block(words)))
            assert len(lines) == len(documented) == 2
            for line, wanted in zip(lines, documented, strict=True):
                _check_line(line, wanted)


def _store_of_judged(output: Path) -> Path:
    """The contributions that `align` leaves of a data set."""
    images = DATASETS.load("shapes-low").read(None, ("test",)).images
    ready = load_ready_tower(TowerRequest("shapes-clip", "all"), "corrected")
    return store_contributions(StoreJob("all", output=output), ready, images)[0].folder


def _check_pairs(shown: str, words: list[str]) -> None:
    """The documented pairs, with their ratings to the last digit, and nearly the documented similarities."""
    now, then = ([line.split() for line in text.splitlines() if " (of " in line] for text in (shown, _block(words)))
    assert len(now) == len(then) == 6
    for found, wanted in zip(now, then, strict=True):
        assert found[-11:-4] == wanted[-11:-4]  # the first picture, and what people say
        assert float(found[-4]) == pytest.approx(float(wanted[-4]), rel=0.02)
        assert float(found[-2]) == pytest.approx(float(wanted[-2]), abs=0.5)


def _check_map(now: str, then: str) -> None:
    """A map of the same size, with nearly the same ends at the same places."""
    assert re.sub(r"[+-][\d.e-]+", "", now) == re.sub(r"[+-][\d.e-]+", "", then)
    ends = (list(map(float, re.findall(r"[+-][\d.e-]+", line))) for line in (now, then))
    assert next(ends) == pytest.approx(next(ends), rel=0.05)


def _block(words: list[str]) -> str:
    """What the page shows after a command."""
    return PAGE[PAGE.index(" ".join(words)) :].split("```")[2]


def _of_trained(text: str) -> list[str]:
    """Lines of neighbours, but for those by random weights, which another version may draw otherwise."""
    return [line for line in text.splitlines() if ".png (" in line and "│ after " not in line]


def _check_line(now: str, then: str) -> None:
    """The same pictures at nearly the same values; neighbours that are nearly equal may change their places."""
    found, wanted = (dict(re.findall(r"(\S+\.png) \((.*?)\)", line)) for line in (now, then))
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert float(found[name]) == pytest.approx(float(value), rel=0.02)


def _neighbours_of(words: list[str]) -> int:
    return int(words[words.index("--count") + 1]) if "--count" in words else 4 if "--together" in words else 8


def _check_texts(table: pd.DataFrame, record: dict[str, Any]) -> None:
    """The largest shares are those that are shown, and all add up."""
    why = record["why"]
    assert table["value"].sum() == pytest.approx(why["value"], rel=1e-9)
    (said,) = re.findall(rf"^Why {re.escape(why['picture'])} is near: (\S+)$", PAGE, flags=re.MULTILINE)
    assert float(said) == pytest.approx(why["value"], rel=0.02)
    rows = re.findall(r"^│ (\d\.\d) +│ (.*?) +│ +([+-]\S+) │$", PAGE, flags=re.MULTILINE)
    assert len(rows) == 10
    for heads, text, value in rows[:5]:
        (row,) = [row for row in table.itertuples() if (row.heads, row.text) == (heads, text)]
        assert float(value) == pytest.approx(row.value, rel=0.05)


def test_the_documented_python_gives_what_it_says() -> None:
    first, second = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(first, names)
    assert names["found"].pictures.tolist() == [1, 2]
    assert eval("topic_map(patches, np.array([0.0, 1.0]))", names).tolist() == [0.0, 2.0]
    exec(second, names)
    assert eval("found.value, found.shares[0].value, found.rest", names) == (11.0, 3.0, 8.0)


def test_the_documented_numbers_of_neighbours_are_the_defaults() -> None:
    for analysis, count in COUNTS.items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{analysis}` |")]
        assert f"; {count} " in row
