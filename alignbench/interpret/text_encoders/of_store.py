"""The text encoder of the model that a store is of: texts of another model would mean nothing to its heads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_encoders.encoder import TextEncoder
from alignbench.interpret.text_encoders.loading import load_text_encoder
from alignbench.models.families import load_tower

if TYPE_CHECKING:
    from alignbench.models.towers import Tower


def model_of(store: HeadStore) -> str:
    """Return the label of the model that a store is of; empty if its record has none."""
    return str(store.record["settings"].get("model", ""))


def store_encoder(store: HeadStore, name: str | None = None) -> TextEncoder:
    """Load the text encoder of the model that a store is of.

    Args:
        store: The contributions.
        name: The model, where its label in the store is that of a folder.

    Raises:
        UsageError: If the store is of weights at random, or the model has no texts.
        DataError: If the store is of another model, or its model is not found.
        ModelError: See `load_text_encoder`.
    """
    store_tower(store, name)
    return load_text_encoder(name or model_of(store))


def trained_label(store: HeadStore, name: str | None = None) -> str:
    """Return what the model of a store is loaded by.

    Args:
        store: The contributions.
        name: See `store_encoder`.

    Raises:
        UsageError: If the store is of weights at random.
    """
    label = name or model_of(store)
    if not label or "@random" in label:
        raise UsageError(f"{store.folder} is of weights at random, to which texts mean nothing: give a trained model's")
    return label


def store_tower(store: HeadStore, name: str | None = None) -> Tower:
    """Load the tower that a store is of; see `store_encoder`."""
    label = trained_label(store, name)
    try:
        tower = load_tower(label, protocol="corrected")
    except AlignbenchError as error:
        if name is not None:
            raise
        raise DataError(
            f"the model of {store.folder} is not found by its name there, {label}: name it with --model"
        ) from error
    if tower.fingerprint != store.record["settings"].get("model_fingerprint"):
        raise DataError(
            f"{store.folder} is of another model than {label}: name its model with --model, or make the contributions "
            "again by `alignbench interpret decompose`"
        )
    return tower
