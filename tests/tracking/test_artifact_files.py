"""What an artifact tells is not believed: names, references, sizes and hashes of anybody who can log to a project."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import AlignbenchError
from alignbench.results.folders import FILES
from alignbench.tracking.artifact_files import ArtifactFile, fetch, find_artifact, read_manifest
from alignbench.tracking.logged_runs import LoggedRun, read_runs
from alignbench.tracking.projects import Project
from studies import Made, write_made
from wandb_projects import ProjectServer
from wandb_server import ENTITY

MOST = 10**8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made(Made("ssim", "tid2013", 60, lambda *_: 0.5), tmp_path_factory.mktemp("runs"))


@pytest.fixture
def server(served: tuple[ProjectServer, Any]) -> ProjectServer:
    server = served[0]
    for kept in (server.runs, server.artifacts, server.uploads):
        kept.clear()
    return server


@pytest.fixture
def run(served: tuple[ProjectServer, Any], server: ProjectServer, folder: Path) -> LoggedRun:
    server.add(folder, "run0")
    served[1].flush()  # it keeps what it has read
    return read_runs(served[1], Project(ENTITY, "alignbench"))[0]


def name_of(server: ProjectServer) -> str:
    return next(reversed(server.artifacts))


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_come_as_they_were_sent(run: LoggedRun, folder: Path, tmp_path: Path) -> None:
    artifact, came = find_artifact(run), []
    files = read_manifest(artifact, MOST)
    assert [file.name for file in files] == sorted(held(folder))
    fetch(artifact, files, tmp_path, came.append)
    assert held(tmp_path) == held(folder)
    assert sum(came) == sum(file.size for file in files)
    assert all(file.is_at(tmp_path / file.name) for file in files)


OUTSIDE = ("../run.json", "/etc/passwd", "a/run.json", "..", "run.json/", "./run.json", "evil.py", ".unlogged", "a\\b")


@pytest.mark.parametrize("name", OUTSIDE)
def test_names_that_no_file_of_a_run_folder_has_are_refused(
    server: ProjectServer, run: LoggedRun, folder: Path, name: str
) -> None:
    server.keep(name_of(server), {**held(folder), name: b"evil"})
    with pytest.raises(AlignbenchError, match=r"refused.*no file of a run folder"):
        read_manifest(find_artifact(run), MOST)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"ref": "file:///etc/passwd"}, "reference to elsewhere"),
        ({"ref": "s3://bucket/key"}, "reference to elsewhere"),
        ({"size": None}, "has no size"),
        ({"digest": "nothing"}, "has no MD5"),
        ({"digest": base64.b64encode(b"short").decode()}, "has no MD5"),
        ({"extra": {"alg": "XXH128"}}, "has no MD5"),
    ],
)
def test_entries_that_cannot_be_held_against_anything_are_refused(
    server: ProjectServer, run: LoggedRun, folder: Path, entry: dict[str, Any], said: str
) -> None:
    server.keep(name_of(server), held(folder), **{"curve.csv": entry})
    with pytest.raises(AlignbenchError, match=rf"curve.csv.*{said}"):
        read_manifest(find_artifact(run), MOST)


@pytest.mark.parametrize("name", FILES)
def test_an_artifact_that_lacks_a_file_is_refused_by_its_name(
    server: ProjectServer, run: LoggedRun, folder: Path, name: str
) -> None:
    artifact = name_of(server)
    del server.uploads[f"{artifact}/{name}"]
    server.keep(artifact, {other: content for other, content in held(folder).items() if other != name})
    with pytest.raises(AlignbenchError, match=rf"lacks {re.escape(name)}.*earlier versions.*measure it again"):
        read_manifest(find_artifact(run), MOST)


def test_what_is_too_large_or_too_much_is_refused(server: ProjectServer, run: LoggedRun, folder: Path) -> None:
    with pytest.raises(AlignbenchError, match=r"GB: raise --max-size"):
        read_manifest(find_artifact(run), 1000)
    server.keep(name_of(server), held(folder), **{"curve.csv": {"size": 10**15}})
    with pytest.raises(AlignbenchError, match=r"1,000,000\.00 GB: raise --max-size"):
        read_manifest(find_artifact(run), MOST)
    server.keep(name_of(server), held(folder) | {f"f{number}": b"" for number in range(100)})
    with pytest.raises(AlignbenchError, match=r"it holds \d+ files"):
        read_manifest(find_artifact(run), MOST)


def test_a_file_that_grew_is_left_off_at_its_size(
    server: ProjectServer, run: LoggedRun, folder: Path, tmp_path: Path
) -> None:
    files = read_manifest(find_artifact(run), MOST)
    server.uploads[f"{name_of(server)}/curve.csv"] += b"x" * 50_000_000
    came: list[int] = []
    with pytest.raises(AlignbenchError, match=r"curve\.csv is larger than its [\d,]+ bytes: try it again"):
        fetch(find_artifact(run), files, tmp_path, came.append)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2_000_000


@pytest.mark.parametrize("spoil", [lambda content: content[:-1], lambda content: content[:-1] + b"?"])
def test_a_file_that_is_cut_or_changed_is_refused(
    server: ProjectServer, run: LoggedRun, tmp_path: Path, spoil: Any
) -> None:
    files = read_manifest(find_artifact(run), MOST)
    place = f"{name_of(server)}/run.json"
    server.uploads[place] = spoil(server.uploads[place])
    with pytest.raises(AlignbenchError, match=r"run\.json came damaged"):
        fetch(find_artifact(run), files, tmp_path, lambda size: None)


def test_a_file_that_the_server_has_no_more_is_said(server: ProjectServer, run: LoggedRun, tmp_path: Path) -> None:
    files = read_manifest(find_artifact(run), MOST)
    del server.uploads[f"{name_of(server)}/run.json"]
    with pytest.raises(AlignbenchError, match=r"W&B has no run\.json of artifact ssim__tid2013__.*try it again"):
        fetch(find_artifact(run), files, tmp_path, lambda size: None)


def test_runs_without_a_whole_artifact_of_a_run_folder_are_said(server: ProjectServer, run: LoggedRun) -> None:
    (about,) = server.artifacts.values()
    for change in ({"state": "PENDING"}, {"type": "run_table"}):
        server.artifacts[name_of(server)] = about | change
        with pytest.raises(AlignbenchError, match=r"run run0 has no artifact.*--overwrite"):
            find_artifact(run)


def test_a_file_on_disk_is_told_from_another(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"{}")
    digest = hashlib.md5(b"{}").digest()
    assert ArtifactFile("run.json", 2, digest).is_at(path)
    assert not ArtifactFile("run.json", 3, digest).is_at(path)
    assert not ArtifactFile("run.json", 2, hashlib.md5(b"[]").digest()).is_at(path)
    assert not ArtifactFile("run.json", 2, digest).is_at(tmp_path / "curve.csv")
