"""A plug-in with a model family that is a function, and the type of the fixture that installs such plug-ins."""

from __future__ import annotations

from collections.abc import Callable

Install = Callable[[str, str, str], None]
"""Takes the name of a distribution, its entry in `alignbench.models`, and the source of its module `NAME_family`."""

PLUG_IN = """
asked = []

def load(name, *, random_init, seed, protocol):
    from alignbench.models import load_tower
    asked.append((name, random_init, seed, protocol))
    return load_tower(name.partition(":")[2], random_init=random_init, seed=seed)
"""
