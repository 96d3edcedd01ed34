"""The type of fixtures that give folders by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

Folders = Callable[[str], Path]
