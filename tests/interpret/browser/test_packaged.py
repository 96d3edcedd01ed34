"""The packaged world: scenes that its people judge, made once and then taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.datasets import DATASETS
from alignbench.interpret.browser import packaged
from alignbench.interpret.browser.packaged import LIMITS, packaged_pictures, packaged_store
from alignbench.interpret.browser.world import BrowserJob, open_world
from alignbench.interpret.demo import DemoListener, DemoSettings


def test_the_scenes_are_those_that_people_judge_each_once() -> None:
    names = list(packaged_pictures().names)
    assert len(set(names)) == len(names) < 700
    for name, limit in LIMITS.items():
        judged = DATASETS.load(name).read(None, ("test",)).limited(limit)
        assert set(judged.images.names) <= set(names)
        assert sum(len(subset.rows) for subset in judged.subsets) == limit


@pytest.mark.slow
def test_it_is_made_once_and_everything_of_the_page_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = dict.fromkeys(LIMITS, 12)
    monkeypatch.setattr(packaged, "LIMITS", limits)
    monkeypatch.setattr(packaged, "_SETTINGS", DemoSettings(picks=3, resamples=0, draws=19, splits=1, limits=limits))
    stages: list[tuple[str, bool]] = []
    listener = DemoListener(ended=lambda stage, folder, seconds, was_there: stages.append((stage, was_there)))
    folder = packaged_store(listener, tmp_path)
    assert not any(was_there for _, was_there in stages)
    assert packaged_store(listener, tmp_path) == folder
    first, second = stages[: len(stages) // 2], stages[len(stages) // 2 :]
    assert [stage for stage, _ in first] == [stage for stage, _ in second]
    assert all(was_there for _, was_there in second)
    world = open_world(BrowserJob(folder))
    assert set(world.cannot) == {"others"}
    assert set(world.people) == set(LIMITS)
    assert world.grid is not None
    kinds = {each.id.partition(".")[0] for each in world.grid.colourings}
    assert {"alone", "label", "consistency", "entropy"} <= kinds
