"""An independent float64 reference of both protocols: files and pixels in, distances, scores and intervals out.

Written for clarity, not for speed: one image at a time through plain transformers, every occurrence of a pair kept as a
row of its own, every resample made of copied rows. Scores are in `reference_scores`. It shares no code with the package
that it checks.
"""

import csv
import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import stats
from transformers import (
    AutoImageProcessor,
    AutoModel,
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPModel,
    PreTrainedModel,
    SiglipConfig,
    SiglipModel,
)

Array = NDArray[np.float64]
Pair = tuple[int, int]
Interval = tuple[float, float]
Rows = NDArray[np.intp]
TokenView = Literal["all", "cls", "mean"]
RATING_METRICS = ("spearman", "pearson", "kendall")
FEWEST_VOTES = 6  # of NIGHTS, corrected protocol


# --- Judgments ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HumanJudgments:
    """What people said, in file order.

    Attributes:
        kind: `rating` (one pair a judgment, higher = more alike) or `choice` (two or three pairs, one kept).
        images: Image files, or pictures; pairs index them.
        pairs: The pairs of each judgment.
        values: The rating, or the position within the judgment's pairs of the pair that people judged closest.
        clusters: The clusters each judgment belongs to: one, or three objects where intervals are by object.
        parts: Further breakdowns by name: which of the judgments they hold.
    """

    kind: Literal["rating", "choice"]
    images: Sequence[Path | Image.Image]
    pairs: list[list[Pair]]
    values: list[float]
    clusters: list[tuple[Hashable, ...]]
    parts: dict[str, list[int]] = field(default_factory=dict)

    @property
    def by_object(self) -> bool:
        """Whether a judgment belongs to several clusters."""
        return len(self.clusters[0]) > 1

    def some(self, rows: Sequence[int]) -> "HumanJudgments":
        """The judgments with the given indices, without breakdowns."""
        pairs, values, clusters = ([column[row] for row in rows] for column in (self.pairs, self.values, self.clusters))
        return replace(self, pairs=pairs, values=values, clusters=clusters, parts={})

    def objects(self) -> list[tuple[Hashable, ...]] | None:
        """The three objects of each triplet, whatever is resampled; none where judgments are of other things."""
        if self.kind != "choice" or len(self.pairs[0]) != 3:
            return None
        return [tuple(sorted(shown)) for shown, _ in self.choices()]

    def choices(self) -> list[tuple[frozenset[int], frozenset[int]]]:
        """What was shown, whatever its order, and the pair of it that people kept; for choices."""
        return [
            (frozenset(image for pair in pairs for image in pair), frozenset(pairs[int(value)]))
            for pairs, value in zip(self.pairs, self.values, strict=True)
        ]


@dataclass(frozen=True)
class CorrectedJudgments:
    """What the corrected protocol scores, and what it fits channel means on.

    Attributes:
        subsets: The judgments of each subset by name; all with the same images.
        calibration: The pairs of the judgments that m[c] is fitted on; none to leave out one reference after the other.
    """

    subsets: dict[str, HumanJudgments]
    calibration: list[list[Pair]] | None

    def fit(self, subset: str) -> "Fit":
        """Where the channel means of each judgment of a subset come from."""
        if self.calibration is not None:
            return Fit([[pair for row in self.calibration for pair in row]], [0] * len(self.subsets[subset].pairs))
        return leave_one_reference_out(self.subsets[subset])


@dataclass(frozen=True)
class Fit:
    """Which pairs channel means are fitted on.

    Attributes:
        folds: For each fold its pairs, each as often as it counts.
        fold: The fold of each judgment.
    """

    folds: list[list[Pair]]
    fold: list[int]


def leave_one_reference_out(judgments: HumanJudgments) -> Fit:
    """For the pairs of each reference (cluster) the means over the pairs of all others."""
    references = list(dict.fromkeys(row[0] for row in judgments.clusters))
    folds = [
        [
            pair
            for pairs, row in zip(judgments.pairs, judgments.clusters, strict=True)
            if row[0] != left
            for pair in pairs
        ]
        for left in references
    ]
    return Fit(folds, [references.index(row[0]) for row in judgments.clusters])


