"""The report page says what the runs say, holds all it needs, and works in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignbench.cli.main import main
from alignbench.errors import AlignbenchError
from alignbench.report.page.page import Beside, study_page, write_page
from alignbench.scoring.scored_run import ScoredRun
from alignbench.study.findings import Finding
from alignbench.study.statements import STATEMENTS
from alignbench.study.study import Study, read_study
from pages import Opened, Parsed, words
from studies import BASE_16, BASE_32, Made, as_published, write_made
from study_pages import COSINE, MAIN, architecture, findings, select_rows

pytestmark = pytest.mark.slow

NASTY = "</script><img src=x onerror=alert(1)> %{y} & \"quoted\" 'so'"


# --- What it holds --------------------------------------------------------------------------------------------------


def test_a_factor_says_what_its_intervals_are_over_and_what_else_differs(parsed: Parsed) -> None:
    section = words(parsed.sections["factor-1"])
    for note in architecture().notes:
        assert note in section
    assert [["factor", "base-16", "base-32"], ["patch size", "16 px", "32 px"]] in parsed.tables


def test_findings_come_with_verdict_rule_and_numbers(parsed: Parsed) -> None:
    section = words(parsed.sections["findings"])
    for finding in findings():
        of_paper = (finding.published, finding.rests_on, finding.aside)
        for said in (finding.claim, finding.rule, finding.verdict, finding.why, *of_paper):
            assert said in section
    badges = [attrs["class"] for _, attrs in parsed.elements if (attrs.get("class") or "").startswith("verdict")]
    assert badges == [f"verdict {look}" for look in ("yes", "unsure", "no", "undecided", "open")]
    columns = ["model", "peak depth", "judgments", "early", "p corrected"]
    assert [columns, ["m", "12.346", "3,000", "yes", "<0.001"]] in parsed.tables


def test_remarks_and_what_was_left_out_are_said(parsed: Parsed) -> None:
    section = words(parsed.sections["answer"])
    assert "tid2013: 3 < 4 & so on" in section
    assert "/somewhere/empty holds no finished run" in section
    said = "18 runs (2 models, 2 untrained twins, 2 baselines) on TID2013 (low level): 50 of 3,000 ratings, NIGHTS"
    assert said in section


def test_simulated_observers_are_said_wherever_they_show(tmp_path: Path) -> None:
    write_made(Made("pixels", "shapes-low", 60, lambda *_: 0.3), tmp_path)
    found = Parsed(study_page(read_study([tmp_path])[0], [], []))
    for section in ("answer", "best", "everything"):
        assert "simulated observers, not human data" in found.sections[section]


# --- The file -------------------------------------------------------------------------------------------------------


def test_the_page_is_whole_accessible_and_small(parsed: Parsed, text: str) -> None:
    tags = [tag for tag, _ in parsed.elements]
    assert not {"link", "img", "iframe", "base"} & set(tags)
    assert all("src" not in attrs for _, attrs in parsed.elements)
    assert all((attrs["href"] or "").startswith("#") for _, attrs in parsed.elements if "href" in attrs)
    targets = {attrs.get("id") for _, attrs in parsed.elements}
    assert {(attrs["href"] or "")[1:] for _, attrs in parsed.elements if "href" in attrs} <= targets
    assert parsed.elements[0] == ("html", {"lang": "en"})
    assert any(attrs.get("name") == "viewport" for _, attrs in parsed.elements)
    assert all("scope" in attrs for tag, attrs in parsed.elements if tag == "th")
    levels = [int(tag[1]) for tag in parsed.headings]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(text.encode()) < 5.2e6


def test_the_same_runs_make_the_same_page(study: Study, text: str) -> None:
    assert study_page(study, [architecture()], findings(), Beside(["/somewhere/empty holds no finished run"])) == text


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "new" / "report.html"
    write_page("first", page)
    assert page.read_text() == "first"
    assert page.stat().st_mode & 0o777 == 0o666 & ~_umask()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(AlignbenchError, match="No space left"):
        write_page("second", page)
    assert page.read_text() == "first"
    assert list(page.parent.iterdir()) == [page]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- The command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_the_page(folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert main(["report", str(folders[0].parent), "--output", str(page)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(page)]
    found = Parsed(page.read_text(encoding="utf-8"))
    assert "base-16 \N{MINUS SIGN} base-32" in str(found.tables), "the runs differ in architecture"
    badges = [attrs for _, attrs in found.elements if (attrs.get("class") or "").startswith("verdict")]
    assert len(badges) == len(STATEMENTS), "each finding has its verdict"


def test_folders_that_are_no_runs_are_named_and_left_out(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Path(shutil.copytree(folders[1], tmp_path / "broken"))
    (broken / "curve.csv").write_text("model,dataset\n")
    (tmp_path / "empty").mkdir()
    page = tmp_path / "report.html"
    assert main(["report", str(folders[0]), str(tmp_path), "--output", str(page)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    shown = words(Parsed(page.read_text(encoding="utf-8")).sections["answer"])
    for name in ("broken", "empty"):
        assert sum(str(tmp_path / name) in line for line in said) == 1
        assert str(tmp_path / name) in shown
    assert "1 run (1 model) on" in shown


def test_runs_of_two_protocols_are_said_and_not_averaged(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_made(Made(BASE_16, "tid2013", 50, as_published, (MAIN,), protocol="corrected"), tmp_path)
    [ours] = [folder for folder in folders if folder.name.startswith("openai--clip-vit-base-patch16__tid2013")]
    page = tmp_path / "report.html"
    assert main(["report", str(ours), str(other), "--output", str(page)]) == 0
    found = Parsed(page.read_text(encoding="utf-8"))
    assert "corrected" in found.sections["answer"]
    lines = json.loads(found.data)["charts"]["everything-0"]["lines"]
    shown = {line["name"] for line in lines if line["look"]["kind"] == "tower"}
    assert {f"{BASE_16}, normalised Euclidean", f"{BASE_16}, corrected, normalised Euclidean"} <= shown


def test_a_page_that_cannot_be_written_is_refused_in_a_line(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "blocked").write_text("in the way\n")
    page = tmp_path / "blocked" / "report.html"
    assert main(["report", str(folders[0]), "--output", str(page)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert str(page) in line
    assert "--output" in line


def test_only_the_distances_that_are_asked_for(folders: list[Path], tmp_path: Path) -> None:
    runs = [str(folder) for folder in folders if "__nights__" in folder.name]
    page = tmp_path / "report.html"
    assert main(["report", *runs, "--output", str(page), "--distance", COSINE]) == 0
    found = Parsed(page.read_text(encoding="utf-8"))
    lines = json.loads(found.data)["charts"]["everything-0"]["lines"]
    assert {key for line in lines for key in line["keys"] if "distance" in key} == {f"distance:{COSINE}"}
    assert {line["name"] for line in lines} >= {BASE_16, BASE_32, "pixels", "ssim"}
    tables = [table for table in found.tables if "separable (corrected p)" in table[0]]
    assert tables
    assert {row[-1] for table in tables for row in table[1:]} == {"cosine"}


# --- In a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page_file(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(text, path)
    return path


def test_curves_are_drawn_and_a_box_hides_a_model_everywhere(browser: Any, page_file: Path) -> None:
    opened = Opened(browser, page_file, viewport={"width": 1280, "height": 900})
    before = opened.drawn()
    assert len(before) == 6, "three levels for the factor, three for everything"
    # chance, two towers with intervals and published curve, twins with theirs, two baselines with both
    assert all(count == 1 + 3 + 3 + 2 + 3 + 3 for count in before)
    rows = opened.tab.locator("section#best tbody tr:visible")
    count = rows.count()
    opened.tab.locator(f"#everything input[data-key='model:{BASE_16}']").focus()
    opened.tab.keyboard.press("Space")
    assert [now - then for now, then in zip(opened.drawn(), before, strict=True)] == [-3] * 6
    assert rows.count() == count - 3
    boxes = opened.tab.locator(f"input[data-key='model:{BASE_16}']")
    assert [boxes.nth(index).is_checked() for index in range(boxes.count())] == [False] * boxes.count()
    opened.tab.locator("#everything input[data-key='distance:cosine']").check()
    assert [now - then for now, then in zip(opened.drawn(), before, strict=True)] == [-3 + 4] * 6
    opened.tab.locator(f"#everything input[data-key='model:{BASE_16}']").check()
    opened.tab.locator("#everything input[data-key='distance:cosine']").uncheck()
    assert opened.drawn() == before
    opened.check()


def test_hovering_tells_layer_value_and_interval(browser: Any, page_file: Path, folders: list[Path]) -> None:
    opened = Opened(browser, page_file, viewport={"width": 1280, "height": 900})
    for name in (BASE_32, f"{BASE_32}, 2 untrained twins", "pixels", "ssim"):
        opened.tab.locator(f"#everything input[data-key='model:{name}']").uncheck()
    opened.tab.locator("#everything input[data-key='part:published']").uncheck()
    row = select_rows(folders, BASE_16, "nights", MAIN)[5]
    chart = opened.tab.locator("[data-chart='everything-1']")
    chart.scroll_into_view_if_needed()
    chart.locator(".scatterlayer .points path").nth(5).hover(force=True)
    label = opened.tab.locator("[data-chart='everything-1'] .hoverlayer .hovertext")
    label.wait_for()
    said = label.text_content()
    value, low, high = (float(row[column]) for column in ("value", "ci_low", "ci_high"))
    for expected in (row["layer"], f"{value:.3f}", f"{low:.3f} .. {high:.3f}", "60 judgments"):
        assert expected in said
    opened.check()


def test_names_from_runs_are_never_taken_for_markup_nor_gaps_for_values(
    browser: Any, study: Study, tmp_path: Path
) -> None:
    from dataclasses import replace

    run = study.runs[0]
    frame = run.curve.frame.assign(model=NASTY)
    frame.loc[frame["layer"] == "layer_6", ["value", "ci_low", "ci_high"]] = np.nan
    shutil.copytree(run.folder, tmp_path / "renamed")
    record = json.loads((run.folder / "run.json").read_text())
    record |= {"label": NASTY, "settings": record["settings"] | {"model": NASTY}}
    (tmp_path / "renamed" / "run.json").write_text(json.dumps(record))
    renamed = replace(run, stored=ScoredRun(tmp_path / "renamed"), curve=type(run.curve)(frame))
    page = tmp_path / "report.html"
    finding = Finding(NASTY, NASTY, "untestable", pd.DataFrame({NASTY: [NASTY]}), *[NASTY] * 4)
    write_page(study_page(Study((renamed,), (NASTY,)), [], [finding], Beside([NASTY])), page)
    assert [value is None for value in json.loads(Parsed(page.read_text()).data)["curves"][0]["y"]].index(True) == 6
    opened = Opened(browser, page, viewport={"width": 1280, "height": 900})
    assert opened.tab.locator("img").count() == 0
    assert opened.tab.locator("section#everything fieldset label").first.inner_text().strip() == NASTY
    opened.tab.locator("section#findings summary").first.click()
    assert NASTY in opened.tab.locator("section#findings h3").inner_text()
    chart = opened.tab.locator("[data-chart='everything-0']")
    chart.scroll_into_view_if_needed()
    chart.locator(".scatterlayer .points path").nth(3).hover(force=True)
    label = chart.locator(".hoverlayer .hovertext")
    label.wait_for()
    shown = re.sub(r"\s+", "", label.text_content() or "")
    assert shown.startswith(re.sub(r"\s+", "", NASTY))
    opened.tab.locator("section#everything fieldset input").first.uncheck()
    assert opened.drawn() == [1], "chance is left"
    opened.check()


def test_it_fits_a_phone_and_paper(browser: Any, page_file: Path, tmp_path: Path) -> None:
    phone = Opened(browser, page_file, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert phone.tab.evaluate("document.documentElement.scrollWidth") == 390
    widths = "all => all.map(chart => chart.querySelector('.main-svg').getBoundingClientRect().width)"
    assert all(300 < width <= 390 for width in phone.tab.eval_on_selector_all("[data-chart]", widths))
    phone.check()
    desk = Opened(browser, page_file, viewport={"width": 1280, "height": 900})
    narrow = desk.tab.eval_on_selector_all("[data-chart]", widths)
    desk.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert desk.tab.eval_on_selector_all("[data-chart]", widths) == [690] * 6
    desk.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert desk.tab.eval_on_selector_all("[data-chart]", widths) == narrow
    desk.check()
