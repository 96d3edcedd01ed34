"""Every card, baseline and family is listed; a plug-in that cannot be used is left out and said."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from alignbench.errors import AlignbenchWarning, UsageError
from alignbench.models.families import FAMILIES
from alignbench.models.family import as_family
from alignbench.models.listing import can_list, known_models, names_of_family
from distributions import write_distribution
from documented import ROOT

CARDS = tomllib.loads((ROOT / "alignbench/models/cards.toml").read_text(encoding="utf-8"))
FACTORS = ("architecture", "patch_size", "image_size", "loss", "language", "training_data")


def test_models_come_with_their_factors_and_the_rest_by_name() -> None:
    rows = known_models()
    assert [row["name"] for row in rows if row["kind"] == "model"] == list(CARDS)
    for row in rows[: len(CARDS)]:
        card = CARDS[str(row["name"])]
        assert {name: row.get(name) for name in ("family", *FACTORS)} == {
            name: card.get(name) for name in ("family", *FACTORS)
        }
    baselines = {row["name"] for row in rows if row["kind"] == "baseline"}
    assert baselines == {"dreamsim", "lpips-alex", "lpips-vgg", "ms-ssim", "perceptnet", "pixels", "ssim"}
    assert all(row["package"] is None for row in rows if row["kind"] != "model")


def test_a_plug_in_is_named_with_its_package_or_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_metrics.py").write_text(
        "class _M:\n    name = distance = 'x'\n    min_side = 1\n"
        "    def __call__(self, a, b): return a\nGOOD = _M()\nBAD = 1\n"
    )
    write_distribution(
        tmp_path, "some-metrics", "2.0", "[alignbench.metrics]\ngood = some_metrics:GOOD\nbad = some_metrics:BAD\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "some_metrics", raising=False)
    with pytest.warns(AlignbenchWarning, match="'bad' of some-metrics 2.0 .* is no metric"):
        rows = {str(row["name"]): row for row in known_models()}
    assert rows["good"] == {"name": "good", "kind": "baseline", "package": "some-metrics 2.0"}
    assert "bad" not in rows


def test_the_models_of_a_family_are_listed_by_pattern() -> None:
    found = names_of_family("timm", "vit_*dinov2*")
    assert {"timm:vit_base_patch14_dinov2.lvd142m", "timm:vit_small_patch14_reg4_dinov2.lvd142m"} <= set(found)
    assert all(name.startswith("timm:vit_") and "dinov2" in name for name in found)
    assert names_of_family("torchvision", "torchvision:alexne?") == ["torchvision:alexnet"]


@pytest.mark.parametrize(
    ("family", "pattern", "message"),
    [
        ("tim", "*", r"^unknown model family 'tim': did you mean timm\?$"),
        ("nope", "*", r"^unknown model family 'nope': valid: timm, torchvision$"),
        ("open_clip", "*", r"^the models of open_clip cannot be listed here.*; those of torchvision and timm can$"),
        ("timm", "*no_such*", r"^no model of timm matches '\*no_such\*': \* is any text"),
    ],
)
def test_what_cannot_be_listed_is_said(family: str, pattern: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        names_of_family(family, pattern)


def test_families_that_list_their_models_are_known_without_listing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignbench.models.timm_names.known_names", None)
    found = {name for name in FAMILIES.names() if can_list(name)}
    monkeypatch.undo()
    assert found == {name for name in FAMILIES.names() if as_family(name, FAMILIES.load(name)).names()}
    assert {"timm", "torchvision"} <= found
