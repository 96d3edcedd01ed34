"""YAML is counted before it is expanded: harmless anchors work, and what multiplies is refused in a line."""

from __future__ import annotations

import pytest
import yaml

from alignbench.errors import DataError
from alignbench.files.yaml_text import load_yaml


def multiplying(levels: int, each: int = 9) -> str:
    lines = ["l0: &l0 [" + ", ".join(["x"] * each) + "]"]
    lines += [f"l{n}: &l{n} [" + ", ".join([f"*l{n - 1}"] * each) + "]" for n in range(1, levels)]
    return "\n".join(lines)


def test_anchors_and_merges_work() -> None:
    text = "base: &base {a: 1, b: [x, y]}\nother: {<<: *base, a: 2}\nsame: *base\n"
    expected = {"a": 1, "b": ["x", "y"]}
    assert load_yaml(text) == {"base": expected, "other": expected | {"a": 2}, "same": expected}
    assert load_yaml(multiplying(3))["l2"][8][8] == ["x"] * 9


def test_what_is_merged_may_be_given_anew_wherever_it_is_written() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {c: &c {<<: *a, x: 3}}\nd: {<<: *c, y: 4}\ne: {<<: *a, <<: *c}\nx: 5\n"
    found = load_yaml(text)
    assert found["b"] == {"c": {"x": 3, "y": 2}}
    assert found == yaml.safe_load(text), "as W&B reads it"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key a twice, in line 1 and in line 3: leave one out"),
        ("a:\n  b:\n    - {c: 1, d: 2, c: 1}\n", "the key c twice, in line 3 and in line 3"),
        ('a: 1\n"a": 1\n', "the key a twice"),
        ("1: x\n0x1: y\n", "the key 0x1 twice"),
        ("x: &x {a: 1}\ny: {<<: *x, b: 1, b: 2}\n", "the key b twice, in line 2"),
    ],
)
def test_a_key_that_stands_twice_is_refused_at_any_depth(text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load_yaml(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (multiplying(8), "more than 20,000 values by line 5"),
        (multiplying(60, each=40), "more than 20,000 values"),
        ("a: &a {<<: [" + "*a, " * 9 + "*a]}", "within what it names, in line 1"),
        ("a: &a [1, [*a]]", "within what it names"),
        ("[" * 3000, "nested more than 50 deep in line 1"),
        ("- " * 200 + "x", "nested more than 50"),
        ("- x\n" * 20_001, "more than 20,000 values"),
        ("a: *b", "is not YAML"),
        ("a: 2001-13-45", "is not YAML"),
        ("a: " + "9" * 5000, "is not YAML"),
        ("a: !!python/object/apply:os.system [id]", "is not YAML"),
        ("{[1]: 2, {a: 1}: 3}", "is not YAML"),
    ],
    ids=range(12),
)
def test_what_no_sweep_has_is_refused_in_a_line(text: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        load_yaml(text)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
