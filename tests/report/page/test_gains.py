"""Models that were judged before and after, on the report page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gain_folders import ROWS, gain, write_gain_folder
from pages import Opened, words
from transform_pages import SIMULATED, parsed, report, write_judged

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("gains")
    write_gain_folder(root)
    assert report(root, output=root / "report.html") == 0
    return root / "report.html"


def test_each_measure_stands_before_and_after(page: Path) -> None:
    found = parsed(page)
    table = next(table for table in found.tables if "of the gap" in table[0])
    assert table[0] == [
        *("measure", "seen", "data", "before", "after", "difference", "p", "relative", "ceiling", "of the gap", "n")
    ]
    assert table[1] == [
        *("human choices: accuracy", "not seen", "Levels coarse", "0.400 (0.350 .. 0.450)", "0.500 (0.440 .. 0.560)"),
        *("+0.100 (+0.020 .. +0.180)", "0.005", "+25.0 %", "0.620", "+45.5 %", "1,234"),
    ]
    assert table[2][:3] == [
        "human choices: accuracy",
        "in-sample: probably too optimistic",
        f"shapes-high test {SIMULATED}",
    ]
    fine = table[5]
    assert fine[:1] + fine[3:10] == [
        *(
            "human uncertainty: entropy and log response time, Spearman",
            "-",
            "0.300 (0.200 .. 0.400)",
            "-",
            "-",
            "",
            "0.620",
            "",
        )
    ]
    assert table[7][:3] == ["agreement with the teacher", "held-out objects", "border"]
    marks = re.findall(r'<strong class="mark">(.*?)</strong>', page.read_text(encoding="utf-8"))
    assert marks == ["in-sample: probably too optimistic", "may be in-sample: probably too optimistic"]


def test_the_section_says_what_it_is_of(page: Path) -> None:
    found = parsed(page)
    section = words(found.sections["gains"])
    assert "student against my/clip" in section
    assert "Levels, coarse: 12 of 20 triplets." in section
    assert "Agreement with the teacher is agreement with a model, not with people." in section
    text = words(page.read_text(encoding="utf-8"))
    assert "before against after: 1 model." in text
    assert "shapes-high: " in text
    assert any(attrs.get("href") == "#gains" for tag, attrs in found.elements if tag == "a")
    [source] = [attrs["src"] or "" for _, attrs in found.elements if "src" in attrs]
    assert source.startswith("data:image/png;base64,")


def test_it_stands_beside_transforms_and_a_broken_one_is_left_out(tmp_path: Path, capsys: Capture) -> None:
    folder, broken = write_gain_folder(tmp_path / "here"), write_gain_folder(tmp_path / "there")
    judged = write_judged(tmp_path / "judged")
    (broken / "evaluation.csv").write_text("a\n")
    assert report(folder, broken, judged, output=tmp_path / "report.html") == 1
    assert "does not hold what a model gained" in capsys.readouterr().err
    ids = [attrs["id"] for tag, attrs in parsed(tmp_path / "report.html").elements if tag == "section"]
    assert ids.index("costs") < ids.index("gains")


def test_the_whole_table_is_in_view_at_1200_pixels(browser: Any, tmp_path: Path) -> None:
    long = {"before": (-0.1, -0.2, -0.05), "p_corrected": 0.0001, "relative": 123.4, "n": 1_234_567}
    rows = (*ROWS, gain("relative distance", "pets", "within a superordinate, over the mean", **long))
    write_gain_folder(tmp_path, rows=rows)
    assert report(tmp_path, output=tmp_path / "report.html") == 0
    opened = Opened(browser, tmp_path / "report.html", viewport={"width": 1200, "height": 800})
    region = opened.tab.locator("#gains .gained")
    inside, outside = region.evaluate("each => [each.scrollWidth, each.clientWidth]")
    assert inside == outside
    opened.check()
