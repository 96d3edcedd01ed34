"""Pictures that are asked about: what is read before a model is loaded, and what is known of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from alignbench.alignet.evaluation import agreement, asked_pictures
from alignbench.alignet.evaluation.asked_pictures import read_pictures
from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.errors import DataError
from taught_models import CLASSES, PICTURES, write_classes, write_labels


def config(root: Path) -> GainsConfig:
    one, two = write_classes(root / "one"), write_classes(root / "two", 60)
    labels = write_labels(root / "labels", one)
    shift = (one / "x", two / "x")
    return GainsConfig(
        "a", "b", labelled=one, hierarchy="folders", shift=shift, triplets=(labels,), images=one, shots=2
    )


def test_all_pictures_are_in_order_and_known_by_their_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = config(tmp_path)
    found = read_pictures(asked)
    counts = [len(images.names) for images in found.images]
    assert counts[:3] == [len(CLASSES) * PICTURES, 3 * PICTURES, 3 * PICTURES]
    assert len(counts) == 4
    assert read_pictures(asked).settings == found.settings
    assert read_pictures(replace(asked, hierarchy="")).settings["labelled"] != found.settings["labelled"]
    assert read_pictures(replace(asked, shift=None)).settings["shift"] is None
    assert found.notes == []
    for module in (agreement, asked_pictures):
        monkeypatch.setattr(module, "MOST", 7)
    few = read_pictures(asked)
    assert few.notes == ["Agreement on labels: 7 of 30 triplets, drawn at random."]
    assert few.settings["triplets"] != found.settings["triplets"]


def test_too_few_pictures_are_refused_at_once(tmp_path: Path) -> None:
    asked = config(tmp_path)
    with pytest.raises(DataError, match="class x/a of one has 5 pictures, where 6 are needed"):
        read_pictures(replace(asked, shots=5))
    assert not read_pictures(GainsConfig("a", "b", datasets=("things",))).images
