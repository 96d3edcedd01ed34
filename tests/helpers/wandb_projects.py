"""A stand-in on loopback for W&B's server that gives back what runs logged to it: runs, artifacts, files, views."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from wandb_runs import KEY, isolate
from wandb_server import ENTITY, RunServer

NAME = "alignbench"
PATH = f"{ENTITY}/{NAME}"
_PROJECT = {"id": "1", "internalId": "1", "name": NAME, "entity": {"id": "1", "name": ENTITY}}
_POLICY = {"version": 1, "storagePolicy": "wandb-storage-policy-v1", "storagePolicyConfig": {"storageLayout": "V2"}}


@dataclass
class KeptRun:
    """A run that it was sent, or that a test has made.

    Attributes:
        name: Its id.
        config: Its configuration.
        state: Its state; `finished` once it was sent to its end.
        sweep: Its sweep.
        tags: Its tags.
        created: When it was begun.
        artifacts: Ids of its artifacts.
    """

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    state: str = "running"
    sweep: str | None = None
    tags: list[str] = field(default_factory=list)
    created: str = ""
    artifacts: list[str] = field(default_factory=list)


class ProjectServer(RunServer):
    """Takes runs as `RunServer` does, and answers what is asked about them.

    Attributes:
        runs: The runs by id, in the order in which they came.
        artifacts: What is told of each artifact by its id: `run`, `collection`, `version`, `type`, `state`.
        views: The saved views.
        page: How many runs it gives at a time.
        fetched: Paths of files that were asked for.
        held_back: Path of a file that it does not give.
        silent_at: Name of a GraphQL operation that it does not answer.
    """

    def __init__(self, page: int = 2) -> None:
        super().__init__()
        self.runs: dict[str, KeptRun] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self.views: list[dict[str, str]] = []
        self.page = page
        self.fetched: list[str] = []
        self.held_back = self.silent_at = ""

    # ------------------------------------------------------------------------------------------- what it is sent

    def take(self, path: str, body: bytes) -> dict[str, Any]:
        if path.endswith("/file_stream") and json.loads(body).get("complete"):
            self.runs[path.split("/")[-2]].state = "finished"
        return super().take(path, body)

    def give(self, path: str) -> bytes | None:
        self.fetched.append(path.removeprefix("/storage/"))
        if self.held_back and self.fetched[-1] == self.held_back:
            self._fall_silent()
        return super().give(path)

    def add(self, folder: Path, name: str, files: dict[str, bytes] | None = None, **about: Any) -> KeptRun:
        """Keep a run as if it had been sent, with the files of a folder as its artifact.

        Args:
            folder: A run folder.
            name: The id of the run.
            files: Other files than those of the folder.
            about: Attributes of the run.
        """
        label = json.loads((folder / "run.json").read_text())["label"]
        config = {"run_folder": folder.name, "label": label, "dataset": folder.name.split("__")[-2]}
        created = f"2026-01-01T00:00:{len(self.runs):02d}"
        self.runs[name] = KeptRun(name, **{"config": config, "state": "finished", "created": created, **about})
        held = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}
        artifact = self._begin(name, folder.name.replace("@", "-"), "layer-curve")
        self.keep(artifact, held if files is None else files)
        return self.runs[name]

    def keep(self, artifact: str, files: dict[str, bytes], **entries: dict[str, Any]) -> None:
        """Keep the files of an artifact and its manifest; entries are told otherwise where that is given."""
        contents = {name: {**_entry(content), **entries.get(name, {})} for name, content in files.items()}
        contents |= {name: entry for name, entry in entries.items() if name not in files}
        self.uploads |= {f"{artifact}/{name}": content for name, content in files.items()}
        self.uploads[f"{artifact}/{artifact}"] = json.dumps({**_POLICY, "contents": contents}).encode()
        self.artifacts[artifact]["state"] = "COMMITTED"

    def _begin(self, run: str, collection: str, kind: str) -> str:
        version = sum(each["collection"] == collection for each in self.artifacts.values())
        name = f"{collection}-v{version}"
        about = {"run": run, "collection": collection, "version": version, "type": kind, "state": "PENDING"}
        self.artifacts[name] = about
        self.runs[run].artifacts.append(name)
        return name

    # ------------------------------------------------------------------------------------------ what it is asked

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        if operation in ("Runs", "SavedViews") and _project_of(variables) != (ENTITY, NAME):
            return {"project": None}
        if operation == self.silent_at:
            self._fall_silent()
        sent = variables.get("input", {})
        match operation:
            case "UpsertBucket":
                self._upsert(variables)
            case "CreateArtifact":
                name = self._begin(sent["runName"], sent["artifactCollectionName"], sent["artifactTypeName"])
                artifact = {"id": name, "state": "PENDING", "artifactSequence": {"id": "1"}}
                return {"createArtifact": {"artifact": artifact}}
            case "CommitArtifact":
                self.artifacts[variables["artifactID"]]["state"] = "COMMITTED"
            case "ServerFeaturesQuery":
                return {"serverInfo": {"features": []}}
            case "Runs":
                return {"project": self._runs(variables)}
            case "RunOutputArtifacts":
                nodes = [{"node": self._artifact(name)} for name in self.runs[variables["run"]].artifacts]
                return {"project": {"run": {"artifacts": _connection(nodes)}}}
            case "FetchArtifactManifest":
                address = f"{self.address}/storage/{variables['id']}/{variables['id']}"
                return {"artifact": {"currentManifest": {"file": {"directUrl": address}}}}
            case "ArtifactMembershipFiles":
                name = f"{variables['collection']}-{variables['alias']}"
                membership = {"artifactMembership": {"files": _connection(self._files(name))}}
                return {"project": {"artifactCollection": {"__typename": "ArtifactSequence", **membership}}}
            case "SavedViews":
                return {"project": {"allViews": {"edges": [{"node": view} for view in self.views]}}}
            case "View":
                same = [view for view in self.views if view["name"] == variables["viewName"]]
                return {"project": {"allViews": {"edges": [{"node": view} for view in same]}}}
            case "UpsertView2":
                return {"upsertView": self._save(variables)}
        return super().answer(operation, variables)

    def _fall_silent(self) -> None:
        self.stuck.set()
        self.ended.wait()

    def _upsert(self, variables: dict[str, Any]) -> None:
        created = f"2026-01-01T00:00:{len(self.runs):02d}"
        run = self.runs.setdefault(variables["name"], KeptRun(variables["name"], created=created))
        if variables.get("config"):
            config = json.loads(variables["config"])
            run.config = {key: each["value"] for key, each in config.items() if key != "_wandb"}
        run.sweep, run.tags = variables.get("sweep") or run.sweep, variables.get("tags") or run.tags

    def _runs(self, variables: dict[str, Any]) -> dict[str, Any]:
        start = int(variables.get("cursor") or 0)
        end = start + self.page
        nodes = [self._run(run) for run in self.runs.values()][start:end]
        edges = [{"node": node, "cursor": str(start + place + 1)} for place, node in enumerate(nodes)]
        info = {"endCursor": str(end), "hasNextPage": end < len(self.runs)}
        return {"internalId": "1", "runCount": len(self.runs), "runs": {"edges": edges, "pageInfo": info}}

    def _run(self, run: KeptRun) -> dict[str, Any]:
        config = json.dumps({key: {"value": value} for key, value in run.config.items()})
        known = {"id": run.name, "name": run.name, "displayName": run.name, "state": run.state, "tags": run.tags}
        return {**known, "projectId": "1", "sweepName": run.sweep, "createdAt": run.created, "config": config}

    def _artifact(self, name: str) -> dict[str, Any]:
        about = self.artifacts[name]
        sequence = {"__typename": "ArtifactSequence", "name": about["collection"], "project": _PROJECT}
        return {
            **{"__typename": "Artifact", "id": name, "artifactSequence": sequence, "versionIndex": about["version"]},
            **{"artifactType": {"name": about["type"]}, "state": about["state"], "createdAt": "2026-01-01T00:00:00"},
            **{"size": 0, "digest": "", "fileCount": len(self._files(name)), "ttlDurationSeconds": 0, "tags": []},
            **{"ttlIsInherited": False, "aliases": []},
            **dict.fromkeys(("description", "metadata", "historyStep", "commitHash", "updatedAt")),
        }

    def _files(self, artifact: str) -> list[dict[str, Any]]:
        found = []
        for path, content in self.uploads.items():
            holder, _, name = path.partition("/")
            if holder == artifact != name:
                node = {"__typename": "File", "id": name, "name": name, "sizeBytes": len(content)}
                unknown = dict.fromkeys(("url", "storagePath", "mimetype", "updatedAt", "digest", "md5"))
                found.append({"node": {**unknown, **node, "directUrl": f"{self.address}/storage/{path}"}})
        return found

    def _save(self, variables: dict[str, Any]) -> dict[str, Any]:
        view = next((view for view in self.views if view["id"] == variables.get("id")), None)
        inserted = view is None
        if view is None:
            view = {"id": str(len(self.views))}
            self.views.append(view)
        view |= {name: variables[name] for name in ("name", "displayName", "spec")}
        return {"view": {"id": view["id"], "name": view["name"]}, "inserted": inserted}


@contextmanager
def project_server(home: Path, patch: pytest.MonkeyPatch) -> Iterator[ProjectServer]:
    """A server that W&B is logged in to, in a home of its own.

    Args:
        home: The home.
        patch: That of the tests, so that what they change of the environment is taken back before this is.
    """
    import wandb

    wandb.teardown()
    server = ProjectServer()
    with server.serving():
        isolate(patch, home)
        patch.setenv("WANDB_API_KEY", KEY)
        patch.setenv("WANDB_BASE_URL", server.address)
        patch.setenv("ALIGNBENCH_WANDB_SECONDS", "300")
        try:
            yield server
        finally:
            wandb.teardown()


def _project_of(variables: dict[str, Any]) -> tuple[object, object]:
    return variables.get("entity", variables.get("entityName")), variables.get("project", variables.get("name"))


def _entry(content: bytes) -> dict[str, Any]:
    digest = base64.b64encode(hashlib.md5(content).digest()).decode()
    return {"digest": digest, "size": len(content), "birthArtifactID": "1"}


def _connection(edges: list[dict[str, Any]]) -> dict[str, Any]:
    info = {"__typename": "PageInfo", "endCursor": None, "hasNextPage": False}
    return {"totalCount": len(edges), "pageInfo": info, "edges": edges}
