"""Files of weights: every form is read as tensors, and whatever else they are is said in one line."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from alignbench.errors import ModelError
from alignbench.models.weight_files import open_weights

WEIGHTS = {"visual.proj": torch.arange(6.0).reshape(2, 3).half(), "logit_scale": torch.tensor(4.6)}
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 605247071\n"


@pytest.mark.parametrize(
    "state",
    [
        WEIGHTS,
        {"model": WEIGHTS},
        {"epoch": 3, "state_dict": WEIGHTS, "optimizer": {"state": {0: {"step": torch.ones(1)}}, "param_groups": []}},
        {"state_dict": {"model": WEIGHTS}, "model": {"name": "ViT-B-32"}},
        {key: nn.Parameter(value) for key, value in WEIGHTS.items()},
        {
            **{"epoch": 3, "global_step": 9, "pytorch-lightning_version": "2.6", "state_dict": WEIGHTS, "loops": {}},
            **{"callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5)}}, "lr_schedulers": [{}]},
            "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
        },
        {
            **{"epoch": 3, "arch": "vit", "state_dict": WEIGHTS, "optimizer": {"state": {0: torch.ones(2)}}},
            **{"version": 2, "amp_scaler": {"scale": 65536.0, "_growth": torch.ones(1)}, "metric": torch.tensor(0.8)},
        },
        {"epoch": 3, "name": "run", "state_dict": WEIGHTS, "optimizer": {}, "scaler": {"scale": 65536.0}},
        {
            **{"epoch": 3, "model_state_dict": WEIGHTS, "optimizer_state_dict": {"state": {0: torch.ones(2)}}},
            **{"loss": torch.tensor(0.3), "rng_state": torch.get_rng_state(), "loss_scale": 65536.0},
        },
    ],
    ids=["plain", "model", "training", "nested", "parameters", "lightning", "timm", "open_clip", "torch"],
)
def test_wrappers_are_opened(tmp_path: Path, state: Any) -> None:
    torch.save(state, tmp_path / "a.pt")
    found = open_weights("m", tmp_path / "a.pt")
    assert set(found.names) == WEIGHTS.keys()
    for key, value in WEIGHTS.items():
        assert found.read(key).dtype == value.dtype
        assert torch.equal(found.read(key), value)


@pytest.mark.parametrize("form", ["safetensors", "old"])
def test_other_forms_are_read(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"a.{form}"
    if form == "safetensors":
        save_file(WEIGHTS, path)
    else:
        torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)
    found = open_weights("m", path)
    assert all(torch.equal(found.read(key), value) for key, value in WEIGHTS.items())


def _within_itself() -> dict[str, Any]:
    many: Any = [torch.ones(2)]
    for _ in range(60):
        many = [many, many]  # 2^60 of them to whoever counts each
    state = {"model": WEIGHTS, "others": many}
    state["itself"] = state
    return state


@pytest.mark.parametrize(
    ("state", "sets"),
    [
        ({"model": WEIGHTS, "ema": WEIGHTS}, "model, ema"),
        ({"state_dict": WEIGHTS, "model": WEIGHTS}, "state_dict, model"),
        ({"teacher": WEIGHTS}, "teacher"),
        ({"state_dict": WEIGHTS, "state_dict_ema": WEIGHTS}, "state_dict, state_dict_ema"),
        ({"model": WEIGHTS, "model_ema": WEIGHTS}, "model, model_ema"),
        ({"model": WEIGHTS, "lora": {"down": torch.ones(2)}}, "model, lora"),
        ({"model": WEIGHTS, "delta": [torch.ones(2)]}, "model, delta"),
        ({"model": WEIGHTS, "swa_model": {"inner": WEIGHTS}}, "model, swa_model"),
        ({"model": WEIGHTS, "ema_weights": WEIGHTS}, "model, ema_weights"),
        ({"ema_weights": WEIGHTS}, "ema_weights"),
        ({"model": WEIGHTS, "scales": {"visual.proj": 0.5}}, "model, scales"),
        ({"model": WEIGHTS, "scales": [0.5]}, "model, scales"),
        ({"model": WEIGHTS, "scale": 0.5}, "model, scale"),
        ({"model": WEIGHTS, "visual.proj.weight_scale": torch.ones(1)}, r"model, visual\.proj\.weight_scale"),
        ({"model": WEIGHTS, "visual.proj": torch.ones(2)}, r"model, visual\.proj"),
        ({**WEIGHTS, "visual.proj.weight_scale": 0.5}, r"visual\.proj\.weight_scale, visual\.proj, logit_scale"),
        ({**WEIGHTS, "lora": {"down": torch.ones(2)}}, "lora, visual.proj, logit_scale"),
        ({"state_dict": {"model": WEIGHTS, "delta": WEIGHTS}}, "model, delta"),
        ({"state_dict": WEIGHTS, "current_model_state": WEIGHTS, "epoch": 3}, "state_dict, current_model_state"),
        ({"model": WEIGHTS, "callbacks": {"EMA": WEIGHTS}}, "model, callbacks"),
        ({"model": WEIGHTS, "loss": torch.ones(2)}, "model, loss"),
        ({"model": WEIGHTS, "buffers": (torch.ones(2).untyped_storage(),)}, "model, buffers"),
        ({"model": [*WEIGHTS.values()]}, "model"),
        (_within_itself(), "model, others, itself"),
    ],
)
def test_which_of_several_sets_is_meant_must_be_said(tmp_path: Path, state: Any, sets: str) -> None:
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(ModelError, match=rf"\({sets}\): give the one that is meant") as refused:
        open_weights("m", tmp_path / "a.pt")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("beside", "sign"),
    [
        ({"quantization_config": {"bits": 8, "factor": {"visual.proj": 1 / 64}}}, "quantization_config in a.bin"),
        ({"quantization": {"scale": {"visual.proj": 1 / 64}}}, "quantization in a.bin"),
        ({"quant_info": [8]}, "quant_info in a.bin"),
        ({"hyper_parameters": {"optim": "adamw", "load_in_8bit": True}}, "load_in_8bit in a.bin"),
        ({"factor": {"visual.proj": 1 / 64}}, r"a.bin keeps numbers for visual\.proj"),
        (
            {"notes": [{"proj.factors": {"module.visual.proj": [0.5, 0.25]}}]},
            r"a.bin keeps numbers for module\.visual\.proj",
        ),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_signs_of_scales_beside_float_codes_are_refused(
    tmp_path: Path, beside: dict[str, Any], sign: str, wrapped: bool
) -> None:
    codes = WEIGHTS | {"visual.proj": (64 * WEIGHTS["visual.proj"]).round()}
    state = {"state_dict": codes, **beside}
    torch.save({"model": state, "epoch": 3} if wrapped else state, tmp_path / "a.bin")
    with pytest.raises(ModelError, match=rf"^the checkpoint m is quantised \({sign}\): give the unquantised one"):
        open_weights("m", tmp_path / "a.bin")


def test_settings_of_training_are_no_signs_of_scales(tmp_path: Path) -> None:
    beside = {
        **{"hyper_parameters": {"quantize": False, "lr": 1e-3, "betas": (0.9, 0.98)}, "names": list(WEIGHTS)},
        **{"optimizer": {"param_groups": [{"quantization_bits": 8, "params": [0]}]}, "quantization_config": None},
    }
    torch.save({"state_dict": WEIGHTS, **beside}, tmp_path / "a.bin")
    assert set(open_weights("m", tmp_path / "a.bin").names) == WEIGHTS.keys()


def test_metadata_of_safetensors_may_say_quantised(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "a.safetensors", metadata={"format": "pt"})
    assert set(open_weights("m", tmp_path / "a.safetensors").names) == WEIGHTS.keys()
    save_file(WEIGHTS, tmp_path / "a.safetensors", metadata={"format": "pt", "quantization": "int8"})
    with pytest.raises(ModelError, match=r"quantised \(quantization in a\.safetensors\)"):
        open_weights("m", tmp_path / "a.safetensors")


def test_numbers_are_no_names(tmp_path: Path) -> None:
    torch.save({1: torch.ones(2), "1": torch.zeros(2)}, tmp_path / "a.pt")
    with pytest.raises(ModelError, match=r"\(a\.pt\) cannot be loaded: tensors whose names are no text"):
        open_weights("m", tmp_path / "a.pt")


class Rogue:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("ending", ["bin", "pt", "pth", "ckpt", "safetensors"])
@pytest.mark.parametrize("writer", ["torch", "old torch", 0, 2, 4])
def test_a_pickle_that_wants_to_run_code_does_not(tmp_path: Path, ending: str, writer: str | int) -> None:
    path, mark = tmp_path / f"a.{ending}", tmp_path / "was here"
    state = {"model": {"visual.proj": Rogue(mark)}}
    if isinstance(writer, int):
        path.write_bytes(pickle.dumps(state, writer))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=writer == "torch")
    with pytest.raises(ModelError, match=r"the weights of m \(a\.") as refused:
        open_weights("m", path)
    said = str(refused.value)
    assert "\n" not in said
    assert "weights_only" not in said, "no advice to run it"
    if ending != "safetensors":
        assert "run code" in said
        assert "give" in said
    assert not mark.exists()


def test_a_whole_model_that_was_pickled_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "a.bin")
    with pytest.raises(ModelError, match=r"names torch\.nn\.modules\.linear\.Linear\): give a file of tensors alone"):
        open_weights("m", tmp_path / "a.bin")


@pytest.mark.parametrize("ending", ["bin", "pt", "safetensors"])
def test_a_pointer_of_git_lfs_is_recognised(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"a.{ending}").write_text(POINTER)
    with pytest.raises(ModelError, match=r"are a git-LFS pointer.*git lfs pull"):
        open_weights("m", tmp_path / f"a.{ending}")


@pytest.mark.parametrize("ending", ["bin", "safetensors"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.9, 0.99])
def test_files_that_were_cut_are_refused(tmp_path: Path, ending: str, kept: float) -> None:
    path = tmp_path / f"a.{ending}"
    save_file(WEIGHTS, path) if ending == "safetensors" else torch.save(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(ModelError, match="download them again") as refused:
        open_weights("m", path)
    assert "\n" not in str(refused.value)
    assert "weights_only" not in str(refused.value)


@pytest.mark.parametrize("content", [[1], torch.zeros(2), "text"])
def test_what_is_no_dictionary_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(ModelError, match="not a dictionary of tensors"):
        open_weights("m", tmp_path / "a.pt")
