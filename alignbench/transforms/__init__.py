"""Affine post-hoc alignment of representations with human similarity: apply, learn, judge.

`affine` is the transform, `published` has those of gLocal, `named` finds the one that a user means and says whether it
fits, `aligned_layer` measures a layer after it; `learning` learns new ones and `evaluation` judges them.
"""

from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.published import PUBLISHED, align, published_transform

__all__ = ["PUBLISHED", "AffineTransform", "align", "published_transform"]
