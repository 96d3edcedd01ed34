"""The published curves, and how far ours are from them.

`assets/published_curves.csv` holds the 490 values, without intervals, that Hernández-Cámara, Vila-Tomás, Malo and
Laparra released with "Measuring Human-CLIP Alignment at Different Abstraction Levels" (ICLR 2024 Re-Align workshop):
towers from their result files, baselines (layer `image`) from their plotting notebooks. One of our runs is comparable
if it is of the same model and subset, by the same protocol, on all tokens; what else differs is said in a note.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd

from alignbench.models.layer_names import IMAGE, is_plain
from alignbench.results.extent import extents
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.run_record import RunSettings

SOURCE = "Hernández-Cámara, Vila-Tomás, Malo and Laparra, ICLR 2024 Re-Align workshop"
PAPER_SUBSETS = {"tid2013": "all", "nights": "all", "things": "testset1"}
PAPER_JUDGMENTS = {"tid2013": 3_000, "nights": 20_019, "things": 15_640}
TOLERANCE = 0.005  # how far the score of a recomputation on the same pictures and judgments may be from the published
_VARIANTS = {"lpips-alex": "lpips", "lpips-vgg": "lpips"}
_ROUNDING = 1e-12  # of a difference of two decimal fractions
_HUB = "open_clip:hf-hub:"  # the same checkpoint by open_clip's name for a repository
COLUMNS = (
    *("model", "published_model", "dataset", "subset", "distance", "metric", "layer", "depth", "n"),
    *("ours", "ci_low", "ci_high", "published", "difference", "within", "inside", "note", "part"),
)


@dataclass(frozen=True)
class Oddity:
    """What is known to be odd about a published value.

    Attributes:
        model: Published model.
        dataset: Data set.
        layer: Layer.
        text: What is odd.
    """

    model: str
    dataset: str
    layer: str
    text: str


_SSIM = "0.554 is given for both TID2013 and NIGHTS"
_LPIPS = "of an unknown variant (alex or vgg)"
ODDITIES = (
    Oddity(
        "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
        *("things", "projection", "0.49201 cannot come from the released script"),
    ),
    Oddity("ssim", "tid2013", "image", _SSIM),
    Oddity("ssim", "nights", "image", _SSIM),
    Oddity("perceptnet", "nights", "image", "0.482 is below chance"),
    Oddity("lpips", "tid2013", "image", f"0.685 is {_LPIPS}: elsewhere 0.7445 (alex), 0.6696 (vgg)"),
    Oddity("lpips", "nights", "image", _LPIPS),
    Oddity("lpips", "things", "image", _LPIPS),
    Oddity("pixels", "tid2013", "image", "0.687 equals the rank correlation of PSNR at native resolution"),
)
REMARKS = {
    "things": "differences of 1 to 2 points on testset1 are separable only by a paired bootstrap over triplets",
}


# -------------------------------------------------------------------------------------------------- matching


@cache
def _table() -> pd.DataFrame:
    with files("alignbench").joinpath("assets/published_curves.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def published_curves() -> pd.DataFrame:
    """All published values: model, dataset, level, distance, layer, depth (percent), metric, value (a fraction)."""
    return _table().copy()


def published_models() -> tuple[str, ...]:
    """Names of the published models and baselines."""
    return tuple(_table()["model"].unique())


def published_name(label: str) -> str | None:
    """The published model that a run's label stands for.

    Args:
        label: A name, or the last path component of a local directory. Labels of untrained twins (`NAME@random-0`) and
            of transformed models (`NAME@...`) stand for nothing published.
    """
    wanted = _VARIANTS.get(label, label.removeprefix(_HUB))
    return next((name for name in _table()["model"].unique() if wanted in (name, name.rpartition("/")[2])), None)


def checkpoint_of(curve: LayerCurve) -> str:
    """What a curve's model is called without a label of its own, which is what published values may be of."""
    return curve.checkpoint or curve.model


def obstacle(curve: LayerCurve) -> str:
    """Why nothing published can be put beside a curve; empty if something can."""
    frame = curve.frame
    dataset, protocol, name = curve.dataset, curve.protocol, published_name(checkpoint_of(curve))
    if dataset not in PAPER_SUBSETS:
        return f"nothing is published on {dataset}"
    if name is None:
        return "nothing is published of this model"
    if protocol != "paper":
        return f"it follows the {protocol} protocol, the published numbers the paper's"
    views = sorted(set(frame["tokens"]) - {"all", ""})
    if views:
        return f"it is of the {views[0]} tokens, the published numbers of all"
    if PAPER_SUBSETS[dataset] not in set(frame["subset"]):
        return f"it lacks subset {PAPER_SUBSETS[dataset]}, which the published numbers are of"
    theirs = _published_rows(name, dataset)
    if set(filter(is_plain, frame["layer"])) != set(theirs["layer"]):
        return f"its layers are not those of {name}: it is another network of that name"
    if not _is_baseline(theirs) and not set(frame["distance"]) & set(theirs["distance"]):
        return f"of {name}, only {', '.join(theirs['distance'].unique())} is published"
    return ""


