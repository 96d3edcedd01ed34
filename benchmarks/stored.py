"""Features that exist, 26,107 pictures x 13 layers x 768 channels, scored on THINGS: seconds and peak memory.

    python benchmarks/stored.py [--pictures 26107] [--layers 13] [--channels 768] [--form safetensors] [--threads 1]

Writes random features and a data set of THINGS' shape (1,854 pictures, `testset1.txt` with 1,000 distinct triplets),
and runs two programs over them, each in a process of its own: `alignbench run`, and plain NumPy, which reads
all features and computes the same three distances in float64. Their accuracies are compared. Peaks are those of the
whole processes, libraries included.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from workload import child, write_things

PLAIN = """
    import json, sys
    from pathlib import Path
    import numpy as np
    from safetensors.numpy import load_file

    root, path = Path(sys.argv[1]), sys.argv[2]
    names = json.loads((root / "names.json").read_text())
    row = {name.split("/")[1]: number for number, name in enumerate(names) if name.endswith("_01b.jpg")}
    rows = np.array([row[name] for name in (root / "things/unique_id.txt").read_text().split()])
    triplets = np.loadtxt(root / "things/testset1.txt", dtype=int)
    first, second = triplets[:, [0, 0, 1]], triplets[:, [1, 2, 2]]
    found = {}
    features = load_file(path) if path.endswith(".safetensors") else dict(np.load(path))
    for layer, array in features.items():
        if array.ndim < 2:
            continue
        x = array[rows].astype(np.float64)
        keys, back = np.unique(first * len(x) + second, return_inverse=True)
        a, b = x[keys // len(x)], x[keys % len(x)]
        squares = (a - b) ** 2
        times = np.bincount(back.ravel(), minlength=len(keys))
        means = times @ squares / times.sum()
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        values = {
            "normalized_euclidean": np.sqrt((squares / means).mean(axis=1)),
            "euclidean": np.sqrt(squares.mean(axis=1)),
            "cosine": 1 - (a * b).sum(axis=1) / lengths,
        }
        for name, distances in values.items():
            found[f"{name} {layer}"] = float((distances[back.reshape(first.shape)].argmin(axis=1) == 0).mean())
    print(json.dumps(found))
"""
OURS = """
    import sys
    from alignbench.cli.main import main
    root, path = sys.argv[1:]
    given = {"model": f"features:{path}", "dataset": "things", "data-root": f"{root}/things", "output": f"{root}/runs"}
    code = main(["run", "--wandb=off", "--accelerator=cpu", *(f"--{name}={value}" for name, value in given.items())])
    assert code == 0
"""
START = """
    import time
    start = time.perf_counter()
"""
END = """
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{time.perf_counter() - start:.1f} s, peak {peak / 1e6:.2f} GB")
"""


def write_features(root: Path, given: argparse.Namespace) -> Path:
    """Write features of all pictures of THINGS: one is the published one of its concept, and the others are others."""
    rng = np.random.default_rng(1)
    names = [
        f"object_images/object{n % given.objects:04d}/object{n % given.objects:04d}_{n // given.objects + 1:02d}"
        for n in range(given.pictures)
    ]
    names = [f"{name}b.jpg" if name.endswith("_01") else f"{name}s.jpg" for name in names]
    shape = (given.pictures, given.channels)
    arrays = {f"layer_{layer}": rng.standard_normal(shape, dtype=np.float32) for layer in range(given.layers)}
    (root / "names.json").write_text(json.dumps(names))
    path = root / f"features.{given.form}"
    if given.form == "npz":
        np.savez(path, names=np.array(names), **arrays)
    else:
        save_file(arrays, path, {"names": json.dumps(names)})
    return path


def measure(program: str, threads: int, *arguments: Path) -> tuple[str, str]:
    """Run a program in a process of its own: its last line but one, and how long and how large it was."""
    given = f"import sys; sys.argv[1:] = {[str(argument) for argument in arguments]}"
    parts = map(textwrap.dedent, (given, START, program, END))
    *lines, size = child("\n".join(parts), threads).splitlines()
    return lines[-1], size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=26_107)
    parser.add_argument("--layers", type=int, default=13)
    parser.add_argument("--channels", type=int, default=768)
    parser.add_argument("--objects", type=int, default=1_854)
    parser.add_argument("--triplets", type=int, default=15_640)
    parser.add_argument("--distinct", type=int, default=1_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--form", choices=["safetensors", "npz"], default="safetensors")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write_things(root / "things", given.objects, given.triplets, given.distinct)
        path = write_features(root, given)
        print(
            f"{given.pictures:,} x {given.layers} x {given.channels}, {path.stat().st_size / 1e9:.2f} GB {path.suffix}"
        )
        printed, plain = measure(PLAIN, given.threads, root, path)
        print(f"plain NumPy     {plain}")
        _, ours = measure(OURS, given.threads, root, path)
        print(f"alignbench run  {ours}")
        [curve] = (root / "runs").glob("*/curve.csv")
        timing = json.loads(curve.with_name("run.json").read_text())["timing"]
        print(f"its stages: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in timing.items())}")
        rows = pd.read_csv(curve).query("metric == 'accuracy'")
        found = {f"{row.distance} {row.layer}": row.value for row in rows.itertuples()}
        wanted = json.loads(printed)
        assert found.keys() == wanted.keys()
        print(f"largest difference of an accuracy: {max(abs(found[key] - wanted[key]) for key in wanted):.1e}")


if __name__ == "__main__":
    main()
