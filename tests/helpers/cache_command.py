"""Runs `alignbench datasets cache`, and reads what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.extraction.cached_pixels import entry_bytes

SMALL = entry_bytes((3, 32, 32))
PAPER = entry_bytes((3, 224, 224))
LINE = re.compile(r"(.+): ([\d,]+) pictures, ([\d,]+) there before, ([\d,]+) written, ([\d,.]+) MB, [\d.]+ s \((.+)\)")


class Caching:
    """Runs the command on NIGHTS, unless told otherwise, and reads what it says."""

    def __init__(self, root: Path, place: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.root, self.place, self.capture = root, place, capture

    def run(self, *options: object, dataset: str = "nights", workers: int = 0) -> tuple[int, list[str], list[str]]:
        self.capture.readouterr()
        where = ("--data-root", self.root, "--pixel-cache", self.place, "--loader-workers", workers)
        code = main(["datasets", "cache", dataset, *map(str, where), *map(str, options)])
        out, err = self.capture.readouterr()
        assert "Traceback" not in err
        said = [line for line in err.splitlines() if "as published: only a part" not in line]
        return code, out.splitlines(), said

    def filled(self, *options: object, **others: object) -> list[tuple[str, int, int, int, str]]:
        """Recipe, pictures, those there before, those written, and models of each line."""
        code, out, said = self.run(*options, **others)  # type: ignore[arg-type]
        assert (code, said) == (0, [])
        assert out[-1] == str(self.place)
        found = []
        for line in out[:-1]:
            match = LINE.fullmatch(line)
            assert match, line
            recipe, pictures, there, written, _, models = match.groups()
            found.append((recipe, int(pictures), int(there), int(written), models))
        return found

    def refused(self, code: int, said: str, *options: object, **others: object) -> None:
        given, out, err = self.run(*options, **others)  # type: ignore[arg-type]
        assert len(err) == 1, err
        assert re.search(said, err[0]), err[0]
        assert (given, out) == (code, [])
        assert not self.sizes()

    def sizes(self) -> list[int]:
        return [path.stat().st_size for path in self.place.rglob("*") if path.is_file()] if self.place.is_dir() else []


def refuse_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a test fail that wants the weights of a model."""
    for name in ("huggingface._pretrained", "huggingface._random", "openclip.read_visual"):
        monkeypatch.setattr(f"alignbench.models.{name}", lambda *_, **__: pytest.fail("weights were wanted"))
