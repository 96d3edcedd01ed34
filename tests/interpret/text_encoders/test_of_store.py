"""The encoder and the tower of a store: found by its label or by another name, and never of another model."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError, DataError, ModelError, UsageError
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.interpret.text_encoders.of_store import model_of, store_encoder, store_tower
from alignbench.models.families import load_tower
from head_stores import write_store

SHAPE = StoreShape(pictures=2, blocks=1, layers=(1,), heads=1, width=64, dtype="fp32")


def store_of(folder: Path, label: str) -> HeadStore:
    fingerprint = load_tower("shapes-clip", protocol="corrected").fingerprint
    return write_store(folder, SHAPE, label=label, model_fingerprint=fingerprint)


def test_a_store_is_of_its_model(tmp_path: Path) -> None:
    store = store_of(tmp_path / "it", "shapes-clip")
    assert model_of(store) == "shapes-clip"
    assert store_encoder(store).width == 64
    assert store_tower(store).fingerprint == store.record["settings"]["model_fingerprint"]
    assert store_encoder(store_of(tmp_path / "other", "gone"), "shapes-clip").width == 64


@pytest.mark.parametrize(
    ("label", "name", "kind", "said"),
    [
        ("gone", None, DataError, "the model of .* is not found by its name there, gone: name it with --model"),
        ("gone", "./nowhere", ModelError, "there is no folder or file ./nowhere"),
        ("shapes-clip@random-0", None, UsageError, "is of weights at random, to which texts mean nothing"),
        ("", None, UsageError, "is of weights at random"),
        ("shapes-levels-vit", None, DataError, "is of another model than shapes-levels-vit: name its model with"),
    ],
)
def test_other_models_are_refused(
    label: str, name: str | None, kind: type[AlignbenchError], said: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=said):
        store_encoder(store_of(tmp_path / "it", label), name)
