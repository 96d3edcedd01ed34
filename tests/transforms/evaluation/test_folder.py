"""Folders of judged transforms: whole or absent, found, and read back as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alignbench.arrays import Floats
from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.errors import AlignbenchError, DataError
from alignbench.extraction.features import FeatureExtractor, Reading, ReadyTower
from alignbench.transforms.evaluation import run as evaluation_job
from alignbench.transforms.evaluation.folder import (
    Evaluated,
    evaluation_frame,
    find_evaluated,
    is_evaluated,
    read_evaluation,
    write_evaluated,
)
from alignbench.transforms.evaluation.run import Candidate, Evidence, evaluate, run_evaluation
from alignbench.transforms.learning.folder import Destination
from alignbench.transforms.named import NamedTransform
from judged_transforms import embed_pictures, matrix_of, transform


@pytest.fixture
def judge(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Path, bool]]:
    """Judges on the neighbourhoods of the pictures, without a model; counts passes over them in `judge.passes`."""

    def extract(extractor: FeatureExtractor, images: ImageSource, **_: object) -> dict[str, Floats]:
        judged.passes += 1
        return {extractor.layers[0].name: embed_pictures(images).astype(np.float32)}

    def draw(found: Evaluated, folder: Path) -> None:
        for suffix in ("png", "svg"):
            (folder / f"similarity.{suffix}").write_text(found.title)

    def judged(chosen: NamedTransform | None = None, **options: Any) -> tuple[Path, bool]:
        evidence = options.pop("evidence", Evidence(local=("pictures", image_folder(pictures))))
        tower: Any = SimpleNamespace(fingerprint="f")
        layer: Any = SimpleNamespace(name="projection")
        destination = Destination(tmp_path / "judged", options.pop("draw", draw), options.pop("overwrite", False))
        ready = ReadyTower(tower, "hub:my/clip", Reading("cls", "fp32", "cpu", 16, 0))
        return run_evaluation(Candidate(chosen or transform(), ready, layer), evidence, destination, **options)

    judged.passes = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(evaluation_job, "extract_features", extract)
    return judged


def test_a_folder_is_made_once_and_again_if_asked(judge: Any) -> None:
    folder, there = judge()
    assert not there
    assert is_evaluated(folder)
    assert folder.name.startswith("hub--my--clip@turn__evaluation__")
    assert judge() == (folder, True)
    assert judge.passes == 1
    (folder / "note.txt").write_text("old")
    assert judge(overwrite=True) == (folder, False)
    assert judge.passes == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        "evaluated.json",
        "evaluation.csv",
        "similarities.npz",
        "similarity.png",
        "similarity.svg",
    ]


def test_what_can_change_a_number_or_a_mark_makes_another_folder(
    judge: Any, triplets: Judgments, pictures: Path
) -> None:
    matrix = matrix_of(pictures)
    other = replace(matrix, values=matrix.values[::-1])
    folders = [
        judge()[0],
        judge(seed=1)[0],
        judge(transform(dataset="things"))[0],  # the same numbers, of which more is known
        judge(evidence=Evidence(local=("cats", image_folder(pictures / "cats"))))[0],
        judge(evidence=Evidence(matrices=(matrix,)))[0],
        judge(evidence=Evidence(matrices=(other,)))[0],
        judge(evidence=Evidence("shapes-high", triplets))[0],
        judge(evidence=Evidence("shapes-high", triplets, similarity="dot"))[0],
        judge(evidence=Evidence("shapes-high", triplets, in_sample=True))[0],
    ]
    assert len(set(folders)) == len(folders)


def test_it_is_read_back_as_it_was(judge: Any, pictures: Path) -> None:
    chosen = transform(dataset="things", learned_objects=["aardvark"], objective="global")
    folder, _ = judge(chosen)
    frame, record = read_evaluation(folder)
    found = evaluate(
        chosen,
        Evidence(local=("pictures", image_folder(pictures))),
        lambda images: embed_pictures(images).astype(np.float32).astype(np.float64),
    )
    expected = evaluation_frame(found.rows)
    assert frame.columns.tolist() == expected.columns.tolist()
    for name in frame:
        if expected[name].dtype.kind in "fi":
            np.testing.assert_allclose(frame[name].to_numpy(float), expected[name].to_numpy(float), rtol=1e-12)
        else:
            assert frame[name].tolist() == expected[name].tolist()
    assert frame["after_low"].isna().all()
    assert record["settings"]["transform"]["name"] == "turn"
    assert record["provenance"] == {"dataset": "things", "objective": "global"}, "names of objects are in the file"
    assert record["title"] == "pictures"
    with np.load(folder / "similarities.npz") as arrays:
        assert sorted(arrays.files) == ["after", "before"]
        np.testing.assert_allclose(arrays["after"], found.matrices["after"], atol=1e-6)


def test_a_folder_is_whole_or_absent(judge: Any, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("drawing failed")

    with pytest.raises(RuntimeError, match="drawing failed"):
        judge(draw=fail)
    assert not (tmp_path / "judged").exists()
    folder, _ = judge()
    kept = (folder / "evaluation.csv").read_bytes()
    with pytest.raises(RuntimeError, match="drawing failed"):
        judge(draw=fail, overwrite=True)
    assert list((tmp_path / "judged").iterdir()) == [folder]
    assert (folder / "evaluation.csv").read_bytes() == kept


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("in the way")
    found = Evaluated((), "nothing", {})
    with pytest.raises(AlignbenchError, match=r"judged__0 cannot be written \(.*\): choose another --output"):
        write_evaluated(tmp_path / "blocked" / "judged__0", found, {}, lambda *_: None)


def test_folders_are_found_at_and_below_a_place(judge: Any, tmp_path: Path) -> None:
    first, second = judge()[0], judge(seed=1)[0]
    (first.parent / ".tmp-0-host-1").mkdir()
    (first.parent / ".tmp-0-host-1" / "evaluated.json").write_text("{}")
    assert find_evaluated([first.parent]) == sorted([first, second])
    assert find_evaluated([second, tmp_path / "none"]) == [second]


JUDGED = '{"model": "m", "transform": {"name": "n"}}'


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("evaluated.json", "{", "does not hold a judged transform that can be read"),
        ("evaluated.json", "[]", r"evaluated\.json lacks what a judged transform says of itself"),
        ("evaluated.json", '{"settings": {}}', r"evaluated\.json lacks what a judged transform says of itself"),
        ("evaluated.json", f'{{"title": "t", "settings": {"[" * 5000}', "does not hold a judged transform"),
        ("evaluated.json", '{"title": 5, "settings": {"model": "m", "transform": {"name": "n"}}}', "lacks what"),
        ("evaluated.json", '{"title": "t", "settings": {"model": [], "transform": {"name": "n"}}}', "lacks what"),
        ("evaluated.json", '{"title": "t", "settings": {"model": "m", "transform": "n"}}', "lacks what"),
        ("evaluated.json", f'{{"title": "t", "settings": {JUDGED}, "provenance": {{"objective": 1}}}}', "lacks what"),
        ("evaluation.csv", "", "does not hold a judged transform that can be read"),
        ("evaluation.csv", "model,dataset\n", r"evaluation\.csv does not hold the columns of a judged transform"),
    ],
)
def test_damaged_folders_are_refused(judge: Any, file: str, content: str, reason: str) -> None:
    folder, _ = judge()
    (folder / file).write_text(content)
    with pytest.raises(DataError, match=f"{reason}.*: judge (it|the transform) again"):
        read_evaluation(folder)
