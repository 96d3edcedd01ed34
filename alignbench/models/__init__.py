"""What is measured: vision towers and pair metrics, one file a family, and the layers at which features are read.

`family` says what is asked of a model, `families` what its name stands for, `cards` which models are known by name,
`towers` what a tower is, `pair_metrics` what a pair metric is, `preparation` how pictures are brought to size,
`module_outputs` what modules give, `layer_choice` which layers are meant, `description` what is told of a model,
`feature_names` what features that exist are called, `settings` which values configurations may have, `layer_names` what
the names of layers say, and `cost` what a forward pass takes.
"""

from alignbench.models.cards import Card, cards
from alignbench.models.families import (
    FAMILIES,
    RANDOM_PREFIX,
    check_name,
    find_family,
    load_tower,
    model_label,
    needs_download,
    skeleton,
)
from alignbench.models.family import ModelFamily, TowerLoader
from alignbench.models.torch_cache import torch_weights

__all__ = [
    "FAMILIES",
    "RANDOM_PREFIX",
    "Card",
    "ModelFamily",
    "TowerLoader",
    "cards",
    "check_name",
    "find_family",
    "load_tower",
    "model_label",
    "needs_download",
    "skeleton",
    "torch_weights",
]
