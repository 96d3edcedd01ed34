"""Run folders come whole or not at all, and over nothing that is there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import AlignbenchError
from alignbench.scoring.scored_run import ScoredRun
from alignbench.tracking.logged_runs import LoggedRun, read_runs
from alignbench.tracking.projects import Project
from alignbench.tracking.pulling import Puller
from studies import BASE_32, Made, write_made
from wandb_projects import ProjectServer
from wandb_server import ENTITY


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made(Made(BASE_32, "tid2013", 60, lambda *_: 0.5), tmp_path_factory.mktemp("runs"))


@pytest.fixture
def server(served: tuple[ProjectServer, Any]) -> ProjectServer:
    server = served[0]
    for kept in (server.runs, server.artifacts, server.uploads):
        kept.clear()
    server.fetched.clear()
    return server


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "pulled"


def only_run(served: tuple[ProjectServer, Any]) -> LoggedRun:
    served[1].flush()  # it keeps what it has read
    (run,) = read_runs(served[1], Project(ENTITY, "alignbench"))
    return run


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_comes_whole_and_once(
    served: tuple[ProjectServer, Any], server: ProjectServer, folder: Path, output: Path
) -> None:
    server.add(folder, "run0")
    said: list[tuple[str, int]] = []
    puller = Puller(output, 10**8, lambda *about: said.append(about))
    pulled = puller.pull(only_run(served))
    assert pulled.folder == output / folder.name
    assert held(pulled.folder) == held(folder)
    assert said == [(folder.name, pulled.bytes)]
    assert ScoredRun(pulled.folder).curve.frame.equals(ScoredRun(folder).curve.frame)
    server.fetched.clear()
    assert puller.pull(only_run(served)).bytes is None
    assert [path for path in server.fetched if path.endswith((".csv", ".json", ".safetensors"))] == []
    assert os.listdir(output) == [folder.name]


@pytest.mark.parametrize("name", ["curve.csv", "run.json"])
def test_a_folder_with_other_content_is_left_as_it_is(
    served: tuple[ProjectServer, Any], server: ProjectServer, folder: Path, output: Path, name: str
) -> None:
    server.add(folder, "run0")
    puller = Puller(output, 10**8)
    place = puller.pull(only_run(served)).folder
    (place / name).write_text("mine")
    mine = held(place)
    with pytest.raises(AlignbenchError, match=rf"other content than run run0 \({name}\).*left as it is: move it away"):
        puller.pull(only_run(served))
    assert held(place) == mine


@pytest.mark.parametrize("kind", ["file", "link", "empty folder"])
def test_a_place_that_is_taken_is_left_as_it_is(
    served: tuple[ProjectServer, Any], server: ProjectServer, folder: Path, output: Path, kind: str
) -> None:
    server.add(folder, "run0")
    output.mkdir()
    place, elsewhere = output / folder.name, output.parent / "elsewhere"
    {"file": place.touch, "link": lambda: place.symlink_to(elsewhere), "empty folder": place.mkdir}[kind]()
    with pytest.raises(AlignbenchError, match=r"other content"):
        Puller(output, 10**8).pull(only_run(served))
    assert not elsewhere.exists()
    assert os.listdir(output) == [folder.name]


def test_a_folder_that_another_process_has_put_there_meanwhile_stays(
    served: tuple[ProjectServer, Any], server: ProjectServer, folder: Path, output: Path
) -> None:
    server.add(folder, "run0")

    def take(*_: object) -> None:
        (output / folder.name).mkdir(parents=True)
        (output / folder.name / "mine").touch()

    with pytest.raises(AlignbenchError, match=r"other content"):
        Puller(output, 10**8, take).pull(only_run(served))
    assert os.listdir(output / folder.name) == ["mine"]


def refused(served: tuple[ProjectServer, Any], output: Path) -> str:
    with pytest.raises(AlignbenchError) as error:
        Puller(output, 10**8).pull(only_run(served))
    assert not output.exists()
    assert ".tmp-" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "name", ["../escaped__tid2013__0123abcd", "/tmp/escaped__tid2013__0123abcd", ".hidden__tid2013__0123abcd"]
)
def test_a_run_cannot_name_a_folder_elsewhere(
    served: tuple[ProjectServer, Any], server: ProjectServer, folder: Path, output: Path, name: str
) -> None:
    server.add(folder, "run0").config["run_folder"] = name
    assert "no name of a run folder" in refused(served, output)


def test_a_folder_under_the_name_of_another_run_is_refused(
    served: tuple[ProjectServer, Any], server: ProjectServer, folder: Path, output: Path
) -> None:
    server.add(folder, "run0").config["run_folder"] = f"{folder.name[:-8]}00000000"
    assert "is another run" in refused(served, output)


@pytest.mark.parametrize("name", ["run.json", "curve.csv", "distances.safetensors", "judgments.parquet"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04cos\nsystem\n(S'touch escaped'\ntR.", b"[" * 100_000])
def test_files_that_are_none_of_a_run_are_refused_though_their_hashes_are_right(
    served: tuple[ProjectServer, Any], server: ProjectServer, folder: Path, output: Path, name: str, content: bytes
) -> None:
    server.add(folder, "run0", {**held(folder), name: content})
    assert "no whole run" in refused(served, output)


def test_settings_that_were_changed_are_refused(
    served: tuple[ProjectServer, Any], server: ProjectServer, folder: Path, output: Path
) -> None:
    record = json.loads((folder / "run.json").read_text())
    record["settings"]["seed"] = 17
    server.add(folder, "run0", {**held(folder), "run.json": json.dumps(record).encode()})
    assert "is another run" in refused(served, output)
