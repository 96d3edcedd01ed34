"""Names stand for objects that are loaded only when chosen; what is wrong with one plug-in hurts no other name."""

import sys
import warnings
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path
from unittest import mock

import pytest

from alignbench.datasets import DATASETS
from alignbench.errors import AlignbenchWarning, UsageError
from alignbench.plugins import Registry, callable_with
from distributions import write_distribution

GROUP = "alignbench.tested"
GOOD = "import math\nVALUE = 'good'\nOTHER = 'other'\n"

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution with one module, in a folder of its own on the path, for the time of a test."""

    def installed(package: str, entries: str, module: str = GOOD, version: str = "1.0", group: str = GROUP) -> Path:
        place = tmp_path / f"{package}-{version}"
        write_distribution(place, package, version, f"[{group}]\n{entries}\n")
        (place / f"{package.replace('-', '_')}.py").write_text(module)
        monkeypatch.syspath_prepend(place)
        monkeypatch.delitem(sys.modules, package.replace("-", "_"), raising=False)
        return place

    return installed


@pytest.fixture
def registry() -> Registry[object]:
    """A registry with two members of its own."""
    return Registry(GROUP, "plug-in", {"own": "math:pi", "another": "math:tau"})


def refusal(registry: Registry[object], name: str) -> str:
    with pytest.raises(UsageError) as refused:
        registry.load(name)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# --- One plug-in ----------------------------------------------------------------------------------------------------


def test_listing_loads_nothing(install: Install, registry: Registry[object]) -> None:
    install("first-pack", "good = first_pack:VALUE\nabsent = no_such_module:VALUE")
    assert registry.names()[:2] == ["own", "another"]
    assert set(registry.names()[2:]) == {"good", "absent"}
    assert all(name in registry for name in ("own", "good", "absent"))
    assert "missing" not in registry
    assert "first_pack" not in sys.modules


def test_a_plug_in_is_loaded_and_says_where_it_is_from(install: Install, registry: Registry[object]) -> None:
    install("second-pack", "good = second_pack:VALUE", version="0.3")
    assert registry.load("good") == "good"
    assert registry.plug_in("good") == "second-pack 0.3"
    assert registry.plug_in("own") == registry.plug_in("missing") == ""


def test_the_packages_own_baselines_are_no_plug_ins() -> None:
    from alignbench.models.pair_metrics import METRICS

    assert METRICS.plug_in("pixels") == ""


BROKEN = {
    "raise ImportError('broken\\non import')": "ImportError: broken on import",
    "import no_such_module": "ModuleNotFoundError: No module named 'no_such_module'",
    "VALUE = (": "SyntaxError: ",
    "import sys; sys.exit(3)": "SystemExit: 3",
    "1 / 0": "ZeroDivisionError: division by zero",
    "OTHER = 0": "AttributeError: module 'broken_pack' has no attribute 'VALUE'",
}


@pytest.mark.parametrize("module", BROKEN)
def test_a_plug_in_that_cannot_be_imported_is_named_with_its_package(
    install: Install, registry: Registry[object], module: str
) -> None:
    install("broken-pack", "broken = broken_pack:VALUE", module + "\n", version="2.1")
    install("third-pack", "good = third_pack:VALUE")
    said = refusal(registry, "broken")
    assert said.startswith(
        f"plug-in 'broken' of broken-pack 2.1 (broken_pack:VALUE) cannot be imported ({BROKEN[module]}"
    )
    assert said.endswith("): correct or uninstall broken-pack")
    assert registry.load("good") == "good"
    assert registry.load("another") == pytest.approx(6.283185307179586)


@pytest.mark.parametrize("value", ["no module at all", "no_such_module:VALUE", "json:no.such"])
def test_an_entry_that_leads_nowhere_is_named(install: Install, registry: Registry[object], value: str) -> None:
    install("lost-pack", f"lost = {value}")
    assert refusal(registry, "lost").startswith(f"plug-in 'lost' of lost-pack 1.0 ({value}) cannot be imported (")


class Measure:
    name, distance, min_side = "measure", "euclidean", 1

    def __call__(self, first: object, second: object) -> object:
        return first


class Uncallable:
    name, distance, min_side = "measure", "euclidean", 1


class Nameless:
    min_side = 1

    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (Measure(), ""),
        (Measure, "it is a class and not an object of it"),
        (Uncallable(), "it cannot be called"),
        (Nameless(), "it has no name and no distance"),
        (None, "it has no name and no distance and no min_side"),
    ],
)
def test_a_metric_has_attributes_and_can_be_called(found: object, fault: str) -> None:
    assert callable_with("name", "distance", "min_side")("measure", found) == fault


@pytest.mark.parametrize(("found", "fault"), [(len, ""), (Measure, ""), ("len", "it cannot be called")])
def test_a_model_family_can_be_called(found: object, fault: str) -> None:
    assert callable_with()("family", found) == fault


def test_an_object_of_another_kind_is_refused_with_the_reason(install: Install) -> None:
    install("odd-pack", "odd = odd_pack:VALUE\nround = math:floor")
    registry: Registry[object] = Registry(GROUP, "metric", {}, callable_with("min_side"))
    assert refusal(registry, "odd") == (
        "'odd' of odd-pack 1.0 (odd_pack:VALUE) is no metric, it has no min_side: correct or uninstall odd-pack"
    )


DATA_SET = """
from alignbench.datasets import DataSet
DATA = DataSet("set-of-mine", "low", "rating", "mine", "here", "any", "all", ("all",), lambda root, subsets: None)
TEXT = "mine"
"""


def test_a_data_set_is_a_data_set_of_the_name_it_is_entered_under(install: Install) -> None:
    entries = "set-of-mine = set_pack:DATA\nalias = set_pack:DATA\ntext = set_pack:TEXT"
    install("set-pack", entries, DATA_SET, group="alignbench.datasets")
    assert DATASETS.load("set-of-mine").summary == "mine"
    with pytest.raises(UsageError, match=r"'alias' of set-pack 1.0 .* is no data set, it calls itself 'set-of-mine': "):
        DATASETS.load("alias")
    with pytest.raises(UsageError, match=r"'text' of set-pack 1.0 .* is no data set, it is a str and not a DataSet: "):
        DATASETS.load("text")


# --- Several plug-ins -----------------------------------------------------------------------------------------------


def test_a_name_that_two_packages_claim_is_refused_and_no_other(install: Install, registry: Registry[object]) -> None:
    install("left-pack", "both = left_pack:VALUE\nleft = left_pack:VALUE")
    install("right-pack", "both = right_pack:OTHER\nright = right_pack:OTHER", version="2.0")
    said = refusal(registry, "both")
    assert said.startswith("plug-in 'both' is claimed by ")
    for claim in ("left-pack 1.0 (left_pack:VALUE)", "right-pack 2.0 (right_pack:OTHER)"):
        assert claim in said
    assert said.endswith(": uninstall one, or choose another name")
    assert (registry.load("left"), registry.load("right")) == ("good", "other")
    assert registry.names().count("both") == 1
    assert "left-pack 1.0" in registry.plug_in("both")


def test_a_built_in_name_cannot_be_taken_over_and_says_so_once(install: Install, registry: Registry[object]) -> None:
    install("greedy-pack", "own = greedy_pack:VALUE\ngood = greedy_pack:VALUE")
    said = r"plug-in 'own' of greedy-pack 1\.0 \(greedy_pack:VALUE\) is ignored: alignbench has one of that name"
    with pytest.warns(AlignbenchWarning, match=said):
        assert registry.load("own") == pytest.approx(3.141592653589793)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert registry.load("own") == pytest.approx(3.141592653589793)
        assert registry.load("good") == "good"
    assert registry.names().count("own") == 1
    assert registry.plug_in("own") == ""


def test_one_entry_found_twice_is_one(install: Install, registry: Registry[object]) -> None:
    install("twice-pack", "good = twice_pack:VALUE\ngood = twice_pack:VALUE")
    old = install("twice-pack", "good = twice_pack:VALUE", version="0.9")
    (old / "twice_pack-0.9.dist-info").rename(old / "twice_pack.egg-info")  # as an old build leaves it
    (old / "twice_pack.egg-info" / "METADATA").rename(old / "twice_pack.egg-info" / "PKG-INFO")
    assert registry.load("good") == "good"


def test_two_different_entries_of_one_package_are_two(install: Install, registry: Registry[object]) -> None:
    install("split-pack", "good = split_pack:VALUE\ngood = split_pack:OTHER")
    said = refusal(registry, "good")
    assert "split-pack 1.0 (split_pack:VALUE) and split-pack 1.0 (split_pack:OTHER)" in said


# --- Names ----------------------------------------------------------------------------------------------------------


def test_an_unknown_name_suggests_the_nearest(install: Install, registry: Registry[object]) -> None:
    install("near-pack", "broken = near_pack:VALUE")
    with pytest.raises(UsageError, match=r"^unknown plug-in 'brokn': did you mean broken\b"):
        registry.load("brokn")
    with pytest.raises(UsageError, match=r"^unknown plug-in 'anoter': did you mean another\b"):
        registry.load("anoter")


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("tid2031", "tid2013"),
        ("Nights", "nights"),
        ("thing", "things"),
        ("shape-low", "shapes-low"),
        ("kadid-10k", "kadid10k"),
        ("baps", "bapps"),
    ],
)
def test_every_slip_in_a_data_sets_name_is_understood(typo: str, meant: str) -> None:
    with pytest.raises(UsageError, match=rf"unknown data set '{typo}': did you mean .*\b{meant}\b"):
        DATASETS.load(typo)


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_data_set_loads_under_its_own_name(name: str) -> None:
    data_set = DATASETS.load(name)
    assert data_set.name == name
    kinds = {"low": ("rating", "preference"), "middle": ("choice",), "high": ("choice", "rating")}
    assert data_set.kind in kinds[data_set.level]
    assert data_set.summary
    assert data_set.home
    assert data_set.terms


def test_a_thousand_questions_read_what_is_installed_once(registry: Registry[object], install: Install) -> None:
    install("many", "plugged = many:VALUE")
    assert "plugged" in registry
    with mock.patch.object(Distribution, "metadata", property(lambda self: pytest.fail("it was read again"))):
        assert all("unheard-of" not in registry for _ in range(1_000))
        assert "plugged" in registry.names()


def test_what_cannot_be_used_is_left_out_and_said(install: Install, registry: Registry[object]) -> None:
    install("good-package", "good = good_package:VALUE")
    install("bad-package", "bad = bad_package:VALUE", module="raise ValueError('no')\n")
    with pytest.warns(AlignbenchWarning, match="'bad' of bad-package 1.0") as said:
        assert list(registry.usable()) == ["own", "another", "good"]
    assert len(said) == 1
