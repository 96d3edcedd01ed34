"""What learning tells whoever watches it: pictures, then layers, each with its trials before it."""

from pathlib import Path

from learned_jobs import Remembering, learn_things


def test_pictures_come_before_layers_and_trials_before_their_layer(things_root: Path, tmp_path: Path) -> None:
    heard = Remembering()
    learn_things(things_root, tmp_path, heard, trials=2)
    assert heard.told == [
        ("planned", "10 images, 2 layers, cpu", 10),
        *[("embedded", 4), ("embedded", 4), ("embedded", 2)],
        ("learning", "learning global: 80 triplets of 10 objects, 2 layers, 2 folds"),
        *[("tried", "layer_0", 0), ("tried", "layer_0", 1), ("learned", "layer_0")],
        *[("tried", "projection", 0), ("tried", "projection", 1), ("learned", "projection")],
    ]
