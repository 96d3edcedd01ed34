"""`alignbench models` and `alignbench datasets` list what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.models.cards import cards
from alignbench.models.families import FAMILIES
from alignbench.models.pair_metrics import METRICS
from alignbench.transforms.published import PUBLISHED
from layouts import write_nights


def test_models_lists_every_card_and_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    shown = "".join(capsys.readouterr().out.split())
    for name in [*cards(), "pixels"]:
        assert name in shown


def test_datasets_lists_every_set_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    shown = capsys.readouterr().out
    for name in DATASETS.names():
        assert name in shown
    assert "simulated" in shown


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def test_models_are_told_to_programs_with_their_factors(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, "models")
    by_kind = {kind: [row["name"] for row in rows if row["kind"] == kind] for kind in ("model", "baseline", "family")}
    assert by_kind == {"model": list(cards()), "baseline": METRICS.names(), "family": FAMILIES.names()}
    large = next(row for row in rows if row["name"] == "openai/clip-vit-large-patch14-336")
    assert (large["patch_size"], large["image_size"], large["family"], large["loss"]) == (14, 336, "clip", "softmax")


def test_data_sets_are_told_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = told(capsys, "datasets")
    assert [row["name"] for row in rows] == DATASETS.names()
    nights = next(row for row in rows if row["name"] == "nights")
    assert (nights["level"], nights["default_subset"]) == ("middle", "all")
    assert {"test", "train", "val"} <= set(nights["subsets"])


def test_what_is_there_is_told_to_programs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    whole = told(capsys, "datasets", "check", "shapes-low")
    assert (whole["name"], whole["complete"]) == ("shapes-low", True)
    assert any("1,000 ratings" in line for line in whole["lines"])
    write_nights(tmp_path, triplets=3)
    min((tmp_path / "ref").rglob("*.png")).unlink()
    assert main(["datasets", "check", "nights", "--data-root", str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["complete"] is False


def test_published_transforms_are_told_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row.pop("name"): row for row in told(capsys, "transform", "list")}
    assert list(rows) == list(PUBLISHED)
    assert rows["resnet50"] == {"module": "avgpool", "width": 2048, "models": [], "supervised": True}
