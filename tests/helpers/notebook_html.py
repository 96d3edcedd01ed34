"""HTML as a notebook is given it: whole, small, of text alone, and what it says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

ALLOWED = {"div", "p", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li"}
LARGEST = 40_000  # letters


@dataclass
class Shown:
    """What a piece of HTML holds: its text, and how often each element is there."""

    text: str = ""
    elements: Counter[str] = field(default_factory=Counter)

    def count(self, element: str) -> int:
        return self.elements[element]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.shown, self.open = Shown(), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        assert {name for name, _ in attrs} <= {"class", "style", "border"}, attrs
        style = dict(attrs).get("style") or ""
        assert "color" not in style, "a notebook may be dark"
        assert "url" not in style
        self.open.append(tag)
        self.shown.elements[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown.text += data


def check_html(text: str) -> Shown:
    """Reads HTML that a notebook is to show: nothing but text in well-nested tables, in no colours of its own."""
    assert len(text) < LARGEST
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader.shown
