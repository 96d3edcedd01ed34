"""The files of the page: nothing inline, nothing from elsewhere, no text as HTML, and all of them in the package."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from documented import ROOT
from pages import Parsed

PAGE = Path(str(files("alignbench").joinpath("interpret/browser/page")))
MODULES = sorted(PAGE.glob("*.js"))
FILES = sorted(path for path in PAGE.iterdir() if path.is_file())
AS_HTML = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
UNSAFE = AS_HTML + r"|\beval\b|new Function|\bstyle: |setAttribute\(.style"


def test_everything_of_the_page_goes_into_the_package() -> None:
    kept = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["alignbench"]
    packed = {path for pattern in kept for path in (ROOT / "alignbench").glob(pattern)}
    assert len(FILES) >= 20
    assert set(FILES) <= packed
    assert not [path for path in PAGE.iterdir() if path.is_dir() and path.name != "__pycache__"]


def test_the_page_has_nothing_inline() -> None:
    parsed = Parsed((PAGE / "index.html").read_text(encoding="utf-8"))
    scripts = [found for tag, found in parsed.elements if tag == "script"]
    assert scripts == [{"type": "module", "src": "/app/main.js"}]
    assert not [tag for tag, _ in parsed.elements if tag == "style"]
    names = {name for _, found in parsed.elements for name in found}
    assert not {name for name in names if name == "style" or name.startswith("on")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_asks_for_nothing_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|[\"'(]//|@import|sourceMappingURL", text)
    for name in re.findall(r"""(?:from |src="|href=")(?:"\./|/app/)([^"]+)""", text):
        assert (PAGE / name).is_file(), name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_is_short_and_writes_text_as_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(UNSAFE, text)
    lines = text.splitlines()
    assert lines[0].startswith("// "), "the first line says what it is for"
    assert len(lines) <= 250
    assert max(map(len, lines)) <= 150


def test_modules_are_all_used() -> None:
    named = {name for path in MODULES for name in re.findall(r'from "\./([^"]+)"', path.read_text(encoding="utf-8"))}
    assert named | {"main.js"} == {path.name for path in MODULES}
