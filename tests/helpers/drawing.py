"""Leaves out the drawing of figures, which takes most of the time of a small run."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image


def do_not_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the command line leave figures of one pixel, white for a curve and black for channels."""

    def draw(what: object, folder: Path, *_: object) -> None:
        name = "channels" if isinstance(what, pd.DataFrame) else "curve"
        Image.new("RGB", (1, 1), {"curve": "white", "channels": "black"}[name]).save(folder / f"{name}.png")
        (folder / f"{name}.svg").write_text("<svg/>")

    monkeypatch.setattr("alignbench.report.figures.curves.draw_curve", draw)
    monkeypatch.setattr("alignbench.report.figures.channels.draw_channels", draw)
