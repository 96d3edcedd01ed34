"""A progress bar where a human looks: in a notebook, or on a terminal. In a log file and in a pipe there is none."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alignbench.errors import in_words
from alignbench.extraction.leader import is_led
from alignbench.extraction.progress import STAGES, ProgressListener, RunSummary


@contextmanager
def listening(progress: bool | ProgressListener) -> Iterator[ProgressListener]:
    """Give what hears of the progress of a run, and take the bar away in the end, however the run ends.

    Args:
        progress: True for a bar where a human looks, false for none, or whatever is to hear of it.
    """
    from alignbench.extraction.distributed import follows

    if isinstance(progress, ProgressListener):
        yield progress
        return
    if not progress or not somebody_looks() or is_led() or follows():
        yield ProgressListener()
        return
    bar = ImageBar()
    try:
        yield bar
    finally:
        bar.close()


def somebody_looks() -> bool:
    """Whether a bar would be seen: in a notebook, or if stderr is a terminal."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    python = sys.modules.get("IPython")  # whoever runs in one has imported it
    shell = python.get_ipython() if python is not None else None
    return getattr(shell, "kernel", None) is not None


class ImageBar(ProgressListener):
    """A bar of images with their rate and the time to go, as notebooks and terminals have it.

    Before and after, it says what is being done; notices are lines that stay.
    """

    def __init__(self) -> None:
        self._bar: Any = None  # one for the whole run: a notebook keeps the room of each

    def began(self, stage: str) -> None:
        """Say what is being done."""
        self._show(STAGES.get(stage, stage), 0, "{desc} ...")

    def notice(self, text: str) -> None:
        """Say it in a line above."""
        _bars().write(in_words(text), file=sys.stderr)

    def planned(self, outline: RunSummary) -> None:
        """Start to count images."""
        self._show(f"{outline.label} on {outline.dataset}", outline.share * outline.passes)

    def advanced(self, images: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(images)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self, text: str, total: int, form: str | None = None) -> None:
        """Begin anew, with another text.

        Args:
            text: What stands in front.
            total: Number of images.
            form: How text and bar stand together; none for the usual way.
        """
        if self._bar is None:
            self._bar = _bars()(unit=" images", leave=False, dynamic_ncols=True, total=0, bar_format="{desc}")
        self._bar.bar_format = form
        self._bar.set_description_str(text if form else f"{text}: ", refresh=False)
        self._bar.reset(total)


def _bars() -> Any:
    """The bar of this place; in a notebook without widgets the one of a terminal, which it shows too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice to install widgets
        from tqdm.auto import tqdm
    return tqdm