def read_tid2013(root: Path) -> HumanJudgments:
    """Reads `mos_with_names.txt`, ignoring letter case; clusters are the reference images."""
    folders = (root / "reference_images", root / "distorted_images")
    images = [path for folder in folders for path in sorted(folder.iterdir())]
    number = {path.name.lower(): index for index, path in enumerate(images)}
    rows = [line.split() for line in (root / "mos_with_names.txt").read_text().splitlines() if line.strip()]
    names = [name.lower() for _, name in rows]
    references = [name.split("_")[0] + ".bmp" for name in names]
    pairs = [[(number[reference], number[name])] for reference, name in zip(references, names, strict=True)]
    parts: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        _, distortion, level = name.removesuffix(".bmp").split("_")
        parts.setdefault(f"distortion_{int(distortion):02d}", []).append(row)
        parts.setdefault(f"level_{int(level)}", []).append(row)
    values, clusters = [float(mos) for mos, _ in rows], [(name,) for name in references]
    return HumanJudgments("rating", images, pairs, values, list(clusters), parts)


def corrected_tid2013(root: Path) -> CorrectedJudgments:
    """All ratings; channel means of each reference's pairs come from the other references."""
    return CorrectedJudgments({"all": read_tid2013(root)}, None)


def corrected_kadid10k(root: Path) -> CorrectedJudgments:
    """All ratings of `dmos.csv` (higher: closer); as for TID2013."""
    images = sorted((root / "images").iterdir())
    number = {path.name.lower(): index for index, path in enumerate(images)}
    with (root / "dmos.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = [[(number[row["ref_img"].lower()], number[row["dist_img"].lower()])] for row in rows]
    parts: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        _, distortion, level = row["dist_img"][:-4].split("_")
        parts.setdefault(f"distortion_{int(distortion):02d}", []).append(index)
        parts.setdefault(f"level_{int(level)}", []).append(index)
    values, clusters = [float(row["dmos"]) for row in rows], [(row["ref_img"].lower(),) for row in rows]
    return CorrectedJudgments({"all": HumanJudgments("rating", images, pairs, values, list(clusters), parts)}, None)


def read_nights(root: Path) -> HumanJudgments:
    """Reads every row of `data.csv`; pairs are (reference, left), (reference, right), clusters are the triplets."""
    rows = _nights_rows(root)
    images = [root / row[column] for row in rows for column in ("ref_path", "left_path", "right_path")]
    pairs = [[(3 * i, 3 * i + 1), (3 * i, 3 * i + 2)] for i in range(len(rows))]
    values = [float(float(row["right_vote"]) > float(row["left_vote"])) for row in rows]
    return HumanJudgments("choice", images, pairs, values, [(row["id"],) for row in rows], _by_votes(rows))


def corrected_nights(root: Path) -> CorrectedJudgments:
    """The test split with 6 votes or more, and its two halves; calibration on up to 1,000 such triplets of `train`."""
    whole, rows = read_nights(root), _nights_rows(root)
    trusted = [i for i, row in enumerate(rows) if int(float(row["votes"])) >= FEWEST_VOTES]
    test = [i for i in trusted if rows[i]["split"] == "test"]
    halves = {
        "test-imagenet": [i for i in test if rows[i]["is_imagenet"] == "True"],
        "test-no-imagenet": [i for i in test if rows[i]["is_imagenet"] == "False"],
    }
    subsets = {name: whole.some(kept) for name, kept in ({"test": test} | halves).items()}
    subsets["test"] = replace(subsets["test"], parts=_by_votes([rows[i] for i in test]))
    return CorrectedJudgments(subsets, [whole.pairs[i] for i in nights_calibration(rows)])


def nights_calibration(rows: Sequence[dict[str, str]]) -> list[int]:
    """Which rows of `data.csv` channel means are fitted on: 1,000 of `train` with 6 votes or more, or all if fewer."""
    trusted = [i for i, row in enumerate(rows) if row["split"] == "train" and int(float(row["votes"])) >= FEWEST_VOTES]
    count = min(1000, len(trusted))
    return [int(i) for i in np.random.default_rng(0).choice(np.array(trusted), count, replace=False)]


def _nights_rows(root: Path) -> list[dict[str, str]]:
    with (root / "data.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _by_votes(rows: Sequence[dict[str, str]]) -> dict[str, list[int]]:
    parts: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        parts.setdefault(f"votes_{int(float(row['votes'])):02d}", []).append(index)
    return parts


def read_things(root: Path, subset: str = "testset1") -> HumanJudgments:
    """Reads a triplet file; pairs are (kept pair, first-odd, second-odd), so that the value is always 0.

    Clusters are the distinct triplets in `testset1`, the objects elsewhere.
    """
    folder = next(root / name for name in ("images", "object_images", "Images") if (root / name).is_dir())
    if (root / "unique_id.txt").exists():
        concepts = (root / "unique_id.txt").read_text().split()
    elif (root / "things_concepts.tsv").exists():
        with (root / "things_concepts.tsv").open(newline="") as file:
            concepts = [row["uniqueID"] for row in csv.DictReader(file, delimiter="\t")]
    else:
        concepts = sorted(path.name for path in folder.iterdir())
    images = [min((folder / concept).iterdir(), key=lambda path: path.name) for concept in concepts]
    rows = things_triplets(root, subset)
    clusters = [(frozenset(row),) if subset == "testset1" else tuple(row) for row in rows]
    return HumanJudgments(
        "choice", images, [[(i, j), (i, k), (j, k)] for i, j, k in rows], [0.0] * len(rows), list(clusters)
    )


def things_triplets(root: Path, split: str) -> list[list[int]]:
    """The rows of a triplet file."""
    places = (root, root / "triplets", root / "triplet_dataset", root / "data" / "triplet_dataset")
    path = next(place / f"{split}.txt" for place in places if (place / f"{split}.txt").exists())
    return [[int(word) for word in line.split()] for line in path.read_text().splitlines() if line.strip()]


def corrected_things(root: Path) -> CorrectedJudgments:
    """`testset1` and `validationset`; calibration on up to 10,000 rows of `trainset`."""
    train = read_things(root, "trainset")
    drawn = things_calibration(len(train.pairs))
    subsets = {name: read_things(root, name) for name in ("testset1", "validationset")}
    return CorrectedJudgments(subsets, [train.pairs[row] for row in drawn])


def things_calibration(rows: int) -> list[int]:
    """Which rows of `trainset.txt` channel means are fitted on."""
    return [int(row) for row in np.random.default_rng(0).choice(rows, min(10_000, rows), replace=False)]


# --- Distances ------------------------------------------------------------------------------------------------------


def token_view(tokens: Array, view: TokenView, has_class: bool) -> Array:
    """One layer's (tokens, channels) of one image as the view sees them; a single token is left as it is."""
    if len(tokens) == 1 or view == "all":
        return tokens
    if view == "cls":
        if not has_class:
            raise ValueError("this tower has no class token")
        return tokens[:1]
    patches = tokens[1:] if has_class else tokens
    return np.asarray(patches.mean(axis=0, keepdims=True))


def squared_differences(tokens: Sequence[Array], pairs: Sequence[Pair]) -> Array:
    """D, (pairs, channels): mean over tokens of the squared difference; one (tokens, channels) array per image."""
    return np.stack([((tokens[a].astype(np.float64) - tokens[b]) ** 2).mean(axis=0) for a, b in pairs])


def channel_means(tokens: Sequence[Array], folds: Sequence[Sequence[Pair]]) -> Array:
    """m, (folds, channels): means of D over the pairs of each fold."""
    return np.stack([squared_differences(tokens, pairs).mean(axis=0) for pairs in folds])


def pair_distances(tokens: Sequence[Array], pairs: Sequence[Pair], fit: Fit | None = None) -> dict[str, Array]:
    """The three distances of every pair at one layer.

    Args:
        tokens: One (tokens, channels) array per image.
        pairs: Pairs of images, a pair as often as the judgments name it: its multiplicity counts in the channel means.
        fit: Where channel means come from, with a fold for each of the pairs; the pairs themselves if none is given.

    Returns:
        Distances of shape (len(pairs),) by name. Channels that never differ in some fold are dropped from the
        normalised one, which is 0 where no channel is left (the class token at `layer_0`).
    """
    fit = fit or Fit([list(pairs)], [0] * len(pairs))
    first = np.stack([tokens[a] for a, _ in pairs]).astype(np.float64)
    second = np.stack([tokens[b] for _, b in pairs]).astype(np.float64)
    means = channel_means(tokens, fit.folds)
    kept = (means > 0).all(axis=0)
    normalized = squared_differences(tokens, pairs)[:, kept] / means[fit.fold][:, kept]
    flat = [side.reshape(len(pairs), -1) for side in (first, second)]
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in flat]
    return {
        "normalized_euclidean": np.sqrt(normalized.mean(axis=1)) if kept.any() else np.zeros(len(pairs)),
        "euclidean": np.sqrt(((flat[0] - flat[1]) ** 2).mean(axis=1)),
        "cosine": ((unit[0] - unit[1]) ** 2).sum(axis=1) / 2,
    }


def judgment_distances(
    tokens: Sequence[Array], judgments: HumanJudgments, view: TokenView, has_class: bool, fit: Fit | None = None
) -> dict[str, Array]:
    """The three distances at one layer, each of shape (judgments, pairs of a judgment).

    Args:
        tokens: One (tokens, channels) array per image.
        judgments: What is evaluated.
        view: Which tokens.
        has_class: Whether the first token is a class token.
        fit: Where channel means come from, with a fold for each judgment; the evaluated pairs if none is given.
    """
    seen = [token_view(image, view, has_class) for image in tokens]
    options = len(judgments.pairs[0])
    if fit is not None:
        fit = Fit(fit.folds, [fold for fold in fit.fold for _ in range(options)])
    distances = pair_distances(seen, [pair for pairs in judgments.pairs for pair in pairs], fit)
    return {name: values.reshape(len(judgments.pairs), options) for name, values in distances.items()}


def concentration(values: Array) -> tuple[int, float, float]:
    """The channel with the largest share of a quantity, that share, and the participation ratio."""
    top = max(range(len(values)), key=lambda channel: values[channel])
    total = sum(values)
    return top, float(values[top] / total), float(total**2 / sum(value**2 for value in values))


# --- Scores and intervals -------------------------------------------------------------------------------------------


def correlation(metric: str, distances: Array, ratings: Array) -> float:
    """Spearman, Pearson or Kendall tau-b correlation of minus distance with the rating."""
    functions: dict[str, Callable[..., Any]] = {
        "spearman": stats.spearmanr,
        "pearson": stats.pearsonr,
        "kendall": stats.kendalltau,
    }
    return float(functions[metric](-np.asarray(distances), np.asarray(ratings)).statistic)


def agreement(distances: Array, kept: Sequence[float]) -> Array:
    """1 where the pair that people kept is strictly the closest of its judgment, else 0: a tie is wrong.

    Args:
        distances: (judgments, pairs of a judgment).
        kept: Position of the pair that people judged closest.
    """
    rows = zip(distances, kept, strict=True)
    return np.array([float(row[int(k)] < np.delete(row, int(k)).min()) for row, k in rows])


def jackknife_interval(statistic: Callable[[Rows], float], clusters: Sequence[Hashable], fisher: bool) -> Interval:
    """95 % t interval from leaving one cluster out, G - 1 degrees of freedom, around the value of all rows.

    var = (G - 1) / G * sum over g of (s_g - mean of s)^2, on Fisher's z = artanh(s) if asked.

    Args:
        statistic: Value of the rows with the given indices.
        clusters: Cluster of each row.
        fisher: Whether to work on Fisher's z.

    Returns:
        The ends; not numbers for a single cluster.
    """
    labels = np.array([list(dict.fromkeys(clusters)).index(cluster) for cluster in clusters])
    count = labels.max() + 1
    if count == 1:
        return float("nan"), float("nan")
    forward, back = (np.arctanh, np.tanh) if fisher else (np.asarray, np.asarray)
    left_out = np.array([forward(statistic(np.flatnonzero(labels != g))) for g in range(count)])
    error = np.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum())
    half = stats.t.ppf(0.975, count - 1) * error
    centre = forward(statistic(np.arange(len(labels))))
    return float(back(centre - half)), float(back(centre + half))


