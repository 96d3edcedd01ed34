"""Pictures and texts of known attributes."""

from __future__ import annotations

from collections import Counter

from alignbench.datasets.scenes import ATTRIBUTES, vocabulary
from alignbench.interpret.scene_attributes import attribute_scenes, attribute_texts


def test_pictures_come_with_the_values_of_their_attributes() -> None:
    images, values = attribute_scenes(60)
    assert set(values) == set(ATTRIBUTES)
    for number, drawing in enumerate(images.drawings):
        assert {name: column[number] for name, column in values.items()} == {
            name: getattr(drawing.scene, name) for name in ATTRIBUTES
        }
    assert len({*images.names}) == 60
    again, _ = attribute_scenes(60)
    other, _ = attribute_scenes(60, seed=20)
    assert again.names == images.names != other.names


def test_texts_name_one_attribute_each_in_words_that_captions_have() -> None:
    texts = attribute_texts()
    assert {word for text in texts for word in text.split()} <= {*vocabulary()}
    assert texts["three things"] == texts["one"] == "count"
    assert texts["a star"] == "shape"
    assert texts["things at the top"] == "position"
    assert texts["thing on a navy background"] == "background"
    assert Counter(texts.values()) == {
        **{name: 3 * len(ATTRIBUTES[name]) for name in ("colour", "texture", "size", "position", "background")},
        "count": 2 * 3,
        "shape": 2 * len(ATTRIBUTES["shape"]),
    }
