"""Take `docs/images/head_browser.png`: the head browser on the packaged world, with a head opened and a map.

python tools/picture_head_browser.py [CHROMIUM]

It needs the extra `test` and Chromium: the one that is named, or the first on the path.
"""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import sync_playwright

from alignbench.interpret.browser.packaged import packaged_store, packaged_twin
from alignbench.interpret.browser.serving import address_of, browser_app, doors_of, listen, server_of
from alignbench.interpret.browser.world import BrowserJob, open_world
from alignbench.interpret.demo import DemoListener

TARGET = Path(__file__).parent.parent / "docs/images/head_browser.png"
WIDTH, HEIGHT = 1280, 1080
VIEW = {  # as in an address of the page
    "analysis": "topic",
    "text": "a yellow star",
    "picture": 367,
    "heads": "5.2",
    "head": "5.2",
    "opacity": 90,
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SETTLED = "() => document.querySelector('#results')?.getAttribute('aria-busy') === 'false'"


@contextmanager
def served(store: Path) -> Iterator[str]:
    """The address of the page of a store, with its token, until the end."""
    world = open_world(BrowserJob(store, than=packaged_twin(store)))
    with listen("127.0.0.1", 0) as place:
        port = place.getsockname()[1]
        doors = doors_of("127.0.0.1", port, print)
        server = server_of(browser_app(world, doors))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
        thread.start()
        try:
            yield address_of("127.0.0.1", port, doors)
        finally:
            server.should_exit = True
            thread.join()


def picture_of(address: str, browser: str) -> Image.Image:
    """What a visitor sees of the view."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        tab.goto(address)
        tab.goto(f"{address.partition('?')[0]}#{urlencode(VIEW)}")
        tab.wait_for_function(_SETTLED)
        tab.wait_for_load_state("networkidle")
        content = tab.screenshot()
        chromium.close()
    with Image.open(BytesIO(content)) as found:
        return found.convert("RGB")


if __name__ == "__main__":
    named = [*sys.argv[1:2], *filter(None, map(shutil.which, _BROWSERS))]
    if not named:
        sys.exit("no Chromium is on the path: name it")
    with served(packaged_store(DemoListener())) as page:
        picture_of(page, named[0]).save(TARGET, optimize=True)
    print(f"{TARGET} ({TARGET.stat().st_size:,} bytes)")
