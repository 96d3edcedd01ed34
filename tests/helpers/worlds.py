"""Towers, data sets, and the reference's tokens of their pictures, each made once for all tests of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from reference import Array, embed

Write = Callable[[Path], None]


@dataclass(frozen=True)
class World:
    """Towers, data sets and the reference's tokens, each made when it is first asked for.

    Attributes:
        root: Folder to fill.
        towers: What saves a tower to a folder, by family.
        layouts: What writes a data set to a folder, by name.
        images: Reads the pictures of a data set, given its name and its folder.
        unit_projection: See `reference.embed`.
    """

    root: Path
    towers: Mapping[str, Write]
    layouts: Mapping[str, Write]
    images: Callable[[str, Path], Sequence[Path | Image.Image]]
    unit_projection: bool
    _tokens: dict[tuple[str, str], dict[str, list[Array]]] = field(default_factory=dict)

    def tower(self, family: str) -> Path:
        directory = self.root / "towers" / family
        if not directory.exists():
            self.towers[family](directory)
        return directory

    def data(self, layout: str) -> Path:
        directory = self.root / "data" / layout
        if not directory.exists():
            self.layouts[layout](directory)
        return directory

    def tokens(self, family: str, layout: str) -> dict[str, list[Array]]:
        if (family, layout) not in self._tokens:
            images = self.images(layout, self.data(layout))
            self._tokens[family, layout] = embed(self.tower(family), images, unit_projection=self.unit_projection)
        return self._tokens[family, layout]
