"""A study of made-up runs and its page, each made once for all tests of pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alignbench.report.page.page import Beside, study_page
from alignbench.study.study import Study, read_study
from pages import Parsed, chromium
from studies import DATASETS, Made, as_published, write_made
from study_pages import COSINE, LABELS, MAIN, SIZES, architecture, findings
from transform_pages import NAN, report, write_judged, write_learned


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    return [
        write_made(
            Made(label.partition("@")[0], dataset, SIZES[dataset], as_published, (MAIN, COSINE), label=label), root
        )
        for dataset in DATASETS
        for label in LABELS
    ]


@pytest.fixture(scope="session")
def study(folders: list[Path]) -> Study:
    found, skipped = read_study(folders)
    assert not skipped
    return Study(found.runs, ("tid2013: 3 < 4 & so on",))


@pytest.fixture(scope="session")
def text(study: Study) -> str:
    return study_page(study, [architecture()], findings(), Beside(["/somewhere/empty holds no finished run"]))


@pytest.fixture(scope="session")
def parsed(text: str) -> Parsed:
    return Parsed(text)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run, two folders of learned transforms, and two judged ones."""
    root = tmp_path_factory.mktemp("transforms")
    write_made(Made("pixels", "nights", 60, lambda *_: 0.6), root)
    write_learned(root)
    write_learned(root, "my/clip", "shapes-high", "glocal", layers=["layer_2"], noise_ceiling=NAN)
    write_judged(root, told={"objective": "glocal", "dataset": "things"})
    write_judged(root, "other", draw=False)
    assert report(root, output=root / "report.html") == 0
    return root / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()
