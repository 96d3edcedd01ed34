"""What can be measured and on what: every card, baseline, family and data set, and whether data are there."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest

import alignbench
from documented import ROOT
from notebook_html import check_html

CARDS = tomllib.loads((ROOT / "alignbench/models/cards.toml").read_text(encoding="utf-8"))


def test_every_card_baseline_and_family_is_listed_with_its_factors() -> None:
    models = alignbench.list_models()
    assert set(CARDS) < set(models)
    assert {"pixels", "lpips-vgg", "open_clip"} < set(models)
    table = models.table.set_index("name")
    for name, card in CARDS.items():
        assert table.loc[name, "kind"] == "model"
        for factor in ("architecture", "patch_size", "image_size", "loss", "language", "training_data"):
            assert table.loc[name, factor] == card[factor] if factor in card else pd.isna(table.loc[name, factor])
    assert table.loc["pixels", "kind"] == "baseline"
    assert table.loc["open_clip", "kind"] == "family"


def test_a_text_narrows_the_list_in_whatever_letter_case() -> None:
    assert list(alignbench.list_models("CHINESE")) == ["OFA-Sys/chinese-clip-vit-base-patch16"]
    assert len(alignbench.list_models("baseline")) == 7
    assert alignbench.list_models("sigmoid").names == [
        name for name, card in CARDS.items() if card["loss"] == "sigmoid"
    ]
    none = alignbench.list_models("no such thing")
    assert (len(none), none.names) == (0, [])
    assert repr(none).startswith("nothing of that name\n")
    check_html(none._repr_html_())


def test_a_list_is_a_sequence_of_names() -> None:
    sets = alignbench.list_datasets("shapes")
    assert sets[0] == "shapes-low"
    assert sets[1:] == ["shapes-middle", "shapes-high", "shapes-levels", "shapes-objects"]
    assert "shapes-high" in sets


def test_it_is_said_whether_data_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    there = alignbench.list_datasets().shown.set_index("name")["there"]
    assert there["tid2013"] == "not here"
    assert there["shapes-low"] == "with alignbench"
    (tmp_path / "tid2013").mkdir()
    (tmp_path / "tid2013" / "mos_with_names.txt").touch()
    (tmp_path / "nights").mkdir()
    monkeypatch.setenv("ALIGNBENCH_DATA", str(tmp_path))
    sets = alignbench.list_datasets()
    there = sets.shown.set_index("name")["there"]
    assert there["tid2013"] == f"in {tmp_path / 'tid2013'}"
    assert there["nights"] == f"not in {tmp_path / 'nights'}", "empty"
    assert there["things"] == f"not in {tmp_path / 'things'}"
    assert sets.table.set_index("name").loc["tid2013", "there"]


def test_a_list_is_a_line_for_each_name_and_a_table_in_a_notebook() -> None:
    for listing in (alignbench.list_models(), alignbench.list_datasets()):
        *lines, note = repr(listing).splitlines()
        assert [line.split()[0] for line in lines] == listing.names
        assert len({line.index(rest) for line in lines for rest in line.split()[1:2]}) == 1, "under each other"
        assert max(map(len, lines)) <= 160
        assert note == listing.note
        shown = check_html(listing._repr_html_())
        assert shown.count("tr") == 1 + min(len(listing), 30)
    assert "tid2013         low, not here, 3,000 distorted images" in repr(alignbench.list_datasets())
    assert "https://www.ponomarenko.info/tid2013.htm" in check_html(alignbench.list_datasets()._repr_html_()).text
