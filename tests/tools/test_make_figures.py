"""Every picture of the docs is made by something, shown by a page, and small."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import make_figures
from documented import ROOT

OTHERS = {"head_browser": "tools/picture_head_browser.py", "inference": "benchmarks/selection.py"}


def test_every_picture_is_made_by_something_and_shown() -> None:
    pictures = {path.stem for path in make_figures.IMAGES.iterdir()}
    assert pictures == {*make_figures.FIGURES, *OTHERS}
    for name, script in OTHERS.items():
        assert f"docs/images/{name}.png" in (ROOT / script).read_text()
    pages = "".join(path.read_text() for path in (*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"))
    assert not [name for name in pictures if f"images/{name}.png" not in pages]


def test_a_figure_is_kept_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_figures, "IMAGES", tmp_path / "images")
    (tmp_path / "images").mkdir()
    Image.effect_noise((300, 300), 60).save(tmp_path / "noise.png")
    make_figures.save(tmp_path / "noise.png", "noise")
    kept = tmp_path / "images/noise.png"
    assert kept.stat().st_size < (tmp_path / "noise.png").stat().st_size
    monkeypatch.setattr(make_figures, "MOST_BYTES", 1000)
    with pytest.raises(SystemExit, match=r"noise\.png has more than 1,000 bytes"):
        make_figures.save(tmp_path / "noise.png", "noise")
