"""The model of a store, loaded when it is first needed: a page that shows neighbours does not wait for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alignbench.errors import AlignbenchError, UsageError
from alignbench.interpret.searching.asked import asked_tower
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_encoders.loading import load_text_encoder
from alignbench.interpret.text_encoders.of_store import model_of, trained_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alignbench.interpret.text_encoders.encoder import TextEncoder
    from alignbench.models.towers import Tower


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """What there is of a model.

    Attributes:
        tower: Its tower, if it can be had.
        encoder: The encoder of its texts, if it has one.
        cannot: Why there are no `maps`, or no `texts`.
    """

    tower: Tower | None = None
    encoder: TextEncoder | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)


class ModelOnDemand:
    """The model of a store, loaded once.

    Args:
        store: The contributions.
        name: Their model, where its name in the store is that of a folder.
    """

    def __init__(self, store: HeadStore, name: str | None = None) -> None:
        self._store, self._name = store, name
        self._lock, self._loaded = threading.Lock(), None if _is_trained(store, name) else load_model(store, name)

    @property
    def loaded(self) -> LoadedModel | None:
        """What there is of the model, if that is known by now."""
        return self._loaded

    def load(self) -> LoadedModel:
        """Load the model, unless that was done before: whoever comes meanwhile waits. What it lacks is in `cannot`."""
        with self._lock:
            if self._loaded is None:
                self._loaded = load_model(self._store, self._name)
            return self._loaded

    def check(self) -> None:
        """Load a model that was named.

        Raises:
            AlignbenchError: If it cannot be had, or is not that of the store.
        """
        with self._lock:
            self._loaded = load_model(self._store, self._name, is_asked=True)


def load_model(store: HeadStore, name: str | None = None, is_asked: bool = False) -> LoadedModel:
    """Load what there is of the model of a store.

    Args:
        store: The contributions.
        name: See `ModelOnDemand`.
        is_asked: Whether a model that cannot be had is an error; one without texts never is.

    Raises:
        AlignbenchError: If it cannot be had, or is not that of the store, and is asked for.
    """
    tower: Tower | None = None
    try:
        tower = asked_tower(store, name)
        return LoadedModel(tower, load_text_encoder(name or model_of(store)))
    except AlignbenchError as error:
        if is_asked and (tower is None or not isinstance(error, UsageError)):
            raise
        return LoadedModel(tower, None, dict.fromkeys(["texts"] if tower else ["maps", "texts"], str(error)))


def _is_trained(store: HeadStore, name: str | None) -> bool:
    """Whether a store is of a model that can be loaded at all, by its name alone."""
    try:
        trained_label(store, name)
    except UsageError:
        return False
    return True
