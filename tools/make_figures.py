"""Make figures of `docs/images` from the packaged world: one function a figure.

python tools/make_figures.py [NAME ...] [--work FOLDER]

Without a name all are made. What the demos write is kept in the folder, and what is finished there is taken again.
The picture of the report needs Chromium. Two figures have scripts of their own: `tools/picture_head_browser.py`, and
`benchmarks/selection.py`, whose worlds take hours.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

IMAGES = Path(__file__).parents[1] / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
COLOURS = 64
MOST_BYTES = 200_000


def transform_ceiling(work: Path) -> None:
    """What a linear readout reaches at each depth of shapes-clip: `alignbench demo --transform`."""
    run("demo", "--transform", "--output", str(work / "transforms"))
    (figure,) = (work / "transforms").glob("*__global__*/ceiling.png")
    save(figure, "transform_ceiling")


def alignet_gains(work: Path) -> None:
    """Before against after of the packaged student: `alignbench alignet demo`."""
    run("alignet", "demo", "--output", str(work / "alignet"))
    (figure,) = (work / "alignet").glob("*__alignet-evaluation__*/gains.png")
    save(figure, "alignet_gains")


def heads_map(work: Path) -> None:
    """How close each head of shapes-clip is to the simulated observers: `alignbench interpret align`."""
    judged = ("--model", "shapes-clip", "--dataset", "shapes-middle", "--protocol", "corrected")
    run("interpret", "align", *judged, "--wandb", "off", "--output", str(work / "heads"))
    (figure,) = (work / "heads").glob("*__align__*/heads.png")
    save(figure, "heads_map")


def first_curve(work: Path) -> None:
    """The curve of shapes-clip at the middle level: `alignbench run`."""
    save(middle_run(work) / "curve.png", "first_curve")


def channels(work: Path) -> None:
    """How the channels of shapes-clip share the activity, in the same run."""
    save(middle_run(work) / "channels.png", "channels")


def middle_run(work: Path) -> Path:
    """The folder of a run of shapes-clip on shapes-middle."""
    run("run", "--model", "shapes-clip", "--dataset", "shapes-middle", "--wandb", "off", "--output", str(work / "runs"))
    (folder,) = (work / "runs").glob("shapes-clip__shapes-middle__*")
    return folder


def demo(work: Path) -> None:
    """The curves of the demo: `alignbench demo`."""
    save(demo_folder(work) / "demo.png", "demo")


def report(work: Path) -> None:
    """The top of its report, as a visitor sees it: `alignbench report`."""
    page, picture = work / "report.html", work / "report.png"
    run("report", str(demo_folder(work)), "--output", str(page))
    found = [*filter(None, map(shutil.which, BROWSERS))]
    if not found:
        raise SystemExit("no Chromium is on the path")
    options = (
        "--headless",
        "--no-sandbox",
        "--hide-scrollbars",
        "--window-size=1280,1750",
        "--virtual-time-budget=9000",
    )
    subprocess.run((found[0], *options, f"--screenshot={picture}", page.resolve().as_uri()), check=True)
    save(picture, "report")


def demo_folder(work: Path) -> Path:
    """The folder of `alignbench demo`."""
    run("demo", "--output", str(work / "demo"))
    return work / "demo"


_MADE = (demo, report, transform_ceiling, alignet_gains, heads_map, first_curve, channels)
FIGURES: dict[str, Callable[[Path], None]] = {each.__name__: each for each in _MADE}


def run(*arguments: str) -> None:
    """Run a command of alignbench in this process.

    Args:
        arguments: The command and its options.

    Raises:
        SystemExit: If it fails.
    """
    from alignbench.cli.main import main

    if code := main([*arguments]):
        raise SystemExit(code)


def save(figure: Path, name: str) -> None:
    """Write a figure into `docs/images`, with few colours, so that it is small.

    Args:
        figure: The figure as a command drew it, PNG.
        name: Name of the file, without suffix.

    Raises:
        SystemExit: If it is too large all the same.
    """
    path = IMAGES / f"{name}.png"
    with Image.open(figure) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        raise SystemExit(f"{path} has more than {MOST_BYTES:,} bytes")


def make(names: list[str], work: Path) -> None:
    """Make figures.

    Args:
        names: Names of some of `FIGURES`; all if there are none.
        work: Folder of what the demos write.
    """
    for name in names or FIGURES:
        FIGURES[name](work)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="NAME", nargs="*", choices=[*FIGURES, []])
    parser.add_argument("--work", metavar="FOLDER", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory() as temporary:
        make(given.names, given.work or Path(temporary))
