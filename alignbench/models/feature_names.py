"""Names of features that exist already, `features:PATH`: they are measured like a model, and have no weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from alignbench.errors import UsageError

FEATURES: Final = "features"
_PREFIX: Final = f"{FEATURES}:"
_MARK: Final = "@"  # what labels of untrained twins and of transforms are split at


def are_features(name: str) -> bool:
    """Say whether what is measured, by its name or its label, is features that exist."""
    return name.startswith(_PREFIX)


def features_path(name: str) -> Path | None:
    """Return the file or folder that a name stands for; none for the name of a model or a baseline.

    Args:
        name: What `--model` was given.

    Raises:
        UsageError: If no path follows the prefix.
    """
    if not are_features(name):
        return None
    path = name.removeprefix(_PREFIX)
    if not path.strip() or "\0" in path:
        raise UsageError(f"the name {_PREFIX} lacks the path of a file or folder of features: write {_PREFIX}PATH")
    return Path(path)


def features_label(path: Path) -> str:
    """Return what features are called in tables and figures: `features:` and the last part of their path."""
    return _PREFIX + os.path.basename(os.path.abspath(path)).replace(_MARK, "-")
