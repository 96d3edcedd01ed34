"""What Pillow remarks on pictures in warnings of its own, said in one line of ours that names the pictures."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alignbench.errors import AlignbenchWarning, one_line

_SHOWN = 5


class PictureRemarks:
    """What there is to say of pictures that can be read, while several threads look at them."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}
        self._looked_at = threading.local()

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Gather the warnings of every thread.

        In the main thread alone: Python keeps one way to show warnings for the whole process, and threads that exchange
        it at the same time would leave the wrong one.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = self._heard
            yield

    def looking_at(self, name: str) -> None:
        """Note which picture this thread looks at from now on."""
        self._looked_at.name = name

    def add(self, text: str) -> None:
        """Note something of the picture that this thread looks at; the first thing said of a picture is kept."""
        self._said.setdefault(getattr(self._looked_at, "name", ""), text)

    def _heard(self, message: Warning | str, *_: object, **__: object) -> None:
        self.add(one_line(message) if isinstance(message, Warning) else message)

    def warn(self, names: Sequence[str], root: Path) -> None:
        """Warn of what was noted, in the order of the names, if there is anything.

        Args:
            names: Names of the pictures.
            root: Folder of the pictures.
        """
        said = [f"{name} ({self._said[name]})" for name in names if name in self._said]
        if said:
            shown = ", ".join(said[:_SHOWN]) + (", ..." if len(said) > _SHOWN else "")
            warnings.warn(
                f"{len(said):,} of {len(names):,} images under {root} are read, and yet: {shown}; check that they are "
                "the published ones",
                AlignbenchWarning,
                stacklevel=3,
            )
