"""What single attention heads of a tower contribute to its output.

`decomposition` writes the output of a tower as an exact sum over heads, MLPs and the embedding, `anatomy` finds the
parts of a tower for it, and `query` follows the one query that counts through attention. `decomposing` streams the
contributions of a folder of pictures to a store, which `store` reads head by head and `shards` writes.

`planning` says what a store takes before it is made.

`ablation` says how well a model classifies without some of its parts, and `searching` which pictures heads find alike.
`head_names` reads and writes names of heads, and `label_groups` takes heads of a label together.

`text_span` finds the texts that span a head, `pick_stability` says which of them come again with other images, and
`spanning` does both for a store; `drawn_picks` keeps what is picked with other images. The texts are read by `texts`,
encoded by `text_encoders`, and kept by `text_cache`. `labelling` names what the picks of a head share, and scores that.

`aligning` scores how close the parts of an output are to people. `components` are these parts, `head_source` measures
them as `alignbench run` does layers, and `part_scores` makes the rows. `part_nulls` holds them against `nulls` and adds
heads up (`cumulative`); `part_distances` are kept, and `head_differences` compares two models by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alignbench.interpret.decomposition import decompose
    from alignbench.interpret.text_span import textspan

__all__ = ["decompose", "textspan"]
_HOMES = {"decompose": "alignbench.interpret.decomposition", "textspan": "alignbench.interpret.text_span"}


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes seconds."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'alignbench.interpret' has no attribute '{name}'")
