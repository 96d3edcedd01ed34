"""The house: imports point down only, modules are small and tested, and what is public says what it is."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from documented import ROOT

FLOORS = (  # from the ground up; a room may use those on the floors below it
    ("errors",),
    ("files", "plugins", "arrays"),
    ("distances",),
    ("datasets", "models"),
    ("extraction", "results", "statistics"),
    ("transforms",),
    ("study",),
    ("report", "tracking"),
    ("measurement",),
    ("sweeps",),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted([*(ROOT / "alignbench").rglob("*.py"), *(ROOT / "baselines").rglob("*.py")])
MOST_LINES = 300
PUBLIC = ("alignbench", "alignbench.datasets", "alignbench.models")  # what plug-ins are made of, and so the baselines
TESTED_ELSEWHERE = {  # modules without a test file of their own, and where their behaviour is held
    "arrays": "two names for types",
    "baselines/weights": "baselines/test_lpips, baselines/test_perceptnet",
    "cli/cell_process": "cli/commands/test_sweep",
    "cli/commands/cache": "measurement/test_cache_pixels",
    "cli/commands/compare": "study/test_comparison",
    "cli/commands/reproduce": "results/test_published",
    "cli/console": "transforms/test_aligned_layer, cli/commands/test_run",
    "datasets/data_set": "tests of each data set",
    "datasets/distortions": "datasets/test_shapes",
    "datasets/inventory": "tests of each data set, cli",
    "datasets/rated_distortions": "datasets/test_tid2013, datasets/test_kadid10k",
    "datasets/scenes": "datasets/test_shapes",
    "distances/names": "distances/test_streaming, report",
    "errors": "every test of wrong input",
    "extraction/channel_usage": "measurement/test_protocol, measurement/test_pipeline",
    "extraction/feature_extraction": "cli/commands/test_extract, cli/commands/test_learn",
    "extraction/features": "cli/commands/test_extract, cli/commands/test_learn",
    "extraction/predict": "extraction/test_tower_distances, extraction/test_metric_distances",
    "extraction/progress": "measurement/test_pipeline",
    "extraction/source": "extraction/test_tower_distances, extraction/test_metric_distances",
    "measurement/pair_distances": "measurement/test_pipeline, measurement/test_protocol",
    "measurement/record": "measurement/test_protocol, transforms/test_aligned_layer, results/test_run_folder",
    "measurement/sources": "measurement/test_pipeline, extraction/test_pixel_cache_in_runs",
    "models/family": "models/test_families",
    "models/normalisation": "models/test_huggingface, models/test_openclip_layers",
    "models/openclip_family": "models/test_openclip_names, measurement/test_cache_pixels",
    "models/transformers_family": "models/test_families, models/test_huggingface",
    "models/transformers_layouts": "models/test_huggingface",
    "sweeps/cells": "cli/commands/test_sweep, sweeps/test_queue",
    "sweeps/process": "sweeps/test_runner",
    "sweeps/values": "sweeps/test_grid",
    "transforms/learning/folder": "cli/commands/test_learn",
    "transforms/learning/inputs": "cli/commands/test_learn",
    "transforms/learning/layers": "cli/commands/test_learn",
    "transforms/learning/progress": "cli/commands/test_learn",
    "transforms/learning/recipe": "transforms/learning/test_search, transforms/learning/test_train",
    "transforms/learning/run": "cli/commands/test_learn",
    # results, statistics, study, report, tracking
    "report/figures/readout": "report/page/test_transforms",
    "report/figures/similarity": "transforms/evaluation/test_run",
    "report/page/charts": "report/page/test_page",
    "report/page/provenance": "report/page/test_page",
    "report/page/readouts": "report/page/test_transforms",
    "report/page/tables": "report/page/test_page",
    "report/panels": "report/figures/test_curves",
    "report/series": "report/figures/test_curves",
    "results/layer_curve": "results/test_run_folder, report/figures/test_curves",
    "statistics/paired": "study/test_comparison",
    "study/alignment_factor": "transforms/test_aligned_layer",
    "study/confounds": "study/test_findings",
    "study/evidence": "study/test_findings",
    "study/groups": "study/test_study",
    "study/levels": "study/test_findings",
    "study/places": "study/test_comparison",
    "study/rules": "study/test_findings",
    "study/study_run": "study/test_study",
    "tracking/modes": "tracking/test_tracker",
    "tracking/payload": "tracking/test_tracker",
    "tracking/transform_run": "cli/commands/test_learn",
    "tracking/wandb_init": "tracking/test_tracker",
}


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    """A module as tests are named after it, e.g. `datasets/tid2013` or `baselines/pixels`."""
    relative = path.relative_to(ROOT / "alignbench" if path.is_relative_to(ROOT / "alignbench") else ROOT)
    return relative.with_suffix("").as_posix()


def imported(path: Path) -> Iterator[str]:
    """Dotted names of the project's modules that a module imports, lazily and for types alone too."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module] if node.module != "alignbench" else [f"alignbench.{each.name}" for each in node.names]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in ("alignbench", "baselines"))


def test_imports_point_down_only() -> None:
    wrong = []
    for path in (path for path in MODULES if path.is_relative_to(ROOT / "alignbench")):
        room = name_of(path).partition("/")[0]
        for name in imported(path):
            other = name.split(".")[1] if name != "alignbench" else ""
            if room in FLOOR and other != room and FLOOR.get(other, -1) >= FLOOR[room]:
                wrong.append(f"{name_of(path)} imports {name}")
            if name.startswith("baselines"):
                wrong.append(f"{name_of(path)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_every_room_is_on_a_floor() -> None:
    rooms = {name_of(path).partition("/")[0] for path in MODULES if path.is_relative_to(ROOT / "alignbench")}
    assert rooms - {"__init__", "__main__"} == set(FLOOR)


def test_baselines_use_the_public_interface_alone() -> None:
    for path in (path for path in MODULES if path.is_relative_to(ROOT / "baselines")):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("alignbench"):
                assert node.module in PUBLIC, f"{name_of(path)} imports {node.module}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_small_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES, "two subjects in one file?"
    assert ast.get_docstring(tree_of(path)), "it does not say what it is for"
    for node in public_definitions(tree_of(path)):
        assert ast.get_docstring(node), f"{node.name} has no docstring"


def public_definitions(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """Public functions and classes of a module, and public methods of these; `Attributes` tells of a protocol's."""
    for each in node.body:
        is_definition = isinstance(each, ast.FunctionDef | ast.ClassDef) and not each.name.startswith("_")
        if is_definition and ast.unparse(each.body[-1]) != "...":
            yield each
            if isinstance(each, ast.ClassDef):
                yield from public_definitions(each)


def test_no_two_classes_have_one_name() -> None:
    names = Counter(
        each.name.lstrip("_") for path in MODULES for each in tree_of(path).body if isinstance(each, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_every_module_has_its_test_file_or_a_reason() -> None:
    tested = {path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    expected = {
        name: "/".join([*name.split("/")[:-1], f"test_{name.split('/')[-1]}.py"])
        for name in map(name_of, MODULES)
        if not name.endswith(("__init__", "__main__"))
    }
    without = {name for name, file in expected.items() if file not in tested}
    assert without == set(TESTED_ELSEWHERE), (
        f"without a test: {sorted(without - set(TESTED_ELSEWHERE))}; tested after all: "
        f"{sorted(set(TESTED_ELSEWHERE) - without)}"
    )
