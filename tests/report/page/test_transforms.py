"""Transforms on the report page: what a linear readout reaches, and what transforms gained and cost."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alignbench.cli.main import main
from alignbench.report.figures.readout import ceiling_figure
from alignbench.report.page.readouts import collect_readouts
from alignbench.report.page.transforms import read_transforms
from alignbench.transforms.evaluation.folder import Evaluated, EvaluationRow, write_evaluated
from alignbench.transforms.learning.folder import CEILING_COLUMNS, read_ceiling
from pages import Opened, Parsed, chromium, words
from studies import Made, write_made

Capture = pytest.CaptureFixture[str]
DEPTHS = {"layer_1": 25.5, "layer_2": 43.5, "layer_3": 97.5, "projection": 100.0}
AFTER = (0.45, 0.5, 0.62, 0.6)
NAN = math.nan
MARK = '<strong class="mark">'
SIMULATED = "simulated observers, not human data"


def write_learned(
    root: Path,
    model: str = "clip",
    dataset: str = "things",
    objective: str = "global",
    key: str = "11111111",
    **changed: object,
) -> Path:
    """A folder of transforms of four layers, or those in `layers`."""
    names = list(changed.pop("layers", DEPTHS))  # type: ignore[call-overload]
    folder = root / f"{model.replace('/', '--')}__{dataset}__{objective}__{key}"
    folder.mkdir(parents=True)
    rows = []
    for name in names:
        after = AFTER[list(DEPTHS).index(name)]
        row: dict[str, object] = dict.fromkeys(CEILING_COLUMNS, 0.5)
        row |= {"model": model, "dataset": dataset, "subset": "trainset", "objective": objective, "tokens": "cls"}
        row |= {"similarity": "cosine", "layer": name, "depth": DEPTHS[name], "n": 1234, "objects": 240, "best_fold": 0}
        for column, value, reach in (("before", 0.4, 0.03), ("after", after, 0.02), ("difference", after - 0.4, 0.025)):
            row |= {column: value, f"{column}_low": value - reach, f"{column}_high": value + reach}
        rows.append(row | {"noise_ceiling": 0.6767} | changed)
    pd.DataFrame(rows, columns=list(CEILING_COLUMNS)).to_csv(folder / "ceiling.csv", index=False)
    (folder / "learned.json").write_text(json.dumps({"settings": {"folds": 3}}))
    return folder


def row(task: str, data: str, measure: str, sample: str, better: str = "higher", after: float = 0.6) -> EvaluationRow:
    difference = (after - 0.5, after - 0.55, after - 0.45)
    return EvaluationRow(
        task, data, measure, better, (0.5, 0.45, 0.55), (after, NAN, NAN), difference, 1234, "chance", sample
    )


ROWS = (
    row("odd-one-out", "things", "accuracy (cosine)", "may be in-sample"),
    row("odd-one-out", "shapes-high", "accuracy (cosine)", "in-sample"),
    row("rsa", "cichy2019", "spearman (cosine)", "not seen"),
    row("local structure", "shapes-middle", "KL(P||Q), tau 1", "unknown", "lower", 0.50012),
    row("local structure", "shapes-middle", "condition number of W", "held-out objects", "lower", math.inf),
)


def write_judged(root: Path, name: str = "turn", told: dict[str, Any] | None = None, *, draw: bool = True) -> Path:
    def drawn(_: Evaluated, folder: Path) -> None:
        if draw:
            Image.new("RGB", (60, 20), (200, 0, 0)).save(folder / "similarity.png")

    folder = root / f"clip@{name}__evaluation__22222222"
    settings = {"model": "clip", "transform": {"name": name}, "layer": "projection"}
    record = {"settings": settings, "title": "cichy2019", "provenance": told or {}}
    write_evaluated(folder, Evaluated(ROWS, "cichy2019", {"after": np.eye(2)}), record, drawn)
    return folder


def report(*places: Path, output: Path, options: tuple[str, ...] = ()) -> int:
    return main(["report", *map(str, places), "--output", str(output), *options])


def parsed(page: Path) -> Parsed:
    return Parsed(page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run, two folders of learned transforms, and two judged ones."""
    root = tmp_path_factory.mktemp("transforms")
    write_made(Made("pixels", "nights", 60, lambda *_: 0.6), root)
    write_learned(root)
    write_learned(root, "my/clip", "shapes-high", "glocal", layers=["layer_2"], noise_ceiling=NAN)
    write_judged(root, told={"objective": "glocal", "dataset": "things"})
    write_judged(root, "other", draw=False)
    assert report(root, output=root / "report.html") == 0
    return root / "report.html"


# ---------------------------------------------------------------------------------- what a readout reaches


