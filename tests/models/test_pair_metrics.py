"""A metric of pairs gets its pictures where it works."""

from __future__ import annotations

from pathlib import Path

from alignbench.models.pair_metrics import ready_metric
from measured_pictures import Places, measured, photographs


class MovablePlaces(Places):
    def to(self, device: str) -> MovablePlaces:
        self.asked.append(device)
        return self


def test_a_metric_with_a_device_gets_its_pictures_there(tmp_path: Path) -> None:
    metric, device = ready_metric(MovablePlaces(), "meta")  # a device without memory, which is everywhere
    assert device == "meta"
    measured(metric, photographs(16), tmp_path, device=device)
    assert isinstance(metric, MovablePlaces)
    assert metric.asked == ["meta"]
    assert {place for place, _ in metric.seen} == {"meta"}


def test_a_metric_without_one_gets_them_on_the_cpu(tmp_path: Path) -> None:
    metric, device = ready_metric(Places(), "meta")
    assert device == "cpu"
    measured(metric, photographs(16), tmp_path, device="meta")
    assert isinstance(metric, Places)
    assert {place for place, _ in metric.seen} == {"cpu"}
