"""The picture of the head browser in the docs is one of the page that its tool takes, and small."""

from __future__ import annotations

import pytest
from PIL import Image

from alignbench.interpret.browser.page_fields import TITLES

pytest.importorskip("playwright")
import picture_head_browser  # it needs playwright


def test_the_picture_is_there_and_small() -> None:
    with Image.open(picture_head_browser.TARGET) as picture:
        assert (picture.format, picture.size) == ("PNG", (picture_head_browser.WIDTH, picture_head_browser.HEIGHT))
    assert picture_head_browser.TARGET.stat().st_size < 300_000


def test_the_docs_show_it_and_say_what_it_shows() -> None:
    target = picture_head_browser.TARGET
    page = (target.parent.parent / "interpret/browser.md").read_text(encoding="utf-8")
    (alternative,) = (line for line in page.splitlines() if line.endswith(f"](../images/{target.name})"))
    assert f'"{picture_head_browser.VIEW["text"]}"' in alternative
    assert str(picture_head_browser.VIEW["head"]) in alternative
    assert picture_head_browser.VIEW["analysis"] in TITLES
