from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alignbench.distances.protocols import CORRECTED, PAPER
from alignbench.errors import UsageError
from alignbench.measurement.cell import Cell

PLAIN = Cell("openai/clip-vit-base-patch32", "things")


def test_defaults_are_possible_and_nothing_is_changed_by_checking() -> None:
    assert PLAIN.checked() == PLAIN
    assert not PLAIN.is_metric
    assert PLAIN.rules is PAPER
    assert Cell("pixels", "things", protocol="corrected").rules is CORRECTED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distances": ("cosin",)}, "unknown distance 'cosin': did you mean cosine"),
        ({"distances": ()}, "no distance to measure"),
        ({"tokens": "clss"}, "unknown token view 'clss': did you mean cls"),
        ({"protocol": "papre"}, "unknown protocol 'papre': did you mean paper"),
        ({"precision": "fp8"}, "unknown precision 'fp8'"),
        ({"accelerator": "tpu"}, "unknown accelerator 'tpu'"),
        ({"resize": "crop"}, "unknown way to resize 'crop'"),
        ({"batch_size": "all"}, "batch size 'all' is neither"),
        ({"batch_size": 0}, "batch size 0 is below 1"),
        ({"limit": 0}, "limit 0 is below 1"),
        ({"feature_memory": 0}, "feature memory 0 is below 1"),
        ({"pixel_cache_size": -1}, "pixel cache size -1 is below 1"),
        ({"devices": 0}, "devices 0 is below 1"),
        ({"nodes": 0}, "number of nodes 0 is below 1"),
        ({"workers": -1}, "loader workers -1 is below 0"),
        ({"check_precision": -1}, "is below 0"),
        ({"check_precision": 8}, "nothing to check"),
        ({"limit": 2**63}, "limit 9223372036854775808 is out of range"),
        ({"batch_size": 10**30}, "is out of range"),
        ({"devices": 1025}, "devices 1025 is out of range: give 1,024 at most"),
        ({"nodes": 65_537}, "number of nodes 65537 is out of range"),
        ({"workers": 1025}, "loader workers 1025 is out of range"),
        ({"seed": -1}, "seed -1 is out of range"),
        ({"seed": 2**63}, "is out of range"),
        ({"force_transform": True}, "nothing to force"),
        ({"model": "ssim", "random_init": True}, "ssim has no weights to randomise"),
        ({"model": "ssim", "layers": ("image",)}, "ssim has one layer: leave out --layers"),
        ({"layers": ()}, "no layer to measure: leave out --layers, or see `alignbench models show`"),
        ({"model": "random:ssim"}, "ssim has no weights to randomise"),
        ({"model": "ssim", "transform": "a.npz"}, "ssim has no layer to align"),
        ({"label": "ssim"}, "the label 'ssim' is the name of another model"),
        ({"label": "a@b"}, "the label 'a@b' has @"),
        ({"factors": {"loss": "sigmoid"}}, "loss is softmax by its card"),
        ({"factors": {"a b": 1}}, "the factor 'a b'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Cell(**{"model": PLAIN.model, "dataset": PLAIN.dataset} | options).checked()


def test_random_weights_by_name_or_option_are_the_same() -> None:
    by_name = Cell(f"random:{PLAIN.model}", "things", seed=3).checked()
    assert by_name == Cell(PLAIN.model, "things", seed=3, random_init=True)
    assert by_name.name == f"{PLAIN.name}@random-3"


def test_a_transform_is_named_in_the_label() -> None:
    assert Cell(PLAIN.model, "things", transform="clip_ViT-L/14").name == f"{PLAIN.name}@clip_ViT-L/14"


def test_a_label_takes_the_place_of_the_name_and_marks_stay() -> None:
    cell = Cell(PLAIN.model, "things", label="mine", random_init=True, seed=3)
    assert (cell.checkpoint, cell.name) == (f"{PLAIN.model}@random-3", "mine@random-3")
    assert Cell(PLAIN.model, "things", label="mine", transform="clip_ViT-L/14").name == "mine@clip_ViT-L/14"


def test_the_card_beside_a_checkpoint_is_taken_and_may_be_added_to(tmp_path: Path) -> None:
    (tmp_path / "alignbench.toml").write_text('label = "mine"\n[factors]\nstep = 1\n')
    cell = Cell(str(tmp_path), "things")
    assert (cell.checked().name, cell.checked().factors) == ("mine", {"step": 1})
    given = replace(cell, label="other", factors={"rate": 0.5}).checked()
    assert (given.name, given.factors) == ("other", {"step": 1, "rate": 0.5})
    assert given.checked() == given
    assert hash(given) == hash(given.checked())


@pytest.mark.parametrize("name", ["seed", "dataset", "timing", "label", "run_folder", "factors"])
def test_a_factor_that_would_hide_a_setting_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"the factor {name} is called like a setting"):
        replace(PLAIN, factors={name: 1}).checked()


def test_a_device_that_is_asked_for_is_taken_at_its_word() -> None:
    assert Cell(PLAIN.model, "things", accelerator="cuda").device == "cuda"
    assert Cell(PLAIN.model, "things", accelerator="cpu").device == "cpu"
