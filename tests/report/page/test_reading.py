"""The page answers on its first screen, is readable without colours, in the dark, on paper and aloud."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from alignbench.report.page.page import study_page, write_page
from alignbench.study.study import Study, read_study
from pages import Opened, Parsed, words
from studies import BASE_16, BASE_32, Made, as_published, write_made
from study_pages import MAIN, architecture, findings, select_rows

pytestmark = pytest.mark.slow

SCREENS = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
TEXTS = ("ink", "soft", "accent", "warn", "yes")  # colours of text, each on paper
ON = {"ink": "warn-paper", "warn": "warn-paper", "on-yes": "yes"}  # further text, and what it stands on


@pytest.fixture(scope="module")
def page_file(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(text, path)
    return path


@pytest.fixture(scope="module")
def desk(browser: Any, page_file: Path) -> Opened:
    """The page on a desk; whoever unticks a box there ticks it again."""
    return Opened(browser, page_file, viewport=SCREENS["desk"])


@pytest.fixture(scope="module")
def phone(browser: Any, page_file: Path) -> Opened:
    return Opened(browser, page_file, viewport=SCREENS["phone"], has_touch=True, is_mobile=True)


def shown(opened: Opened, slug: str) -> list[dict[str, Any]]:
    """What a chart shows: the traces that are visible."""
    found: list[dict[str, Any]] = opened.tab.evaluate(
        "slug => document.querySelector(`[data-chart='${slug}']`).data.filter((trace) => trace.visible)"
        ".map(({ x, y, form, line, name }) => ({ x, y, form, line, name }))",
        slug,
    )
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


# --- The answer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("screen", SCREENS)
def test_the_answer_is_on_the_first_screen(request: pytest.FixtureRequest, screen: str) -> None:
    opened: Opened = request.getfixturevalue(screen)
    answer = opened.tab.locator("main > section").first
    assert answer.get_attribute("id") == "answer"
    assert answer.bounding_box()["y"] < 150
    first = opened.tab.locator("#answer .answer li").first
    box = first.bounding_box()
    assert box["y"] + box["height"] < SCREENS[screen]["height"]
    assert "low level" in first.inner_text()
    assert opened.tab.evaluate("document.documentElement.scrollWidth") <= SCREENS[screen]["width"]


def test_the_answer_says_what_the_runs_say(parsed: Parsed, folders: list[Path]) -> None:
    section = words(parsed.sections["answer"])
    for dataset in ("tid2013", "nights", "things"):
        ends = [select_rows(folders, label, dataset, MAIN)[-1] for label in (BASE_16, BASE_32)]
        best = max(ends, key=lambda row: float(row["value"]))
        low, high = float(best["ci_low"]), float(best["ci_high"])
        assert f"{best['model']}, {float(best['value']):.3f} ({low:.3f} to {high:.3f})" in section
    assert "At the projection, by the normalised Euclidean distance, the highest score is:" in section


def test_sections_come_in_the_order_of_a_reader(study: Study, parsed: Parsed) -> None:
    from dataclasses import replace

    own = replace(architecture(), name="own-models", question="Which of yours is closer?")
    found = Parsed(study_page(study, [architecture(), own], findings()))
    order = [attrs["id"] for tag, attrs in found.elements if tag == "section"]
    assert order == ["answer", "factor-1", "everything", "best", "factor-2", "findings", "provenance"]
    assert "Which of yours is closer?" in found.sections["factor-1"], "own models come first"
    links = [attrs["href"] for tag, attrs in found.elements if tag == "a" and attrs["href"] != "#legend"]
    assert links == [f"#{name}" for name in order[1:]]
    ids = [attrs["id"] for _, attrs in found.elements if attrs.get("id")]
    assert ids.count("legend") == 1
    assert ids.index("factor-1") < ids.index("legend") < ids.index("everything"), "with the first that shows all lines"


# --- Findings -------------------------------------------------------------------------------------------------------


def test_findings_that_cannot_be_tested_are_folded_and_counted(desk: Opened) -> None:
    cards = desk.tab.locator("#findings > .findings .finding")
    assert cards.count() == 4
    assert "untestable" not in desk.tab.locator("#findings > .findings").inner_text()
    fold = desk.tab.locator("#findings details.untestable")
    assert fold.locator("> summary").inner_text() == "1 finding of the paper cannot be tested with these runs"
    assert not fold.locator(".finding").is_visible()
    fold.locator("> summary").click()
    assert fold.locator(".finding").is_visible()


def test_findings_are_left_out_where_nobody_is_a_person(tmp_path: Path) -> None:
    write_made(Made(BASE_16, "shapes-low", 60, lambda *_: 0.3, (MAIN,)), tmp_path)
    found = Parsed(study_page(read_study([tmp_path])[0], [], findings()))
    section = words(found.sections["findings"])
    assert section == (
        "Findings of the paper The findings of the paper are about people's judgments; all observers of these runs are "
        "simulated, so that none is judged here."
    )


# --- Charts ---------------------------------------------------------------------------------------------------------


def test_axes_show_chance(desk: Opened) -> None:
    script = "all => all.map((chart) => chart.layout.yaxis.range)"
    ranges = desk.tab.eval_on_selector_all("#everything [data-chart]", script)
    for (low, high), chance in zip(ranges, (0.0, 1 / 2, 1 / 3), strict=True):
        assert low < chance < high
    assert desk.tab.locator("#everything .annotation-text", has_text="chance").count() == 3


def test_of_many_lines_intervals_are_bars_that_stand_apart_and_of_few_bands(desk: Opened) -> None:
    bars = [trace for trace in shown(desk, "everything-1") if trace["form"]]
    assert [trace["form"] for trace in bars] == ["bars"] * 5, "two models, twins, two baselines"
    starts = [trace["x"][0] for trace in bars]
    assert len(set(starts)) == len(starts)
    for key in ("model:pixels", f"model:{BASE_32}"):
        desk.tab.locator(f"#everything input[data-key='{key}']").uncheck()
    assert [trace["form"] for trace in shown(desk, "everything-1") if trace["form"]] == ["band"] * 3
    desk.tab.locator("#everything input[data-key='part:intervals']").uncheck()
    assert [trace["form"] for trace in shown(desk, "everything-1") if trace["form"]] == ["band"], "twins' own span"
    for key in ("model:pixels", f"model:{BASE_32}", "part:intervals"):
        desk.tab.locator(f"#everything input[data-key='{key}']").check()


def test_a_chart_of_which_nothing_is_ticked_is_folded_away(desk: Opened) -> None:
    boxes = desk.tab.locator("#everything fieldset:nth-child(-n+2) input")
    before = desk.drawn()
    for index in range(boxes.count()):
        boxes.nth(index).uncheck()
    figure = desk.tab.locator("#everything figure").first
    assert not figure.locator(".plot").is_visible()
    assert figure.locator(".nothing").inner_text() == "Nothing that is ticked was measured here."
    for index in range(boxes.count()):
        boxes.nth(index).check()
    assert figure.locator(".plot").is_visible()
    assert not figure.locator(".nothing").is_visible()
    assert figure.locator(".main-svg").first.bounding_box()["width"] > 300
    assert desk.drawn() == before


def test_a_chart_is_folded_from_the_first_where_its_only_model_is_not_ticked(browser: Any, tmp_path: Path) -> None:
    for label, dataset in ((BASE_16, "tid2013"), (BASE_32, "nights")):
        write_made(Made(label, dataset, 60, as_published, (MAIN, "cosine")), tmp_path / "runs")
    from alignbench.study.factors import compare_factors

    study, _ = read_study([tmp_path / "runs"])
    [factor] = [factor for factor in compare_factors(study) if factor.name == "distance"]
    write_page(study_page(study, [factor], []), tmp_path / "report.html")
    opened = Opened(browser, tmp_path / "report.html", viewport=SCREENS["desk"])
    told = opened.tab.locator("#factor-1 .nothing")
    assert [told.nth(index).is_visible() for index in range(2)] == [False, True]
    opened.tab.locator(f"#factor-1 input[data-key='factor-distance model:{BASE_32}']").check()
    assert [told.nth(index).is_visible() for index in range(2)] == [False, False]
    opened.check()


def test_boxes_are_in_the_page_once(parsed: Parsed) -> None:
    keys = [attrs["data-key"] for tag, attrs in parsed.elements if tag == "input"]
    assert len(keys) == len(set(keys))


# --- Aloud ----------------------------------------------------------------------------------------------------------


def test_it_can_be_read_aloud(parsed: Parsed, text: str) -> None:
    tags = [tag for tag, _ in parsed.elements]
    assert [tags.count(tag) for tag in ("header", "nav", "main")] == [1, 1, 1]
    charts = [attrs for _, attrs in parsed.elements if "data-chart" in attrs]
    assert {attrs["role"] for attrs in charts} == {"img"}
    assert len({attrs["aria-label"] for attrs in charts if attrs["data-chart"].startswith("everything")}) == 3
    ids = {attrs["id"] for _, attrs in parsed.elements if attrs.get("id")}
    named = [attrs["aria-labelledby"] for tag, attrs in parsed.elements if tag == "section"]
    assert len(set(named)) == len(named) > 4
    assert ids.issuperset(named)
    inputs = re.findall(r"<label><input [^>]*>.*?</label>", text, re.DOTALL)
    assert len(inputs) == tags.count("input")
    assert all(words(re.sub(r"<[^>]*>", "", each)) for each in inputs), "each box says what it is"
    levels = [int(tag[1]) for tag in parsed.headings]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert ":focus-visible" in text


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_what_they_are_on(theme: str) -> None:
    css = files("alignbench").joinpath("report", "assets", "page.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root[^{]*{([^}]*)}", css)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    assert set(re.findall(r"var\(--([\w-]+)\)", css)) <= set(colours)
    if theme == "dark":
        found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark))
        assert set(found) == set(colours)
        colours = found
    assert re.findall(r"#[0-9a-f]{3,6}\b", css.replace(light, "").replace(dark, "")) == [], "all have a name"
    for front, back in (*((text, "paper") for text in TEXTS), *ON.items()):
        darker, lighter = sorted(luminance(colours[name]) for name in (front, back))
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (front, back)
    for front in ("grey", "focus"):
        darker, lighter = sorted(luminance(colours[name]) for name in (front, "paper"))
        assert (lighter + 0.05) / (darker + 0.05) >= 3.0, front


# --- In the dark and on paper ---------------------------------------------------------------------------------------


def test_a_dark_page_has_dark_charts_and_prints_light(browser: Any, page_file: Path) -> None:
    opened = Opened(browser, page_file, viewport=SCREENS["desk"], color_scheme="dark")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    paper = "document.querySelector('[data-chart]').layout.paper_bgcolor"
    assert opened.tab.evaluate(background) == "rgb(21, 24, 28)"
    assert opened.tab.evaluate(paper) == "#15181c"
    before = opened.drawn()
    opened.tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.tab.evaluate(background) == "rgb(255, 255, 255)"
    assert opened.tab.evaluate(paper) == "#ffffff"
    opened.tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.tab.evaluate(paper) == "#15181c"
    opened.tab.emulate_media(color_scheme="light")
    opened.tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert opened.tab.evaluate(paper) == "#ffffff"
    assert opened.drawn() == before
    opened.check()


def test_paper_shows_what_is_ticked(desk: Opened) -> None:
    desk.tab.locator(f"#everything input[data-key='model:{BASE_16}']").uncheck()
    desk.tab.emulate_media(media="print")
    labels = desk.tab.locator("#legend label:visible")
    said = [labels.nth(index).inner_text() for index in range(labels.count())]
    assert BASE_32 in said
    assert BASE_16 not in said
    assert not desk.tab.locator("nav").is_visible()
    assert desk.tab.locator("#best tbody tr:visible", has_text=BASE_16).count() == 0
    desk.tab.emulate_media(media="screen")
    desk.tab.locator(f"#everything input[data-key='model:{BASE_16}']").check()


def test_a_table_that_is_too_wide_says_so_and_scrolls_by_itself(desk: Opened, phone: Opened) -> None:
    box = phone.tab.locator("#best .scroll").first
    assert "wider" in (box.get_attribute("class") or "")
    assert box.evaluate("box => getComputedStyle(box, '::before').content").startswith('"the table goes on')
    assert desk.tab.locator("#best .wider").count() == desk.tab.locator("#factor-1 .wider").count() == 0
    desk.check()
    phone.check()
