"""Transforms on the report page: what a linear readout reaches, and what transforms gained and cost."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pages import Opened, words
from studies import Made, write_made
from transform_pages import SIMULATED, parsed, report, write_judged, write_learned

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]
MARK = '<strong class="mark">'
# ----------------------------------------------------------------------------------- what it gained and cost


def test_measures_stand_before_and_after_with_what_was_seen(page: Path) -> None:
    found = parsed(page)
    table, _ = (table for table in found.tables if "sample" in table[0])
    assert [line[:4] for line in table[1:]] == [
        ["odd-one-out: accuracy (cosine) higher is better", "may be in-sample", "things", "0.500 (0.450 .. 0.550)"],
        [
            "odd-one-out: accuracy (cosine) higher is better",
            "in-sample",
            f"shapes-high {SIMULATED}",
            "0.500 (0.450 .. 0.550)",
        ],
        ["rsa: spearman (cosine) higher is better", "not seen", "cichy2019", "0.500 (0.450 .. 0.550)"],
        ["local structure: KL(P||Q), tau 1 lower is better", "unknown", "shapes-middle", "0.500 (0.450 .. 0.550)"],
        [
            "local structure: condition number of W lower is better",
            "held-out objects",
            "shapes-middle",
            "0.500 (0.450 .. 0.550)",
        ],
    ]
    assert table[1][4:] == ["0.600", "+0.100 (+0.050 .. +0.150)", "chance", "1,234"]
    assert table[4][5].startswith("+1.2e-04"), "what three decimals would hide"
    assert table[5][4:6] == ["infinite", "infinite"]
    marks = re.findall(rf"{MARK}(.*?)</strong>", page.read_text(encoding="utf-8"))
    assert marks == ["may be in-sample", "in-sample"] * 2
    assert sum(attrs.get("class") == "seen" for tag, attrs in found.elements if tag == "tr") == 4


def test_it_is_said_where_a_transform_is_from(page: Path, tmp_path: Path) -> None:
    section = words(parsed(page).sections["costs"])
    assert "glocal, learned on THINGS; layer projection; clip@turn__evaluation__22222222" in section
    assert "of unknown origin; layer projection; clip@other__evaluation__22222222" in section
    write_judged(tmp_path, told={"objective": "glocal", "sha256": "0"})
    assert report(tmp_path, output=tmp_path / "report.html") == 0
    assert "glocal, published; layer projection" in words(parsed(tmp_path / "report.html").sections["costs"])


def test_the_picture_of_similarities_is_in_the_page(page: Path) -> None:
    [source] = [attrs["src"] or "" for _, attrs in parsed(page).elements if "src" in attrs]
    head, _, content = source.partition(",")
    assert head == "data:image/png;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert picture.size == (60, 20)
    assert picture.getpixel((5, 5)) == (200, 0, 0)
    assert all(attrs["alt"] for tag, attrs in parsed(page).elements if tag == "img")


# ------------------------------------------------------------------------------------------------ the command


def test_a_page_of_transforms_alone_begins_with_them(tmp_path: Path, capsys: Capture) -> None:
    learned, judged = write_learned(tmp_path / "here"), write_judged(tmp_path / "there")
    for places in ((learned, judged), (tmp_path / "here", tmp_path / "there"), (learned, learned.parent, judged)):
        assert report(*places, output=tmp_path / "report.html") == 0
        assert capsys.readouterr() == (f"{tmp_path / 'report.html'}\n", "")
        found = parsed(tmp_path / "report.html")
        order = [attrs["id"] for tag, attrs in found.elements if tag == "section"]
        assert order == ["answer", "readouts", "costs"]
        targets = {f"#{attrs['id']}" for _, attrs in found.elements if attrs.get("id")}
        links = [attrs["href"] for tag, attrs in found.elements if tag == "a"]
        assert links == ["#readouts", "#costs"]
        assert targets.issuperset(links)
        assert list(json.loads(found.data)["charts"]) == ["readout-0"], "each once"
        assert SIMULATED not in found.sections["readouts"]


def test_pages_of_runs_alone_are_as_they_were(tmp_path: Path) -> None:
    write_made(Made("pixels", "nights", 60, lambda *_: 0.6), tmp_path)
    assert report(tmp_path, output=tmp_path / "report.html") == 0
    found = parsed(tmp_path / "report.html")
    assert not {"readouts", "costs"} & {attrs.get("id") for _, attrs in found.elements}
    assert "transforms" not in found.sections["answer"]


def test_what_cannot_be_read_is_named_and_left_out(tmp_path: Path, capsys: Capture) -> None:
    write_learned(tmp_path)
    damaged = write_learned(tmp_path, key="33333333")
    (damaged / "ceiling.csv").write_text("model\n")
    untold = write_learned(tmp_path, key="44444444")
    (untold / "learned.json").write_text("[]")
    judged = write_judged(tmp_path)
    (judged / "evaluated.json").write_text("{")
    (tmp_path / "empty").mkdir()
    assert report(tmp_path, output=tmp_path / "report.html") == 1
    lines = capsys.readouterr().err.splitlines()
    shown = words(parsed(tmp_path / "report.html").sections["answer"])
    assert len(lines) == 4
    for name in (damaged.name, untold.name, judged.name, "empty"):
        assert sum(name in line for line in lines) == 1
        assert name in shown
    assert "1 folder of learned transforms" in shown


def test_nothing_at_all_is_an_error_in_a_line(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    damaged = write_learned(tmp_path / "damaged")
    (damaged / "ceiling.csv").write_text("")
    for place, said in ((tmp_path / "empty", "empty holds no finished run"), (damaged, "learn the transforms again")):
        assert report(place, output=tmp_path / "report.html") == 1
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
    assert not (tmp_path / "report.html").exists()


def test_distances_and_figures_are_of_runs(tmp_path: Path, capsys: Capture) -> None:
    folder = write_learned(tmp_path)
    assert report(folder, output=tmp_path / "report.html", options=("--distance", "cosine")) == 2
    assert "--distance chooses distances of runs, and there are no runs" in capsys.readouterr().err
    assert report(folder, output=tmp_path / "curves.png") == 1
    assert "holds no run folder" in capsys.readouterr().err
    assert list(tmp_path.glob("*.*")) == []


# ------------------------------------------------------------------------------------------------ in a browser


def test_sections_are_drawn_fit_a_phone_and_ask_for_nothing(browser: Any, page: Path) -> None:
    opened = Opened(browser, page, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    charts = [attrs["data-chart"] for _, attrs in parsed(page).elements if "data-chart" in attrs]
    assert charts == ["everything-0", "readout-0", "readout-1"]
    # the ceiling, chance, and two lines with a band or, of one layer alone, an interval each
    assert opened.drawn()[1:] == [6, 5]
    opened.tab.locator("input[data-key='readout:after']").uncheck()
    assert opened.drawn()[1:] == [4, 3]
    opened.tab.locator("#readouts input[data-key='part:intervals']").uncheck()
    assert opened.drawn()[1:] == [3, 2]
    assert opened.tab.evaluate("document.documentElement.scrollWidth") == 390
    width = "img => img.decode().then(() => img.naturalWidth)"
    assert opened.tab.locator("#costs img").evaluate(width) == 60
    opened.check()
