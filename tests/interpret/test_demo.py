"""Labels of heads beside what is true of the heads, on tables written by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from alignbench.datasets.scenes import ATTRIBUTES
from alignbench.errors import DataError
from alignbench.interpret import demo
from alignbench.interpret.probing import COLUMNS
from alignbench.interpret.scene_attributes import attribute_texts


def test_labels_that_name_what_a_head_varies_by_are_counted() -> None:
    heads = pd.DataFrame(
        {"label": ["colour", "colour", "shape", "", "count"], "most": ["colour", "shape", "shape", "colour", "colour"]}
    )
    # dealt to the four: colour meets colour with 2 x 2 / 4, shape meets shape with 1 x 2 / 4, count meets nothing
    assert demo.agreeing_labels(heads) == (2, 4, 1.5)
    assert demo.agreeing_labels(heads.iloc[3:4]) == (0, 0, 0.0)


def test_words_of_attributes_stand_in_their_texts_and_no_others() -> None:
    words = demo.attribute_words()
    assert set(words) == set(ATTRIBUTES)
    for text, attribute in attribute_texts().items():
        named = {name for name, each in words.items() for word in each if word in text.split()}
        assert named == {attribute}, text


def test_probes_that_are_damaged_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"probes\.csv cannot be read: remove"):
        demo.read_probes(tmp_path)
    pd.DataFrame({"layer": [1]}).to_csv(tmp_path / demo.PROBES, index=False)
    with pytest.raises(DataError, match=r"probes\.csv cannot be read"):
        demo.read_probes(tmp_path)
    rows = pd.DataFrame([[1, 0, "colour", 0.5, 0.1, 0.2]], columns=list(COLUMNS))
    rows.to_csv(tmp_path / demo.PROBES, index=False)
    assert demo.read_probes(tmp_path).equals(rows)
