"""Names stand for objects that are loaded only when chosen, and a typo is answered with the nearest names."""

import sys
from pathlib import Path

import pytest

from alignbench.datasets import DATASETS
from alignbench.errors import UsageError, unknown
from alignbench.registry import Registry

GROUP = "alignbench.tested"


@pytest.fixture
def plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[object]:
    """A registry with two members of its own, beside an installed distribution with a good and a broken entry."""
    installed = tmp_path / "plug_ins-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: plug-ins\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        f"[{GROUP}]\ngood = good_plug_in:VALUE\nbroken = broken_plug_in:VALUE\nabsent = no_such_module:VALUE\n"
        "own = good_plug_in:VALUE\n"
    )
    (tmp_path / "good_plug_in.py").write_text("VALUE = 'good'\n")
    (tmp_path / "broken_plug_in.py").write_text("raise ImportError('broken on import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("good_plug_in", "broken_plug_in"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return Registry(GROUP, "plug-in", {"own": "math:pi", "another": "math:tau"})


def test_listing_loads_nothing(plug_ins: Registry[object]) -> None:
    assert plug_ins.names()[:2] == ["own", "another"]
    assert set(plug_ins.names()[2:]) == {"good", "broken", "absent"}
    assert all(name in plug_ins for name in ("own", "good", "broken", "absent"))
    assert "missing" not in plug_ins
    assert "good_plug_in" not in sys.modules


def test_a_broken_entry_does_not_hurt_the_others(plug_ins: Registry[object]) -> None:
    assert plug_ins.load("good") == "good"
    assert plug_ins.load("another") == pytest.approx(6.283185307179586)


@pytest.mark.parametrize("name", ["broken", "absent"])
def test_a_broken_entry_itself_fails(plug_ins: Registry[object], name: str) -> None:
    with pytest.raises(ImportError):
        plug_ins.load(name)


def test_the_packages_own_names_cannot_be_taken_over(plug_ins: Registry[object]) -> None:
    assert plug_ins.load("own") == pytest.approx(3.141592653589793)


def test_an_unknown_name_suggests_the_nearest(plug_ins: Registry[object]) -> None:
    with pytest.raises(UsageError, match=r"^unknown plug-in 'brokn': did you mean broken\b"):
        plug_ins.load("brokn")


@pytest.mark.parametrize(
    ("typo", "meant"), [("tid2031", "tid2013"), ("Nights", "nights"), ("thing", "things"), ("shape-low", "shapes-low")]
)
def test_every_slip_in_a_data_sets_name_is_understood(typo: str, meant: str) -> None:
    with pytest.raises(UsageError, match=rf"unknown data set '{typo}': did you mean .*\b{meant}\b"):
        DATASETS.load(typo)


def test_a_name_near_nothing_lists_all_valid_ones() -> None:
    assert str(unknown("distance", "zzz", ["euclidean", "cosine"])) == (
        "unknown distance 'zzz': valid: cosine, euclidean"
    )


def test_suggestions_ignore_letter_case_and_keep_the_valid_spelling() -> None:
    found = str(unknown("model", "ofa-sys/CHINESE-clip-vit-base-patch16", ["OFA-Sys/chinese-clip-vit-base-patch16"]))
    assert found.endswith("did you mean OFA-Sys/chinese-clip-vit-base-patch16?")


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_data_set_loads_under_its_own_name(name: str) -> None:
    data_set = DATASETS.load(name)
    assert data_set.name == name
    assert data_set.kind == {"low": "rating", "middle": "choice", "high": "choice"}[data_set.level]
    assert data_set.summary
    assert data_set.home
    assert data_set.terms
