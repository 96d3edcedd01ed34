"""Leaves out the drawing of figures, which takes most of the time of a small run."""

from functools import partial
from pathlib import Path

import pytest
from PIL import Image


def do_not_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the command line leave figures of one pixel: white for a curve, black for channels, grey for a ceiling."""

    def draw(name: str, colour: str, what: object, folder: Path, *_: object) -> None:
        Image.new("RGB", (1, 1), colour).save(folder / f"{name}.png")
        (folder / f"{name}.svg").write_text("<svg/>")

    figures = "alignbench.report.figures"
    monkeypatch.setattr(f"{figures}.curves.draw_curve", partial(draw, "curve", "white"))
    monkeypatch.setattr(f"{figures}.channels.draw_channels", partial(draw, "channels", "black"))
    monkeypatch.setattr(f"{figures}.readout.draw_ceiling", partial(draw, "ceiling", "grey"))
