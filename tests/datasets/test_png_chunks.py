"""A PNG file of a great many chunks is refused at once."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pytest

from alignbench.datasets.images import FileImages
from alignbench.datasets.png_chunks import check_chunks
from alignbench.errors import DataError
from smooth_pictures import smooth


def with_texts(count: int, size: int = 1, *, before: bool = True) -> bytes:
    buffer = io.BytesIO()
    smooth().save(buffer, "PNG")
    content = buffer.getvalue()
    data = b"tEXtkey\0" + bytes(size)
    text = (len(data) - 4).to_bytes(4, "big") + data + zlib.crc32(data).to_bytes(4, "big")
    place = content.index(b"IDAT") - 4 if before else len(content) - 12
    return content[:place] + count * text + content[place:]


@pytest.mark.parametrize("before", [True, False])
def test_many_texts_are_refused_when_it_is_read(tmp_path: Path, before: bool) -> None:
    (tmp_path / "many.png").write_bytes(with_texts(400_000, before=before))
    images = FileImages(tmp_path, ("many.png",))
    with pytest.raises(DataError, match=r"many\.png cannot be decoded \(it has more than 10,000 small chunks\)"):
        images.open(0)
    if before:
        assert images.faults() == ["many.png (damaged: it has more than 10,000 small chunks)"]


def test_some_texts_and_large_chunks_are_let_pass() -> None:
    for content in (with_texts(5_000), with_texts(11_000, 2_000), b"no PNG", b"", with_texts(0)[:40]):
        file = io.BytesIO(content)
        check_chunks(file)
        assert file.tell() == 0
