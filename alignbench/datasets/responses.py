"""Who gave each answer, and how long it took: what is known where several people judged the same pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices


@dataclass(frozen=True, eq=False)
class Responses:
    """Answers of participants.

    Attributes:
        participants: A number for the participant who gave each answer, (n,).
        seconds: How long each took, (n,); not a number where that is not known.
    """

    participants: Indices
    seconds: Floats

    def taken(self, places: Indices | NDArray[np.bool_] | slice) -> Responses:
        """Keep only some of the answers, by their places."""
        return Responses(self.participants[places], self.seconds[places])
