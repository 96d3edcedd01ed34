"""DreamSim by the dreamsim package: one minus the cosine of the centred embeddings of three fine-tuned ViT-B/16.

Fu et al., "DreamSim: Learning New Dimensions of Human Visual Similarity using Synthetic Data" (2023). It is the
ensemble, which is the published one: DINO, CLIP and OpenCLIP, each with its LoRA. It was trained on the train split of
NIGHTS, which every score on NIGHTS says.

The package itself would fetch DINO's code from GitHub and run it. Here its three networks come from the package alone,
and all files are read as tensors: those of the release, and DINO's weights, where the package keeps them. They are in
the folder that `$ALIGNBENCH_DREAMSIM` names, else in `dreamsim` of `$ALIGNBENCH_CACHE` or of the user's caches, and are
downloaded to it when they are first needed.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from alignbench import AlignbenchError, ModelError
from alignbench.files import cache_folder, make_folder, open_plain, whole_file

if TYPE_CHECKING:
    from torch import Tensor, nn

    from alignbench import PairMetric

VARIABLE: Final = "ALIGNBENCH_DREAMSIM"
_DINO: Final = "checkpoints/dino_vitbase16_pretrain.pth"
_DINO_URL: Final = "https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth"
_CLIPS: Final = ("clip_vitb16_pretrain.pth.tar", "open_clip_vitb16_pretrain.pth.tar")
_SETTINGS: Final = "ensemble_lora/adapter_config.json"
_ADAPTERS: Final = ("ensemble_lora/adapter_model.safetensors", "ensemble_lora/adapter_model.bin")  # or the other
_KINDS: Final[Mapping[str, type | tuple[type, ...]]] = {  # what the package takes of an adapter's settings
    "r": int,
    "lora_alpha": (int, float),
    "lora_dropout": (int, float),
    "bias": str,
    "target_modules": list,
}
_MOST_RANK: Final = 768  # of a LoRA: the width of the networks


@dataclass(frozen=True)
class DreamSim:
    """Distance of DreamSim's embeddings.

    Attributes:
        name: Name of the metric.
        distance: Name of its distance in results.
        min_side: Smallest side in pixels; all pictures are brought to `side`.
        side: Side in pixels of the square to which it resizes pictures (PIL, bicubic).
        network: The network with its weights; none before `to`.
        fingerprint: SHA-256 over the files of its weights; empty before `to`.
    """

    name: str = "dreamsim"
    distance: str = "dreamsim"
    min_side: int = 1
    side: int = 224
    network: nn.Module | None = field(default=None, repr=False, compare=False)
    fingerprint: str = ""

    @property
    def trained_on(self) -> dict[str, str]:
        """What is said of its scores on data that it was trained on, by data set."""
        return {"nights": "trained on NIGHTS' train split"}

    def to(self, device: str) -> DreamSim:
        """Return the metric with its weights on a device.

        Raises:
            ModelError: If the package is not installed, or its weights cannot be had or are damaged.
        """
        try:
            from dreamsim.config import dreamsim_weights
        except (ImportError, RuntimeError) as error:  # the package refuses an older peft by the latter
            raise ModelError(
                f"{self.name} needs its package ({_reason(error)}): pip install 'alignbench[dreamsim]'"
            ) from error
        from baselines.weights import files_fingerprint

        folder = weights_folder()
        with _downloads(self.name, folder, dreamsim_weights["ensemble"]):
            _fetch(folder, dreamsim_weights["ensemble"])
        files = [folder / name for name in (_DINO, *_CLIPS, _SETTINGS, _adapter(folder))]
        try:
            network = _network(folder, device)
        except ModelError:
            raise
        except Exception as error:  # whatever the package says of weights that are not its own
            raise ModelError(
                f"{folder} does not hold the weights of {self.name} ({_reason(error)}): {_REMEDY}"
            ) from error
        return replace(self, network=network, fingerprint=files_fingerprint(*files))

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return distances of pairs: two (pairs, 3, 224, 224) tensors in [0, 1] to (pairs,)."""
        if self.network is None:
            raise ModelError(f"{self.name} has no weights yet: call its `to(device)` and use what that returns")
        distances: Tensor = self.network(first, second)
        return distances


_REMEDY: Final = "remove it, to download it again"


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]


# ------------------------------------------------------------------------------------------------- files


def weights_folder() -> Path:
    """Return the folder of the weights.

    Raises:
        ModelError: If there is no home in which it could be.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named).expanduser() if named else cache_folder("dreamsim")
    if folder is None:
        raise ModelError(f"there is no home directory to keep weights in: set {VARIABLE} or ALIGNBENCH_CACHE")
    return folder


def _adapter(folder: Path) -> str:
    """Name of the file of the LoRAs' weights, whichever way they are kept."""
    return next((name for name in _ADAPTERS if (folder / name).is_file()), _ADAPTERS[0])