def bootstrap_interval(statistic: Callable[[Rows], float], clusters: Sequence[Hashable], weights: Rows) -> Interval:
    """95 % percentile interval of a cluster bootstrap whose draws are given.

    Args:
        statistic: Value of the rows with the given indices, repeats included.
        clusters: Cluster of each row.
        weights: (resamples, clusters) how often each cluster was drawn, clusters in the order of their first row.
    """
    members = [[i for i, row in enumerate(clusters) if row == cluster] for cluster in dict.fromkeys(clusters)]
    draws = [
        np.array([i for rows, times in zip(members, draw, strict=True) for i in rows * int(times)], dtype=np.intp)
        for draw in weights
    ]
    low, high = np.percentile([statistic(draw) for draw in draws], [2.5, 97.5])
    return float(low), float(high)


# --- Towers ---------------------------------------------------------------------------------------------------------


def embed(
    directory: Path,
    images: Sequence[Path | Image.Image],
    unit_projection: bool = True,
    prepare: Callable[[Image.Image], Image.Image] = lambda image: image,
) -> dict[str, list[Array]]:
    """Tokens of every layer from the full float32 model, one image at a time.

    Args:
        directory: A checkpoint.
        images: Files or pictures.
        unit_projection: Whether the projection of Chinese-CLIP and SigLIP is divided by its norm (paper protocol).
        prepare: What is done to a picture before the checkpoint's own processor sees it.

    Returns:
        One (tokens, channels) array per image, by layer: `layer_0` .. `layer_L`, `projection` (one token).
    """
    processor = AutoImageProcessor.from_pretrained(directory, backend="pil")
    model = AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
    layers: dict[str, list[Array]] = {}
    for image in images:
        picture = prepare((Image.open(image) if isinstance(image, Path) else image).convert("RGB"))
        pixels = processor(images=picture, return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            output = model.get_image_features(pixel_values=pixels, output_hidden_states=True)
        projection = output.pooler_output
        if unit_projection and not isinstance(model, CLIPModel):
            projection = projection / projection.norm(dim=-1, keepdim=True)
        tokens = {f"layer_{i}": state[0] for i, state in enumerate(output.hidden_states)} | {"projection": projection}
        for layer, values in tokens.items():
            layers.setdefault(layer, []).append(values.double().numpy())
    return layers


def depths(blocks: int) -> dict[str, float]:
    """Depth of every layer of a tower with this many blocks."""
    inner = {f"layer_{i + 1}": float(depth) for i, depth in enumerate(np.linspace(7.5, 97.5, blocks))}
    return {"layer_0": 2.5, **inner, "projection": 100.0}


_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 8,
}
_TEXT: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "max_position_embeddings": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_PREPROCESSING: dict[str, Any] = {
    "do_convert_rgb": True,
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "resample": 3,
    "rescale_factor": 1 / 255,
}
_CLIP_NORMALISATION: dict[str, Any] = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
_SHORT_SIDE_CROP: dict[str, Any] = {
    "do_center_crop": True,
    "size": {"shortest_edge": 32},
    "crop_size": {"height": 32, "width": 32},
}


