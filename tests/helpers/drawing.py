"""Leaves out the drawing of figures, which takes most of the time of a small run."""

from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image


def do_not_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the command line leave figures of one pixel.

    They are white for a curve, black for channels, grey for a ceiling, and red for heads.
    """

    def draw(name: str, colour: str, what: object, folder: Path, *_: object) -> None:
        Image.new("RGB", (1, 1), colour).save(folder / f"{name}.png")
        (folder / f"{name}.svg").write_text("<svg/>")

    def draw_heads(alignment: object, cumulative: object, folder: Path, *_: object) -> None:
        draw("heads", "red", alignment, folder)

    drawn = {
        "curves": ("draw_curve", partial(draw, "curve", "white")),
        "channels": ("draw_channels", partial(draw, "channels", "black")),
        "readout": ("draw_ceiling", partial(draw, "ceiling", "grey")),
        "heads": ("draw_heads", draw_heads),
    }
    for module, (name, instead) in drawn.items():  # by name alone, pytest would look for each module anew in every test
        monkeypatch.setattr(import_module(f"alignbench.report.figures.{module}"), name, instead)
