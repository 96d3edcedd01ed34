"""Models of a planned job are looked at without weights; what cannot be a job is refused."""

from dataclasses import replace

import pytest

from alignbench.alignet.planned_job import PlannedJob, PlannedModel
from alignbench.alignet.training.recipe import StudentRecipe
from alignbench.errors import ModelError, UsageError
from alignbench.models.cost import TowerCost

TOY = PlannedModel("toy", TowerCost(10, 50, 8), 4, 100)


def test_a_model_is_its_card() -> None:
    found = PlannedModel.named("openai/clip-vit-base-patch32")
    assert (found.width, found.cost.side, found.cost.parameters) == (512, 224, 87_849_216)
    assert found.activations > 12 * 50 * 4 * (6 * 768 + 2 * 3072)  # what the maps of twelve blocks alone take


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ssim", "ssim is a baseline"),
        ("openai/clip-vit-base-patch31", "did you mean openai/clip-vit-base-patch32"),
    ],
)
def test_what_is_no_model_is_refused(name: str, said: str) -> None:
    with pytest.raises((UsageError, ModelError), match=said):
        PlannedModel.named(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": 2}, "--images 2 is out of range: give 3 to"),
        ({"images": 10**13}, "--images 10,000,000,000,000 is out of range"),
        ({"triplets": 0}, "--triplets 0 is out of range: give 1 to"),
        ({"iterations": 0}, "--iterations 0 is out of range"),
        ({"clusters": 1}, "cannot make 1 cluster:"),
        ({"images": 10, "clusters": 11}, "10 pictures cannot make 11 clusters"),
        ({"recipe": StudentRecipe(steps=0)}, "--steps 0 is not at least 1"),
    ],
)
def test_what_is_no_job_is_refused(change: dict[str, object], said: str) -> None:
    job = PlannedJob(TOY, TOY)
    assert job.checked() == job
    with pytest.raises(UsageError, match=said):
        replace(job, **change).checked()  # type: ignore[arg-type]
