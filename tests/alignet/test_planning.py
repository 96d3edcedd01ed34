"""What a plan says is worked out by hand, and is what the stages then write, hold and compute."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from alignbench.alignet.clustering import ClusteringJob, cluster_pictures
from alignbench.alignet.k_means import KMeansOptions
from alignbench.alignet.label_folder import LabellingJob, label_triplets
from alignbench.alignet.picture_groups import cluster_groups
from alignbench.alignet.planned_job import PlannedJob, PlannedModel
from alignbench.alignet.planning import CACHED, DECODED, StageCost, assumptions, stage_costs
from alignbench.alignet.sampled_triplets import SampledTriplets, SamplingJob, draw_triplets
from alignbench.alignet.sampling import SamplingOptions
from alignbench.alignet.stage_folders import write_names
from alignbench.alignet.teacher_features import teacher_features
from alignbench.alignet.training.checkpoints import write_checkpoint
from alignbench.alignet.training.loop import StudentLoop
from alignbench.alignet.training.recipe import StudentRecipe
from alignbench.alignet.training.student import Student
from alignbench.errors import UsageError
from alignbench.extraction.cached_pixels import entry_bytes
from alignbench.extraction.distributed import Ranks
from alignbench.extraction.feature_files import FeatureFile, write_features
from alignbench.measurement.cost.rates import Rates
from alignbench.models.cost import TowerCost
from alignbench.models.families import load_tower
from alignbench.transforms import AffineTransform
from students import write_vit

SEEN = PlannedModel("seen", TowerCost(parameters=7, flops=60, side=9), width=6, activations=0)
TAUGHT = PlannedModel("taught", TowerCost(parameters=90, flops=50, side=8), width=3, activations=1000)
RECIPE = StudentRecipe(width=5, steps=10, batch=4)
JOB = PlannedJob(SEEN, TAUGHT, images=120, triplets=500, clusters=8, iterations=9, recipe=RECIPE, suffix=".png")
SLOW = Rates(100.0, 10.0, {".png": 2.0}, 3.0, same_cores=False, link=7.0, origin="made up")


def stages(
    job: PlannedJob = JOB, rates: Rates = SLOW, devices: int = 1, speed: float | None = None
) -> dict[str, StageCost]:
    return {stage.stage: stage for stage in stage_costs(job, rates, devices, speed)}


def test_every_stage_is_there_in_order() -> None:
    assert list(stages()) == ["extract", "cluster", "sample", "label", DECODED, CACHED]


def test_extraction_by_hand() -> None:
    found = stages()["extract"]
    assert (found.images, found.flops, found.memory_bytes) == (120, 120 * 60, 4 * 7)
    assert found.seconds == pytest.approx(120 * 60 / 100)  # decoding takes 120 / 2 / 3 s, on other cores
    same = stages(rates=replace(SLOW, same_cores=True))["extract"]
    assert same.seconds == pytest.approx(120 * 60 / 100 + 120 / 2 / 3)


def test_clustering_by_hand() -> None:
    found = stages()["cluster"]
    transform, start, iteration = 2 * 120 * 6 * 6, 2 * 120 * 6 * 4 * 8, 2 * 120 * 6 * 8  # 2 + ln 8 = 4 tries
    assert found.flops == transform + start + 10 * iteration
    assert found.read_bytes == 4 * 120 * 6 * (8 + 9 + 3)
    assert found.seconds == pytest.approx((transform + start + 5 * 10 * iteration) / 10, rel=1e-6)


def test_training_by_hand() -> None:
    forward = 50 + 2 * 3 * 5
    found = stages()
    decoded, cached = found[DECODED], found[CACHED]
    assert decoded.images == cached.images == 10 * 4 * 3
    assert decoded.flops == 120 * 3 * forward
    assert decoded.seconds == pytest.approx(120 * 3 * forward / 100)
    slowly = stages(rates=replace(SLOW, cores=0.1))
    assert slowly[DECODED].seconds == pytest.approx(120 / 2 / 0.1)
    assert slowly[CACHED].seconds == cached.seconds == decoded.seconds
    assert stages(rates=replace(SLOW, same_cores=True))[DECODED].seconds == pytest.approx(decoded.seconds + 20)
    assert cached.read_bytes == 120 * entry_bytes((3, 8, 8))
    assert cached.disk_bytes - decoded.disk_bytes == 120 * entry_bytes((3, 8, 8))
    trained = 90 + (3 + 1) * 5
    assert decoded.memory_bytes == 4 * trained * (1 + 1 + 2 + 1) + 12 * 1000  # values, gradients, moments, theta_0


def test_a_head_alone_needs_one_forward_pass() -> None:
    found = stages(replace(JOB, recipe=replace(RECIPE, head_only=True)))[DECODED]
    assert found.flops == 120 * (50 + 2 * 2 * 3 * 5)
    assert found.memory_bytes == 4 * (90 + 20) + 4 * 20 * 4
    assert found.scratch_bytes == 2 * 4 * 4 * 20


def test_processes_share_training_alone() -> None:
    alone, four = stages(), stages(devices=4)
    for name in ("extract", "cluster", "sample", "label"):
        assert four[name] == replace(alone[name], devices=4)
    made = alone[DECODED].seconds / 4
    gradients = 4 * (90 + 20)
    assert four[DECODED].link_bytes == 10 * 2 * 3 * gradients // 4  # a ring: each passes on 3 quarters, twice
    assert four[DECODED].seconds == pytest.approx(made / 3 + four[DECODED].link_bytes / 7)  # links outlast the way back
    fast = stages(rates=replace(SLOW, link=1e9), devices=4)
    assert fast[DECODED].seconds == pytest.approx(made)
    assert four[DECODED].memory_bytes == 6 * gradients + 3 * 1000
    with pytest.raises(UsageError, match="--batch-triplets 4 cannot be cut into 3 equal parts"):
        stages(devices=3)


def test_a_known_speed_takes_the_place_of_operations() -> None:
    fast = replace(SLOW, link=1e9)
    assert stages(rates=fast, speed=0.5)[CACHED].seconds == pytest.approx(120 / 0.5)
    assert stages(rates=fast, devices=2, speed=0.5)[CACHED].seconds == pytest.approx(60 / 0.5)
    busy = replace(fast, same_cores=True)
    assert stages(rates=busy, speed=0.5)[DECODED].seconds == pytest.approx(120 / 0.5), "decoding is in it"
    assert stages(rates=fast, speed=0.5)["extract"] == stages(rates=fast)["extract"]


def test_assumptions_are_said() -> None:
    said = "\n".join(assumptions(JOB, SLOW, 12.5))
    wanted = math.ceil(120 * entry_bytes((3, 8, 8)) / 1e8) / 10  # never less than all pictures take
    assert f"--pixel-cache-size {wanted:.1f}GB" in said
    for text in ("seen (6 numbers", "taught", "10 steps of 4", "made up", "12.5 images/s", "not counted", "20%"):
        assert text in said


# ------------------------------------------------------------------------------- against what the stages do


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("planned")


@pytest.fixture(scope="module")
def scratch(root: Path) -> dict[str, int]:
    """Real stages on as many pictures, clusters and triplets, and what clustering has on the disk meanwhile."""
    rng = np.random.default_rng(0)
    rows = (4 * rng.normal(size=(8, 6))[np.arange(120) % 8] + rng.normal(size=(120, 6))).astype(np.float32)
    names = [f"n01440764/n01440764_{number + 10_000}.JPEG" for number in range(120)]
    write_features(root / "features.safetensors", FeatureFile({"projection": rows}, names, origin={"model": "own"}))
    AffineTransform(rng.normal(size=(6, 6)), 0.0, 1.0, np.zeros(6), {"model": "own", "layer": "projection"}).save(
        root / "teacher.safetensors"
    )
    seen = teacher_features(root / "features.safetensors", None, str(root / "teacher.safetensors"))
    meanwhile: dict[str, int] = {}

    def heard(state: object) -> None:
        for file in root.glob("stages/.partial-*/*"):
            meanwhile[file.name] = file.stat().st_size

    clustered, _ = cluster_pictures(ClusteringJob(seen, 8, KMeansOptions(), root / "stages"), heard)
    clustered.rename(root / "cluster")
    drawn, _ = draw_triplets(SamplingJob(cluster_groups(root / "cluster"), 500, SamplingOptions(), root / "stages"))
    drawn.rename(root / "sample")
    triplets = SampledTriplets.open(root / "sample")
    labelled, _ = label_triplets(LabellingJob(triplets, seen, "dot", root / "stages"))
    labelled.rename(root / "label")
    return meanwhile


@pytest.mark.parametrize("stage", ["cluster", "sample", "label"])
def test_folders_are_as_large_as_is_said(scratch: dict[str, int], root: Path, stage: str) -> None:
    files = [file for file in (root / stage).iterdir() if file.suffix != ".json"]
    arrays = sum(file.stat().st_size for file in files)
    names = (root / stage / "names.json").stat().st_size
    headers = 1024 * len(files)
    assert 0 <= arrays + names - stages()[stage].disk_bytes <= headers


def test_features_are_as_large_as_is_said(scratch: dict[str, int], root: Path) -> None:
    assert 0 <= (root / "features.safetensors").stat().st_size - stages()["extract"].disk_bytes <= 2048


def test_clustering_has_no_more_on_the_disk_meanwhile(scratch: dict[str, int]) -> None:
    assert scratch.keys() == {"points.npy", "state.safetensors"}
    said = stages()["cluster"].scratch_bytes
    assert 0 <= scratch["points.npy"] + 2 * scratch["state.safetensors"] - said <= 3 * 2048


def test_names_of_imagenet_are_as_long_as_is_said(tmp_path: Path) -> None:
    write_names(tmp_path, [f"n01440764/n01440764_{number + 10_000}.JPEG" for number in range(1000)])
    one, none = stages()["sample"], stages(replace(JOB, images=1120))["sample"]
    assert (tmp_path / "names.json").stat().st_size == pytest.approx(none.disk_bytes - one.disk_bytes, abs=4)


@pytest.mark.parametrize("head_only", [False, True])
def test_training_holds_and_computes_what_is_said(tmp_path: Path, head_only: bool) -> None:
    write_vit(tmp_path / "vit")
    model = PlannedModel.named(str(tmp_path / "vit"))
    recipe = replace(RECIPE, head_only=head_only)
    said = stages(replace(JOB, student=model, recipe=recipe))[DECODED]
    student = Student(load_tower(model.name, protocol="corrected"), recipe.width, head_only, 0)
    loop = StudentLoop(student, recipe, Ranks(0, 1, torch.device("cpu")))
    loop.configure_optimizers()
    write_checkpoint(tmp_path / "checkpoint", loop.checkpoint(), {})
    assert 0 <= (tmp_path / "checkpoint").stat().st_size - said.scratch_bytes // 2 <= 40_000 * (not head_only) + 2048
    pixels = torch.zeros(3, 3, 16, 16, dtype=torch.uint8)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        student(pixels).sum().backward()
    counted = counter.get_total_flops() * said.images / 3
    # the first map of a tower makes no gradient of its pixels, which is counted
    assert (0.8 if not head_only else 1) * said.flops <= counted <= said.flops
