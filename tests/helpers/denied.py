"""Files that may not be read, whoever runs the tests: root reads everything."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors
from pyarrow import parquet


def deny(monkeypatch: pytest.MonkeyPatch, denied: Path) -> None:
    """From here on, whatever opens a file is refused it as it would be without the permission to read it."""

    def refusing(opens: Callable[..., Any], error: Callable[[], OSError]) -> Callable[..., Any]:
        def refuse(path: Any, *given: Any, **options: Any) -> Any:
            if isinstance(path, str | Path) and Path(path) == denied:
                raise error()
            return opens(path, *given, **options)

        return refuse

    def no_permission() -> OSError:
        return PermissionError(13, "Permission denied", str(denied))

    def nothing_there() -> OSError:  # what safetensors makes of it
        return FileNotFoundError(f"No such file or directory: {denied}")

    monkeypatch.setattr(Path, "open", refusing(Path.open, no_permission))
    monkeypatch.setattr(builtins, "open", refusing(open, no_permission))
    monkeypatch.setattr(parquet, "ParquetFile", refusing(parquet.ParquetFile, no_permission))
    monkeypatch.setattr(safetensors, "safe_open", refusing(safetensors.safe_open, nothing_there))
