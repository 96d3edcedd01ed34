"""The saved view names exactly what runs log, and is saved once however often it is asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from wandb_workspaces.workspaces import Workspace

from alignbench.distances.names import DISTANCES
from alignbench.errors import UsageError
from alignbench.models.cards import FACTORS
from alignbench.results.layer_curve import COLUMNS, LayerCurve
from alignbench.tracking.payload import charts, scores_by_depth, summary
from alignbench.tracking.projects import Project, connected
from alignbench.tracking.saved_view import LEVELS, make_view, save_view
from drawing import do_not_draw
from wandb_projects import ProjectServer, project_server
from wandb_runs import isolate, logged_in, measured, read_logged
from wandb_server import ENTITY

pytestmark = pytest.mark.slow

PROJECT = Project(ENTITY, "alignbench")
SCORE = (0.5, 0.4, 0.6, 10, 10)
GROUPS = ("architecture", "dataset")


def spec_of(view: Any) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads(view._to_model().spec.model_dump_json(by_alias=True, exclude_none=True))
    return spec["section"]


def panels_of(section: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for part in section["panelBankConfig"]["sections"] for panel in part["panels"]]


def tables_in(config: Any) -> Iterator[str]:
    """The tables that a chart or a query panel is made of."""
    if isinstance(config, list):
        for each in config:
            yield from tables_in(each)
    elif isinstance(config, dict):
        if config.get("name") == "tableKey":
            yield config["value"]
        if config.get("name") == "pick" and config["inputs"]["key"]["val"] != "summary":
            yield config["inputs"]["key"]["val"]
        for each in config.values():
            yield from tables_in(each)


def named_keys(section: dict[str, Any]) -> dict[str, set[str]]:
    """Every key that a view names, by where runs log it."""
    found: dict[str, set[str]] = {"history": set(), "summary": set(), "config": set(), "media": set()}
    for panel in panels_of(section):
        config = panel["config"]
        match panel["viewType"]:
            case "Run History Line Plot":
                found["history"] |= {config["xAxis"], *config["metrics"]}
            case "Bar Chart":
                found["summary"] |= {name.removeprefix("summary_metrics.") for name in config["metrics"]}
            case "Parallel Coordinates Plot":
                for column in config["columns"]:
                    place, _, name = column["accessor"].partition(":")
                    found[place].add(name.removesuffix(".value"))
            case "Media Browser":
                found["media"] |= set(config["mediaKeys"])
            case "Vega2" | "Weave":
                found["media"] |= set(tables_in(config))
            case "Run Comparer":
                pass
            case other:
                raise AssertionError(f"what does a panel of {other} name?")
        if "groupBy" in config:
            found["config"].add(config["groupBy"].removesuffix(".value"))
    (runs,) = section["runSets"]
    for column in runs["runFeed"]["columnPinned"]:
        place, _, name = column.partition(":")
        if place != "run":
            found[place].add(name.removesuffix(".value"))
    found["config"] |= {each["name"].removesuffix(".value") for each in runs["grouping"]}
    return found


def curve_at(level: str, metric: str, tower: bool) -> LayerCurve:
    """A curve of a tower or a baseline, of one layer and the projection."""
    places = {"layer_0": 0.0, "projection": 100.0} if tower else {"image": 0.0}
    rows = [
        dict(zip(COLUMNS, ("a", "d", "all", level, "paper", "all", name, layer, depth, metric, *SCORE), strict=True))
        for name in (DISTANCES if tower else ("ssim",))
        for layer, depth in places.items()
    ]
    return LayerCurve(pd.DataFrame(rows))


# ------------------------------------------------------------------------------------------------- what runs log


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Every key that a tower and a baseline log, by where they log it."""
    import wandb

    output = tmp_path_factory.mktemp("runs")
    found: dict[str, set[str]] = {"history": set(), "summary": set(), "config": set(), "media": set()}
    wandb.teardown()
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("home"))
        do_not_draw(patch)
        options = ("--limit", "45", "--wandb", "offline")
        measured(output, "--model", "pixels", "--dataset", "shapes-low,shapes-middle,shapes-high", *options)
        measured(output, "--model", "random:shapes-clip", "--dataset", "shapes-low,shapes-middle,shapes-high", *options)
        for run in map(read_logged, logged_in(output)):
            summarised = run.state["summary"]
            found["media"] |= {key for key, value in summarised.items() if isinstance(value, dict) and "path" in value}
            found["summary"] |= set(summarised)
            found["config"] |= set(run.state["config"])
            found["history"] |= {key for item in run.history for key in item}
        wandb.teardown()
    return found


