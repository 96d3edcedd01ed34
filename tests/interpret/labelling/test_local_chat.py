"""A chat model on this machine: log-likelihoods token by token, and folders that are no chat models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from alignbench.errors import ModelError, UsageError
from alignbench.interpret.labelling.labeller import HeadTexts, LabellerRequest, make_labeller
from alignbench.interpret.labelling.local_chat import LocalChat, chat_identity
from alignbench.interpret.labelling.questions import ChatQuestion, Message
from chat_models import save_chat_model

MESSAGES = (Message("user", "x, y?"), Message("assistant", "y"), Message("user", "a, b?"))
QUESTION = ChatQuestion(MESSAGES, ("a", "ab", "none"))


@pytest.fixture(scope="module", params=[True, False], ids=["template", "plain"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("chat") / "tiny"
    return save_chat_model(place) if request.param else save_chat_model(place, template=None)


def likelihood(folder: Path, text: str, answer: str) -> float:
    """Sum of the log-probabilities of an answer's tokens, one whole pass for each, in float64."""
    model = AutoModelForCausalLM.from_pretrained(folder).double().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(text, add_special_tokens=False).input_ids
    total = 0.0
    for token in tokenizer(answer, add_special_tokens=False).input_ids:
        logits = model(torch.tensor([tokens])).logits[0, -1].detach()
        total += float(logits[token] - logits.exp().sum().log())
        tokens.append(token)
    return total


def test_answers_are_ranked_by_the_log_likelihood_of_all_their_tokens(folder: Path) -> None:
    chat = LocalChat("it/tiny", folder)
    found = chat.log_likelihoods(QUESTION)
    if (folder / "chat_template.jinja").exists():
        text, answers = "<user>x, y?\n<assistant>y\n<user>a, b?\n<assistant>", ("a</s>", "ab</s>", "none</s>")
    else:
        text, answers = "x, y?\nAnswer: y\n\na, b?\nAnswer:", (" a\n", " ab\n", " none\n")
    assert found == pytest.approx([likelihood(folder, text, answer) for answer in answers], rel=1e-4)
    chosen, margin = chat.choose(QUESTION)
    assert found[chosen] == max(found)
    assert margin == pytest.approx(sorted(found)[-1] - sorted(found)[-2])


def test_labels_and_judgments_are_the_likeliest_answers(folder: Path) -> None:
    labeller = make_labeller("transformers", LabellerRequest({"a": ("x",), "b": ("y",)}, model=str(folder)))
    heads = [HeadTexts(1, 0, ("one", "two")), HeadTexts(1, 1, ("three",))]
    assert labeller.label(heads) == labeller.label(heads)
    chat = LocalChat(str(folder), folder)
    yes, no = chat.log_likelihoods(
        ChatQuestion((Message("user", 'The text is: "one"\nIs it about b? Answer yes or no.'),), ("yes", "no"))
    )
    assert labeller.judge(("one",), ("b",)).tolist() == [[yes > no]]
    assert labeller.identities == {f"weights {labeller.settings['weights']}", "chat model tiny"}
    assert chat_identity("Somebody/Chat-7B") == chat_identity("chat-7b")


def test_a_conversation_that_is_too_long_is_refused(tmp_path: Path) -> None:
    chat = LocalChat("tiny", save_chat_model(tmp_path / "tiny", context=24))
    with pytest.raises(ModelError, match=r"tiny takes 24 tokens, and is asked with \d+: give fewer picks or examples"):
        chat.log_likelihoods(QUESTION)


def test_what_is_no_chat_model_is_refused(tmp_path: Path) -> None:
    def fault(folder: Path) -> str:
        with pytest.raises(ModelError) as caught:
            LocalChat("it", folder)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    place = save_chat_model(tmp_path / "a")
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModelForCausalLM": "own.Own"}}))
    assert "wants code of the checkpoint to be run (auto_map), which is never done" in fault(place)
    (place / "config.json").write_text(json.dumps(config | {"model_type": "nothing-known"}))
    assert "it cannot be read as a causal language model" in fault(place)
    (place / "config.json").write_text(json.dumps(config))
    weights = {
        name: each.clone() for name, each in load_file(place / "model.safetensors").items()
    }  # not its mapped file
    lacking = {name: tensor for name, tensor in weights.items() if "layers.1.mlp" not in name}
    save_file(lacking, place / "model.safetensors", {"format": "pt"})
    assert "the weights of it lack model.layers.1.mlp" in fault(place)
    torch.save(weights, place / "pytorch_model.bin")
    (place / "model.safetensors").unlink()
    assert "it cannot be read as a causal language model" in fault(place), "pickled weights are not read"
    (place / "tokenizer.json").unlink()
    assert "no tokenizer" in fault(place)
    with pytest.raises(UsageError, match="transformers needs --model: give it"):
        make_labeller("transformers", LabellerRequest({}))


def test_a_model_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="the chat model nobody/nothing is not in the local cache and cannot be down"):
        make_labeller("transformers", LabellerRequest({}, model="nobody/nothing"))
