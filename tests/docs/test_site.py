"""The documentation site: built without a warning, no link that is dead, nothing fetched from elsewhere."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from typer.main import get_command

from alignbench.cli.app import app
from documented import DOCS, MADE, NAVIGATION, ROOT
from site_pages import walk

pytestmark = pytest.mark.slow


class Parsed(HTMLParser):
    """What a page refers to, and the names that its parts have."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.names |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("script", "img", "iframe") and "src" in given:
            self.loaded.append(given["src"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loaded.append(given["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    told = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert not ended.stderr, ended.stderr
    return folder


@pytest.fixture(scope="module")
def parsed(site: Path) -> dict[Path, Parsed]:
    return {path: Parsed(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def internal(parsed: dict[Path, Parsed]) -> Iterator[tuple[Path, str, Path, str]]:
    """Every link from a page of the site to one: page, link, the file that it names, the part of it."""
    for page, found in parsed.items():
        for link in [*found.links, *found.loaded]:
            address = urlsplit(link)
            if page.name != "404.html" and not address.scheme and link not in ("", ".", ".."):
                yield (
                    page,
                    link,
                    (page.parent / unquote(address.path)).resolve() if address.path else page,
                    address.fragment,
                )


def test_no_link_is_dead(parsed: dict[Path, Parsed]) -> None:
    links = list(internal(parsed))
    assert len(links) > 1_000
    for page, link, target, part in links:
        assert target.is_file(), f"{page.name}: {link}"
        if part and target in parsed:
            assert unquote(part) in parsed[target].names, f"{page.name}: {link}"


def test_nothing_is_fetched_from_elsewhere(site: Path, parsed: dict[Path, Parsed]) -> None:
    for page, found in parsed.items():
        assert not [link for link in found.loaded if urlsplit(link).netloc], page.name
    assert "fonts.g" not in "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))


def test_every_page_is_found(parsed: dict[Path, Parsed], site: Path) -> None:
    written = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert {*NAVIGATION} == written | MADE
    for name in NAVIGATION:
        assert (site / name).with_suffix(".html") in parsed


@pytest.mark.parametrize("package", ["", ".alignet", ".datasets", ".interpret", ".models", ".transforms"])
def test_every_public_name_has_its_entry(package: str, parsed: dict[Path, Parsed], site: Path) -> None:
    named = set().union(*(parsed[path].names for path in site.joinpath("reference").glob("*.html")))
    module = importlib.import_module(f"alignbench{package}")
    for name in {*module.__all__} - {"__version__"}:
        home = getattr(getattr(module, name), "__module__", None) or module.__name__
        places = {f"{place}.{name}" for place in (home, module.__name__, "alignbench")}
        assert places & named, f"{module.__name__}.{name}"


def test_every_command_has_its_section_and_an_example(parsed: dict[Path, Parsed], site: Path) -> None:
    page = (site / "reference/commands.html").read_text(encoding="utf-8")
    paths = [path for path, _ in walk("alignbench", get_command(app))]
    assert len(paths) > 30
    for path in paths:
        section = path.replace(" ", "-")
        assert f"#{section}" in parsed[site / "reference/commands.html"].links
        text = page.partition(f'<h3 id="{section}"')[2].partition("<h3 ")[0]
        assert f">{path}" in re.sub(r"</?span[^>]*>", "", text).replace("<code>", ">"), path