def test_every_key_that_the_view_names_is_logged_by_a_run(logged: dict[str, set[str]]) -> None:
    named = named_keys(spec_of(make_view(PROJECT, "alignbench", GROUPS)))
    paper = {f"{level}/{metric}/" for level, metric, _ in LEVELS[:3]}
    others = {f"{level}/{metric}/" for level, metric, _ in LEVELS[3:]}
    for place, keys in named.items():
        assert len(keys) > 3
        measured_here = {key for key in keys if not key.startswith(tuple(others))}
        assert measured_here - logged[place] == set(), place
    assert all(any(key.startswith(level) for key in named["history"]) for level in paper | others)
    assert set(FACTORS) <= named["config"]


@pytest.mark.parametrize(("level", "metric"), [level[:2] for level in LEVELS])
def test_levels_and_scores_are_named_as_curves_of_them_are_logged(level: str, metric: str) -> None:
    tower, baseline = curve_at(level, metric, tower=True), curve_at(level, metric, tower=False)
    points = {key for curve in (tower, baseline) for item in scores_by_depth(curve) for key in item}
    known = points | set(summary(tower))
    named = named_keys(spec_of(make_view(PROJECT, "alignbench")))
    ours = {key for key in named["history"] | named["summary"] if key.startswith(f"{level}/{metric}/")}
    assert len(ours) == 3 + 1 + 3 + 3
    assert ours <= known
    assert charts(tower, [baseline])


# -------------------------------------------------------------------------------------------------- what it shows


def test_sections_are_by_level_and_the_papers_are_open() -> None:
    sections = spec_of(make_view(PROJECT, "alignbench"))["panelBankConfig"]["sections"]
    names = [section["name"].split()[0] for section in sections]
    assert names == ["Low", "Middle", "High", "Low", "High", "Beside", "Grouped", "Tables"]
    assert [section["isOpen"] for section in sections] == [True, True, True, False, False, True, False, False]


def test_runs_are_grouped_as_asked_for() -> None:
    (runs,) = spec_of(make_view(PROJECT, "alignbench", GROUPS))["runSets"]
    assert [each["name"] for each in runs["grouping"]] == ["architecture.value", "dataset.value"]
    (runs,) = spec_of(make_view(PROJECT, "alignbench"))["runSets"]
    assert runs["grouping"] == []


def test_a_name_that_w_and_b_does_not_take_is_refused() -> None:
    with pytest.raises(UsageError, match=r"does not take the view '.*choose another --name"):
        make_view(PROJECT, "a \N{ROCKET} view")


def test_without_its_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    with pytest.raises(UsageError, match=r"pip install 'alignbench\[workspaces\]'"):
        make_view(PROJECT, "alignbench")


# -------------------------------------------------------------------------------------------------------- saving


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProjectServer]:
    with project_server(tmp_path / "home", monkeypatch) as server:
        yield server


def test_a_view_of_one_name_is_saved_once_and_others_stay(server: ProjectServer) -> None:
    with connected() as api:
        mine = save_view(api, make_view(PROJECT, "mine"), PROJECT)
        first = save_view(api, make_view(PROJECT, "alignbench"), PROJECT)
        again = save_view(api, make_view(PROJECT, "alignbench", GROUPS), PROJECT)
        assert (mine[1], first[1], again[1]) == (False, False, True)
        assert again[0] == first[0] != mine[0]
        assert first[0].startswith(f"{server.address}/someone/alignbench?nw=")
        assert [view["displayName"] for view in server.views] == ["mine", "alignbench"]
        read = Workspace.from_url(first[0])
    assert read.name == "alignbench"
    assert spec_of(read)["runSets"][0]["grouping"] != []
    assert len(panels_of(spec_of(read))) == len(panels_of(json.loads(server.views[1]["spec"])["section"]))


def test_a_project_that_the_server_does_not_know_gets_no_view(server: ProjectServer) -> None:
    other = Project(ENTITY, "other")
    with connected() as api, pytest.raises(UsageError, match=r"knows no project someone/other"):
        save_view(api, make_view(other, "alignbench"), other)
    assert server.views == []
