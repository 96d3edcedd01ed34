"""The works that a table, a figure or a page rests on, as BibTeX: `assets/citations.bib` holds them all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from alignbench.models.cards import Card, cards
from alignbench.models.layer_names import IMAGE
from alignbench.results.published import checkpoint_of, published_name
from alignbench.results.stored_run import StoredRun
from alignbench.transforms.published import PUBLISHED

if TYPE_CHECKING:
    from alignbench.report.page.transforms import Transforms

HEADER: Final = "% Works that results of alignbench rest on."
PAPER: Final = "hernandez-camara2024"
_ENTRY: Final = re.compile(r"^@\w+\{(?P<key>[^,\s]+),\n.*?^\}$", re.MULTILINE | re.DOTALL)
_DATA_SETS: Final = {
    "tid2013": ("ponomarenko2015tid2013",),
    "kadid10k": ("lin2019kadid10k",),
    "bapps": ("zhang2018lpips",),
    "nights": ("fu2023dreamsim",),
    "things": ("hebart2019things", "hebart2023thingsdata"),
    "levels": ("muttenthaler2025levels",),
    "cichy2019": ("cichy2019similarity",),
    "king2019": ("king2019similarity",),
    "peterson": ("peterson2018similarity",),
}
_BASELINES: Final = {
    "ssim": ("wang2004ssim",),
    "ms-ssim": ("wang2003msssim",),
    "dreamsim": ("fu2023dreamsim",),
    "lpips-alex": ("zhang2018lpips",),
    "lpips-vgg": ("zhang2018lpips",),
    "perceptnet": ("hepburn2020perceptnet",),
    "pixels": (),
}
_TRAINED_ON: Final = {  # with training data of cards, of those families whose checkpoints are of several works
    "WIT-400M": ("radford2021clip",),
    "LAION-2B": ("schuhmann2022laion5b", "cherti2023openclip"),
    "LAION-400M": ("schuhmann2021laion400m", "cherti2023openclip"),
    "DataComp medium": ("gadre2023datacomp",),
    "PMC-15M": ("zhang2023biomedclip",),
    "200M Chinese pairs": ("yang2022chineseclip",),
    "LVD-142M": ("oquab2024dinov2",),
}
_MODELS: Final = {
    "google/siglip-base-patch16-224": ("zhai2023siglip",),
    "google/siglip2-base-patch16-224": ("tschannen2025siglip2",),
    **dict.fromkeys(("facebook/dino-vitb16", "facebook/dino-vitb8"), ("caron2021dino",)),
    **dict.fromkeys(("timm:vit_base_patch16_224.dino", "timm:vit_base_patch8_224.dino"), ("caron2021dino",)),
    **dict.fromkeys(("torchvision:resnet18", "torchvision:resnet50"), ("he2016resnet",)),
    "torchvision:vgg16": ("simonyan2015vgg",),
    "torchvision:alexnet": ("krizhevsky2014alexnet",),
}
HEADS: Final = "heads"
"""What stands for heads that were scored, among the objectives of transforms."""
_OBJECTIVES: Final = {
    "naive": ("muttenthaler2023human",),
    "global": ("muttenthaler2023glocal",),
    "glocal": ("muttenthaler2023glocal",),
    "soft": ("muttenthaler2025levels", "muttenthaler2023glocal", "muttenthaler2022vice"),
    HEADS: ("gandelsman2024heads",),
}


@dataclass(frozen=True)
class Bibliography:
    """What to cite.

    Attributes:
        keys: Keys of the works.
        unknown: Names of models and data sets of people's judgments of which no work is known.
    """

    keys: frozenset[str]
    unknown: tuple[str, ...]

    def bibtex(self) -> str:
        """The entries, in the order of the file of all."""
        return "\n\n".join([HEADER, *(text for key, text in _entries().items() if key in self.keys), ""])


def cite(runs: Iterable[StoredRun], published: Iterable[str] = (), objectives: Iterable[str] = ()) -> Bibliography:
    """Find the works that runs rest on: the paper of the protocol, data sets, models, baselines and transforms.

    Args:
        runs: The runs.
        published: Published models that stand beside them.
        objectives: Objectives of further transforms: `naive`, `global`, `glocal` or `soft`; and `HEADS`.
    """
    keys, unknown = {PAPER}, dict[str, None]()
    for objective in objectives:
        keys.update(_OBJECTIVES.get(objective, ()))
    for run in runs:
        curve = run.curve
        found = {curve.dataset: () if curve.is_simulated else _DATA_SETS.get(curve.dataset)}
        model = checkpoint_of(curve).partition("@random-")[0]
        if set(curve.frame["layer"]) == {IMAGE}:
            found[model] = _BASELINES.get(model)
        else:
            found[model] = _works(cards().get(model, cards().get(published_name(model) or "")))
        for name, works in found.items():
            keys.update(works or ())
            if works is None:
                unknown[name] = None
        keys.update(_of_transform(run))
    for name in published:
        keys.update(_works(cards().get(name)) or _BASELINES.get({"lpips": "lpips-alex"}.get(name, name), ()))
    return Bibliography(frozenset(keys), tuple(unknown))


def objectives_of(transforms: Transforms) -> tuple[str, ...]:
    """The objectives of learned transforms and of judged ones, for `cite`; empty where one is not known.

    Args:
        transforms: What was read of both.
    """
    learned = [str(folder.frame["objective"].iloc[0]) for folder in transforms.learned]
    judged = []
    for folder in transforms.judged:
        published = str(folder.record["settings"]["transform"].get("name")) in PUBLISHED
        judged.append("glocal" if published else str(folder.record.get("provenance", {}).get("objective", "")))
    return (*learned, *judged)


def _works(card: Card | None) -> tuple[str, ...] | None:
    """The works of a checkpoint; none if nothing is known, no work of what comes with the package."""
    if card is None:
        return None
    return () if card.packaged else _MODELS.get(card.name, _TRAINED_ON.get(card.training_data))


def _of_transform(run: StoredRun) -> tuple[str, ...]:
    """The works of the transform by which a layer of a run is aligned."""
    told = run.record.transform
    if told is None:
        return ()
    if str(told.get("name")) in PUBLISHED:
        return _OBJECTIVES["glocal"]
    provenance = told.get("provenance")
    objective = provenance.get("objective") if isinstance(provenance, Mapping) else None
    return _OBJECTIVES.get(str(objective), ())


@cache
def _entries() -> dict[str, str]:
    """All entries by key, in their order."""
    text = files("alignbench").joinpath("assets", "citations.bib").read_text(encoding="utf-8")
    return {found["key"]: found.group() for found in _ENTRY.finditer(text)}
