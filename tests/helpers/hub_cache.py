"""A cache of the Hugging Face hub, made by hand as huggingface_hub writes one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path


def write_hub_cache(hub: Path, repository: str, source: Path, only: Iterable[str] | None = None) -> Path:
    """Put a checkpoint into a cache, with the list of all files of its repository; returns its snapshot.

    Args:
        hub: The cache.
        repository: The hub's name of the repository.
        source: A folder with everything that the repository has.
        only: The files that were downloaded; all by default.
    """
    place = hub / f"models--{repository.replace('/', '--')}"
    files = [path.relative_to(source).as_posix() for path in sorted(source.rglob("*")) if path.is_file()]
    for folder in ("refs", "trees"):
        (place / folder).mkdir(parents=True)
    entries = {file: {"size": (source / file).stat().st_size, "blob_id": "0" * 40} for file in files}
    commit = hashlib.sha1(json.dumps(entries).encode()).hexdigest()  # the hub's library remembers trees by commit
    (place / "refs" / "main").write_text(commit)
    (place / "trees" / f"{commit}.json").write_text(json.dumps({"format_version": 1, "files": entries}))
    snapshot = place / "snapshots" / commit
    for file in files if only is None else only:
        (snapshot / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / file, snapshot / file)
    return snapshot
