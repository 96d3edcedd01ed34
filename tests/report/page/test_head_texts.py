"""What heads say, on the report page: texts, labels and shares of heads, scores beside what is published of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.interpret.labelling.measures import BETTER
from alignbench.report.page.head_reading import read_heads
from alignbench.report.page.head_texts import MEASURES, collect_said
from label_folders import write_labels
from pages import Opened, words
from score_folders import write_scores
from transform_pages import parsed, report

pytestmark = pytest.mark.slow

BASE_32 = "openai/clip-vit-base-patch32"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("heads")
    nan = float("nan")
    write_scores(root / "b32__scores__1", BASE_32, values={"unique": 0.375, "redundancy": nan})
    write_labels(root)
    assert report(root, output=root / "report.html") == 0
    return root / "report.html"


def test_scores_stand_beside_their_baseline_and_what_is_published(page: Path) -> None:
    scores = {row[0].split()[0]: row[1:] for row in parsed(page).tables[0]}
    assert scores["score"] == ["value", "baseline", "p", "published"]
    assert scores["association_mean"] == ["0.500 (0.400 .. 0.600)", "0.250 (0.200 .. 0.300)", "0.010", "0.437"]
    assert scores["unique"] == ["0.375 (0.275 .. 0.475)", "0.250 (0.200 .. 0.300)", "0.010", "0.437"]
    assert scores["ccs_high"][-1] == "0.167", "8 of 48 heads"
    assert (scores["redundancy"][0], scores["redundancy"][-1]) == ("-", "")
    section = words(parsed(page).sections["head-texts"])
    assert "published association and entanglement are from a secondary source" in section
    assert "published scores of heads are of other texts, labels and judges, so that no difference is judged" in section
    assert "a note" in section


def test_heads_stand_with_texts_label_and_share(page: Path) -> None:
    judged, unjudged = parsed(page).tables[1:3]
    assert judged == [
        ["head", "label", "share agreeing", "first texts"],
        ["head 0 of layer 11", "colours", "0.800 (4 of 5)", 'red; "a, b"; blue'],
        ["head 1 of layer 11", "-", "0.000 (0 of 5)", "cup; plate"],
        ["head 0 of layer 12", "animals (an example)", "-", "dog"],
    ]
    assert unjudged == [
        ["head", "label", "first texts"],
        ["head 0 of layer 11", "colours", "a red dog; a cup; blue"],
        ["head 1 of layer 12", "-", "two cups"],
        ["head 2 of layer 12", "colours", "a blue cup; red"],
    ]
    section = words(parsed(page).sections["head-texts"])
    assert "1 of 2 heads have a label, of 1 in all; 1 head had theirs as examples." in section
    assert "2 of 3 heads have a label, of 1 in all." in section
    assert f"{BASE_32}: labelled by words, judged by file" in section
    assert "own: labelled by words, not judged" in section
    text = words(page.read_text(encoding="utf-8"))
    assert f"What attention heads say, and how far their labels hold: {BASE_32}, own." in text
    assert any(attrs.get("href") == "#head-texts" for tag, attrs in parsed(page).elements if tag == "a")


def test_all_measures_are_told_with_their_better_end() -> None:
    signs = {"more is better": 1, "less is better": -1, "": 0}
    assert MEASURES.keys() == BETTER.keys()
    assert {name: signs[MEASURES[name][1]] for name, sign in BETTER.items() if sign} == {
        name: sign for name, sign in BETTER.items() if sign
    }


def test_only_the_first_texts_of_a_head_are_shown(tmp_path: Path) -> None:
    folder = write_scores(tmp_path / "it")
    text = (folder / "heads.csv").read_text().replace("cup; plate", "; ".join("abcdef"))
    (folder / "heads.csv").write_text(text)
    (part,) = collect_said(read_heads([tmp_path])[0])
    assert [row.texts for row in part.heads][1] == "a; b; c; d"
    assert "nothing is published of heads of own" in part.notes
    assert not part.has_published


def test_the_section_fits_into_a_telephone(page: Path, browser: object) -> None:
    opened = Opened(browser, page, viewport={"width": 400, "height": 800}, color_scheme="dark")
    opened.check()
    assert opened.tab.evaluate("document.documentElement.scrollWidth") == 400
    assert opened.tab.inner_text("#head-texts h2") == "What heads say"
