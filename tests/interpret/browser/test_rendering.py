"""Pictures of what is found: the pictures of a sheet are the neighbours, and formulas stay texts."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from alignbench.errors import UsageError
from alignbench.interpret.browser.asking import FoundAnswer, ModelWork, answer
from alignbench.interpret.browser.questions import SearchQuestion, WhyQuestion
from alignbench.interpret.browser.rendering import drawn
from alignbench.interpret.browser.sessions import VisitorSession
from browsers import Browsed


def found(browsed: Browsed, question: SearchQuestion) -> FoundAnswer:
    return answer(browsed.world, ModelWork(browsed.world).ready(question, VisitorSession()))


def pixels(content: bytes) -> np.ndarray:
    with Image.open(BytesIO(content)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"), dtype=int)


def test_a_sheet_has_the_neighbours_colours(browsed: Browsed) -> None:
    one = found(browsed, SearchQuestion(analysis="property", picture=3, count=3))
    sheet = pixels(drawn(browsed.world, one))
    assert browsed.world.pictures is not None
    for number in one.result[0].pictures:  # type: ignore[index,union-attr]
        own = np.asarray(browsed.world.pictures.open(int(number)), dtype=int).reshape(-1, 3)
        colours, counts = np.unique(own, axis=0, return_counts=True)
        ground = colours[counts.argmax()]
        assert (np.abs(sheet - ground).max(axis=2) <= 2).sum() > 500, "its ground is in the sheet"


def test_a_sheet_has_an_end_and_why_is_no_picture(browsed: Browsed) -> None:
    one = found(browsed, SearchQuestion(analysis="property", picture=3))
    (group,) = one.result  # type: ignore[misc]
    with pytest.raises(UsageError, match="a sheet has 48 rows of 20 pictures at most"):
        drawn(browsed.world, replace(one, result=[group] * 49))
    with pytest.raises(UsageError, match="why is a table"):
        drawn(browsed.world, found(browsed, WhyQuestion(analysis="property", picture=3, neighbour=1, heads="5.3")))


def test_a_map_has_both_ends_of_its_colours(browsed: Browsed) -> None:
    question = SearchQuestion(analysis="contrast", picture=3, text="$\\frac{a}$", against="a blue star")
    one = found(browsed, question)
    image = pixels(drawn(browsed.world, one))
    for colour in ((227, 94, 94), (94, 126, 230)):  # 70 percent of red and of blue over white, as the overlay has
        assert (np.abs(image - colour).max(axis=2) <= 4).any()
