"""Commands run on small data and tiny towers, and what has to be said of input that they cannot use."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from alignbench.cli.main import main

RUNNING, USAGE = 1, 2
REMEDY = re.compile(
    r"did you mean|valid:|supported are|expected |must |needs |should be |is below \d|out of range|"
    r"\b(use|choose|check|complete|download|give|leave|raise|see|set|take out|correct|write|put) |--[a-z]",
    re.IGNORECASE,
)
PROGRESS = re.compile(r".+ on [a-z0-9-]+: [\d,]+ images, .+|.+ is finished: taken from .+|.+: downloading it")
TREE = {"tid2013": "reference_images", "nights": "ref", "things": "object_images"}


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str
    output: Path

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("alignbench: warning: ")]

    @property
    def complaints(self) -> list[str]:
        said = [line for line in self.err.splitlines() if line.startswith("alignbench: ")]
        return [line for line in said if line not in self.warnings]

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.output.iterdir()) if self.output.is_dir() else []

    def refused(self, code: int, *words: object) -> None:
        self.complained(code, *words)
        assert not self.left

    def complained(self, code: int, *words: object) -> None:
        assert "Traceback" not in self.err
        assert len(self.complaints) == 1, self.err
        (line,) = self.complaints
        rest = [other for other in self.err.splitlines() if other != line and other not in self.warnings]
        assert [other for other in rest if not PROGRESS.fullmatch(other)] == []
        assert self.code == code, line
        assert "unexpected" not in line
        for word in words:
            assert str(word) in line
        assert REMEDY.search(line), f"no remedy in: {line}"

    def succeeded(self) -> Path:
        assert self.code == 0, self.err
        assert not self.complaints
        assert not [name for name in self.left if name.startswith(".tmp-")]
        folder = Path(self.out.strip().splitlines()[-1])
        assert folder.parent == self.output
        assert (folder / "run.json").is_file()
        return folder


class Bench:
    """Runs commands in this process, on small data and tiny towers."""

    def __init__(self, world: Path, scratch: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.world, self.scratch, self.capture, self.output = world, scratch, capture, scratch / "out"

    def command(self, *arguments: object) -> Outcome:
        self.capture.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self.capture.readouterr()
        return Outcome(code, out, err, self.output)

    def run(self, dataset: str, *options: object, model: object = None, root: Path | None = None) -> Outcome:
        place = () if root is None else ("--data-root", root)
        given = {"--loader-workers": 0, "--output": self.output}
        defaults = [part for option, value in given.items() if option not in options for part in (option, value)]
        model = self.tower("clip") if model is None else model
        return self.command("run", "--model", model, "--dataset", dataset, *place, *defaults, *options)

    def tower(self, family: str) -> Path:
        return self.world / family

    def data(self, dataset: str) -> Path:
        return self.world / dataset

    def copy(self, name: str) -> Path:
        return Path(shutil.copytree(self.world / name, self.scratch / name))


def picture(dataset: str, root: Path) -> Path:
    """A picture that is needed."""
    if dataset == "tid2013":
        return root / "distorted_images" / "i01_01_1.bmp"
    if dataset == "nights":
        return min((root / "ref").rglob("*.png"))
    first = (root / "triplets" / "testset1.txt").read_text().split()[0]
    concept = (root / "unique_id.txt").read_text().split()[int(first)]
    return min((root / "object_images" / concept).iterdir())
