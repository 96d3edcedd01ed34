"""An independent float64 reference of the paper protocol: files and pixels in, distances, scores and intervals out.

Written for clarity, not for speed: one image at a time through plain transformers, every occurrence of a pair kept as a
row of its own, every resample made of copied rows. It shares no code with the package that it checks.
"""

import csv
import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
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
TokenView = Literal["all", "cls", "mean"]
RATING_METRICS = ("spearman", "pearson", "kendall")


# --- Judgments ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HumanJudgments:
    """What people said, in file order.

    Attributes:
        kind: `rating` (one pair a judgment, higher = more alike) or `choice` (two or three pairs, one kept).
        images: Image files; pairs index this list.
        pairs: The pairs of each judgment.
        values: The rating, or the position within the judgment's pairs of the pair that people judged closest.
        clusters: The clusters each judgment belongs to: one, or three objects where intervals are by object.
    """

    kind: Literal["rating", "choice"]
    images: list[Path]
    pairs: list[list[Pair]]
    values: list[float]
    clusters: list[tuple[Hashable, ...]]

    @property
    def by_object(self) -> bool:
        """Whether a judgment belongs to several clusters."""
        return len(self.clusters[0]) > 1


def read_tid2013(root: Path) -> HumanJudgments:
    """Reads `mos_with_names.txt`, ignoring letter case; clusters are the reference images."""
    folders = (root / "reference_images", root / "distorted_images")
    images = [path for folder in folders for path in sorted(folder.iterdir())]
    number = {path.name.lower(): index for index, path in enumerate(images)}
    rows = [line.split() for line in (root / "mos_with_names.txt").read_text().splitlines() if line.strip()]
    names = [name.lower() for _, name in rows]
    references = [name.split("_")[0] + ".bmp" for name in names]
    pairs = [[(number[reference], number[name])] for reference, name in zip(references, names, strict=True)]
    return HumanJudgments("rating", images, pairs, [float(mos) for mos, _ in rows], [(name,) for name in references])


def read_nights(root: Path) -> HumanJudgments:
    """Reads every row of `data.csv`; pairs are (reference, left), (reference, right), clusters are the triplets."""
    with (root / "data.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    images = [root / row[column] for row in rows for column in ("ref_path", "left_path", "right_path")]
    pairs = [[(3 * i, 3 * i + 1), (3 * i, 3 * i + 2)] for i in range(len(rows))]
    values = [float(float(row["right_vote"]) > float(row["left_vote"])) for row in rows]
    return HumanJudgments("choice", images, pairs, values, [(row["id"],) for row in rows])


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
    places = (root, root / "triplets", root / "triplet_dataset", root / "data" / "triplet_dataset")
    path = next(place / f"{subset}.txt" for place in places if (place / f"{subset}.txt").exists())
    rows = [[int(word) for word in line.split()] for line in path.read_text().splitlines() if line.strip()]
    clusters = [(frozenset(row),) if subset == "testset1" else tuple(row) for row in rows]
    return HumanJudgments(
        "choice", images, [[(i, j), (i, k), (j, k)] for i, j, k in rows], [0.0] * len(rows), list(clusters)
    )


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


def pair_distances(tokens: Sequence[Array], pairs: Sequence[Pair]) -> dict[str, Array]:
    """The three distances of every pair at one layer.

    Args:
        tokens: One (tokens, channels) array per image.
        pairs: Pairs of images, a pair as often as the judgments name it: its multiplicity counts in the channel means.

    Returns:
        Distances of shape (len(pairs),) by name. Channels that never differ are dropped from the normalised one, which
        is 0 where no channel is left (the class token at `layer_0`).
    """
    first = np.stack([tokens[a] for a, _ in pairs]).astype(np.float64)
    second = np.stack([tokens[b] for _, b in pairs]).astype(np.float64)
    squared = ((first - second) ** 2).mean(axis=1)
    channel_mean = squared.mean(axis=0)
    kept = channel_mean > 0
    normalized = squared[:, kept] / channel_mean[kept]
    flat = [side.reshape(len(pairs), -1) for side in (first, second)]
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in flat]
    return {
        "normalized_euclidean": np.sqrt(normalized.mean(axis=1)) if kept.any() else np.zeros(len(pairs)),
        "euclidean": np.sqrt(((flat[0] - flat[1]) ** 2).mean(axis=1)),
        "cosine": ((unit[0] - unit[1]) ** 2).sum(axis=1) / 2,
    }


