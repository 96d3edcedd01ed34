"""Head browsers for tests: a small store of real pictures, and visitors of an application behind its doors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from alignbench.datasets import scenes
from alignbench.datasets.image_folder import image_folder
from alignbench.interpret.browser.guards import OWN_HEADER, Doors
from alignbench.interpret.browser.serving import browser_app
from alignbench.interpret.browser.sessions import Sessions
from alignbench.interpret.browser.world import BrowserJob, HeadWorld, open_world
from alignbench.interpret.decomposing import store_contributions
from alignbench.interpret.demo import attribute_words
from alignbench.interpret.labelling.head_picks import read_picks
from alignbench.interpret.labelling.labeller import LabellerRequest, make_labeller
from alignbench.interpret.labelling.labelling import LabelJob, label_heads
from alignbench.interpret.scene_attributes import attribute_texts
from alignbench.interpret.spanning import SpanJob, span_store
from alignbench.interpret.store import HeadStore
from alignbench.interpret.store_job import StoreJob
from alignbench.interpret.text_encoders.loading import load_text_encoder
from alignbench.measurement.sources import TowerRequest, load_ready_tower

BASE = "http://localhost:7865"
OWN = {OWN_HEADER: "1"}


def write_pictures(root: Path, count: int = 12, seed: int = 3) -> Path:
    """Scenes of the packaged world as files, some in a folder of their own, one with a hostile name."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        place = root / ("inner" if number % 3 == 0 else "") / f"{number:02d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scenes.render(scenes.sample_scene(rng))).save(place)
    (root / "01.png").rename(root / HOSTILE)
    return root


HOSTILE = "=cmd|'<img src=x onerror=alert(1)>.png"


def browsed_heads(folder: Path, pictures: Path, dtype: str = "fp32") -> HeadStore:
    """Contributions of all heads of `shapes-clip` to a folder of pictures."""
    request = TowerRequest("shapes-clip", "all", accelerator="cpu", workers=0, layers=("all",))
    store, _ = store_contributions(StoreJob("all", dtype, folder), load_ready_tower(request), image_folder(pictures))
    return store


@dataclass(frozen=True)
class Browsed:
    """A small world that is browsed.

    Attributes:
        store: Its contributions.
        pictures: The folder of its pictures.
        world: What is opened of both.
    """

    store: HeadStore
    pictures: Path
    world: HeadWorld


def browse(root: Path) -> Browsed:
    """Make a small world and open it: pictures, contributions, texts, labels, and a second store of the pictures."""
    pictures = write_pictures(root / "pictures")
    store = browsed_heads(root / "heads", pictures)
    words = list(attribute_texts())
    span, _ = span_store(store, load_text_encoder("shapes-clip"), words, SpanJob(picks=3, rank=None))
    label_heads(read_picks(span), make_labeller("words", LabellerRequest(attribute_words())), LabelJob("words"))
    other = browsed_heads(root / "others", pictures, "fp16")
    return Browsed(store, pictures, open_world(BrowserJob(store.folder, None, pictures, other.folder)))


@dataclass(frozen=True)
class Visited:
    """A visitor who has brought the token.

    Attributes:
        client: What asks, with the cookie.
        doors: The doors of the application.
    """

    client: TestClient
    doors: Doors

    def ask(self, address: str, **asked: str) -> dict[str, Any]:
        """What an address answers."""
        answer = self.client.get(address, params=asked)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def upload(self, content: bytes, name: str = "upload") -> dict[str, Any]:
        """Upload a picture."""
        answer = self.client.post("/api/upload", params={"name": name}, content=content, headers=OWN)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    @contextmanager
    def another(self) -> Iterator[Visited]:
        """Another visitor of the same server."""
        client = TestClient(self.client.app, base_url=BASE, raise_server_exceptions=False)
        assert client.get(f"/?token={self.doors.sessions.token}").status_code == 200
        yield Visited(client, self.doors)


@contextmanager
def visiting(world: HeadWorld, heard: list[str] | None = None) -> Iterator[Visited]:
    """A visitor of a server of their own, which tells `heard` what goes wrong."""
    doors = Doors(Sessions(), "alignbench-7865", notice=(heard if heard is not None else []).append)
    with TestClient(browser_app(world, doors), base_url=BASE, raise_server_exceptions=False) as client:
        assert client.get(f"/?token={doors.sessions.token}").status_code == 200
        yield Visited(client, doors)