def save_clip(directory: Path, seed: int = 0, blocks: int = 3) -> None:
    """Saves a tiny random CLIP (class token, 24-channel projection) in Hugging Face layout."""
    projected: dict[str, Any] = {"projection_dim": 24}
    vision = _VISION | projected | {"num_hidden_layers": blocks}
    config = CLIPConfig(vision_config=vision, text_config=_TEXT | projected, **projected)
    preprocessing = {"image_processor_type": "CLIPImageProcessor", **_SHORT_SIDE_CROP, **_CLIP_NORMALISATION}
    _save(CLIPModel(config), preprocessing, directory, seed)


def save_chinese_clip(directory: Path, seed: int = 0) -> None:
    """Saves a tiny random Chinese-CLIP (class token, 24-channel projection) in Hugging Face layout."""
    projected: dict[str, Any] = {"projection_dim": 24}
    config = ChineseCLIPConfig(vision_config=_VISION | projected, text_config=_TEXT, **projected)
    preprocessing = {"image_processor_type": "ChineseCLIPImageProcessor", **_SHORT_SIDE_CROP, **_CLIP_NORMALISATION}
    _save(ChineseCLIPModel(config), preprocessing, directory, seed)


def save_siglip(directory: Path, seed: int = 0) -> None:
    """Saves a tiny random SigLIP (no class token, 32-channel pooling head) in Hugging Face layout."""
    config = SiglipConfig(vision_config=_VISION, text_config=_TEXT)
    half = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 32, "width": 32}}
    _save(SiglipModel(config), {"image_processor_type": "SiglipImageProcessor", **half}, directory, seed)


def _save(model: PreTrainedModel, preprocessing: dict[str, Any], directory: Path, seed: int) -> None:
    """Gives every parameter a seeded value and writes the three files.

    Weights are large and biases small, so that layers and images differ by far more than the rounding of float32.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 0 or name.startswith("logit"):
                continue
            scale = 2.5 / parameter[0].numel() ** 0.5 if parameter.ndim > 1 else 0.1
            noise = torch.randn(parameter.shape, generator=generator) * scale
            is_norm_scale = parameter.ndim == 1 and bool((parameter == 1).all())
            parameter.copy_(noise + 1 if is_norm_scale else noise)
    model.save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text(json.dumps(_PREPROCESSING | preprocessing, indent=2))
