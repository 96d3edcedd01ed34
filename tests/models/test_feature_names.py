"""Names of features that exist: what they stand for, and what they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import UsageError
from alignbench.models.families import check_name, find_family, model_label
from alignbench.models.family import fault_of_family
from alignbench.models.feature_names import features_path


@pytest.mark.parametrize(
    ("name", "path", "label"),
    [
        ("features:a/clip.npz", "a/clip.npz", "features:clip.npz"),
        ("features:out/resnet/", "out/resnet", "features:resnet"),
        ("features:a:b,c/it@2.npy", "a:b,c/it@2.npy", "features:it-2.npy"),
    ],
)
def test_a_name_is_a_path_and_a_label_its_last_part(name: str, path: str, label: str) -> None:
    assert features_path(name) == Path(path)
    assert model_label(name) == label


def test_the_folder_that_one_is_in_has_a_name_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resnet").mkdir()
    monkeypatch.chdir(tmp_path / "resnet")
    assert model_label("features:.") == "features:resnet"


@pytest.mark.parametrize("name", ["shapes-clip", "open_clip:ViT-B-32/openai", "feature:x", "a/features:x"])
def test_other_names_stand_for_no_features(name: str) -> None:
    assert features_path(name) is None


@pytest.mark.parametrize("name", ["features:", "features: ", "features:a\0b"])
def test_a_name_without_a_path_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="lacks the path of a file or folder of features"):
        features_path(name)


def test_no_plug_in_can_take_their_name() -> None:
    assert fault_of_family("features", find_family("shapes-clip")) == "features:PATH stands for features that exist"


def test_features_are_no_model() -> None:
    for asked in (find_family, check_name):
        with pytest.raises(UsageError, match=r"features:a\.npz holds features, and this needs a model that makes them"):
            asked("features:a.npz")
