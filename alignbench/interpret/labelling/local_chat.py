"""The labeller `transformers`: a chat model on this machine, whose answers are ranked by their log-likelihood."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from alignbench.errors import ModelError, one_line
from alignbench.files import open_plain
from alignbench.interpret.labelling.labeller import LabellerRequest
from alignbench.interpret.labelling.questions import ChatLabeller, ChatQuestion, Message, pair_question
from alignbench.interpret.text_encoders.tokenizers import FILES, read_tokenizer, tokenizer_digest
from alignbench.models.checkpoints import fingerprint, read_settings
from alignbench.models.huggingface import silence
from alignbench.models.memory import lack_of_memory_said

_WANTED: Final = (*FILES, "config.json", "*.safetensors", "model.safetensors.index.json", "chat_template.jinja")
_UNREACHABLE: Final = (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError, ValueError)
_TEMPLATE: Final = "chat_template.jinja"


class LocalChat:
    """A causal language model of transformers.

    An answer's log-likelihood is the sum over its tokens and the end of the turn (the end of the line for a model
    without a chat template), so that no answer is ahead for being the beginning of another.

    Args:
        name: The model's name as it was given.
        folder: Its folder, with weights in safetensors and a tokenizer.

    Raises:
        ModelError: If it cannot be read, or wants code of its own to be run.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._tokenizer = read_tokenizer(name, folder, lambda: _read_tokenizer(folder))
        self._has_template = bool(self._tokenizer.chat_template)
        with lack_of_memory_said(name):
            self._model = _read_model(name, folder)
        taken = inspect.signature(self._model.forward).parameters
        self._cache = "cache" if "cache" in taken else "past_key_values"  # transformers has renamed it
        self._fingerprint = f"{fingerprint(folder)[:32]}{tokenizer_digest(folder)[:32]}"

    @property
    def identities(self) -> frozenset[str]:
        """See `Labeller`."""
        return frozenset({f"weights {self._fingerprint}", chat_identity(self._name)})

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Labeller`."""
        return {"model": Path(self._name).name, "weights": self._fingerprint}

    def choose(self, question: ChatQuestion) -> tuple[int, float]:
        """Choose the likeliest answer, and say by how much it is likelier than the next, in nats."""
        ranked = self.log_likelihoods(question)
        order = sorted(range(len(ranked)), key=lambda number: -ranked[number])
        return order[0], ranked[order[0]] - ranked[order[1]]

    def agreeing(self, text: str, labels: Sequence[str]) -> list[bool]:
        """Say of each label whether yes is likelier than no."""
        asked = [ChatQuestion((Message("user", pair_question(text, label)),), ("yes", "no")) for label in labels]
        return [self.choose(question)[0] == 0 for question in asked]

    @torch.inference_mode()
    def log_likelihoods(self, question: ChatQuestion) -> list[float]:
        """Return the log-likelihood of each answer, in nats.

        Raises:
            ModelError: If the conversation is longer than the model's context, or the model gives no such numbers.
        """
        begun, answers = self._tokens(question)
        longest = len(begun) + max(map(len, answers))
        context = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if isinstance(context, int) and longest > context:
            raise ModelError(
                f"{self._name} takes {context:,} tokens, and is asked with {longest:,}: give fewer picks or examples"
            )
        try:
            read = self._model(self._ids(begun), use_cache=True)
            first = read.logits[0, -1:].float()
            found = [self._score(answer, first, getattr(read, self._cache)) for answer in answers]
        except (RuntimeError, IndexError, AttributeError, TypeError, ValueError) as error:
            raise ModelError(f"{self._name} cannot be asked ({one_line(error)}): give another chat model") from error
        if not all(map(math.isfinite, found)):
            raise ModelError(f"{self._name} gives numbers that are not finite: download it again")
        return found

    def _score(self, answer: Sequence[int], first: torch.Tensor, past: Any) -> float:
        logits = first
        if len(answer) > 1:
            further = self._model(self._ids(answer[:-1]), use_cache=True, **{self._cache: copy.deepcopy(past)})
            logits = torch.cat([first, further.logits[0].float()])
        likely = torch.log_softmax(logits, dim=1)
        return float(likely[torch.arange(len(answer)), torch.tensor(answer)].double().sum())

    def _ids(self, tokens: Sequence[int]) -> torch.Tensor:
        return torch.tensor([list(tokens)], device=self._model.device)

    def _tokens(self, question: ChatQuestion) -> tuple[list[int], list[list[int]]]:
        """Tokens of the conversation up to the answer, and of each answer with what ends it."""
        try:
            if self._has_template:
                messages = [{"role": each.role, "content": each.content} for each in question.messages]
                text = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
                begun = self._tokenizer(text, add_special_tokens=False).input_ids
                answers, end = question.choices, self._tokenizer.eos_token or ""
            else:
                begun = self._tokenizer(_plain(question.messages)).input_ids
                answers, end = tuple(f" {answer}" for answer in question.choices), "\n"
            written = [self._tokenizer(f"{each}{end}", add_special_tokens=False).input_ids for each in answers]
        except Exception as error:  # of a template or a tokenizer that lacks something
            raise ModelError(
                f"the tokenizer of {self._name} cannot be used ({one_line(error)}): download it again"
            ) from error
        if not begun or len({tuple(each) for each in written}) < len(written):
            raise ModelError(
                f"the tokenizer of {self._name} does not tell answers apart: give the one that it was trained with"
            )
        return begun, written


def chat_identity(name: str) -> str:
    """What a chat model is called wherever it runs: its name without the place and in small letters."""
    return f"chat model {Path(name).name.lower()}"


def _plain(messages: Sequence[Message]) -> str:
    """A conversation for a model without a template."""
    return "".join(each.content + "\nAnswer:" if each.role == "user" else f" {each.content}\n\n" for each in messages)


def _read_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    if (folder / _TEMPLATE).exists():
        open_plain(folder / _TEMPLATE).close()
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


@silence()
def _read_model(name: str, folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    for file in sorted({folder / "config.json", *folder.glob("*.safetensors"), *folder.glob("generation_config.json")}):
        try:
            open_plain(file).close()
        except OSError as error:
            raise ModelError(f"{file} cannot be read ({error.strerror}): download it again") from error
    settings = read_settings(folder / "config.json")
    if settings.get("auto_map"):
        raise ModelError(
            f"config.json of {name} wants code of the checkpoint to be run (auto_map), which is never done: give "
            "another chat model"
        )
    try:
        read: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="auto",
            output_loading_info=True,
        )
    except Exception as error:  # a damaged file can raise anything
        raise ModelError(
            f"{name} cannot be read as a causal language model ({one_line(error)}): give a folder with config.json, "
            "model.safetensors and a tokenizer"
        ) from error
    model, said = read
    missing = sorted(map(str, said["missing_keys"]))
    if missing:
        raise ModelError(f"the weights of {name} lack {missing[0]}: download them again")
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _folder(name: str) -> Path:
    """The folder of a chat model, downloaded unless it is in the cache.

    Raises:
        ModelError: If it is neither here nor to be had.
    """
    if Path(name).is_dir():
        return Path(name)
    options: dict[str, Any] = {"allow_patterns": [*_WANTED]}
    try:
        folder = Path(snapshot_download(name, local_files_only=True, **options))
        if any(folder.glob("*.safetensors")):
            return folder
    except _UNREACHABLE:
        pass
    try:
        return Path(snapshot_download(name, **options))
    except _UNREACHABLE as error:
        raise ModelError(
            f"the chat model {name} is not in the local cache and cannot be downloaded ({one_line(error)}): check the "
            "name and the network, or give a local folder"
        ) from error


def make(request: LabellerRequest) -> ChatLabeller:
    """Make the labeller of a request.

    Raises:
        UsageError: If there is no model, or the request has what it has no use for.
        ModelError: If the model cannot be had or trusted.
    """
    request.only("transformers", "model", "examples")
    return ChatLabeller(LocalChat(request.model, _folder(request.model)), request.properties, request.examples)
