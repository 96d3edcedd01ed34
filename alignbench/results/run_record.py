"""`run.json` as data: the settings of a run, and what else is told of it.

A file of another version may lack settings or have further ones: it is read, and says by `lacking` and `others` what is
so. Whoever cannot do without a setting asks `lacking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, Final, Self

from alignbench.files.json_text import Kinds, checked

_SETTINGS: Final[Mapping[str, Kinds]] = {
    "model": (str,),
    "dataset": (str,),
    "data_fingerprint": (str,),
    "calibration_fingerprint": (str, NoneType),
    "protocol": (str,),
    "subset": (list,),
    "parts": (list,),
    "limit": (int, NoneType),
    "random_init": (bool,),
    "seed": (int,),
    "transform": (dict, str, NoneType),
    "model_fingerprint": (str, NoneType),
    "distance": (list,),
    "tokens": (str,),
    "layers": (list,),
    "resize": (str, int),
    "precision": (str,),
}
_OPTIONAL: Final = ("tokens", "layers")  # settings that not every run has
_RECORD: Final[Mapping[str, Kinds]] = {
    "checkpoint": (str,),
    "level": (str,),
    "kind": (str,),
    "dataset": (str,),
    "factors": (dict,),
    "observers": (str,),
    "images": (int, NoneType),
    "pairs": (int, NoneType),
    "timing": (dict,),
    "images_per_second": (float, int, NoneType),
    "peak_memory_gb": (float, int, NoneType),
    "versions": (dict,),
    "execution": (dict,),
    "interval": (dict,),
    "scoring_version": (int,),
    "precision_check": (dict, NoneType),
    "transform": (dict, NoneType),
    "projection": (str,),
    "trained_on": (str,),
}
_LEFT_OUT: Final = ("transform", "projection", "trained_on")  # of the file, where they say nothing
SCORING_VERSION: Final = 2  # of how scores, their intervals and their ceilings are made; 1 where a file has none
_WITHIN: Final[Mapping[str, Kinds]] = {  # what the members of an object are
    "factors": (str, int, float, bool, NoneType),
    "timing": (float, int),
    "versions": (str,),
    "interval": (str,),
}
_TRANSFORM: Final = ("name", "layer", "sha256")  # texts in the setting of that name


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Every setting of a run that can change a number: the hash in its folder's name is over `to_json`.

    Attributes:
        model: The run's label.
        dataset: Name of the data set.
        data_fingerprint: Digest of what is evaluated.
        calibration_fingerprint: Digest of what is evaluated and calibrated on; none where nothing calibrates.
        protocol: `paper` or `corrected`.
        subset: Names of the subsets that are scored.
        parts: Names of the subsets that break them down.
        limit: How many judgments of each subset are taken; none for all.
        random_init: Whether weights are random.
        seed: Seed of random weights and of the bootstrap.
        transform: What a layer is aligned by (name, layer and digest); none if no layer is.
        model_fingerprint: Digest of the weights; none if there are none.
        distance: Names of the distances.
        tokens: Token view; none for baselines, whose file has no such setting.
        layers: Names of the layers where others than the model's usual ones were asked for; otherwise none, and no such
            setting in the file.
        resize: How pictures are brought to their size, or the size.
        precision: Precision of the tower.
        others: Settings that the file has and this version does not know, by name.
        lacking: Names of settings that the file lacks, but for `tokens` and `layers`; their values here are empty.
    """

    model: str
    dataset: str
    data_fingerprint: str
    calibration_fingerprint: str | None
    protocol: str
    subset: tuple[str, ...]
    parts: tuple[str, ...]
    limit: int | None
    random_init: bool
    seed: int
    transform: Mapping[str, Any] | str | None
    model_fingerprint: str | None
    distance: tuple[str, ...]
    tokens: str | None = None
    layers: tuple[str, ...] | None = None
    resize: str | int
    precision: str
    others: Mapping[str, Any] = field(default_factory=dict)
    lacking: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, found: object) -> Self:
        """The settings as they stand in `run.json`.

        Raises:
            ValueError: If they are no object, or one of them is of another type.
        """
        if not isinstance(found, dict):
            raise ValueError("its settings are no object")
        values = {name: _empty(kinds) for name, kinds in _SETTINGS.items()} | dict.fromkeys(_OPTIONAL)
        for name, kinds in _SETTINGS.items():
            if name in found:
                values[name] = _checked(f"setting {name}", found[name], kinds)
        if isinstance(values["transform"], dict):
            for name in _TRANSFORM:
                checked(f"setting transform.{name}", values["transform"].get(name), (str,))
        others = {name: value for name, value in found.items() if name not in _SETTINGS}
        return cls(**values, others=others, lacking=frozenset(_SETTINGS) - {*found, *_OPTIONAL})

    def to_json(self) -> dict[str, Any]:
        """What stands in `run.json`: exactly what was read, and of a new run every setting."""
        left_out = {*self.lacking, *(name for name in _OPTIONAL if getattr(self, name) is None)}
        values = {name: getattr(self, name) for name in _SETTINGS if name not in left_out}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()} | dict(
            self.others
        )


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What `run.json` tells of a run; what it leaves out is empty here.

    Attributes:
        label: What the model is called.
        settings: Every setting that can change a number.
        checkpoint: What the model would be called without a label of its own.
        level: Level of abstraction.
        kind: `rating`, `choice` or `preference`: what judgments are.
        dataset: Name of the data set.
        factors: The factors of the model's card and those that were given, by name.
        observers: Who judged.
        images: Number of pictures.
        pairs: Number of pairs.
        timing: Seconds by stage.
        images_per_second: Pictures that were embedded in a second.
        peak_memory_gb: The most memory that was taken.
        versions: Versions by package.
        execution: How and where it ran.
        interval: How intervals were made, by subset.
        scoring_version: By which version of scoring, see `SCORING_VERSION`.
        precision_check: What a low precision changes; none if that was not looked at.
        transform: What a layer is aligned by, with its provenance; none if no layer is.
        projection: What the projection is, in words; empty where none was measured.
        trained_on: What has to be said of the scores since the model was trained on such data; empty if nothing.
        details: Everything else, by name.
    """

    label: str
    settings: RunSettings
    checkpoint: str = ""
    level: str = ""
    kind: str = ""
    dataset: str = ""
    factors: Mapping[str, Any] = field(default_factory=dict)
    observers: str = ""
    images: int | None = None
    pairs: int | None = None
    timing: Mapping[str, float] = field(default_factory=dict)
    images_per_second: float | None = None
    peak_memory_gb: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)
    interval: Mapping[str, str] = field(default_factory=dict)
    scoring_version: int = 1
    precision_check: Mapping[str, Any] | None = None
    transform: Mapping[str, Any] | None = None
    projection: str = ""
    trained_on: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, found: object) -> Self:
        """A record as it stands in `run.json`; null says no more than nothing.

        Raises:
            ValueError: If it has no label or settings, or something in it is of another type.
        """
        if not isinstance(found, dict) or not {"label", "settings"} <= set(found):
            raise ValueError("it has no label or settings")
        values = {
            name: _checked(name, found[name], kinds) for name, kinds in _RECORD.items() if found.get(name) is not None
        }
        for name, kinds in _WITHIN.items():
            for key, value in values.get(name, {}).items():
                checked(f"{name}.{key}", value, kinds)
        known = {attribute.name for attribute in fields(cls)} - {"details"}
        details = {name: value for name, value in found.items() if name not in known}
        label = _checked("label", found["label"], (str,))
        return cls(label=label, settings=RunSettings.from_json(found["settings"]), **values, details=details)

    def to_json(self) -> dict[str, Any]:
        """What stands in `run.json`; of a transform nothing where there is none, and so of what few runs have."""
        told = {name: getattr(self, name) for name in _RECORD if name not in _LEFT_OUT or getattr(self, name)}
        return {"label": self.label, "settings": self.settings.to_json(), **told, **self.details}


def _empty(kinds: Kinds) -> Any:
    """The value that says nothing: none where that may stand in the file."""
    if NoneType in kinds:
        return None
    return () if kinds == (list,) else kinds[0]()


def _checked(name: str, value: Any, kinds: Kinds) -> Any:
    """A value of one of some types, lists of texts as tuples; see `checked`."""
    found = checked(name, value, kinds)
    return tuple(found) if isinstance(found, list) else found
