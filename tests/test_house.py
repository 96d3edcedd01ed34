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
    ("scoring",),
    ("transforms",),
    ("study",),
    ("report", "tracking"),
    ("measurement",),
    ("sweeps", "alignet", "interpret"),
    ("cli", "api"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted([*(ROOT / "alignbench").rglob("*.py"), *(ROOT / "baselines").rglob("*.py")])
MOST_LINES = 300
MOST_ARGUMENTS = 5
MANY_ARGUMENTS = [  # an entry of the command line, and a hook of Lightning's
    "extraction/predict: on_predict_batch_end",
    "study/answers: compare",
    "baselines/perceptnet/__main__: train",
]
PUBLIC = (
    "alignbench",
    "alignbench.datasets",
    "alignbench.files",
    "alignbench.models",
)  # what plug-ins are made of, and so the baselines
TESTED_ELSEWHERE = {  # modules without a test file of their own, and why
    "arrays": "two names of types",
    "measurement/source_kinds": "a protocol and a record, whose members are tested in measurement/test_sources",
    "tracking/keys": "names alone, held against what runs log in tracking/test_saved_view",
    "interpret/parts": "data alone, held against every family in interpret/test_anatomy",
    "models/transformers_layouts": "data alone, held against transformers itself in models/test_huggingface",
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


def test_five_modules_stand_outside_the_rooms() -> None:
    loose = {path.stem for path in (ROOT / "alignbench").glob("*.py")}
    assert loose == {"__init__", "__main__", "arrays", "errors", "plugins"}, "which room do the others belong to?"


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


def test_a_function_takes_five_arguments_at_most() -> None:
    """A command takes its options, and what a library calls takes what that library gives."""
    many = []
    for path in (path for path in MODULES if not name_of(path).startswith("cli/commands/")):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef):
                taken = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                if len(taken) - (taken[:1] in (["self"], ["cls"])) > MOST_ARGUMENTS:
                    many.append(f"{name_of(path)}: {node.name}")
    assert many == MANY_ARGUMENTS


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
