"""What tests ask of report pages: their texts, tables and data, and what they do in a browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest


def words(text: str) -> str:
    return " ".join(text.split())


class Parsed(HTMLParser):
    """What a test asks of a page: texts, tables, headings, and the data of its script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.sections: dict[str, str] = {}
        self.section, self.data = "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        self.open.append(f"data {tag}" if found.get("id") == "data" else tag)
        if tag == "section":
            self.section = found["id"] or ""
        elif tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif re.fullmatch(r"h\d", tag):
            self.headings.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.tables[-1][-1][-1] = words(self.tables[-1][-1][-1])
        while self.open and self.open.pop().split()[-1] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "data script" in self.open:
            self.data += data
        elif not {"script", "style"} & set(self.open):
            self.sections[self.section] = self.sections.get(self.section, "") + data
            if {"td", "th"} & set(self.open):
                self.tables[-1][-1][-1] += data


def chromium() -> Iterator[Any]:
    """A headless Chromium; without one the tests skip, or fail where `ALIGNBENCH_REQUIRE_BROWSER` is set."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        reason = f"no browser on the path: {', '.join(names)}"
        (pytest.fail if os.environ.get("ALIGNBENCH_REQUIRE_BROWSER") else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


class Opened:
    """A page in a tab of its own, and what went wrong in it."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.tab = browser.new_context(**options).new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.tab.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.goto(path.as_uri())
        self.tab.wait_for_selector("html[data-drawn]")
        self.address = path.as_uri()

    def check(self) -> None:
        assert self.requests == [self.address], "nothing leaves the page"
        assert self.complaints == []

    def drawn(self) -> list[int]:
        """The number of lines and bands in each chart, as they are in the picture."""
        script = "all => all.map(chart => chart.querySelectorAll('.scatterlayer > .trace').length)"
        counts: list[int] = self.tab.eval_on_selector_all("[data-chart]", script)
        return counts
