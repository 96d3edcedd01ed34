"""Digests of what people saw and said, by which runs on the same data can be told.

They are kept in run folders and compared between runs, so what is hashed must not change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Indices

_AT_ONCE = 65_536  # judgments or texts: few enough for memory, enough to make the loop cheap
_DIGITS = 16


def hash_parts(texts: Iterable[Sequence[str]], arrays: Iterable[NDArray[Any]]) -> str:
    """Return SHA-256 over texts, each with a zero byte behind it, and then over the bytes of arrays.

    Args:
        texts: Sequences of texts, one after another.
        arrays: Arrays of any shape, in C order.
    """
    digest = hashlib.sha256()
    for sequence in texts:
        for start in range(0, len(sequence), _AT_ONCE):
            digest.update(("\0".join(sequence[start : start + _AT_ONCE]) + "\0").encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()


def stimulus_digests(pairs: Indices, judged: Indices, identities: Sequence[str]) -> NDArray[np.bytes_]:
    """Return a digest of each judgment's images: 16 hex digits of SHA-256 over `FIRST-SECOND|FIRST-SECOND|...`.

    Args:
        pairs: Pairs of image indices, (P, 2).
        judged: Pairs of each judgment, (n, k).
        identities: A text for each image; what follows `/` tells copies apart within one data set only.

    Returns:
        Digests, (n,), as ASCII bytes: for millions of judgments half a gigabyte less than texts.
    """
    shown = [identity.partition("/")[0].encode() for identity in identities]
    options = judged.shape[1]
    text = b"|".join([b"%b-%b"] * options)
    digests = np.empty(len(judged), dtype=f"S{_DIGITS}")
    for start in range(0, len(judged), _AT_ONCE):
        ends = pairs[judged[start : start + _AT_ONCE]].reshape(-1, 2 * options)
        stimuli = zip(*(map(shown.__getitem__, column) for column in ends.T.tolist()), strict=True)
        digests[start : start + _AT_ONCE] = [hashlib.sha256(text % names).hexdigest()[:_DIGITS] for names in stimuli]
    return digests
