"""The report page says what the runs say, holds all it needs, and works in a browser."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignbench.cli.main import main
from alignbench.errors import AlignbenchError
from alignbench.report.page.page import study_page, write_page
from alignbench.results.stored_run import StoredRun
from alignbench.study.factors import Factor, FactorOption
from alignbench.study.findings import Finding
from alignbench.study.study import Study, read_study
from pages import Opened, Parsed, chromium, words
from studies import BASE_16, BASE_32, DATASETS, Made, as_published, write_made

SIZES = {"tid2013": 50, "nights": 60, "things": 80}
TWINS = tuple(f"{BASE_32}@random-{seed}" for seed in range(2))
LABELS = (BASE_16, BASE_32, *TWINS, "pixels", "ssim")
MAIN, COSINE = "normalized_euclidean", "cosine"
NASTY = "</script><img src=x onerror=alert(1)> %{y} & \"quoted\" 'so'"
VERDICTS = ("borne out", "borne out, not separable", "not borne out", "not testable")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    return [
        write_made(
            Made(label.partition("@")[0], dataset, SIZES[dataset], as_published, (MAIN, COSINE), label=label), root
        )
        for dataset in DATASETS
        for label in LABELS
    ]


@pytest.fixture(scope="module")
def study(folders: list[Path]) -> Study:
    found, skipped = read_study(folders)
    assert not skipped
    return Study(found.runs, ("tid2013: 3 < 4 & so on",))


def difference(dataset: str, place: str, value: float, low: float, high: float, **changed: object) -> dict[str, object]:
    first, second = ("layer_2", "layer_9") if place == "best layer" else ("projection", "projection")
    return {
        **{"dataset": dataset, "level": DATASETS[dataset], "protocol": "paper", "subset": "all", "distance": MAIN},
        **{"place": place, "first": BASE_16, "second": BASE_32, "first_layer": first, "second_layer": second},
        **{"value_first": 0.5 + value, "value_second": 0.5, "difference": value, "ci_low": low, "ci_high": high},
        **{"p": 0.01, "p_holm": 0.04, "separable": low > 0 or high < 0, "n": 1_234, "n_clusters": 25},
        **{"interval": "cluster jackknife t"},
        **changed,
    }


def architecture() -> Factor:
    differences = [
        difference("tid2013", "projection", 0.1, 0.05, 0.15),
        difference("tid2013", "best layer", -0.02, -0.06, 0.02),
        difference("nights", "projection", 0.01, -0.2, 0.22, distance=COSINE),
    ]
    return Factor(
        "architecture",
        "Does alignment change with the size of the patches?",
        (FactorOption(BASE_16, "base-16"), FactorOption(BASE_32, "base-32")),
        pd.DataFrame({"factor": ["patch size"], "base-16": ["16 px"], "base-32": ["32 px"]}),
        pd.DataFrame(differences),
        ("Intervals are over stimuli, not trained models.", "There is one checkpoint for each option."),
    )


def findings() -> list[Finding]:
    evidence = pd.DataFrame(
        {"model": ["m"], "peak_depth": [12.3456], "judgments": [3_000], "early": [True], "p_holm": [0.0004]}
    )
    return [
        Finding(f"Claim {index}.", f"Rule {index}.", verdict, evidence, f"Why {index}.", f"Theirs {index}.")
        for index, verdict in enumerate(VERDICTS)
    ]


@pytest.fixture(scope="module")
def text(study: Study) -> str:
    return study_page(study, [architecture()], findings(), ["/somewhere/empty holds no finished run"])


@pytest.fixture(scope="module")
def parsed(text: str) -> Parsed:
    return Parsed(text)


def select_rows(folders: list[Path], label: str, dataset: str, distance: str) -> list[dict[str, str]]:
    """The main rows of a run's `curve.csv`, in the order of depth."""
    [folder] = [path for path in folders if path.name.startswith(f"{label.replace('/', '--')}__{dataset}__")]
    with (folder / "curve.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["distance"] == distance]
    main_rows = [row for row in rows if row["metric"] in ("spearman", "accuracy")]
    return sorted(main_rows, key=lambda row: float(row["depth"]))


def values_of(rows: list[dict[str, str]], column: str = "value") -> list[float]:
    return [float(row[column]) for row in rows]


# --- What it holds --------------------------------------------------------------------------------------------------


def lines_of(parsed: Parsed, slug: str, name: str, kind: str) -> list[dict[str, Any]]:
    """The curves of a chart that belong to a model and are of a kind."""
    data = json.loads(parsed.data)
    lines = data["charts"][slug]["lines"]
    return [
        data["curves"][line["curve"]]
        for line in lines
        if f"model:{name}" in line["keys"] and line["look"]["kind"] == kind
    ]


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("label", [BASE_16, BASE_32])
def test_a_curve_goes_through_the_scores_of_its_run(
    parsed: Parsed, folders: list[Path], label: str, index: int
) -> None:
    dataset = list(DATASETS)[index]
    for section in ("everything", "factor-architecture"):
        curves = lines_of(parsed, f"{section}-{index}", label, "tower")
        for curve, distance in zip(curves, (MAIN, COSINE), strict=True):
            rows = select_rows(folders, label, dataset, distance)
            assert curve["layers"] == [row["layer"] for row in rows]
            for column, shown in (("depth", "x"), ("value", "y"), ("ci_low", "low"), ("ci_high", "high")):
                np.testing.assert_allclose(curve[shown], values_of(rows, column), rtol=5e-5)
            assert curve["n"] == SIZES[dataset]


def test_a_curve_is_in_the_page_once_whatever_the_number_of_charts(parsed: Parsed) -> None:
    data = json.loads(parsed.data)
    towers = 2 * 3 * 2  # two models, each with two distances
    published = 2 * 3 + 2 * 3  # the two models' normalised ones and the two baselines, but for one exception:
    published += 3  # the paper has base-16's cosine too
    assert len(data["curves"]) == towers + published + 2 * 3 + 2 * 3  # and bands of twins, and baselines


def test_twins_are_a_band_around_their_mean(parsed: Parsed, folders: list[Path]) -> None:
    twins = np.array([values_of(select_rows(folders, twin, "nights", MAIN)) for twin in TWINS])
    curve = lines_of(parsed, "everything-1", f"{BASE_32}, 2 untrained twins", "twins")[0]
    for shown, expected in (("y", twins.mean(axis=0)), ("low", twins.min(axis=0)), ("high", twins.max(axis=0))):
        np.testing.assert_allclose(curve[shown], expected, rtol=5e-5)


def test_published_values_stand_beside_ours(parsed: Parsed) -> None:
    from studies import published

    [curve, _] = lines_of(parsed, "everything-2", BASE_16, "published")
    theirs = [published()[BASE_16, "things", MAIN, layer] for layer in curve["layers"]]
    assert len(theirs) == 14
    np.testing.assert_allclose(curve["y"], theirs, rtol=5e-5)
    assert "low" not in curve, "nothing is known of their intervals"


def test_a_factor_shows_its_options_their_twins_and_all_baselines(study: Study) -> None:
    factor = architecture()
    only = Factor(factor.name, "?", (factor.options[0],), factor.differs, factor.differences, ())
    found = Parsed(study_page(study, [only], []))
    lines = json.loads(found.data)["charts"]["factor-architecture-0"]["lines"]
    assert {line["keys"][0] for line in lines} == {f"model:{BASE_16}", "model:pixels", "model:ssim"}


def test_distances_that_are_compared_have_boxes_of_their_own(study: Study) -> None:
    options = tuple(FactorOption(name, name) for name in (MAIN, COSINE))
    rows = [
        difference("nights", "projection", 0.1, 0.05, 0.15)
        | {"first": f"{label}, {MAIN}", "second": f"{label}, {COSINE}", "distance": f"{MAIN} / {COSINE}"}
        for label in (BASE_16, BASE_32)
    ]
    found = Parsed(study_page(study, [Factor("distance", "?", options, pd.DataFrame(), pd.DataFrame(rows), ())], []))
    boxes = {attrs["data-key"]: "checked" in attrs for tag, attrs in found.elements if attrs.get("data-key")}
    own = {key.removeprefix("factor-distance "): on for key, on in boxes.items() if key.startswith("factor-distance ")}
    assert own == {
        **{f"model:{BASE_16}": True, f"model:{BASE_32}": False, f"model:{BASE_32}, 2 untrained twins": False},
        **{f"distance:{MAIN}": True, f"distance:{COSINE}": True},
    }
    assert boxes[f"distance:{MAIN}"]
    assert not boxes[f"distance:{COSINE}"], "elsewhere one at first, for legibility"
    lines = json.loads(found.data)["charts"]["factor-distance-0"]["lines"]
    towers = [line for line in lines if line["look"]["kind"] == "tower"]
    assert {key for line in towers for key in line["keys"]} <= {f"factor-distance {key}" for key in own}
    colours = {(key, line["look"]["colour"]) for line in towers for key in line["keys"] if "distance:" in key}
    assert len(colours) == 2, "a colour for each distance, whatever the model"
    keys = [attrs["data-keys"] for tag, attrs in found.elements if tag == "tr" and attrs.get("data-keys")]
    assert f'["factor-distance model:{BASE_32}"]' in keys
    [table] = [table for table in found.tables if "separable (p, Holm)" in table[0]]
    assert [[*row[:2], row[-1]] for row in table[1:]] == [
        [f"{MAIN} \N{MINUS SIGN} {COSINE}", "projection", label] for label in (BASE_16, BASE_32)
    ]


@pytest.mark.parametrize("dataset", DATASETS)
def test_best_layers_are_those_of_the_curves(parsed: Parsed, folders: list[Path], dataset: str) -> None:
    table = [found for found in parsed.tables if "depth of peak (%)" in found[0]][list(DATASETS).index(dataset)]
    found = {(row[0], row[-2]): row for row in table[1:]}
    for distance, spoken in ((MAIN, "normalised Euclidean"), (COSINE, "cosine")):
        *blocks, projection = select_rows(folders, BASE_32, dataset, distance)
        best = max(blocks, key=lambda row: float(row["value"]))
        row = found[BASE_32, spoken]
        assert row[2:4] == [best["layer"], f"{float(best['depth']):.1f}"]
        for cell, expected in ((row[1], best), (row[4], projection)):
            low, high = float(expected["ci_low"]), float(expected["ci_high"])
            assert cell == f"{float(expected['value']):.3f} ({low:.3f} .. {high:.3f})"
    assert found["pixels", "euclidean"][2:4] == ["", ""], "a baseline has no layers"
    tops = [max(values_of(select_rows(folders, twin, dataset, COSINE)[:-1])) for twin in TWINS]
    twins = found[f"{BASE_32}, 2 untrained twins", "cosine"]
    assert twins[1] == f"{np.mean(tops):.3f} ({min(tops):.3f} .. {max(tops):.3f})"


def test_a_factor_says_what_its_intervals_are_over_and_what_else_differs(parsed: Parsed) -> None:
    section = words(parsed.sections["factor-1"])
    for note in architecture().notes:
        assert note in section
    assert [["factor", "base-16", "base-32"], ["patch size", "16 px", "32 px"]] in parsed.tables


def test_paired_differences_are_told_and_drawn(parsed: Parsed, text: str) -> None:
    first, second = (table for table in parsed.tables if "separable (p, Holm)" in table[0])
    rows = [[*row[:4], *row[5:]] for row in first[1:]]  # without the little chart
    pair, at_best = "base-16 \N{MINUS SIGN} base-32", "best layer (layer_2, layer_9)"
    assert rows == [
        [pair, "projection", "+0.100", "+0.050 .. +0.150", "yes (0.040)", "0.600", "0.500", "normalised Euclidean"],
        [pair, at_best, "-0.020", "-0.060 .. +0.020", "no (0.040)", "0.480", "0.500", "normalised Euclidean"],
    ]
    assert second[1][-1] == "cosine"
    forest = re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="8".*?<rect x="([\d.]+)".*?fill="(#\w+)"', text)
    zero, scale = 75.0, 0.95 * 75.0 / 0.15  # the widest end of the first table lies at 95 % of half the width
    for (low, high, left, fill), row in zip(forest, architecture().differences.itertuples(), strict=False):
        if row.dataset == "tid2013":
            places = [zero + scale * value for value in (row.ci_low, row.ci_high, row.difference)]
            np.testing.assert_allclose([float(low), float(high), float(left) + 4], places, atol=0.06)
            assert fill == ("#1b1b1b" if row.separable else "#fff")


def test_findings_come_with_verdict_rule_and_numbers(parsed: Parsed) -> None:
    section = words(parsed.sections["findings"])
    for finding in findings():
        for said in (finding.claim, finding.rule, finding.verdict, finding.why, finding.published):
            assert said in section
    columns = ["model", "peak depth", "judgments", "early", "p holm"]
    assert [columns, ["m", "12.346", "3,000", "yes", "<0.001"]] in parsed.tables


def test_provenance_names_every_run(parsed: Parsed, folders: list[Path]) -> None:
    table = parsed.tables[-1]
    assert sorted(row[0] for row in table[1:]) == sorted(folder.name for folder in folders)
    section = words(parsed.sections["provenance"])
    for same in ("protocol: paper", "precision: fp32", "The same in all 18 runs"):
        assert same in section
    assert str(folders[0].parent) not in section


def test_remarks_and_what_was_left_out_are_said(parsed: Parsed) -> None:
    section = words(parsed.sections["shown"])
    assert "tid2013: 3 < 4 & so on" in section
    assert "/somewhere/empty holds no finished run" in section
    assert (
        "18 runs (2 models, 2 untrained twins, 2 baselines) on tid2013 (low level), nights (middle level), things"
        in section
    )


def test_simulated_observers_are_said_wherever_they_show(tmp_path: Path) -> None:
    write_made(Made("pixels", "shapes-low", 60, lambda *_: 0.3), tmp_path)
    found = Parsed(study_page(read_study([tmp_path])[0], [], []))
    for section in ("shown", "best", "everything"):
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
    assert study_page(study, [architecture()], findings(), ["/somewhere/empty holds no finished run"]) == text


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
    assert any(verdict in found.sections["findings"] for verdict in VERDICTS)


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
    shown = words(Parsed(page.read_text(encoding="utf-8")).sections["shown"])
    for name in ("broken", "empty"):
        assert sum(str(tmp_path / name) in line for line in said) == 1
        assert str(tmp_path / name) in shown
    assert "1 run (1 model) on" in shown


def test_runs_of_two_protocols_are_said_and_not_averaged(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_made(Made(BASE_16, "nights", 60, as_published, (MAIN,), protocol="corrected"), tmp_path)
    [ours] = [folder for folder in folders if folder.name.startswith("openai--clip-vit-base-patch16__nights")]
    page = tmp_path / "report.html"
    assert main(["report", str(ours), str(other), "--output", str(page)]) == 0
    found = Parsed(page.read_text(encoding="utf-8"))
    assert "corrected" in found.sections["shown"]
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
    tables = [table for table in found.tables if "separable (p, Holm)" in table[0]]
    assert tables
    assert {row[-1] for table in tables for row in table[1:]} == {"cosine"}


# --- In a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


@pytest.fixture(scope="module")
def page_file(text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(text, path)
    return path


def test_curves_are_drawn_and_a_box_hides_a_model_everywhere(browser: Any, page_file: Path) -> None:
    opened = Opened(browser, page_file, viewport={"width": 1280, "height": 900})
    before = opened.drawn()
    assert len(before) == 6, "three levels for the factor, three for everything"
    # two towers with band and published curve, twins with theirs, two baselines with both
    assert all(count == 3 + 3 + 2 + 3 + 3 for count in before)
    rows = opened.tab.locator("section#best tbody tr:visible")
    count = rows.count()
    opened.tab.locator(f"#factor-1 input[data-key='model:{BASE_16}']").focus()
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
    renamed = replace(run, stored=StoredRun(tmp_path / "renamed"), curve=type(run.curve)(frame))
    page = tmp_path / "report.html"
    finding = Finding(NASTY, NASTY, "not testable", pd.DataFrame({NASTY: [NASTY]}), NASTY, NASTY)
    write_page(study_page(Study((renamed,), (NASTY,)), [], [finding], [NASTY]), page)
    assert [value is None for value in json.loads(Parsed(page.read_text()).data)["curves"][0]["y"]].index(True) == 6
    opened = Opened(browser, page, viewport={"width": 1280, "height": 900})
    assert opened.tab.locator("img").count() == 0
    assert opened.tab.locator("section#everything fieldset label").first.inner_text().strip() == NASTY
    assert NASTY in opened.tab.locator("section#findings h3").inner_text()
    chart = opened.tab.locator("[data-chart='everything-0']")
    chart.scroll_into_view_if_needed()
    chart.locator(".scatterlayer .points path").nth(3).hover(force=True)
    label = chart.locator(".hoverlayer .hovertext")
    label.wait_for()
    shown = re.sub(r"\s+", "", label.text_content() or "")
    assert shown.startswith(re.sub(r"\s+", "", NASTY))
    opened.tab.locator("section#everything fieldset input").first.uncheck()
    assert opened.drawn() == [0]
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
