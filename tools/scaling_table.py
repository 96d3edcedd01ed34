"""Print the table of `docs/scale/speed.md` that says what the study's jobs take: computed figures, at assumed rates.

python tools/scaling_table.py
"""

from __future__ import annotations

from alignbench.cli.commands.plan import shown_size, shown_time
from alignbench.measurement.cell import Cell
from alignbench.measurement.cost.estimate import Estimate, Machines, Subject, Work, estimate
from alignbench.measurement.cost.rates import assumed_rates
from alignbench.measurement.cost.workload import read_subject, read_work

MODELS = ("base-patch32", "base-patch16", "large-patch14", "large-patch14-336")
DATA = (("tid2013", ""), ("nights", ""), ("things", "testset1"), ("things", "all"))
GPUS = (1, 8, 64)
DEVICE, PRECISION, BATCH, FEATURES = "h100", "bf16", 64, 16_000_000_000


def one(subject: Subject, work: Work, gpus: int) -> Estimate:
    """The cost of a job on so many GPUs, at most eight a machine."""
    machines = Machines(min(gpus, 8), -(-gpus // 8), BATCH, FEATURES, assumed_rates(DEVICE, PRECISION))
    return estimate(subject, work, machines)


def rows(model: str) -> list[str]:
    """The lines of a model."""
    found = []
    for dataset, subset in DATA:
        cell = Cell(model=f"openai/clip-vit-{model}", dataset=dataset, subsets=(subset,) if subset else ())
        subject, (work, _) = read_subject(cell), read_work(cell)
        costs = [one(subject, work, gpus) for gpus in GPUS]
        cells = [model.replace("patch", ""), f"{dataset} {subset}".strip(), f"{costs[0].images:,}"]
        cells += [f"{work.images * subject.cost.flops / 1e12:,.0f}", shown_size(costs[0].pixel_bytes)]
        for cost in costs:
            passes = f", {cost.passes} passes" if cost.passes > 1 else ""
            times = [shown_time(seconds) for seconds in (cost.first_seconds, cost.cached_seconds)]
            cells.append(f"{shown_size(cost.memory_bytes)}{passes}: {' / '.join(times)}")
        found.append(f"| {' | '.join(cells)} |")
    return found


def table() -> str:
    """The table in Markdown."""
    columns = [
        "CLIP",
        "data",
        "images",
        "TFLOP a pass",
        "prepared pictures",
        *(f"{n} GPU{'s' * (n > 1)}" for n in GPUS),
    ]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return "\n".join(lines + [row for model in MODELS for row in rows(model)])


if __name__ == "__main__":
    print(table())
