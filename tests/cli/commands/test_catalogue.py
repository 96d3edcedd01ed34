"""`alignbench models` and `alignbench datasets` list what there is."""

from __future__ import annotations

import pytest

from alignbench.cli.main import main


def test_models_lists_every_card_and_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    from alignbench.models.cards import cards

    assert main(["models"]) == 0
    shown = "".join(capsys.readouterr().out.split())
    for name in [*cards(), "pixels"]:
        assert name in shown


def test_datasets_lists_every_set_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    from alignbench.datasets import DATASETS

    assert main(["datasets"]) == 0
    shown = capsys.readouterr().out
    for name in DATASETS.names():
        assert name in shown
    assert "simulated" in shown
