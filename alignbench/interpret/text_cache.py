"""Embeddings of texts that are kept: found again by the encoder's fingerprint and the texts, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.errors import AlignbenchError, AlignbenchWarning, ModelError, shortened
from alignbench.files import UNREADABLE, cache_folder, open_plain, whole_file, write_safetensors
from alignbench.interpret.text_encoders.encoder import TextEncoder
from alignbench.interpret.texts import texts_digest

_FORM: Final = 1  # of the files; another number for another form
_TENSOR: Final = "texts"
Rows = NDArray[np.float32]


def unit_embeddings(encoder: TextEncoder, texts: Sequence[str], *, is_kept: bool = True) -> Floats:
    """Return embeddings of texts at length 1, (M, d'), from the cache where they are there.

    Where the cache cannot be written there is a warning, and they are encoded anew the next time.

    Args:
        encoder: The encoder.
        texts: The texts.
        is_kept: Whether the cache is used, so that the texts are kept.

    Raises:
        ModelError: If a text has no direction, and as `TextEncoder.encode` does.
    """
    key = hashlib.sha256(json.dumps([_FORM, encoder.fingerprint, texts_digest(texts)]).encode()).hexdigest()
    folder = cache_folder("texts") if is_kept else None
    path = None if folder is None else folder / f"{key}.safetensors"
    rows = None if path is None else read_rows(path, key, (len(texts), encoder.width))
    if rows is None:
        rows = encoder.encode(texts)
        if path is not None:
            _keep(path, key, rows)
    else:
        encoder.tokens(texts)  # what is to be said of them is said again
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1)
    if not (lengths > 0).all():
        text = shortened(texts[int(np.argmin(lengths))])
        raise ModelError(f"the text tower of {encoder.name} gives nothing for '{text}': leave this text out")
    return np.asarray(wide / lengths[:, None])


def read_rows(path: Path, key: str, shape: tuple[int, int]) -> Rows | None:
    """Read kept embeddings; none if there are none, or they are damaged or of something else.

    Args:
        path: The file.
        key: What it was kept by.
        shape: Texts, and channels.
    """
    from safetensors import SafetensorError, safe_open

    try:
        open_plain(path).close()
        with safe_open(path, framework="np") as file:
            said, rows = file.metadata() or {}, file.get_tensor(_TENSOR)
    except (SafetensorError, *UNREADABLE):
        return None
    is_whole = said.get("key") == key and said.get("sha256") == _sum(rows)
    return rows if is_whole and rows.shape == shape and rows.dtype == np.float32 else None


def _keep(path: Path, key: str, rows: Rows) -> None:
    try:
        with whole_file(path, "choose another place by ALIGNBENCH_CACHE") as scratch:
            write_safetensors(scratch, {_TENSOR: rows}, {"key": key, "sha256": _sum(rows)})
    except AlignbenchError as error:
        warnings.warn(f"embeddings of texts are not kept: {error}", AlignbenchWarning, stacklevel=3)


def _sum(rows: Rows) -> str:
    return hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