def judgment_distances(
    tokens: Sequence[Array], judgments: HumanJudgments, view: TokenView, has_class: bool
) -> dict[str, Array]:
    """The three distances at one layer, each of shape (judgments, pairs of a judgment)."""
    seen = [token_view(image, view, has_class) for image in tokens]
    distances = pair_distances(seen, [pair for pairs in judgments.pairs for pair in pairs])
    return {name: values.reshape(len(judgments.pairs), -1) for name, values in distances.items()}


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


def jackknife_interval(
    statistic: Callable[[NDArray[np.intp]], float], clusters: Sequence[Hashable], fisher: bool
) -> Interval:
    """95 % t interval from leaving one cluster out, G - 1 degrees of freedom, around the value of all rows.

    var = (G - 1) / G * sum over g of (s_g - mean of s)^2, on Fisher's z = artanh(s) if asked.

    Args:
        statistic: Value of the rows with the given indices.
        clusters: Cluster of each row.
        fisher: Whether to work on Fisher's z.
    """
    labels = np.array([list(dict.fromkeys(clusters)).index(cluster) for cluster in clusters])
    count = labels.max() + 1
    forward, back = (np.arctanh, np.tanh) if fisher else (np.asarray, np.asarray)
    left_out = np.array([forward(statistic(np.flatnonzero(labels != g))) for g in range(count)])
    error = np.sqrt((count - 1) / count * ((left_out - left_out.mean()) ** 2).sum())
    half = stats.t.ppf(0.975, count - 1) * error
    centre = forward(statistic(np.arange(len(labels))))
    return float(back(centre - half)), float(back(centre + half))


def bootstrap_interval(
    statistic: Callable[[NDArray[np.intp]], float], clusters: Sequence[Hashable], weights: NDArray[np.intp]
) -> Interval:
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


def object_interval(correct: Array, objects: Sequence[tuple[Hashable, ...]]) -> Interval:
    """95 % t interval of an accuracy whose rows share objects, by the delta method.

    var = sum over objects of (sum over the object's rows of (correct - accuracy))^2 / N^2, with objects - 1 degrees of
    freedom.
    """
    accuracy = correct.mean()
    names = sorted({name for row in objects for name in row}, key=str)
    sums = [sum(correct[i] - accuracy for i, row in enumerate(objects) if name in row) for name in names]
    half = stats.t.ppf(0.975, len(names) - 1) * np.sqrt(np.square(sums).sum()) / len(correct)
    return float(accuracy - half), float(accuracy + half)


def rating_score(metric: str, distances: Array, judgments: HumanJudgments) -> tuple[float, Interval]:
    """A correlation over all judgments, with its cluster-jackknife interval."""
    ratings = np.array(judgments.values)

    def statistic(rows: NDArray[np.intp]) -> float:
        return correlation(metric, distances[rows, 0], ratings[rows])

    interval = jackknife_interval(statistic, [row[0] for row in judgments.clusters], fisher=True)
    return statistic(np.arange(len(ratings))), interval


def choice_score(correct: Array, judgments: HumanJudgments) -> tuple[float, Interval]:
    """An accuracy with its interval: by object where judgments share objects, else the cluster jackknife."""
    if judgments.by_object:
        return float(correct.mean()), object_interval(correct, judgments.clusters)
    clusters = [row[0] for row in judgments.clusters]
    return float(correct.mean()), jackknife_interval(lambda rows: float(correct[rows].mean()), clusters, fisher=False)


# --- Towers ---------------------------------------------------------------------------------------------------------


def embed(directory: Path, images: Sequence[Path]) -> dict[str, list[Array]]:
    """Tokens of every layer from the full float32 model, one image at a time.

    Returns:
        One (tokens, channels) array per image, by layer: `layer_0` .. `layer_L`, `projection` (one token; divided by
        its norm for Chinese-CLIP and SigLIP, as it is for CLIP).
    """
    processor = AutoImageProcessor.from_pretrained(directory, backend="pil")
    model = AutoModel.from_pretrained(directory, dtype=torch.float32).eval()
    layers: dict[str, list[Array]] = {}
    for path in images:
        pixels = processor(images=Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            output = model.get_image_features(pixel_values=pixels, output_hidden_states=True)
        projection = output.pooler_output
        if not isinstance(model, CLIPModel):
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


def save_clip(directory: Path, seed: int = 0) -> None:
    """Saves a tiny random CLIP (class token, 24-channel projection) in Hugging Face layout."""
    projected: dict[str, Any] = {"projection_dim": 24}
    config = CLIPConfig(vision_config=_VISION | projected, text_config=_TEXT | projected, **projected)
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
