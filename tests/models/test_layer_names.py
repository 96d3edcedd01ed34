from __future__ import annotations

import pandas as pd
import pytest

from alignbench.models.layer_names import (
    PROJECTION,
    aligned_name,
    counted_layers,
    has_one_token,
    is_aligned,
    is_block,
    is_plain,
    plain_name,
    select_rows,
    split_label,
)


@pytest.mark.parametrize("layer", ["block_0", "block_11", PROJECTION, "image"])
def test_a_layer_and_its_aligned_counterpart_are_told_apart(layer: str) -> None:
    aligned = aligned_name(layer)
    assert (is_plain(layer), is_aligned(layer)) == (True, False)
    assert (is_plain(aligned), is_aligned(aligned)) == (False, True)
    assert plain_name(aligned) == plain_name(layer) == layer
    assert has_one_token(aligned) == has_one_token(layer) == (layer in (PROJECTION, "image"))


def test_blocks_are_neither_the_projection_nor_aligned() -> None:
    names = ["block_0", "block_0_aligned", PROJECTION, "projection_aligned", "image"]
    frame = pd.DataFrame({"layer": names, "value": range(5)})
    assert select_rows(frame, is_block)["value"].tolist() == [0, 4]
    assert select_rows(frame.iloc[:0], is_block).empty


def test_a_label_names_a_transform_only_where_a_layer_is_aligned() -> None:
    assert split_label("clip@random-0", ["block_0", PROJECTION]) == ("clip@random-0", "")
    assert split_label("clip@random-0@glocal", [PROJECTION, "projection_aligned"]) == ("clip@random-0", "glocal")


def test_layers_are_counted_in_words() -> None:
    assert [counted_layers(count) for count in (1, 2)] == ["1 layer", "2 layers"]
