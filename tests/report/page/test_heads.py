"""Heads that were scored against people, on the report page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alignbench.report.page.heads import collect_heads, read_head_folders
from alignbench.results.head_alignment import CAVEAT, TABLE
from gain_folders import write_gain_folder
from head_folders import PLACES, alignment_table, cumulative_table, write_head_folder
from pages import Opened, words
from transform_pages import SIMULATED, parsed, report

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("heads")
    write_head_folder(root)
    assert report(root, output=root / "report.html") == 0
    return root / "report.html"


def test_the_best_heads_stand_with_all_three_nulls(page: Path) -> None:
    found = parsed(page)
    low, middle, high = found.tables
    assert low[0] == ["component", "alone", "the whole without it", "p: chance", "p: subspaces", "p: random twin"]
    assert low[1][:3] == ["the whole", "0.600 (0.570 .. 0.630)", ""]
    assert [table[2][0] for table in (low, middle, high)] == [
        *("head 1 of layer 3", "head 3 of layer 4", "head 0 of layer 6")
    ]
    assert middle[2][2:] == ["0.580 (0.570 .. 0.630)", "0.001", "0.002", "0.003"]
    values = [float(row[1].split()[0]) for row in middle[2:]]
    assert values == sorted(values, reverse=True)
    assert len(values) == 8


def test_the_section_says_what_it_is_of(page: Path) -> None:
    found = parsed(page)
    section = words(found.sections["heads"])
    assert CAVEAT in section
    assert (
        "Of 16 heads 9 beat chance, 1 beat random subspaces of their layer, 1 beat a twin of random weights." in section
    )
    assert "The first 12 heads of an order that is chosen on one half of the judgments score 0.7" in section
    assert "12 of 20 triplets." in section
    assert f"high level: shapes-high all, paper protocol, agreement with the choices (cosine), {SIMULATED}" in section
    text = words(page.read_text(encoding="utf-8"))
    assert "Which attention heads agree with people, one by one: my/clip." in text
    assert f"shapes-high: {SIMULATED}." in text
    assert any(attrs.get("href") == "#heads" for tag, attrs in found.elements if tag == "a")
    (source,) = [attrs["src"] or "" for _, attrs in found.elements if "src" in attrs]
    assert source.startswith("data:image/png;base64,")


def test_folders_of_a_model_share_a_part_unless_they_are_of_the_same(tmp_path: Path) -> None:
    """Two data sets of one model are two tables of one part; the same data set twice is two parts."""
    low, middle, high = ((alignment_table(places=(place,)), cumulative_table((place,)).iloc[:0]) for place in PLACES)
    write_head_folder(tmp_path, "a__align__00000001", tables=high)
    write_head_folder(tmp_path, "a__align__00000002", tables=low)
    third = write_head_folder(tmp_path, "a__align__00000003", tables=low)
    write_head_folder(tmp_path, "b__align__00000004", "another", middle)
    folders, refused = read_head_folders([tmp_path, third])
    parts = collect_heads(folders)
    assert refused == ()
    assert [(part.title, len(part.tables)) for part in parts] == [("my/clip", 2), ("my/clip", 1), ("another", 1)]
    assert parts[0].note == "a__align__00000001, a__align__00000002"
    assert [table.title.split()[0] for table in parts[0].tables] == ["low", "high"]


def test_it_stands_beside_others_and_a_broken_one_is_left_out(tmp_path: Path, capsys: Capture) -> None:
    folder, broken = write_head_folder(tmp_path / "here"), write_head_folder(tmp_path / "there")
    gained = write_gain_folder(tmp_path / "gained")
    (broken / TABLE).write_text("a\n")
    assert report(folder, broken, gained, output=tmp_path / "report.html", options=("--bibtex",)) == 1
    assert "does not have the columns kind, layer" in capsys.readouterr().err
    ids = [attrs["id"] for tag, attrs in parsed(tmp_path / "report.html").elements if tag == "section"]
    assert ids.index("gains") < ids.index("heads")
    assert "Interpreting {CLIP}'s image representation" in (tmp_path / "report.bib").read_text()


def test_the_whole_table_is_in_view_at_1200_pixels(browser: Any, page: Path) -> None:
    opened = Opened(browser, page, viewport={"width": 1200, "height": 800})
    for region in opened.tab.locator("#heads .headed").all():
        inside, outside = region.evaluate("each => [each.scrollWidth, each.clientWidth]")
        assert inside == outside
    opened.check()
