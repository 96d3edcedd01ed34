"""Lists of words by label: the packaged ones, and files with every fault that YAML can hide."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import DataError
from alignbench.interpret.labelling.word_lists import lists_digest, packaged_properties, read_word_lists
from make_texts import properties


def test_the_packaged_properties_are_made_by_the_tool() -> None:
    found = packaged_properties()
    assert {name: list(words) for name, words in found.items()} == properties()
    assert list(found)[:3] == ["colours", "shapes", "textures"]
    assert "grid of lines" in found["patterns"], "without its article"


def test_a_file_is_read_in_its_order(tmp_path: Path) -> None:
    (tmp_path / "it.yaml").write_text("b: [x, y z]\na:\n- 'no'\n- \"7\"\n")
    found = read_word_lists(tmp_path / "it.yaml")
    assert list(found.items()) == [("b", ("x", "y z")), ("a", ("no", "7"))]
    assert lists_digest(found) != lists_digest(dict(reversed(found.items())))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no mapping with keys"),
        ("- a\n- b\n", "is no mapping with keys"),
        ("a: [x]\n", "has one label alone"),
        ("a: [x]\nb: y\n", "has no list of texts under b"),
        ("a: [x]\nb: []\n", "has no list of texts under b"),
        ("a: [x]\nb: {y: z}\n", "has no list of texts under b"),
        ("a: [x]\nb: [no]\n", r"has a text under b that YAML takes for no text \(False\): write it in quotes"),
        ("a: [x]\nb: [7]\n", r"has a text under b that YAML takes for no text \(7\)"),
        ("a: [x]\nno: [y]\n", r"has a label that YAML takes for no text \(False\)"),
        ("a: [x]\n1: [y]\n", r"has a label that YAML takes for no text \(1\)"),
        ("a: [x]\n'': [y]\n", "has a label that is empty"),
        ("a: [x]\nb: ['']\n", "has a text under b that is empty"),
        ("a: [x]\nb: [' y']\n", "has a text under b that is empty or has blanks or breaks around it"),
        ("a: [x]\nb: [y, z, y]\n", "has 'y' twice under b: leave one out"),
        ("a: [x]\nb: [y]\na: [z]\n", "has the key a twice, in line 1 and in line 3"),
        ("a: [x\n", "is not YAML"),
        (b"a: [\xff]\n", "is not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(content: str | bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=said) as caught:
        read_word_lists(path)
    assert str(caught.value).startswith(str(path))
    with pytest.raises(DataError, match="cannot be read"):
        read_word_lists(tmp_path / "nowhere.yaml")
