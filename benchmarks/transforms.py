"""What transforms gain on the packaged world, over several seeds: held-out choices, and local structure kept.

    python benchmarks/transforms.py [--seeds 5] [--layer projection] [--shuffled-only]

For each seed (of folds, start and batches) and objective a transform is learned on the concepts of `shapes-high`,
`test` (three folds of concepts; each fold is judged by the transform that never saw its concepts), and the best fold's
is then judged on the 80 concepts of `trainset`, which no fold has seen. Local structure is that of the pictures of
`shapes-middle`, `test`. With shuffled labels (who is odd is drawn anew) held-out choices must be at chance. The
observers are simulated.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats

from alignbench.datasets import DATASETS
from alignbench.extraction.features import FeatureExtractor, Reading, extract_features
from alignbench.models.families import load_tower
from alignbench.models.layer_choice import choose_layers
from alignbench.transforms.evaluation.measures import applied
from alignbench.transforms.evaluation.odd_one_out import judge_choices, to_triplets, triplet_distances
from alignbench.transforms.evaluation.similarity import linear_cka, neighbour_overlap
from alignbench.transforms.learning.folds import object_folds, split_triplets
from alignbench.transforms.learning.layers import LayerFeatures, LearnedLayer, learn_layer
from alignbench.transforms.learning.recipe import OBJECTIVES, Recipe

# larger batches and steps than the authors', whose data are larger too
RECIPE = {"triplets": 1024, "images": 256, "learning_rate": 5e-3, "epochs": 40, "fewest_epochs": 10, "patience": 8}


class World:
    """Features of the packaged pictures at a layer, and the triplets.

    Args:
        layer: Name of the layer.
    """

    def __init__(self, layer: str) -> None:
        tower = load_tower("shapes-clip", protocol="corrected")
        self.layer = choose_layers(tower, [layer])[0]
        judged, new = (DATASETS.load("shapes-high").read(None, (subset,)) for subset in ("test", "trainset"))
        pictures = [DATASETS.load("shapes-middle").read(None, (subset,)).images for subset in ("trainset", "test")]
        extractor = FeatureExtractor(tower, [self.layer], Reading(batch_size=64))
        found = [
            extract_features(extractor, images)[layer].astype(np.float64)
            for images in (judged.images, new.images, *pictures)
        ]
        self.objects, self.new_objects, local, self.other_pictures = found
        self.features = LayerFeatures(layer, self.layer.depth, self.objects, local)
        self.triplets, self.new_triplets = to_triplets(judged), to_triplets(new)

    def learn(self, objective: str, seed: int, triplets: np.ndarray | None = None) -> LearnedLayer:
        """Transforms of all folds."""
        triplets = self.triplets if triplets is None else triplets
        held_out = object_folds(len(self.objects), 3, seed)
        folds = [split_triplets(triplets, len(self.objects), held, seed) for held in held_out]
        recipe = Recipe(objective, seed=seed, **RECIPE)
        return learn_layer(self.features, folds, recipe)

    def on_new(self, found: LearnedLayer) -> tuple[float, float, float]:
        """Gain on concepts that no fold has seen, with its interval."""
        after = applied(found.transform, self.new_objects)
        distances = [triplet_distances(features, self.new_triplets) for features in (self.new_objects, after)]
        return judge_choices(*distances, self.new_triplets, None).difference

    def kept(self, found: LearnedLayer) -> tuple[float, float]:
        """Overlap of 10 nearest neighbours, and CKA, of pictures before and after."""
        after = applied(found.transform, self.other_pictures)
        return neighbour_overlap(self.other_pictures, after), linear_cka(self.other_pictures, after)


def summary(values: list[float]) -> str:
    """The mean with its t interval over seeds."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return f"{mean:+.3f}"
    reach = float(stats.t.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    return f"{mean:+.3f} ({mean - reach:+.3f} .. {mean + reach:+.3f})"


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--layer", default="projection")
    parser.add_argument("--shuffled-only", action="store_true")
    arguments = parser.parse_args(given)
    world = World(arguments.layer)
    for objective in () if arguments.shuffled_only else OBJECTIVES:
        gains, new, overlaps, ckas = [], [], [], []
        for seed in range(arguments.seeds):
            found = world.learn(objective, seed)
            judged, fresh, (overlap, cka) = found.judged, world.on_new(found), world.kept(found)
            gains.append(judged.difference[0])
            new.append(fresh[0])
            overlaps.append(overlap)
            ckas.append(cka)
            print(
                f"{objective}, seed {seed}: held-out concepts {judged.before[0]:.3f} -> {judged.after[0]:.3f} "
                f"({judged.difference[1]:+.3f} .. {judged.difference[2]:+.3f}), new concepts {fresh[0]:+.3f} "
                f"({fresh[1]:+.3f} .. {fresh[2]:+.3f}), neighbours kept {overlap:.3f}, CKA {cka:.3f}",
                flush=True,
            )
        print(
            f"{objective}: gain on held-out concepts {summary(gains)}, on new ones {summary(new)}; neighbours kept "
            f"{np.mean(overlaps):.3f}, CKA {np.mean(ckas):.3f}"
        )
    rng = np.random.default_rng(0)
    accuracies = []
    for seed in range(arguments.seeds):
        shuffled = rng.permuted(world.triplets, axis=1)
        accuracies.append(world.learn("global", seed, shuffled).judged.after[0] - 1 / 3)
    print(f"shuffled labels: held-out accuracy minus chance {summary(accuracies)}")


if __name__ == "__main__":
    main()