def published_for(curve: LayerCurve) -> pd.DataFrame:
    """The published values of a curve's model, data set and distances; empty where there are none.

    Columns are those of `published_curves` and `subset`. A baseline's distance, which is matched by its layer `image`,
    is called as in the curve. A curve with an aligned layer is matched by its plain ones.
    """
    dataset = curve.dataset
    theirs = _published_rows(published_name(checkpoint_of(curve)) or "", dataset).assign(
        subset=PAPER_SUBSETS.get(dataset, "")
    )
    if obstacle(curve):
        return theirs.iloc[:0]
    if _is_baseline(theirs):
        return theirs.assign(distance=curve.frame["distance"].iloc[0])
    return theirs[theirs["distance"].isin(curve.frame["distance"])]


def oddity(model: str, dataset: str, layer: str) -> str:
    """What is known to be odd about the values of a published model at a layer; empty if nothing is."""
    where = (model, dataset, layer)
    return "; ".join(odd.text for odd in ODDITIES if (odd.model, odd.dataset, odd.layer) == where)


def _published_rows(model: str, dataset: str) -> pd.DataFrame:
    return _table()[(_table()["model"] == model) & (_table()["dataset"] == dataset)]


def _is_baseline(rows: pd.DataFrame) -> bool:
    return bool((rows["layer"] == IMAGE).all())


# ------------------------------------------------------------------------------------------------- comparing


def caveats(curve: LayerCurve, settings: RunSettings) -> list[str]:
    """What to mind when a curve is put beside the published one.

    Args:
        curve: One that has a published counterpart.
        settings: The settings of its run.
    """
    dataset, name = curve.dataset, published_name(checkpoint_of(curve))
    subset, judgments = PAPER_SUBSETS[dataset], PAPER_JUDGMENTS[dataset]
    found = []
    if name and checkpoint_of(curve) == name.rpartition("/")[2] != name:
        found.append(f"taken for {name} by the name of its folder")
    ours = int(curve.frame.loc[curve.frame["subset"] == subset, "n"].iloc[0])
    if ours != judgments:
        found.append(f"ours is of {ours:,} judgments, theirs of {judgments:,}")
    fitted = list(curve.main()["subset"].unique())
    if dataset == "things" and len(fitted) > 1 and "normalized_euclidean" in set(curve.frame["distance"]):
        found.append(f"channel means are fitted on {' and '.join(fitted)} together, theirs on {subset}")
    if settings.precision not in ("", "fp32"):
        found.append(f"ours is in {settings.precision}, theirs in fp32")
    if settings.resize == "squash":
        found.append("our images are squashed to the input's size, theirs prepared as the checkpoint says")
    return [*found, *([REMARKS[dataset]] if dataset in REMARKS else [])]


def compare_with_published(curve: LayerCurve, settings: RunSettings) -> pd.DataFrame:
    """Ours beside the published: a row for every distance, metric and layer that both have.

    Args:
        curve: Our scores.
        settings: The settings of its run.

    Returns:
        Columns: model (our label), published_model, dataset, subset, distance, metric, layer, depth, n (our judgments),
        ours, ci_low, ci_high, published, difference (ours - published), within (whether that is at most `TOLERANCE`;
        missing without a score, and where ours is of a part), inside (whether the published value lies in our interval,
        which is over other stimuli and no yardstick of a recomputation; missing like `within`, and without an
        interval), note, part (how much of what was published ours is of; empty if that is all). Empty if nothing is
        published of it.
    """
    theirs = published_for(curve)
    if theirs.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    name, dataset = published_name(checkpoint_of(curve)) or "", str(theirs["dataset"].iloc[0])
    ours = curve.frame[curve.frame["subset"] == PAPER_SUBSETS[dataset]].rename(columns={"value": "ours"})
    theirs = theirs.rename(columns={"value": "published"})
    both = ours.merge(theirs[["distance", "layer", "metric", "published"]], on=["distance", "layer", "metric"])
    difference = both["ours"] - both["published"]
    inside = (both["ci_low"] <= both["published"]) & (both["published"] <= both["ci_high"])
    general, part = caveats(curve, settings), extents(curve)[PAPER_SUBSETS[dataset]]
    unknown = both[["ci_low", "ci_high"]].isna().any(axis=1) | bool(part)
    within = (difference.abs() <= TOLERANCE + _ROUNDING).astype("boolean")
    notes = ["; ".join(filter(None, [oddity(name, dataset, layer), *general])) for layer in both["layer"]]
    return both.assign(
        published_model=name,
        difference=difference,
        within=within.mask(difference.isna() | bool(part)),
        inside=inside.astype("boolean").mask(unknown),
        note=notes,
        part=part,
    )[list(COLUMNS)]
