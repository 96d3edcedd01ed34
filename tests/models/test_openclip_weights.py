"""Weights of open_clip: read from every form of file, exactly those of the tower, and never run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from timm.utils.model import reparameterize_model
from torch import Tensor

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.models.families import load_tower
from openclip_towers import CONFIG, TOWERS, WEIGHTS, copy, every_tower, prepared, whole_model
from taps import tapped

pytestmark = pytest.mark.usefixtures("no_text_tower_and_no_network")


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> Path:
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    return folder


@every_tower
def test_weights_are_those_of_the_file(folders: Callable[[str], Path], kind: str) -> None:
    tower: Any = load_tower(str(folders(kind)))
    saved = load_file(folders(kind) / WEIGHTS)
    visual = {key.removeprefix("visual."): value for key, value in saved.items() if key.startswith("visual.")}
    own = tower.model.state_dict()
    assert own.keys() == visual.keys()
    assert all(torch.equal(own[key], value) for key, value in visual.items())


def test_only_the_vision_half_is_looked_at(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    expected = load_tower(str(folder)).fingerprint

    def without_text(weights: dict[str, Tensor]) -> None:
        for key in [key for key in weights if not key.startswith("visual.")]:
            del weights[key]
        weights["text.transformer.embeddings.word"] = torch.zeros(3)

    assert load_tower(str(rewrite(folder, without_text))).fingerprint == expected


@pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")
@pytest.mark.parametrize("form", ["bin", "nested", "parallel", "compiled", "model"])
def test_the_form_of_a_file_does_not_matter(folders: Callable[[str], Path], tmp_path: Path, form: str) -> None:
    folder = copy(folders, "own", tmp_path)
    expected = load_tower(str(folder))
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    before = {"parallel": "module.", "compiled": "module._orig_mod."}.get(form, "")
    weights = {f"{before}{key}": value for key, value in weights.items()}
    state = weights if form == "bin" else {"epoch": 3, "model" if form == "model" else "state_dict": weights}
    torch.save(state, folder / ("epoch_3.pt" if form == "nested" else "open_clip_pytorch_model.bin"))
    tower = load_tower(str(folder))
    assert tower.fingerprint == expected.fingerprint
    pixels = prepared(tower, 2)
    features_before = tapped(expected, pixels)
    assert all(torch.equal(features, features_before[layer]) for layer, features in tapped(tower, pixels).items())


def test_words_of_wrappers_are_left_out_with_a_warning(folders: Callable[[str], Path], tmp_path: Path) -> None:
    def wrap(weights: dict[str, Tensor]) -> None:
        for key in list(weights):
            weights[f"_orig_mod.{key}"] = weights.pop(key)

    with pytest.warns(AlignbenchWarning, match=r"without _orig_mod\. in their names"):
        wrapped = load_tower(str(rewrite(copy(folders, "own", tmp_path), wrap)))
    assert wrapped.fingerprint == load_tower(str(folders("own"))).fingerprint


def test_the_fingerprint_settles_the_output(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    seen = {load_tower(str(folders("own"))).fingerprint}
    assert load_tower(str(folder)).fingerprint in seen

    def nudge(weights: dict[str, Tensor]) -> None:
        weights["visual.proj"][0, 0] += 1e-6

    config = json.loads((folder / CONFIG).read_text())
    rewrite(folder, nudge)
    seen.add(load_tower(str(folder)).fingerprint)
    for change in ({"preprocess_cfg": {"interpolation": "bilinear"}}, {"model_cfg": TOWERS["quick"]}):
        (folder / CONFIG).write_text(json.dumps(config | change))
        seen.add(load_tower(str(folder)).fingerprint)
    assert len(seen) == 4


def _lose(key: str) -> Callable[[dict[str, Tensor]], None]:
    return lambda weights: weights.__delitem__(key)


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (
            "own",
            _lose("visual.transformer.resblocks.2.mlp.c_fc.bias"),
            r"lacks 1 weights.*visual\.transformer\.resblocks\.2",
        ),
        ("timm", _lose("visual.trunk.cls_token"), r"lacks 1 weights.*visual\.trunk\.cls_token"),
        ("timm", _lose("visual.head.proj.weight"), r"lacks 1 weights.*visual\.head\.proj\.weight"),
        (
            "own",
            lambda weights: weights.update({"visual.positional_embedding": torch.zeros(26, 32)}),
            r"in another shape \(visual\.positional_embedding\)",
        ),
        (
            "own",
            lambda weights: weights.update({"visual.transformer.resblocks.3.ln_1.bias": torch.zeros(32)}),
            r"no place for \(visual\.transformer\.resblocks\.3",
        ),
        ("timm", lambda weights: weights.update({"visual.trunk.reg_token": torch.zeros(1, 4, 48)}), "no place for"),
        ("own", lambda weights: weights.update({"visual.proj": torch.ones(32, 24).to(torch.int8)}), "quantised .*int8"),
        ("timm", lambda weights: weights.update({"visual.head.proj.SCB": torch.ones(40)}), "is quantised"),
        ("own", lambda weights: weights.update({"visual.proj.lora_A.weight": torch.ones(2)}), "merge the adapter"),
        ("own", lambda weights: weights.update({"gate.weight": torch.ones(2)}), r"neither .*\(gate\.weight\)"),
    ],
)
def test_weights_must_be_exactly_those_of_the_tower(
    folders: Callable[[str], Path], tmp_path: Path, kind: str, change: Callable[[dict[str, Tensor]], None], said: str
) -> None:
    folder = rewrite(copy(folders, kind, tmp_path), change)
    with pytest.raises(ModelError, match=said) as refused:
        load_tower(str(folder))
    assert "\n" not in str(refused.value)


class Rogue:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_pickle_that_wants_to_run_code_does_not(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder, mark = copy(folders, "own", tmp_path), tmp_path / "was here"
    (folder / WEIGHTS).unlink()
    torch.save({"visual.proj": Rogue(mark)}, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError, match="run code when they are read, which is not allowed") as refused:
        load_tower(str(folder))
    assert "\n" not in str(refused.value)
    assert not mark.exists()


def test_an_adapter_beside_the_weights_is_refused(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"adapter beside its weights \(adapter_config\.json\)"):
        load_tower(str(folder))


def test_a_tower_of_another_kind_is_named(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    save_file(load_file(folders("timm") / WEIGHTS), folder / WEIGHTS)
    with pytest.raises(ModelError, match="names are open_clip's with a trunk of timm"):
        load_tower(str(folder))


def test_convolutions_that_were_fused_are_refused(folders: Callable[[str], Path], tmp_path: Path) -> None:
    config, folder = TOWERS["mobileclip"], copy(folders, "mobileclip", tmp_path)
    model = whole_model(config)
    model.visual.trunk = reparameterize_model(model.visual.trunk.eval())
    save_file(model.state_dict(), folder / WEIGHTS)
    with pytest.raises(
        ModelError, match=r"were fused for inference \(visual\.trunk\..*reparam_conv\..*as they were trained$"
    ):
        load_tower(str(folder))


@pytest.mark.parametrize("name", [WEIGHTS, "open_clip_pytorch_model.bin"])
@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"PK\x03\x04 cut off"], ids=["empty", "zeros", "cut"])
def test_damaged_files_are_refused(folders: Callable[[str], Path], tmp_path: Path, name: str, content: bytes) -> None:
    folder = copy(folders, "own", tmp_path)
    (folder / WEIGHTS).unlink()
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match="download them again") as refused:
        load_tower(str(folder))
    assert "\n" not in str(refused.value)


def test_weights_of_something_else_are_refused(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    save_file({"vision_model.embeddings": torch.zeros(3)}, folder / WEIGHTS)
    with pytest.raises(ModelError, match="no vision tower"):
        load_tower(str(folder))
