"""What a cell may hold: anything else, as only a script can give it, is refused by the name of the field."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import UsageError
from alignbench.measurement.cell import Cell
from alignbench.measurement.field_types import check_fields

CELL = Cell("pixels", "shapes-low")
TEXT, NUMBER, TRUTH, TEXTS = "a text", "a whole number", "True or False", "a text or a list of texts"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"limit": 50, "workers": 0, "batch_size": "auto", "data_root": Path("x"), "factors": {"step": 1}},
        {"subsets": ("a", "b"), "pixel_cache": "off", "transform": Path("t"), "compiled": True},
    ],
)
def test_what_a_field_may_hold_is_taken(fields: dict[str, Any]) -> None:
    check_fields(replace(CELL, **fields))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("model", 3, TEXT),
        ("dataset", None, TEXT),
        ("label", 3, TEXT),
        ("tokens", ("all",), TEXT),
        ("limit", "a", f"{NUMBER} or None"),
        ("limit", 50.5, f"{NUMBER} or None"),
        ("limit", True, f"{NUMBER} or None"),
        ("seed", "x", NUMBER),
        ("seed", None, NUMBER),
        ("batch_size", 1.5, f"{NUMBER} or {TEXT}"),
        ("random_init", "yes", TRUTH),
        ("distances", 3, TEXTS),
        ("subsets", ("a", 3), TEXTS),
        ("data_root", 3, "a path or None"),
        ("pixel_cache", 3, f"{TEXT} or a path or None"),
        ("factors", ["a=1"], 'a dictionary such as {"step": 1000}'),
    ],
)
def test_anything_else_is_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_fields(replace(CELL, **{field: value}))  # type: ignore[arg-type]
    assert str(refused.value) == f"`{field}` cannot be {value!r}: give {said}"
