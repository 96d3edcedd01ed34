"""YAML is counted before it is expanded: harmless anchors work, and what multiplies is refused in a line."""

from __future__ import annotations

import pytest

from alignbench.errors import DataError
from alignbench.sweeps.yaml_text import load_yaml


def multiplying(levels: int, each: int = 9) -> str:
    lines = ["l0: &l0 [" + ", ".join(["x"] * each) + "]"]
    lines += [f"l{n}: &l{n} [" + ", ".join([f"*l{n - 1}"] * each) + "]" for n in range(1, levels)]
    return "\n".join(lines)


def test_anchors_and_merges_work() -> None:
    text = "base: &base {a: 1, b: [x, y]}\nother: {<<: *base, a: 2}\nsame: *base\n"
    expected = {"a": 1, "b": ["x", "y"]}
    assert load_yaml(text) == {"base": expected, "other": expected | {"a": 2}, "same": expected}
    assert load_yaml(multiplying(3))["l2"][8][8] == ["x"] * 9


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
