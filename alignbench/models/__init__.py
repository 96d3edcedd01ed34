"""What is measured: vision towers and pair metrics, one file a family, and the layers at which features are read.

`families` says what a model's name stands for, `cards` which models are known by name, `towers` what a tower is,
`pair_metrics` what a pair metric is, `preparation` how pictures are brought to size, `layer_names` what the names of
layers say, and `cost` what a forward pass takes.
"""

from alignbench.models.cards import Card, cards
from alignbench.models.families import (
    FAMILIES,
    PROTOCOLS,
    RANDOM_PREFIX,
    TowerLoader,
    check_name,
    family_of,
    label_of,
    load_tower,
    needs_download,
    skeleton,
)

__all__ = [
    "FAMILIES",
    "PROTOCOLS",
    "RANDOM_PREFIX",
    "Card",
    "TowerLoader",
    "cards",
    "check_name",
    "family_of",
    "label_of",
    "load_tower",
    "needs_download",
    "skeleton",
]
