"""The published transforms: from a server that the test starts, through the cache, and what is refused."""

import hashlib
import socket
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import AlignbenchError, AlignbenchWarning, DataError, UsageError
from alignbench.transforms import PUBLISHED, align, published_transform

MODULES = {
    **dict.fromkeys(("clip_ViT-L/14", "clip_RN50"), "visual"),
    **dict.fromkeys(("OpenCLIP_ViT-L-14_laion400m_e32", "OpenCLIP_ViT-L-14_laion2b_s32b_b82k"), "visual"),
    **dict.fromkeys(("dino-vit-base-p16", "dino-vit-base-p8", "dinov2-vit-base-p14", "dinov2-vit-large-p14"), "norm"),
    **{"resnet18": "avgpool", "resnet50": "avgpool", "vgg16": "classifier.3", "alexnet": "classifier.4"},
}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, ThreadingHTTPServer]]:
    """Serves a transform of width 4 for every name; the cache is the test's own."""
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    for name, known in PUBLISHED.items():
        monkeypatch.setitem(PUBLISHED, name, replace(known, width=4))
        place = tmp_path / "served" / name / known.module / "transform.npz"
        place.parent.mkdir(parents=True)
        np.savez(place, weights=2.0 * np.eye(4), mean=1.0, std=0.5)
    serving = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}", serving
    serving.shutdown()
    serving.server_close()


def test_all_twelve_are_known() -> None:
    assert {name: known.module for name, known in PUBLISHED.items()} == MODULES
    widths = {name: known.width for name, known in PUBLISHED.items()}
    assert [name for name, width in widths.items() if width == 1024] == ["clip_RN50", "dinov2-vit-large-p14"]
    assert [widths[name] for name in ("resnet18", "resnet50", "vgg16", "alexnet")] == [512, 2048, 4096, 4096]
    assert sum(width == 768 for width in widths.values()) == 6


def test_it_is_downloaded_once_and_checked_ever_after(server: tuple[str, ThreadingHTTPServer], tmp_path: Path) -> None:
    source, serving = server
    first = published_transform("clip_ViT-L/14", source=source)
    serving.shutdown()
    serving.server_close()
    again = published_transform("clip_ViT-L/14", source=source)
    assert first.weights.tobytes() == again.weights.tobytes()
    assert again.provenance["layer"] == "projection"
    assert "openai/clip-vit-large-patch14" in again.provenance["models"]
    x = np.ones((2, 4))
    np.testing.assert_array_equal(align(x, model="clip_ViT-L/14"), 0.0 * x)
    np.testing.assert_array_equal(align(2 * x, model="openai/clip-vit-large-patch14", module="projection"), 4.0 * x)
    (place,) = (tmp_path / "cache").rglob("transform.npz")
    place.write_bytes(place.read_bytes() + b"0")
    with pytest.raises(DataError, match="is not what was downloaded"):
        published_transform("clip_ViT-L/14", source=source)
    place.with_suffix(".sha256").unlink()
    place.unlink()
    with pytest.raises(AlignbenchError, match="cannot be downloaded"):
        published_transform("clip_ViT-L/14", source=source)


def test_a_file_that_was_put_there_is_taken_and_its_digest_noted(
    server: tuple[str, ThreadingHTTPServer], tmp_path: Path
) -> None:
    place = tmp_path / "cache" / "transforms" / "clip_RN50" / "visual" / "transform.npz"
    place.parent.mkdir(parents=True)
    np.savez(place, weights=3.0 * np.eye(4), mean=0.0, std=1.0)
    content = place.read_bytes()
    for _ in range(2):
        found = published_transform("clip_RN50", source="http://127.0.0.1:1")
        np.testing.assert_array_equal(found.weights, 3.0 * np.eye(4))
        assert place.with_suffix(".sha256").read_text().strip() == hashlib.sha256(content).hexdigest()
    assert found.provenance["sha256"] == hashlib.sha256(content).hexdigest()
    assert place.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"half of a download"])
def test_a_file_that_was_put_there_and_cannot_be_used_is_named_and_kept(
    server: tuple[str, ThreadingHTTPServer], tmp_path: Path, content: bytes
) -> None:
    place = tmp_path / "cache" / "transforms" / "clip_RN50" / "visual" / "transform.npz"
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    with pytest.raises(DataError, match=str(place)):
        published_transform("clip_RN50", source=server[0])
    assert [path.read_bytes() for path in place.parent.iterdir()] == [content]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhalf",
    ],
    ids=["nothing", "nonsense", "cut short", "damaged"],
)
def test_a_server_that_answers_nonsense_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(answer)

    serving = threading.Thread(target=serve)
    serving.start()
    with pytest.raises(AlignbenchError, match=r"cannot be downloaded|is not an \.npz"):
        published_transform("clip_RN50", source=f"http://127.0.0.1:{listening.getsockname()[1]}")
    serving.join()
    listening.close()
    assert not (tmp_path / "cache").exists()


def test_only_what_can_be_read_is_kept(server: tuple[str, ThreadingHTTPServer], tmp_path: Path) -> None:
    served = tmp_path / "served" / "clip_RN50" / "visual" / "transform.npz"
    np.savez(served, weights=np.eye(5), mean=0.0, std=1.0)
    with pytest.raises(DataError, match="4 features"):
        published_transform("clip_RN50", source=server[0])
    served.write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"not an \.npz"):
        published_transform("clip_RN50", source=server[0])
    served.unlink()
    with pytest.raises(AlignbenchError, match="404"):
        published_transform("clip_RN50", source=server[0])
    assert not list((tmp_path / "cache").rglob("*.*"))


@pytest.mark.parametrize("name", MODULES)
def test_what_a_user_should_know_is_said(server: tuple[str, ThreadingHTTPServer], name: str) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        published_transform(name, source=server[0])
    texts = [str(each.message) for each in said if issubclass(each.category, AlignbenchWarning)]
    expected = [(True, False)] if name == "dinov2-vit-base-p14" else []
    expected += [(False, True)] if name in ("resnet18", "resnet50", "vgg16", "alexnet") else []
    assert [("byte for byte" in text, "lowers performance" in text) for text in texts] == expected


def test_names_that_are_not_there() -> None:
    with pytest.raises(UsageError, match="did you mean clip_ViT-L/14"):
        published_transform("clip_ViT-L14")
    with pytest.raises(UsageError, match="module visual only, not for logits"):
        published_transform("clip_RN50", "logits")
    with pytest.raises(UsageError, match="unknown way to align"):
        align(np.ones((1, 4)), model="clip_RN50", method="naive")
