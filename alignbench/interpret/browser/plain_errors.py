"""What went wrong, said to a visitor: without a path of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_FOLDERS: Final = re.compile(r"(?<![\w.\x00])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\:;,'\"()]+)*[/\\](?=[^\s/\\])")
_MARK: Final = "\x00{}\x00"  # stands for a known folder meanwhile
_LONGEST: Final = 500


def without_paths(text: str, places: Iterable[Path] = ()) -> str:
    """Leave of every path its last name alone.

    Args:
        text: The text of an error.
        places: Folders that are known, which may have blanks in their names.
    """
    known = {spelt for place in places for spelt in (str(place), str(place.absolute()), str(place.resolve()))}
    spelt = sorted(known - {".", "/", ""}, key=len, reverse=True)
    for number, each in enumerate(spelt):
        text = text.replace(each, _MARK.format(number))
    text = _FOLDERS.sub("", text)
    for number, each in enumerate(spelt):
        text = text.replace(_MARK.format(number), Path(each).name)
    return text[:_LONGEST]
