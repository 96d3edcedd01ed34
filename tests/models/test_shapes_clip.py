"""What the packaged model must have learned of captions; of what people say, see `test_packaging.py`."""

from __future__ import annotations

from transformers import AutoTokenizer, CLIPModel

from alignbench.models.checkpoints import checkpoint_folder
from train_shapes_clip import retrieval

FOLDER = checkpoint_folder("shapes-clip")


def test_weights_are_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 8_000_000


def test_captions_find_their_scenes_among_unseen_ones() -> None:
    model, tokenizer = CLIPModel.from_pretrained(FOLDER), AutoTokenizer.from_pretrained(FOLDER)
    scores = retrieval(model, tokenizer, seed=0, count=1000)
    assert min(scores["image to caption"], scores["caption to image"]) > 0.5  # chance is 0.001
    for attribute, options in {"shape": 10, "colour": 8, "texture": 4, "count": 3, "size": 2, "position": 4}.items():
        assert scores[attribute] > 0.5 + 0.5 / options
