"""What training tells whoever watches it: the command line shows it, the library alone stays silent."""

from __future__ import annotations


class TrainingListener:
    """Hears how far training is; this one ignores it all."""

    def started(self, done: int, steps: int, pictures: int) -> None:
        """Steps begin: so many were made by an earlier run, of so many, each of so many pictures."""

    def advanced(self) -> None:
        """A step was made."""

    def logged(self, row: dict[str, float]) -> None:
        """Some steps were averaged: a row of `training.csv`."""

    def first_step(self, seen: dict[str, float]) -> None:
        """The first step was made; see `StudentLoop.first`."""

    def kept(self, step: int) -> None:
        """A checkpoint was left because training is asked to end."""
