"""JSON of others: what is no JSON of ours is a ValueError, and nothing else."""

from __future__ import annotations

import json
from types import NoneType
from typing import Any

import pytest

from alignbench.files.json_text import checked, checked_object, parse_json


def test_ordinary_json_is_read() -> None:
    value = {"a": [1, 2.5, None, True, {"ü": "ö"}], "b": {}}
    assert parse_json(json.dumps(value)) == parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        b"\xff\xfe",
        "[" * 100_000,
        "[" * 200 + "]" * 200,
        '{"a":' * 200 + "1" + "}" * 200,
        '"\\ud800"',
        '{"\\udfff": 1}',
        "9" * 5000,
    ],
    ids=range(9),
)
def test_what_is_none_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"a": 1, "b": 2, "a": 1}', "'a'"),
        ('[{"x": {"ü": {}, "\\u00fc": 1}}]', "'ü'"),
        ('{"": 1, "": 2}', "''"),
        ("{" + ", ".join(f'"{number % 99_999}": 1' for number in range(100_000)) + "}", "'0'"),
    ],
    ids=range(4),
)
def test_a_key_that_stands_twice_is_named_at_any_depth(text: str, key: str) -> None:
    with pytest.raises(ValueError, match=f"the key {key} twice: leave one out"):
        parse_json(text)


@pytest.mark.parametrize(
    ("value", "kinds", "words"),
    [
        ([], (str,), "its x is not a text"),
        (True, (int,), "its x is not a whole number"),
        (1.5, (int, NoneType), "its x is not a whole number or null"),
        (10**30, (int,), "its x is out of range"),
        (float("nan"), (float,), "its x is out of range"),
        (float("-inf"), (float, int), "its x is out of range"),
        (["a", 1], (list,), "its x is not a list of texts"),
        ({}, (list,), "its x is not a list of texts"),
    ],
)
def test_a_value_of_another_type_is_named(value: Any, kinds: tuple[type, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        checked("x", value, kinds)


def test_members_that_are_there_are_looked_at() -> None:
    kinds = {"model": (str,), "models": (list,)}
    assert checked_object("told", {"model": "m", "more": [[1]]}, kinds) == {"model": "m", "more": [[1]]}
    for value, words in (({"models": "m"}, r"told\.models is not a list"), ([], "told is not an object")):
        with pytest.raises(ValueError, match=words):
            checked_object("told", value, kinds)


def test_long_names_are_cut() -> None:
    with pytest.raises(ValueError, match="not a text") as caught:
        checked("x" * 10_000, 1, (str,))
    assert len(str(caught.value)) < 200
