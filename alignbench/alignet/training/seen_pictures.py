"""Which pictures a student was trained on: 16 bytes for each, which tell them again wherever they lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.alignet.stage_folders import map_rows
from alignbench.datasets.images import ImageSource

FILE: Final = "pictures.npy"
_BYTES: Final = 8  # of a digest: among a million pictures and a million others, two are alike once in ten million times

Digests = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class SeenPictures:
    """Pictures by their file names and by their contents.

    Attributes:
        files: Digests of their file names, without folders, (n,).
        contents: Digests of what is in the files, (n,); none where only names are known.
    """

    files: Digests
    contents: Digests | None

    @classmethod
    def of(cls, names: Sequence[str], identities: Sequence[str] | None) -> SeenPictures:
        """Some pictures.

        Args:
            names: Names of the pictures; folders in them do not count.
            identities: What `ImageSource.identities` says of them, if that is known.
        """
        files = _digests(name.rpartition("/")[2] for name in names)
        # what follows the slash is there only where two of one source look alike
        contents = None if identities is None else _digests(each.partition("/")[0] for each in identities)
        return cls(files, contents)

    @classmethod
    def read(cls, folder: Path) -> SeenPictures | None:
        """Those that a student's folder says that it was trained on; none if it does not say it.

        Raises:
            DataError: If the file is there and holds anything else.
        """
        path = folder / FILE
        if not path.exists():
            return None
        files, contents = np.array(map_rows(path, np.uint64, 2)).T
        return cls(files, contents)

    def write(self, folder: Path) -> None:
        """Write them into a student's folder.

        Raises:
            OSError: If they cannot be written.
        """
        assert self.contents is not None
        np.save(folder / FILE, np.stack([self.files, self.contents], axis=1))

    @property
    def digest(self) -> str:
        """SHA-256 over all of them."""
        known = [self.files] if self.contents is None else [self.files, self.contents]
        rows = np.unique(np.stack(known, axis=1), axis=0)
        return hashlib.sha256(repr(rows.shape).encode() + rows.astype("<u8").tobytes()).hexdigest()

    def has_file_names_of(self, images: ImageSource) -> bool:
        """Whether any picture has the file name of one of these."""
        return _share(self.files, self.of(images.names, None).files)

    def has_contents_of(self, images: ImageSource) -> bool:
        """Whether any picture is one of these by what is in its file; true for a file name if contents are not known.

        Raises:
            DataError: If a picture cannot be read.
        """
        if self.contents is None:
            return self.has_file_names_of(images)
        found = self.of(images.names, images.identities()).contents
        return found is not None and _share(self.contents, found)


def _digests(texts: Iterable[str]) -> Digests:
    """The first 8 bytes of the SHA-256 of each text."""
    found = b"".join(hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()[:_BYTES] for text in texts)
    return np.frombuffer(found, dtype="<u8").astype(np.uint64)


def _share(one: Digests, other: Digests) -> bool:
    # the way that NumPy 2.0 takes by itself cannot tell numbers of 64 bits without a sign
    return bool(np.isin(other, one, kind="sort").any())
