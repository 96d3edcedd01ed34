"""One cell of the study as data: which model, which data set, and how."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final, Literal

from alignbench.distances.names import DISTANCES
from alignbench.distances.protocols import PROTOCOLS, Protocol
from alignbench.errors import UsageError, unknown
from alignbench.models.cards import cards
from alignbench.models.families import RANDOM_PREFIX, model_label
from alignbench.models.feature_names import features_path
from alignbench.models.own_cards import Factors, check_factors, check_label_free, join_factors, read_own_card
from alignbench.models.pair_metrics import METRICS
from alignbench.results.run_record import RunRecord, RunSettings

TOKEN_VIEWS = ("all", "cls", "mean")
PRECISIONS = ("fp32", "bf16", "fp16")
ACCELERATORS = ("auto", "cpu", "cuda")
RESIZINGS = ("checkpoint", "squash", "published")
_LARGEST = 2**63 - 1
_MOST_PROCESSES = 1024  # on one machine
_MOST_RANKS = 16_384  # on all: each is planned for
_TAKEN: Final = {each.name for kind in (RunSettings, RunRecord) for each in fields(kind)} | {"run_folder"}
"""Names that runs are grouped by anyway, so that a factor of that name would hide one."""


@dataclass(frozen=True)
class Cell:
    """What to measure and how; the fields are the options of `alignbench run`.

    Attributes:
        model: A card's name, a Hugging Face id, a local directory, `FAMILY:...` such as `open_clip:ARCH/TAG`,
            `random:NAME`, a baseline, or `features:PATH` for features that exist.
        dataset: Name of a data set.
        data_root: Its folder; none for packaged sets.
        subsets: Subsets to score; empty for the data set's default. m[c] is fitted on all of them together.
        distances: Names of distances; ignored for baselines, which have their own.
        tokens: Token view.
        layers: Layers to measure: `all` for the model's usual ones, `blocks` for every block, names of these, and paths
            of modules; see `alignbench models show`.
        protocol: `paper` or `corrected`.
        resize: `checkpoint`, as its processor does; `squash`: the whole picture, whatever its shape, to the tower's
            square (PIL, bicubic), so that all models see the same; or `published`, as for the transform that is
            published for the model. Ignored for baselines.
        batch_size: Images a batch, or `auto` for the smallest that comes near the fastest on this device.
        precision: `fp32`, or `bf16` or `fp16` for the tower.
        accelerator: `auto`, `cpu` or `cuda`.
        devices: Processes on each machine that share the work of a tower; on `cuda` each has a GPU of its own.
        nodes: Machines that share the work.
        workers: Loader processes of each of these processes; none for a default.
        feature_memory: Bytes of features that each process keeps at the same time.
        pixel_cache: Folder of prepared pictures that runs share, `off` for none; nothing for the default one.
        pixel_cache_size: Bytes that it may take.
        compiled: Whether the tower is compiled by `torch.compile`.
        check_precision: With a low precision: on how many pairs scores are also taken in float32, to tell the largest
            change; 0 for none.
        random_init: Whether weights are random instead of the checkpoint's.
        seed: Seed of random weights and of the bootstrap.
        limit: How many judgments of each subset are taken, from its first on; none for all.
        transform: A file, the name of a published transform, or `published` for the one that is published for the
            model: a layer is measured after it too, beside plain ones.
        force_transform: Whether to take a transform of another model.
        label: What the model is called in tables and figures; empty for the label in `alignbench.toml` beside a
            checkpoint, or its name.
        factors: What runs may be grouped and compared by, beside the factors of the model's card and those in
            `alignbench.toml`.
    """

    model: str
    dataset: str
    data_root: Path | None = None
    subsets: tuple[str, ...] = ()
    distances: tuple[str, ...] = DISTANCES
    tokens: str = "all"
    layers: tuple[str, ...] = ("all",)
    protocol: str = "paper"
    resize: str = "checkpoint"
    batch_size: int | Literal["auto"] = 16
    precision: str = "fp32"
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int | None = None
    feature_memory: int = 4_000_000_000
    pixel_cache: str | Path | None = None
    pixel_cache_size: int = 20_000_000_000
    compiled: bool = False
    check_precision: int = 0
    random_init: bool = False
    seed: int = 0
    limit: int | None = None
    transform: str | Path | None = None
    force_transform: bool = False
    label: str = ""
    factors: Factors = field(default_factory=dict, hash=False)

    def checked(self) -> Cell:
        """Check that everything in it is possible, and return it with what stands for something else resolved.

        That is `random:`, a transform that is `published`, and the checkpoint's own card.

        Raises:
            UsageError: If a name is unknown or a number out of range, or factors contradict each other.
            ModelError: If there is a card beside the checkpoint that cannot be read.
        """
        choices = {
            "distance": (self.distances, DISTANCES),
            "token view": ((self.tokens,), TOKEN_VIEWS),
            "protocol": ((self.protocol,), PROTOCOLS),
            "precision": ((self.precision,), PRECISIONS),
            "accelerator": ((self.accelerator,), ACCELERATORS),
            "way to resize": ((self.resize,), RESIZINGS),
        }
        for kind, (given, valid) in choices.items():
            for name in given:
                if name not in valid:
                    raise unknown(kind, name, valid)
        if not self.distances:
            raise UsageError(f"no distance to measure: choose from {', '.join(DISTANCES)}")
        if not self.layers:
            raise UsageError("no layer to measure: leave out --layers, or see `alignbench models show`")
        if self.batch_size != "auto" and not isinstance(self.batch_size, int):
            raise UsageError(f"batch size {self.batch_size!r} is neither a whole number nor auto")
        self._check_numbers()
        self._check_together()
        if self.model.startswith(RANDOM_PREFIX):
            return replace(self, model=self.model.removeprefix(RANDOM_PREFIX), random_init=True).checked()
        return self._with_published()._with_own_card()

    def _with_published(self) -> Cell:
        """It with the name of the transform that is published for the model, where that is asked for."""
        if self.is_metric or "published" not in (self.transform, self.resize):
            return self
        from alignbench.transforms.named import published_for

        name = published_for(self.model)
        return replace(self, transform=name) if self.transform == "published" else self

    def _with_own_card(self) -> Cell:
        """It with the label and the factors that stand beside the checkpoint."""
        card = read_own_card(self.model)
        label = self.label or card.label
        if label:
            check_label_free(label, self.model)
        check_factors(self.factors)
        factors = join_factors(self.model, self.factors, card.factors)
        for name in factors:
            if name in _TAKEN:
                raise UsageError(f"the factor {name} is called like a setting of every run: give it another name")
        return replace(self, label=label, factors=factors)

    def _check_numbers(self) -> None:
        """Refuse numbers out of range."""
        numbers = {
            "limit": (self.limit, 1, _LARGEST),
            "feature memory": (self.feature_memory, 1, _LARGEST),
            "pixel cache size": (self.pixel_cache_size, 1, _LARGEST),
            "devices": (self.devices, 1, _MOST_PROCESSES),
            "number of nodes": (self.nodes, 1, _MOST_RANKS),
            "devices on all nodes": (self.devices * self.nodes, 1, _MOST_RANKS),
            "batch size": (None if isinstance(self.batch_size, str) else self.batch_size, 1, _LARGEST),
            "loader workers": (self.workers, 0, _MOST_PROCESSES),
            "number of pairs to check the precision on": (self.check_precision, 0, _LARGEST),
        }
        for kind, (number, least, most) in numbers.items():
            if number is not None and number < least:
                raise UsageError(f"{kind} {number} is below {least}")
            if number is not None and number > most:
                raise UsageError(f"{kind} {number} is out of range: give {most:,} at most")
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"seed {self.seed} is out of range 0 to 2^63 - 1")

    def _check_together(self) -> None:
        """Refuse options that contradict each other."""
        if self.check_precision and self.precision == "fp32":
            raise UsageError("nothing to check: --check-precision goes with --precision bf16 or fp16")
        if (self.is_metric or self.features is not None) and self.random_init:
            raise UsageError(f"{self.model} has no weights to randomise: leave out --random-init")
        if self.features is not None and self.resize != "checkpoint":
            raise UsageError(f"{self.model} holds features already, of pictures as they were: leave out --resize")
        if self.features is not None and self.transform == "published":
            raise UsageError(f"{self.model} holds features, of whichever model: name the transform itself")
        if self.is_metric and self.transform is not None:
            raise UsageError(f"{self.model} has no layer to align: leave out --transform")
        if self.is_metric and self.layers != ("all",):
            raise UsageError(f"{self.model} has one layer: leave out --layers")
        if self.force_transform and self.transform is None:
            raise UsageError("nothing to force: --force-transform goes with --transform")

    @property
    def is_metric(self) -> bool:
        """Whether the model is a pair metric; a model card of the same name goes first."""
        return self.model in METRICS and self.model not in cards()

    @property
    def features(self) -> Path | None:
        """The file or folder of features that exist, if the model is these; see `features_path`."""
        return None if self.model in cards() else features_path(self.model)

    @property
    def rules(self) -> Protocol:
        """The rules of its protocol."""
        return PROTOCOLS[self.protocol]

    @property
    def device(self) -> str:
        """`cuda` or `cpu`: what `accelerator` comes to on this machine."""
        if self.accelerator != "auto":
            return self.accelerator
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    @property
    def checkpoint(self) -> str:
        """What the model is called without a label and a transform."""
        return self._seeded(model_label(self.model))

    def _seeded(self, name: str) -> str:
        return f"{name}@random-{self.seed}" if self.random_init else name

    @property
    def name(self) -> str:
        """What the model is called in tables and figures."""
        name = self._seeded(self.label or model_label(self.model))
        if self.transform is None:
            return name
        from alignbench.transforms.named import transform_name

        return f"{name}@{transform_name(self.transform)}"
