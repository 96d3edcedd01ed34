"""The model of a browsed store: loaded once, when it is needed, and what is said where it cannot be had."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from alignbench.errors import DataError
from alignbench.interpret.browser.model_on_demand import ModelOnDemand, load_model
from alignbench.interpret.browser.world import BrowserJob, open_world
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.models.families import load_tower
from browsers import Browsed
from head_stores import write_store

SHAPE = StoreShape(pictures=3, blocks=6, layers=(6,), heads=4, width=64, dtype="fp32")


def store_of(root: Path, model: str, fingerprint: str = "other") -> HeadStore:
    return write_store(root / "own__heads__1", SHAPE, model=model, model_fingerprint=fingerprint)


def test_it_is_loaded_once_when_it_is_needed(tmp_path: Path) -> None:
    fingerprint = load_tower("shapes-clip", protocol="corrected").fingerprint
    model = ModelOnDemand(store_of(tmp_path, "shapes-clip", fingerprint))
    assert model.loaded is None
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: model.load(), range(2))
    assert first is second
    assert first is model.loaded
    assert first.tower is not None
    assert first.tower.fingerprint == fingerprint
    assert first.encoder is not None
    assert first.cannot == {}


def test_another_model_is_said_when_it_is_known_and_refused_where_it_is_named(tmp_path: Path) -> None:
    store = store_of(tmp_path, "shapes-clip")
    found = ModelOnDemand(store).load()
    assert (found.tower, found.encoder) == (None, None)
    assert found.cannot.keys() == {"maps", "texts"}
    assert all("is of another model than shapes-clip" in line for line in found.cannot.values())
    with pytest.raises(DataError, match="is of another model than shapes-clip"):
        ModelOnDemand(store, "shapes-clip").check()
    with pytest.raises(DataError, match="is of another model than shapes-clip"):
        open_world(BrowserJob(store.folder, "shapes-clip"))


def test_weights_at_random_are_known_without_loading(tmp_path: Path) -> None:
    model = ModelOnDemand(store_of(tmp_path, "shapes-clip@random-0"))
    assert model.loaded is not None
    assert all("weights at random" in line for line in model.loaded.cannot.values())


def test_a_model_that_is_not_found_is_no_error_unless_it_is_asked_for(tmp_path: Path) -> None:
    store = store_of(tmp_path, "nowhere")
    assert load_model(store).cannot.keys() == {"maps", "texts"}
    with pytest.raises(DataError, match="is not found by its name there"):
        load_model(store, is_asked=True)


def test_a_world_says_what_it_cannot_do_as_soon_as_it_is_known(tmp_path: Path, browsed: Browsed) -> None:
    world = open_world(BrowserJob(store_of(tmp_path, "shapes-clip").folder))
    assert world.is_loading
    assert not {"maps", "texts"} & world.cannot.keys()
    assert world.tower is None
    assert not world.is_loading
    assert {"maps", "texts", "why"} <= world.cannot.keys()
    anew = open_world(BrowserJob(browsed.store.folder, None, browsed.pictures))
    assert anew.is_loading
    assert anew.span is not None
    assert not {"maps", "texts", "why"} & anew.cannot.keys()
