"""What is browsed: found out before anything is served, and what is lacking is a reason or an error."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError, DataError
from alignbench.interpret.browser.world import BrowserJob, open_world
from alignbench.interpret.store import StoreShape
from browsers import Browsed, browsed_heads, write_pictures
from head_stores import write_store


def test_a_world_has_all_that_lies_beside_the_store(browsed: Browsed) -> None:
    world = browsed.world
    assert world.model == "shapes-clip"
    assert world.pictures is not None
    assert world.tower is not None
    assert world.encoder is not None
    assert world.span is not None
    assert world.span.parent == browsed.store.folder.parent
    assert set(world.cannot) == {"people"}
    assert list(world.others) == ["o0"]


def test_without_pictures_and_other_stores_the_page_says_how_to_have_them(browsed: Browsed) -> None:
    world = open_world(BrowserJob(browsed.store.folder))
    assert world.pictures is None
    assert "--images" in world.cannot["pictures"]
    assert "--than" in world.cannot["others"]
    assert "--dataset" in world.cannot["people"]


def test_a_model_that_is_not_found_leaves_neighbours(tmp_path: Path) -> None:
    shape = StoreShape(pictures=5, blocks=2, layers=(1, 2), heads=2, width=4, dtype="fp32")
    store = write_store(tmp_path / "no-such-model__heads__0", shape, label="no-such-model")
    world = open_world(BrowserJob(store.folder))
    assert world.tower is None
    assert "name it with --model" in world.cannot["maps"]
    assert world.cannot["texts"] == world.cannot["maps"]
    assert "interpret textspan" in world.cannot["why"]
    with pytest.raises(DataError, match="is of another model than shapes-clip"):
        open_world(BrowserJob(store.folder, "shapes-clip"))
    with pytest.raises(AlignbenchError, match=r"shapes-clop .*did you mean shapes-clip"):
        open_world(BrowserJob(store.folder, "shapes-clop"))


def test_what_is_named_has_to_fit(browsed: Browsed, tmp_path: Path) -> None:
    job = BrowserJob(browsed.store.folder)
    other = browsed_heads(tmp_path / "heads", write_pictures(tmp_path / "pictures", 5, seed=8))
    for wrong, said in (
        (replace(job, than=other.folder), "are not of the same pictures"),
        (replace(job, than=tmp_path), "is no store|holds no|there is no"),
        (replace(job, images=tmp_path), r"has 0 of the 12 pictures"),
        (replace(job, transform="no-such-transform"), "no-such-transform"),
        (replace(job, datasets=("shapes-low",)), "which is no picture of shapes-low"),
        (replace(job, store=tmp_path), "is no store|holds no|there is no"),
    ):
        with pytest.raises(AlignbenchError, match=said):
            open_world(wrong)
    changed = tmp_path / "changed"
    shutil.copytree(browsed.pictures, changed)
    shutil.copy(changed / "02.png", changed / "04.png")
    with pytest.raises(DataError, match="have changed since"):
        open_world(replace(job, images=changed))