def test_curves_are_those_of_the_ceilings(page: Path) -> None:
    data = json.loads(parsed(page).data)
    charts = [data["charts"][f"readout-{index}"] for index in range(2)]
    assert [chart["score"] for chart in charts] == ["odd-one-out accuracy (cosine)"] * 2
    assert charts[0]["ceiling"] == {"name": "noise ceiling", "values": [0.6767]}
    assert charts[1]["ceiling"] is None
    lines = {line["name"]: data["curves"][line["curve"]] for line in charts[0]["lines"]}
    assert list(lines) == ["chance", "zero-shot", "aligned"]
    assert lines["chance"] == {"layers": ["image"], "x": [0.0], "y": [pytest.approx(1 / 3)]}
    aligned = lines["aligned"]
    assert aligned["layers"] == list(DEPTHS)
    assert aligned["x"] == list(DEPTHS.values())
    np.testing.assert_allclose(aligned["y"], AFTER, rtol=5e-5)
    np.testing.assert_allclose(aligned["low"], np.array(AFTER) - 0.02, rtol=5e-5)
    np.testing.assert_allclose(aligned["high"], np.array(AFTER) + 0.02, rtol=5e-5)
    assert aligned["n"] == 1234
    np.testing.assert_allclose(lines["zero-shot"]["low"], [0.37] * 4, rtol=5e-5)
    keys = [key for line in charts[0]["lines"] for key in line["keys"]]
    boxes = {attrs.get("data-key") for _, attrs in parsed(page).elements}
    assert keys == ["readout:before", "readout:after"]
    assert boxes.issuperset(keys)


def test_the_table_says_the_highest_layer_and_the_projection(page: Path) -> None:
    [table] = [table for table in parsed(page).tables if "highest at (depth)" in table[0]]
    first, second = table[1:]
    assert first == [
        "clip",
        "things, trainset 1,234 triplets, noise ceiling 0.677",
        "global",
        "layer_3 (97.5 %)",
        "0.400 \N{RIGHTWARDS ARROW} 0.620",
        "+0.220 (+0.195 .. +0.245)",
        "0.400 (0.370 .. 0.430)",
        "0.600 (0.580 .. 0.620)",
    ]
    assert second[0] == "my/clip"
    assert second[1].endswith(SIMULATED)
    assert second[3] == "layer_2 (43.5 %)"
    assert second[-2:] == ["-", "-"], "no transform of the projection was learned"


def test_the_section_comes_after_the_curves_and_says_how_it_is_made(page: Path) -> None:
    found = parsed(page)
    order = [attrs["id"] for tag, attrs in found.elements if tag == "section"]
    assert order == ["shown", "everything", "readouts", "best", "findings", "costs", "provenance"]
    section = words(found.sections["readouts"])
    for said in ("a triplet with objects on both sides of a split is dropped", "the transform that never saw these"):
        assert said in section
    assert section.count(SIMULATED) == 2, "in the chart and in the table"
    assert "3 folds of 240 objects, 1,234 judged triplets, cls tokens; clip__things__global__11111111" in section
    assert f"shapes-high: {SIMULATED}" in words(found.sections["shown"])
    assert "2 folders of learned transforms and 2 judged transforms" in words(found.sections["shown"])


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for key in ("aaaaaaaa", "bbbbbbbb"):
        write_learned(tmp_path, key=key)
    write_learned(tmp_path, objective="naive")
    titles = [panel.title for panel in collect_readouts(read_transforms([tmp_path])[0].learned).panels]
    named = "clip on things, trainset: global"
    assert titles == [f"{named} (aaaaaaaa)", f"{named} (bbbbbbbb)", "clip on things, trainset: naive"]


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
    assert "glocal, learned on things; layer projection; clip@turn__evaluation__22222222" in section
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
        assert order == ["shown", "readouts", "costs"]
        targets = {f"#{attrs['id']}" for _, attrs in found.elements if attrs.get("id")}
        links = [attrs["href"] for tag, attrs in found.elements if tag == "a"]
        assert links == ["#shown", "#readouts", "#costs"]
        assert targets.issuperset(links)
        assert list(json.loads(found.data)["charts"]) == ["readout-0"], "each once"
        assert SIMULATED not in found.sections["readouts"]


def test_pages_of_runs_alone_are_as_they_were(tmp_path: Path) -> None:
    write_made(Made("pixels", "nights", 60, lambda *_: 0.6), tmp_path)
    assert report(tmp_path, output=tmp_path / "report.html") == 0
    found = parsed(tmp_path / "report.html")
    assert not {"readouts", "costs"} & {attrs.get("id") for _, attrs in found.elements}
    assert "transforms" not in found.sections["shown"]


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
    shown = words(parsed(tmp_path / "report.html").sections["shown"])
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
    assert "--distance narrows runs, and there are none" in capsys.readouterr().err
    assert report(folder, output=tmp_path / "curves.png") == 1
    assert "holds no run folder" in capsys.readouterr().err
    assert list(tmp_path.glob("*.*")) == []


# -------------------------------------------------------------------------------------------------- the figure


@pytest.mark.parametrize("layers", [list(DEPTHS), ["projection"]])
def test_the_figure_shows_intervals_of_several_layers_and_of_one(tmp_path: Path, layers: list[str]) -> None:
    frame = read_ceiling(write_learned(tmp_path, layers=layers))
    (axis,) = (figure := ceiling_figure(frame)).axes
    (before, after), extents = axis.lines[:2], [found.get_datalim(axis.transData) for found in axis.collections]
    np.testing.assert_allclose(before.get_ydata(), frame["before"])
    np.testing.assert_allclose(after.get_ydata(), frame["after"])
    np.testing.assert_allclose([(e.y0, e.y1) for e in extents], [
        (frame[f"{name}_low"].min(), frame[f"{name}_high"].max()) for name in ("before", "after")
    ])  # fmt: skip
    assert axis.get_xlim() == (-2.0, 103.0)
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 4


# ------------------------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


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
