"""Finds the text encoder of a model, by the names and folders that its tower goes by."""

from __future__ import annotations

from alignbench.errors import UsageError
from alignbench.interpret.text_encoders.encoder import TextEncoder
from alignbench.models.families import RANDOM_PREFIX, check_name, find_family
from alignbench.models.memory import lack_of_memory_said


def load_text_encoder(name: str) -> TextEncoder:
    """Load the text encoder of a model.

    Args:
        name: A card's name, a Hugging Face id, a local directory, or `open_clip:...`, as of a tower.

    Raises:
        UsageError: If there is no such model, or models of its kind have no texts.
        ModelError: If it has no text tower or no tokenizer, or cannot be had or trusted.
    """
    if name.startswith(RANDOM_PREFIX):
        raise UsageError(f"{name} has weights at random, to which texts mean nothing: leave out {RANDOM_PREFIX}")
    check_name(name)
    family = find_family(name).name
    if family not in ("open_clip", "transformers"):
        raise UsageError(f"{name} is a model of pictures alone: give one with a text tower")
    with lack_of_memory_said(name):
        if family == "open_clip":
            from alignbench.interpret.text_encoders import openclip_texts

            return openclip_texts.load(name)
        from alignbench.interpret.text_encoders import transformers_texts

        return transformers_texts.load(name)
