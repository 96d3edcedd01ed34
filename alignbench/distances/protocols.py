"""The two protocols as rules: what each changes about distances and about the judgments that they are held against.

`paper` measures as the published scripts do: whole data sets, m[c] fitted on the evaluated pairs themselves, ties
counted as wrong. `corrected` keeps what is scored away from what is fitted, leaves out judgments of few people, shares
ties, and takes every projection un-normalised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Protocol:
    """The rules of a protocol.

    Attributes:
        name: Name of the protocol in options and files.
        share_ties: Whether a chosen pair that ties with k - 1 others for the closest counts 1/k, instead of nothing.
        held_out_means: Whether the channel means m[c] are fitted on other judgments than those that are scored.
        unit_norm_projections: Whether a projection is divided by its norm where the model's own code does that.
        drops_few_votes: Whether judgments of fewer people than the data set's rule asks for are left out.
        noise_ceilings: Whether scores of choices come with noise ceilings.
    """

    name: str
    share_ties: bool
    held_out_means: bool
    unit_norm_projections: bool
    drops_few_votes: bool
    noise_ceilings: bool


PAPER: Final = Protocol(
    "paper",
    share_ties=False,
    held_out_means=False,
    unit_norm_projections=True,
    drops_few_votes=False,
    noise_ceilings=False,
)
CORRECTED: Final = Protocol(
    "corrected",
    share_ties=True,
    held_out_means=True,
    unit_norm_projections=False,
    drops_few_votes=True,
    noise_ceilings=True,
)
PROTOCOLS: Final = {protocol.name: protocol for protocol in (PAPER, CORRECTED)}