def _fetch(folder: Path, release: str) -> None:
    """Download what a folder lacks, each file whole or not at all.

    Args:
        folder: The folder of the weights.
        release: Address of the archive of the release.
    """
    from torch.hub import download_url_to_file

    if not all((folder / name).is_file() for name in (*_CLIPS, _SETTINGS, _adapter(folder))):
        make_folder(folder)
        with TemporaryDirectory(dir=folder) as scratch:
            archive = Path(scratch) / "release.zip"
            download_url_to_file(release, str(archive))
            _unpack(archive, folder)
    if not (folder / _DINO).is_file():
        make_folder((folder / _DINO).parent)
        download_url_to_file(_DINO_URL, str(folder / _DINO))


def _unpack(archive: Path, folder: Path) -> None:
    """Take what is needed out of the archive of the release, and nothing else."""
    with zipfile.ZipFile(archive) as packed:
        held = set(packed.namelist())
        adapter = next((name for name in _ADAPTERS if name in held), _ADAPTERS[0])
        for name in (*_CLIPS, adapter, _SETTINGS):
            with packed.open(name) as source, whole_file(folder / name) as scratch, scratch.open("wb") as target:
                shutil.copyfileobj(source, target)


@contextmanager
def _downloads(name: str, folder: Path, release: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, HTTPException, KeyError, zipfile.BadZipFile, AlignbenchError) as error:
        raise ModelError(
            f"{name} has no weights in {folder}, and downloading them failed ({_reason(error)}): unpack {release} "
            f"there, and put {_DINO_URL} at {folder / _DINO}"
        ) from error


# ----------------------------------------------------------------------------------------------- network


def _network(folder: Path, device: str) -> nn.Module:
    """The package's ensemble around the weights in a folder."""
    from dreamsim.config import dreamsim_args
    from dreamsim.feature_extraction.vision_transformer import vit_base
    from dreamsim.model import PerceptualModel
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    from baselines.weights import read_weights

    lora = LoraConfig(**_adapter_settings(folder / _SETTINGS))
    for name in _CLIPS:  # the package reads these itself, in the same safe way, but would take what is no number
        read_weights(folder / name, _REMEDY, within="state_dict")
    dino = read_weights(folder / _DINO, _REMEDY)
    adapter = folder / _adapter(folder)
    weights = read_weights(adapter, _REMEDY)

    def load_dino() -> nn.Module:
        network: nn.Module = vit_base(patch_size=16)
        network.load_state_dict(dino)
        return network

    with _dino_from(load_dino):
        settings = dreamsim_args["model_config"]["ensemble"]
        network = PerceptualModel(**settings, device=device, load_dir=str(folder), normalize_embeds=True)
    network = get_peft_model(network, lora)
    result = set_peft_model_state_dict(network, weights)
    lacking = [name for name in result.missing_keys if "lora_" in name]
    if lacking or result.unexpected_keys:
        wrong = [*lacking, *result.unexpected_keys][0]
        raise ModelError(f"{adapter} does not hold the weights of {_SETTINGS} ({wrong}): {_REMEDY}")
    ready: nn.Module = network.to(device).eval().requires_grad_(False)
    return ready


@contextmanager
def _dino_from(load: Callable[[], nn.Module]) -> Iterator[None]:
    """Let the package take DINO from here, for which it would fetch code from GitHub and run it."""
    from dreamsim.feature_extraction.extractor import ViTExtractor

    own = ViTExtractor.create_model

    def create_model(kind: str, load_dir: str) -> Any:
        return load() if kind == "dino_vitb16" else own(kind, load_dir)

    ViTExtractor.create_model = staticmethod(create_model)
    try:
        yield
    finally:
        ViTExtractor.create_model = staticmethod(own)


def _adapter_settings(path: Path) -> dict[str, Any]:
    """Read what the package takes of the settings of the LoRAs; nothing else in the file counts."""
    try:
        with open_plain(path) as file:
            found = json.load(file)
        values = {name: found[name] for name in _KINDS}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({_reason(error)}): {_REMEDY}") from error
    for name, kind in _KINDS.items():
        if not isinstance(values[name], kind):
            raise ModelError(f"{path} has another {name} than a LoRA takes: {_REMEDY}")
    # a text would be a pattern of peft's, and a large rank would fill the memory
    if not (0 < values["r"] <= _MOST_RANK and all(isinstance(name, str) for name in values["target_modules"])):
        raise ModelError(f"{path} has another r or target_modules than a LoRA takes: {_REMEDY}")
    return values


DREAMSIM: Final[PairMetric] = DreamSim()
