"""CITATION.cff says what the package and its bibliography say."""

from __future__ import annotations

import yaml

import make_citation


def test_the_file_is_what_the_tool_makes() -> None:
    assert make_citation.TARGET.read_text(encoding="utf-8") == make_citation.citation()


def test_names_and_accents_are_those_of_people() -> None:
    works = yaml.safe_load(make_citation.citation())["references"]
    assert works[0]["authors"][0] == {"family-names": "Hernández-Cámara", "given-names": "Pablo"}
    assert works[0]["year"] == 2024
    assert not any(letter in work["title"] for work in works for letter in "{}\\")
    assert len(works) == len({work["title"] for work in works}) == 18
