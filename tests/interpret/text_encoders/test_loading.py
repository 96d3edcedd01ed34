"""Which models have a text encoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError, ModelError, UsageError
from alignbench.interpret.text_encoders.loading import load_text_encoder


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("random:shapes-clip", UsageError, "random:shapes-clip has weights at random, to which texts mean nothing"),
        ("torchvision:resnet50", UsageError, "torchvision:resnet50 is a model of pictures alone"),
        ("timm:vit_base_patch16_224.dino", UsageError, "is a model of pictures alone"),
        ("shapes-levels-vit", ModelError, "shapes-levels-vit is of type 'vit', which has no text tower"),
        ("shape-clip", UsageError, "did you mean shapes-clip"),
        ("./nowhere", ModelError, "there is no folder or file ./nowhere"),
    ],
)
def test_models_without_texts_are_refused(
    name: str, kind: type[AlignbenchError], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=said):
        load_text_encoder(name)
