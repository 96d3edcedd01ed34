"""What commands leave when they are killed: whole things or nothing, and all of it after they were run again."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Final

import numpy as np

from alignbench.alignet.released_triplets import write_released
from alignbench.interpret.labelling.word_lists import packaged_properties
from alignbench.transforms import AffineTransform
from extracted import NAMES as SCENES
from extracted import write_scenes
from killing import Ended, Moment, run_forked
from layouts import write_nights, write_tid2013
from reference import save_clip
from stage_inputs import write_stage_inputs
from students import write_labels, write_pictures, write_vit

_RECORDS: Final = ("run.json", "learned.json", "evaluated.json", "student.json")  # they say when, and how long it took
_DRAWN: Final = (".png", ".svg", ".html")
_RUN: Final = ("run", "--wandb", "off", "--loader-workers", "0", "--pixel-cache", "off")
_LEARN: Final = (
    *("transform", "learn", "--model", "shapes-clip", "--dataset", "shapes-high", "--subset", "test"),
    *("--wandb", "off", "--loader-workers", "0", "--limit", "300", "--objective", "global", "--epochs", "1"),
    *("--folds", "2", "--batch-images", "64"),
)


@dataclass(frozen=True)
class Scenario:
    """A command, and what is in its folder before.

    Attributes:
        command: Its arguments, where `INPUT` and `OUTPUT` stand for folders; one with `*` is the first place like it.
        before: Commands that came before it.
        goes_on: Names that may be there before it is whole, for the next start to go on from.
        loose: Whether each file stands for itself; else all of a folder are there, or none.
        refusal: What it says, if it refuses to begin where all is there already.
    """

    command: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    goes_on: tuple[str, ...] = ()
    loose: bool = False
    refusal: str = ""


_MEASURE: Final = (
    *_RUN,
    "--model",
    "INPUT/clip",
    "--dataset",
    "tid2013",
    "--data-root",
    "INPUT/tid",
    "--output",
    "OUTPUT",
)
_SHAPES: Final = (*_RUN, "--model", "pixels", "--dataset", "shapes-low", "--limit", "40", "--output", "OUTPUT")
_DECOMPOSE: Final = (
    *("interpret", "decompose", "--model", "shapes-clip", "--images", "INPUT/pictures"),
    *("--loader-workers", "0", "--output", "OUTPUT"),
)
_SPAN: Final = (
    *("interpret", "textspan", "--heads", "OUTPUT/*__heads__*", "--texts", "INPUT/texts.txt", "--resamples", "2"),
)
_LABEL_HEADS: Final = ("interpret", "label", "--textspan", "OUTPUT/*__textspan__*", "--permutations", "3")
SCENARIOS: Final = {
    "run": Scenario(_MEASURE),
    "run anew": Scenario((*_MEASURE, "--overwrite"), (_MEASURE,)),
    "run beside others": Scenario(_MEASURE, (_SHAPES,)),
    "extract": Scenario(
        ("extract", "--model", "INPUT/clip", "--images", "INPUT/pictures", "--output", "OUTPUT/f.safetensors"),
        goes_on=(".partial-f.safetensors",),
        refusal="f.safetensors is there",
    ),
    "learn": Scenario((*_LEARN, "--output", "OUTPUT")),
    "teacher": Scenario(
        (
            *("alignet", "teacher", "--model", "shapes-clip", "--dataset", "shapes-high", "--targets", "hard"),
            *("--wandb", "off", "--loader-workers", "0", "--limit", "600", "--epochs", "1", "--folds", "2"),
            *("--output", "OUTPUT"),
        )
    ),
    "search": Scenario((*_LEARN, "--trials", "2", "--output", "OUTPUT"), goes_on=(".search",)),
    "evaluate": Scenario(
        (
            *("transform", "evaluate", "--model", "shapes-clip", "--transform", "INPUT/turn.safetensors"),
            *("--dataset", "shapes-high", "--limit", "200", "--local-images", "INPUT/pictures"),
            *("--loader-workers", "0", "--output", "OUTPUT"),
        )
    ),
    "cluster": Scenario(
        (
            *("alignet", "cluster", "--features", "INPUT/stages/features.safetensors", "--clusters", "6"),
            *("--teacher", "INPUT/stages/turn.safetensors", "--accelerator", "cpu", "--output", "OUTPUT"),
        ),
        goes_on=(".partial-",),
    ),
    "sample": Scenario(
        (
            *("alignet", "sample", "--features", "INPUT/stages/features.safetensors", "--rule", "class-border"),
            *("--count", "500", "--output", "OUTPUT"),
        )
    ),
    "label": Scenario(
        (
            *("alignet", "label", "--triplets", "INPUT/stages/released.npz", "--output", "OUTPUT", "--teacher"),
            *("INPUT/stages/turn.safetensors", "--features", "INPUT/stages/features.safetensors"),
        )
    ),
    "train a student": Scenario(
        (
            *("alignet", "train", "--model", "INPUT/vit", "--triplets", "INPUT/labels", "--images", "INPUT/noise"),
            *("--steps", "3", "--batch-triplets", "4", "--width", "4", "--checkpoint-every", "2", "--wandb", "off"),
            *("--loader-workers", "0", "--pixel-cache", "off", "--output", "OUTPUT"),
        ),
        goes_on=(".partial-",),
    ),
    "judge a student": Scenario(
        (
            *("alignet", "evaluate", "--before", "random:shapes-clip", "--after", "shapes-clip", "--wandb", "off"),
            *("--dataset", "shapes-low", "--limit", "40", "--loader-workers", "0", "--output", "OUTPUT"),
        )
    ),
    "decompose": Scenario(
        (
            *("interpret", "decompose", "--model", "INPUT/clip", "--images", "INPUT/pictures", "--layers", "all"),
            *("--loader-workers", "0", "--output", "OUTPUT"),
        ),
        goes_on=(".partial-",),
    ),
    "textspan": Scenario(_SPAN, (_DECOMPOSE,)),
    "label heads": Scenario(_LABEL_HEADS, (_DECOMPOSE, _SPAN)),
    "score heads": Scenario(
        (
            *("interpret", "score", "--labels", "OUTPUT/*__labels__*", "--judge", "words", "--wandb", "off"),
            *("--properties", "INPUT/properties.yaml"),
        ),
        (_DECOMPOSE, _SPAN, _LABEL_HEADS),
    ),
    "ablate": Scenario(
        ("interpret", "ablate", "--heads", "OUTPUT/*__heads__*", "--by", "mlps", "--metadata", "INPUT/classes.csv"),
        (_DECOMPOSE,),
    ),
    "search heads": Scenario(
        (
            *("interpret", "search", "topic", "--heads", "OUTPUT/*__heads__*", "--text", "a red star"),
            *("--picture", "INPUT/pictures/b.png"),
        ),
        (_DECOMPOSE,),
    ),
    "explain a neighbour": Scenario(
        (
            *("interpret", "search", "property", "--heads", "OUTPUT/*__heads__*", "--picture", "b.png"),
            *("--why", "c.png", "--texts", "OUTPUT/*__textspan__*"),
        ),
        (_DECOMPOSE, _SPAN),
    ),
    "align": Scenario(
        (
            *("interpret", "align", "--model", "INPUT/clip", "--dataset", "tid2013", "--data-root", "INPUT/tid"),
            *("--protocol", "paper", "--draws", "0", "--splits", "0", "--loader-workers", "0", "--wandb", "off"),
            *("--output", "OUTPUT"),
        ),
        goes_on=(".partial-",),
    ),
    "cache": Scenario(
        (
            *("datasets", "cache", "nights", "--data-root", "INPUT/nights", "--pixel-cache", "OUTPUT"),
            *("--loader-workers", "0"),
        ),
        loose=True,
    ),
    "report": Scenario(("report", "OUTPUT", "--output", "OUTPUT/page.html"), (_SHAPES,)),
    "table": Scenario(("report", "OUTPUT", "--output", "OUTPUT/table.csv", "--bibtex"), (_SHAPES,), loose=True),
    "leaderboard": Scenario(("leaderboard", "OUTPUT", "--output", "OUTPUT/board.tex"), (_SHAPES,)),
}


def make_inputs(root: Path) -> None:
    """The small models, data and pictures of all scenarios."""
    save_clip(root / "clip")
    write_tid2013(root / "tid")
    write_nights(root / "nights", 5)
    write_scenes(root / "pictures")
    (root / "texts.txt").write_text("a red circle\na blue star\nsomething striped\n")
    rows = [f"{name},{'ring' if number % 2 else 'star'}" for number, name in enumerate(SCENES)]
    (root / "classes.csv").write_text("\n".join(["name,class", *rows]) + "\n")
    words = [f"{name}: [red, blue, circle, star, striped]" for name in packaged_properties()]
    (root / "properties.yaml").write_text("\n".join(words))
    write_labels(root / "labels", write_pictures(root / "noise"))
    write_vit(root / "vit")
    stages = write_stage_inputs(root / "stages")
    drawn = np.arange(90, dtype=np.int32).reshape(30, 3)
    write_released(root / "stages/released.npz", stages.names, drawn, np.zeros((30, 3), dtype=np.float32))
    AffineTransform(np.eye(64) * 1.5, 0.02, 0.9, None, {"dataset": "shapes-high"}).save(root / "turn.safetensors")


class Trial:
    """A scenario under way, in a folder of its own.

    Args:
        scenario: The scenario.
        inputs: Where `make_inputs` has made the inputs.
        root: Folder for everything that it leaves.
    """

    def __init__(self, scenario: Scenario, inputs: Path, root: Path) -> None:
        self.scenario, self._inputs, self._root = scenario, inputs, root
        self.output, self._before = root / "output", root / "before"
        self.output.mkdir(parents=True)
        for command in scenario.before:
            check_ended(self._run(command))
        shutil.copytree(self.output, self._before)
        self.whole = check_ended(self._run(scenario.command))
        self._expected = contents(self.output)
        assert self._expected, "it left nothing"

    def kill(self, moment: Moment) -> None:
        """Kill the command at a moment, look at what is left, and run it again.

        Raises:
            AssertionError: If anything half-written is seen, anything finished lost, or anything left in the end.
        """
        shutil.rmtree(self.output)
        shutil.copytree(self._before, self.output)
        had = contents(self.output)
        ended = self._run(self.scenario.command, moment)
        assert ended.killed, f"it was not killed at {moment} but ended with {ended.code}: {ended.said}"
        found = contents(self.output, self.scenario.goes_on)
        for name, content in found.items():
            assert content == self._expected.get(name), f"{name} is half-written"
        assert set(had) <= set(found), f"{set(had) - set(found)} are lost"
        for folder in {name.rpartition("/")[0] for name in found if not self.scenario.loose}:
            assert _in(folder, found) == _in(folder, self._expected), f"{folder} is not whole"
        again = self._run(self.scenario.command)
        if not (found == self._expected and self.scenario.refusal and self.scenario.refusal in again.said):
            check_ended(again)
        made = contents(self.output)
        other = {name for name in {**made, **self._expected} if made.get(name) != self._expected.get(name)}
        assert not other, f"{other} are other than they would have been"
        left = [path.name for path in self.output.rglob("*") if path.name.startswith((".tmp", ".partial"))]
        assert not left, f"{left} are left behind"

    def _run(self, command: tuple[str, ...], killed: Moment | None = None) -> Ended:
        words = [word.replace("INPUT", str(self._inputs)).replace("OUTPUT", str(self.output)) for word in command]
        words = [min(glob(word)) if "*" in word else word for word in words]
        return run_forked(words, self.output, self._root / "work", killed)


def check_ended(ended: Ended) -> Ended:
    """Return what ended well.

    Raises:
        AssertionError: If it did not.
    """
    assert ended.code == 0, ended.said
    assert "Traceback" not in ended.said, ended.said
    return ended


def contents(root: Path, besides: tuple[str, ...] = ()) -> dict[str, object]:
    """What is in the files that can be seen, by name; of records and drawings, whether they are whole."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith((".tmp-", *besides)) and path.suffix != ".tmp":
            found[name] = _looked_at(path)
    return found


def _looked_at(path: Path) -> object:
    content = path.read_bytes()
    if path.name in _RECORDS:
        return sorted(json.loads(content))
    if path.suffix in _DRAWN:
        return content.rstrip()[-8:]
    return content


def _in(folder: str, found: dict[str, object]) -> set[str]:
    return {name for name in found if name.rpartition("/")[0] == folder}
