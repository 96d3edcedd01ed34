"""Names of scenes lead back to the scenes."""

from __future__ import annotations

import pytest

from alignbench.datasets import DATASETS
from alignbench.datasets.scene_names import named_scenes
from alignbench.datasets.shapes import SceneImages


@pytest.mark.parametrize("name", ["shapes-low", "shapes-middle", "shapes-high"])
def test_names_of_all_packaged_scenes_lead_back_to_them(name: str) -> None:
    images = DATASETS.load(name).read(None, ("all",)).images
    assert isinstance(images, SceneImages)
    assert named_scenes(images.names) == images


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        "",
        "1-large-red-dotted-ring-white-bottom",
        "1-large-red-dotted-ring-white-bottom-x",
        "4-large-red-dotted-ring-white-bottom-5",
        "1-huge-red-dotted-ring-white-bottom-5",
        "01-large-red-dotted-ring-white-bottom-5",
        "1-large-red-dotted-ring-white-bottom--5",
        "1-large-red-dotted-ring-white-bottom-5+",
        "1-large-red-dotted-ring-white-bottom-5+blur",
        "1-large-red-dotted-ring-white-bottom-5+blur-9-1",
        "1-large-red-dotted-ring-white-bottom-5+melting-1-1",
        "1-large-red-dotted-ring-white-bottom-5+blur-1-1-1",
        "\uff11-large-red-dotted-ring-white-bottom-5",
    ],
)
def test_other_names_are_none_of_scenes(name: str) -> None:
    assert named_scenes(["1-large-red-dotted-ring-white-bottom-5", name]) is None
