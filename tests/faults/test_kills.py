"""A command that is killed leaves nothing half-written and loses nothing, whenever that is, and goes on afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pytest
from safetensors.numpy import load_file

from alignbench.alignet.chain import QUICK
from alignbench.alignet.world_files import write_world
from kill_scenarios import SCENARIOS, Trial, contents, make_inputs
from killing import Moment, run_forked

MOMENTS: Final = {
    "run": (
        Moment("remove SCRATCH"),  # of the probe whether the folder can be written to
        Moment("make SCRATCH", 1),
        Moment("write SCRATCH/curve.csv"),
        Moment("write SCRATCH/run.json"),
        Moment("rename SCRATCH FOLDER"),
        Moment("clear SCRATCH", 1),
    ),
    "run anew": (
        Moment("write SCRATCH/run.json"),
        Moment("clear SCRATCH", 1),  # the two folders are exchanged
        Moment("remove SCRATCH", 1),
    ),
    "extract": (
        Moment("write .partial-f.safetensors/projection.npy", 1),
        Moment("rename .partial-f.safetensors/SCRATCH/progress.json .partial-f.safetensors/progress.json"),
        Moment("rename SCRATCH/f.safetensors f.safetensors"),
        Moment("clear SCRATCH"),
        Moment("clear .partial-f.safetensors", 1),
    ),
    "search": (
        Moment("write .search-KEY.journal", 3),
        Moment("write .search-KEY.journal", 9),
        Moment("rename SCRATCH FOLDER"),
    ),
    "evaluate": (Moment("write SCRATCH/similarities.npz"), Moment("rename SCRATCH FOLDER")),
    "cluster": (
        Moment("rename FOLDER/SCRATCH/points.npy FOLDER/points.npy"),
        Moment("rename FOLDER/SCRATCH/state.safetensors FOLDER/state.safetensors", 1),
        Moment("rename SCRATCH FOLDER"),
        Moment("clear FOLDER"),  # the clusters are there, and what they were made from too
    ),
    "sample": (Moment("write SCRATCH/sampling.json"), Moment("rename SCRATCH FOLDER")),
    "label": (Moment("write SCRATCH/labels.json"), Moment("rename SCRATCH FOLDER"), Moment("clear SCRATCH", 1)),
    "train a student": (
        Moment("rename FOLDER/SCRATCH/checkpoint.safetensors FOLDER/checkpoint.safetensors"),
        Moment("clear FOLDER/SCRATCH", 1),  # a checkpoint has taken the place of another
        Moment("write SCRATCH/README.md"),
        Moment("clear SCRATCH", 2),  # the student is there, and the checkpoint too
    ),
    "decompose": (
        Moment("write FOLDER/store/layer_3.safetensors"),
        Moment("rename FOLDER/SCRATCH/settings.json FOLDER/settings.json"),
        Moment("write FOLDER/store/layer_3.safetensors", 1),  # the rows
        Moment("write FOLDER/store/heads.json"),
        Moment("rename FOLDER/store FOLDER"),
        Moment("clear FOLDER"),  # the store is there, and the settings beside it too
    ),
    "judge a student": (Moment("write SCRATCH/curves.csv"), Moment("rename SCRATCH FOLDER")),
    "textspan": (Moment("write SCRATCH/texts.csv"), Moment("rename SCRATCH FOLDER")),
    "ablate": (Moment("write SCRATCH/ablations.csv"), Moment("rename SCRATCH FOLDER")),
    "search heads": (Moment("write SCRATCH/map.png"), Moment("rename SCRATCH FOLDER")),
    "explain a neighbour": (Moment("write SCRATCH/search.json"), Moment("rename SCRATCH FOLDER")),
    "label heads": (Moment("rename SCRATCH FOLDER"),),
    "score heads": (Moment("write SCRATCH/judged.csv"),),
    "align": (
        Moment("write FOLDER/store/heads.json"),  # of the twin, while the model's own store is there
        Moment("write SCRATCH/cumulative.csv"),
        Moment("write SCRATCH/align.json"),
        Moment("rename SCRATCH FOLDER"),
    ),
    "cache": (Moment("write DRAFT", 3), Moment("rename DRAFT ENTRY", 5)),
}
"""Before a file is made, in the middle of a folder, and on both sides of the step that makes it whole."""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("inputs")
    make_inputs(root)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("name", MOMENTS)
def test_killed_commands_lose_nothing_and_go_on(name: str, inputs: Path, tmp_path: Path) -> None:
    trial = Trial(SCENARIOS[name], inputs, tmp_path)
    for moment in MOMENTS[name]:
        trial.kill(moment)


@pytest.mark.slow
def test_the_first_stage_of_the_demo_is_whole_or_absent(tmp_path: Path) -> None:
    """Later stages are the commands above; here the third start goes on to the teacher's folder, and no further."""
    output, other = tmp_path / "output", tmp_path / "other"
    output.mkdir()
    write_world(QUICK.pictures, QUICK.labelled, other)
    command = ["alignet", "demo", "--quick", "--output", str(output)]
    for moment in (Moment("write SCRATCH/superordinates.csv"), Moment("rename SCRATCH FOLDER")):
        ended = run_forked(command, output, tmp_path / "work", moment)
        assert ended.killed, ended.said
        assert not contents(output), f"{moment}: something half-written is seen"
    ended = run_forked(command, output, tmp_path / "work", Moment("rename SCRATCH FOLDER", 1))
    assert ended.killed, ended.said
    found, expected = (contents(place) for place in (output, other))
    assert found.keys() == expected.keys()
    for name in found:
        if name.endswith(".safetensors"):  # whose metadata come in any order
            made, wanted = (load_file(place / name) for place in (output, other))
            assert all(np.array_equal(made[key], wanted[key]) for key in {*made, *wanted})
        else:
            assert found[name] == expected[name]
    (scratch,) = output.glob(".tmp-*")
    assert not (scratch / "superordinates.csv").exists(), "what killed ones left is cleared"
