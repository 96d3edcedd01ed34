"""The page for people who use no mouse or no eyes, in the dark and on a phone: rules of axe-core, nothing cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from browsed_pages import Visit

pytestmark = pytest.mark.slow
Visiting = Callable[..., Visit]
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}},
}
VIEWS: dict[str, dict[str, object]] = {
    "property": {"heads": "5.3,6.0", "head": "5.3", "why": "1@"},
    "picture": {"analysis": "picture", "heads": "5.3"},
    "text": {"analysis": "text", "heads": "2.0", "text": "a red circle"},
    "topic": {"analysis": "topic", "text": "a red circle", "head": "2.0"},
    "contrast": {"analysis": "contrast", "text": "a red circle", "against": "a blue star"},
    "attention": {"analysis": "attention", "heads": "6.1"},
    "people": {"analysis": "people", "heads": "6.1,2.0"},
    "difference": {"analysis": "difference", "heads": "6.1"},
    "empty": {"analysis": "text"},
}


@pytest.mark.parametrize("look", LOOKS)
def test_no_serious_fault_and_nothing_cut_off(visit: Visiting, look: str) -> None:
    page = visit(**LOOKS[look])
    axe = Axe()
    many = ("property", "contrast", "people")  # which have every kind of element
    for view, settings in VIEWS.items():
        if look == "dark" and view not in many:
            continue
        page.open(**settings)
        page.tab.wait_for_load_state("networkidle")
        width = page.tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert width <= 0, f"{view}: the page is {width} pixels wider than the screen"
        if look == "light" or view in many:
            faults = axe.run(page.tab).response["violations"]
            serious = [each for each in faults if each["impact"] in ("serious", "critical")]
            assert [(view, each["id"], each["nodes"][0]["html"][:200]) for each in serious] == []


def test_keys_reach_everything_in_order_and_can_be_seen(visit: Visiting) -> None:
    page = visit()
    seen = []
    script = """() => {
        const each = document.activeElement, style = getComputedStyle(each);
        const isSeen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
        return [each.id || each.textContent.slice(0, 20), isSeen];
    }"""
    for _ in range(12):
        page.tab.keyboard.press("Tab")
        seen.append(page.tab.evaluate(script))
    names = [name for name, _ in seen]
    assert names[0] == "skip"
    assert all(is_seen for name, is_seen in seen if name != "upload"), seen
    assert names.index("tab-property") < names.index("upload")
    page.tab.focus("#skip")
    page.tab.keyboard.press("Enter")
    assert page.tab.evaluate("document.activeElement.id") == "results"
    assert "#" not in page.tab.url, "the fragment is for settings"
