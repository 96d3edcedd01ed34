"""DreamSim equals its formula in NumPy, fetches what it lacks, and runs nothing but its package's code."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from alignbench import ModelError
from alignbench.models.preparation import Sized
from baselines.dreamsim import DREAMSIM, DreamSim, weights_folder
from dreamsim_release import ADAPTER, CLIPS, DINO, INSTALLED, SETTINGS, embedding, pack, package, write_release
from measured_pictures import photographs
from perceptnet_weights import RunsCode

METRIC = DreamSim()


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("dreamsim") / "release")


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The package, or its stand-in; nothing may be written to the current folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("baselines.dreamsim._DINO_URL", (tmp_path / "no.pth").as_uri())
    with package() as found:
        yield found
    assert not list((tmp_path / "here").iterdir())


def copied(release: Path, folder: Path) -> Path:
    """A folder of links to the files of a release."""
    for name in (DINO, *CLIPS, ADAPTER, SETTINGS):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(release / name)
    return folder


def loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> DreamSim:
    monkeypatch.setenv("ALIGNBENCH_DREAMSIM", str(folder))
    return METRIC.to("cpu")


def refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    with pytest.raises(ModelError) as error:
        loaded(folder, monkeypatch)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_distances_are_those_of_centred_embeddings(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = loaded(release, monkeypatch)
    prepare = Sized(METRIC.side)
    pictures = torch.stack([prepare(picture) for picture in photographs(60)]).float() / 255.0
    with torch.inference_mode():
        found = metric(pictures[:3], pictures[3:]).numpy()
    embeddings = [embedding(picture.double().numpy(), release) for picture in pictures]
    expected = [1.0 - one @ other for one, other in zip(embeddings[:3], embeddings[3:], strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    assert np.ptp(expected) > 1e-3


def test_one_pair_is_measured_as_many_are(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = loaded(release, monkeypatch)
    first, second = torch.rand(2, 2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    together = metric(first, second)
    assert together.shape == (2,)
    np.testing.assert_allclose(metric(first[:1], second[:1]).numpy(), together[:1].numpy(), rtol=1e-4)


@pytest.mark.skipif(not INSTALLED, reason="the extra [dreamsim] is not installed")
def test_the_package_itself_gives_the_same(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dreamsim
    from dreamsim.feature_extraction.vision_transformer import vit_base

    folder = copied(release, tmp_path / "weights")
    heads = {f"module.head.{name}": torch.zeros(1) for name in ("last_layer.weight",)}
    heads |= {f"module.head.mlp.{n}.{kind}": torch.zeros(1) for n in (0, 2, 4) for kind in ("weight", "bias")}
    torch.save({"student": heads}, folder / "dino_vitb16_pretrain.pth")

    def hub(*_: object) -> torch.nn.Module:
        network = vit_base()
        network.load_state_dict(torch.load(folder / DINO, weights_only=True))
        return network

    with mock.patch("torch.hub.load", hub), mock.patch("torch.hub.set_dir"):
        theirs, prepare = dreamsim.dreamsim(device="cpu", cache_dir=str(folder))
    first, second = (Image.fromarray(np.asarray(photographs(100)[each])[:80]) for each in (0, 4))
    ours = loaded(folder, monkeypatch)
    pixels = [Sized(METRIC.side)(picture)[None].float() / 255.0 for picture in (first, second)]
    assert torch.equal(theirs(prepare(first), prepare(second)), ours(*pixels))


def test_fingerprint_is_over_all_files(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256()
    for name in (DINO, *CLIPS, SETTINGS, ADAPTER):
        digest.update(hashlib.sha256((release / name).read_bytes()).digest())
    assert loaded(release, monkeypatch).fingerprint == digest.hexdigest()


# ------------------------------------------------------------------------------------- having the weights


def test_what_is_missing_is_downloaded_once_and_nothing_else_is_unpacked(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: dict[str, str]
) -> None:
    addresses["ensemble"] = pack(release, tmp_path / "release.zip")
    monkeypatch.setattr("baselines.dreamsim._DINO_URL", (release / DINO).as_uri())
    folder = tmp_path / "cache" / "deep"
    assert loaded(folder, monkeypatch).fingerprint == loaded(release, monkeypatch).fingerprint
    there = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert there == sorted([DINO, *CLIPS, ADAPTER, SETTINGS])
    (tmp_path / "release.zip").unlink()
    assert loaded(folder, monkeypatch).network is not None


@pytest.mark.parametrize("lacking", [DINO, CLIPS[1], SETTINGS, ADAPTER])
def test_weights_that_cannot_be_had_end_in_one_line(
    lacking: str, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: dict[str, str]
) -> None:
    addresses["ensemble"] = (tmp_path / "gone.zip").as_uri()
    folder = copied(release, tmp_path / "weights")
    (folder / lacking).unlink()
    text = refused(folder, monkeypatch)
    assert text.startswith(f"dreamsim has no weights in {folder}, and downloading them failed (")
    assert text.endswith(
        f"unpack {addresses['ensemble']} there, and put {(tmp_path / 'no.pth').as_uri()} at {folder / DINO}"
    )


def test_an_archive_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: dict[str, str]
) -> None:
    (tmp_path / "page.zip").write_text("<html>")
    addresses["ensemble"] = (tmp_path / "page.zip").as_uri()
    assert "BadZipFile" in refused(tmp_path / "weights", monkeypatch)
    assert not [path for path in (tmp_path / "weights").rglob("*") if path.is_file()]


def test_weights_are_kept_among_the_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ALIGNBENCH_DREAMSIM", raising=False)
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path))
    assert weights_folder() == tmp_path / "dreamsim"
    monkeypatch.setenv("ALIGNBENCH_DREAMSIM", "~/mine")
    assert weights_folder() == Path.home() / "mine"


def test_without_its_package_the_extra_is_named(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mock.patch.dict(sys.modules, {"dreamsim.config": None}):
        text = refused(release, monkeypatch)
    assert text.startswith("dreamsim needs its package (")
    assert text.endswith("pip install 'alignbench[dreamsim]'")


# ------------------------------------------------------------------------------------ files of others


def written(path: Path, content: Any) -> None:
    path.unlink()
    torch.save(content, path)


def with_code(path: Path, mark: Path) -> None:
    written(path, {"state_dict": {"proj": RunsCode(mark)}, "norm.bias": RunsCode(mark)})


def with_nan(path: Path, mark: Path) -> None:
    read = torch.load(path, weights_only=True)
    weights = read.get("state_dict", read)
    name = next(iter(weights))
    weights[name] = torch.full_like(weights[name], torch.nan)
    written(path, read)


def without_one(path: Path, mark: Path) -> None:
    read = torch.load(path, weights_only=True)
    weights = read.get("state_dict", read)
    del weights[next(name for name in weights if name != "proj")]
    written(path, read)


@pytest.mark.parametrize("name", [DINO, *CLIPS, ADAPTER])
@pytest.mark.parametrize("damage", [with_code, with_nan, without_one])
def test_weights_that_cannot_be_trusted_are_refused(
    damage: Callable[[Path, Path], None], name: str, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, mark = copied(release, tmp_path / "weights"), tmp_path / "mark"
    damage(folder / name, mark)
    text = refused(folder, monkeypatch)
    assert text.startswith(str(folder))
    assert text.endswith("remove it, to download it again")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"r": 100_000}, "r or target_modules"),
        ({"r": "4"}, "another r than"),
        ({"target_modules": "(a+)+$"}, "another target_modules than"),
        ({"target_modules": [4]}, "r or target_modules"),
        ({"target_modules": ["nothing"]}, ""),
        ({"target_modules": ["qkv", "fc1"]}, "fc1"),
        ({"bias": None}, "another bias than"),
    ],
)
def test_settings_of_the_loras_that_do_not_fit_are_refused(
    changed: dict[str, Any], said: str, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(release, tmp_path / "weights")
    settings = json.loads((release / SETTINGS).read_text()) | changed
    (folder / SETTINGS).unlink()
    (folder / SETTINGS).write_text(json.dumps(settings))
    assert said in refused(folder, monkeypatch)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"r": 4'])
def test_settings_that_are_none_are_refused(
    text: str, release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(release, tmp_path / "weights")
    (folder / SETTINGS).unlink()
    (folder / SETTINGS).write_text(text)
    assert refused(folder, monkeypatch).startswith(f"{folder / SETTINGS} cannot be read (")


def test_what_it_says_of_itself() -> None:
    assert DREAMSIM == METRIC
    assert METRIC.trained_on == {"nights": "trained on NIGHTS' train split"}
    with pytest.raises(ModelError, match=r"^dreamsim has no weights yet: call its `to\(device\)`"):
        METRIC(torch.zeros(1, 3, 224, 224), torch.zeros(1, 3, 224, 224))
