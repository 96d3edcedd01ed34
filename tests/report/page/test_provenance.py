"""How every run of the page was made: what is the same in all of them is said once, the rest in a table."""

from __future__ import annotations

from pathlib import Path

from alignbench.report.page.provenance import provenance
from alignbench.study.study import read_study
from pages import Parsed, words
from studies import BASE_32, Made, as_published, write_made


def test_provenance_names_every_run(parsed: Parsed, folders: list[Path]) -> None:
    table = parsed.tables[-1]
    assert sorted(row[0] for row in table[1:]) == sorted(folder.name for folder in folders)
    section = words(parsed.sections["provenance"])
    for same in ("protocol: paper", "precision: fp32", "The same in all 18 runs"):
        assert same in section
    assert str(folders[0].parent) not in section


def test_settings_are_told_in_words_and_none_as_a_dash(tmp_path: Path) -> None:
    turned = {"name": "turned", "layer": "projection", "sha256": "0123456789abcdef" * 4}
    many = [f"distortion_{number:02}" for number in range(24)]
    settings = {"transform": turned, "parts": many, "limit": 40, "colour": {"of": "grey"}}
    write_made(Made(BASE_32, "nights", 40, as_published, ("cosine",), settings=settings), tmp_path)
    common, table = provenance(read_study([tmp_path])[0].runs)
    assert common == {}, "with one run there is nothing to be the same"
    [row] = table.rows
    told = dict(zip(table.columns, row, strict=True))
    assert told["transform"] == "turned at projection (0123456789ab)"
    assert told["parts"] == "24: distortion_00 .. distortion_23"
    assert (told["distance"], told["limit"], told["judgments"]) == ("cosine", "40", "all 40")
    assert told["data fingerprint"] == "0" * 12
    assert (told["calibration fingerprint"], told["random init"], told["colour"]) == ("-", "false", '{"of": "grey"}')


def test_what_differs_is_in_the_table_and_what_is_the_same_is_not(tmp_path: Path) -> None:
    for tokens in ("all", "cls"):
        made = Made(BASE_32, "nights", 40, as_published, ("cosine",), settings={"tokens": tokens})
        write_made(made, tmp_path)
    common, table = provenance(read_study([tmp_path])[0].runs)
    assert common["precision"] == "fp32"
    assert "limit" not in common, "nothing is said of what is not set"
    assert table.columns == ("run", "tokens")
    assert sorted(row[1] for row in table.rows) == ["all", "cls"]


def test_what_the_projection_is_and_what_a_model_was_trained_on_are_told(tmp_path: Path) -> None:
    told = {"projection": "the class token", "trained_on": "trained on NIGHTS' train split"}
    write_made(Made(BASE_32, "nights", 40, as_published, ("cosine",), details=told), tmp_path)
    _, table = provenance(read_study([tmp_path])[0].runs)
    found = dict(zip(table.columns, table.rows[0], strict=True))
    assert (found["projection"], found["trained on"]) == tuple(told.values())
