"""Building models without memory for their weights, to see their layers and what a file of weights must have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class WithoutMemory(TorchFunctionMode):
    """Makes what is uninitialised, the weights, on the meta device; what is computed while a model is built stays real.

    A picture of zeros, which some constructors send through a part of the model, goes with the weights.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        is_picture = func is torch.zeros and len(args) == 4 and args[1] == 3
        if (func is torch.empty or is_picture) and options.get("device") is None:
            options["device"] = "meta"
        return func(*args, **options)
