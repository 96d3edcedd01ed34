"""Train the base student of a packaged world, and save it in Hugging Face layout.

    python tools/train_shapes_levels.py --output alignbench/assets/shapes-levels-vit
    python tools/train_shapes_levels.py --output base3 --world 3 --steps 400

Without options it is `shapes-levels-vit`, which comes with the package.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from alignbench.alignet.world_student import Pretraining, pretrain
from alignbench.datasets.levels_world import LevelsWorld


def main() -> None:
    usual = Pretraining()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the model")
    parser.add_argument("--world", type=int, default=0, help="seed of the world")
    parser.add_argument("--seed", type=int, default=usual.seed, help="seed of weights and order")
    parser.add_argument("--steps", type=int, default=usual.steps)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    world, start = LevelsWorld(arguments.world), time.monotonic()

    def heard(step: int, loss: float) -> None:
        if step % 50 == 0:
            print(f"step {step:5d}  loss {loss:.3f}  {time.monotonic() - start:6.0f} s", flush=True)

    student = pretrain(world, Pretraining(arguments.steps, seed=arguments.seed), heard)
    student.save(arguments.output)
    for purpose in ("levels", "shifted"):
        unseen = world.pictures(purpose, 20)
        print(f"right leaf of {len(unseen.chosen):,} unseen pictures for {purpose}: {student.accuracy(unseen):.3f}")


if __name__ == "__main__":
    main()
