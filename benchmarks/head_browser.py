"""How long the page of the head browser takes: from the start of the command to the first view, and after each click.

    python benchmarks/head_browser.py [--pictures 2000] [--rounds 5]

Two stores of random numbers in fp32 are made of so many small pictures, with 48 heads each, in a temporary folder. One
has 512 numbers a head, as ViT-B/16 has, and no model that could be loaded. The other has 64, and is of `shapes-clip`,
with texts of its heads beside it: what is asked by texts, and why. The real command serves either, and a headless
Chromium opens the address that it prints. The first view is there when the grid is; its neighbours follow.
A click is timed in the page, from the change of the settings until the results are shown; why a picture is near from
the question to the answer, when the model is loaded: the first of its kind, and the median of those after it, each of
which is of another picture or text.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from alignbench.datasets.images import FileImages, images_digest
from alignbench.interpret.scene_attributes import attribute_texts
from alignbench.interpret.spanning import SpanJob, span_store
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.interpret.text_encoders.loading import load_text_encoder
from alignbench.models.families import load_tower
from head_search import random_store
from workload import machine, noisy, smooth, verdict

MODEL = "shapes-clip"
VIEW_AT_MOST, CLICK_AT_MOST = 3.0, 0.3  # seconds
HEADS = "9.0,9.5,10.2,10.7,11.1,11.6,12.3,12.8"  # a property's
WIDE = {
    "property, 8 heads, dot": f"analysis=property&heads={HEADS}&picture={{}}",
    "property, all heads, centred": "analysis=property&measure=centred&picture={}",
    "picture, all heads, dot": "analysis=picture&picture={}",
    "picture, all heads, cosine": "analysis=picture&measure=cosine&picture={}",
}
NARROW = {
    "text, all heads, dot": "analysis=text&text={} red circles",
    "text, all heads, cosine": "analysis=text&measure=cosine&text={} red circles",
    "why a picture is near, one head": "/api/why?analysis=picture&heads=9.0&picture=1&neighbour={}",
    "why a picture is near, 8 heads": f"/api/why?analysis=property&heads={HEADS}&picture=1&neighbour={{}}",
}
SETTLED = "() => document.querySelector('#results')?.getAttribute('aria-busy') === 'false'"
LOADING = "async () => (await (await fetch('/api/world')).json()).loading"
ASKED = """async (address) => {
    const start = performance.now(), told = await (await fetch(address)).json();
    return [(performance.now() - start) / 1000, told.error ?? null];
}"""
CLICKED = """(settings) => new Promise((done) => {
    const place = document.querySelector("#results"), start = performance.now();
    const watcher = new MutationObserver(() => {
        if (place.getAttribute("aria-busy") !== "false") return;
        watcher.disconnect();
        done([(performance.now() - start) / 1000, place.querySelector(".fault")?.textContent ?? null]);
    });
    watcher.observe(place, { attributes: true, attributeFilter: ["aria-busy"] });
    location.hash = settings;
})"""


def write_pictures(root: Path, count: int) -> FileImages:
    """Small pictures, each with noise of its own."""
    rng = np.random.default_rng(0)
    root.mkdir()
    ground = smooth(rng, (96, 96, 3))
    names = tuple(f"{number:05d}.jpg" for number in range(count))
    for name in names:
        Image.fromarray(noisy(rng, ground, 60)).save(root / name, quality=85)
    return FileImages(root, names)


def write_store(folder: Path, images: FileImages, width: int, **settings: str) -> HeadStore:
    """A store of these pictures: the last 4 of 12 layers of 12 heads."""
    shape = StoreShape(len(images.names), 12, (9, 10, 11, 12), 12, width, "fp32")
    told = {"model": "random", "model_fingerprint": "0", **settings}
    return random_store(
        folder, shape, {**told, "images": images_digest(images.names, images.identities())}, images.names
    )


def write_texts(store: HeadStore) -> None:
    """Texts that span the heads, beside the store."""
    span_store(store, load_text_encoder(MODEL), list(attribute_texts()), SpanJob(picks=4, rank=None, resamples=0))


@contextmanager
def served(store: HeadStore, images: FileImages) -> Iterator[str]:
    """Run the command, and yield the address that it prints."""
    command = [sys.executable, "-m", "alignbench", "interpret", "app", "--port", "0"]
    command += ["--store", str(store.folder), "--images", str(images.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def open_page(browser: Any, store: HeadStore, images: FileImages, questions: dict[str, str], rounds: int) -> None:
    """Print how long the first view takes, and each question."""
    about = f"{len(store.names):,} pictures, {len(store.layers) * store.heads} heads of {store.width}"
    tab = browser.new_page()
    start = time.perf_counter()
    with served(store, images) as address:
        tab.goto(address)
        tab.wait_for_selector("#grid [role=gridcell]")
        shown = time.perf_counter() - start
        tab.wait_for_function(SETTLED)
        whole = time.perf_counter() - start
        told = verdict(f"first view, {about}: seconds", shown, at_most=VIEW_AT_MOST)
        print(f"{told}, with its neighbours {whole:.3f}", flush=True)
        while tab.evaluate(LOADING):
            tab.wait_for_timeout(200)
        for name, question in questions.items():
            seconds = []
            for number in range(2, rounds + 3):
                script = ASKED if question.startswith("/") else CLICKED
                took, fault = tab.evaluate(script, question.format(number))
                if fault is not None:
                    raise SystemExit(f"{name}: {fault}")
                seconds.append(took)
            later = verdict(f"{name}: seconds", statistics.median(seconds[1:]), at_most=CLICK_AT_MOST)
            print(f"{later}, the first time {seconds[0]:.3f}", flush=True)
    tab.close()


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args(given)
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        raise SystemExit("there is no Chromium or Chrome on the path: install one")
    print(machine())
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        root = Path(place)
        images = write_pictures(root / "pictures", arguments.pictures)
        wide = write_store(root / "wide" / "random__heads__0", images, 512)
        fingerprint = load_tower(MODEL, protocol="corrected").fingerprint
        narrow = write_store(root / "narrow" / "own__heads__0", images, 64, model=MODEL, model_fingerprint=fingerprint)
        write_texts(narrow)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        open_page(browser, wide, images, WIDE, arguments.rounds)
        open_page(browser, narrow, images, NARROW, arguments.rounds)
        browser.close()


if __name__ == "__main__":
    main()
