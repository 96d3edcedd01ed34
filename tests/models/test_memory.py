"""Too little memory is said to be that, whatever else was thought of it on the way."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from alignbench.errors import ModelError
from alignbench.models.memory import lack_of_memory_said, refuse_larger_than_memory
from folders import Folders

pytestmark = pytest.mark.slow


def test_weights_that_no_machine_holds_are_not_drawn() -> None:
    with torch.device("meta"):
        small, large = nn.Linear(3, 4), nn.Linear(2**24, 2**23, bias=False)  # 2^47 numbers of 4 bytes are 512 TiB
    refuse_larger_than_memory("m", small)
    with pytest.raises(ModelError, match=r"^the weights of m would take 524288 GiB, and this machine has \d+: correct"):
        refuse_larger_than_memory("m", large)


@pytest.mark.parametrize(
    "lack",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried"),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_lack_of_memory_is_said(lack: Exception, wrapped: bool) -> None:
    said = r"^there is not enough free memory for m \(.+\): close other programs, or take a smaller model"
    error = ModelError("config.json cannot be followed: download it again") if wrapped else lack
    error.__cause__ = lack if wrapped else None
    with pytest.raises(ModelError, match=said), lack_of_memory_said("m"):
        raise error


@pytest.mark.parametrize("error", [ModelError("damaged"), RuntimeError("shapes of memory"), OSError(2, "missing")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, lack_of_memory_said("m"):
        raise error
    assert raised.value is error


_LOADS = """
import pathlib, resource, sys
from alignbench.errors import ModelError
from alignbench.models.families import load_tower
load_tower(sys.argv[1], random_init=True)  # so that everything is imported
used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
try:
    load_tower(sys.argv[2], random_init=True)
except ModelError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_random_weights_that_do_not_fit_free_memory(tiny_tower: Folders, tmp_path: Path) -> None:
    small = tiny_tower("clip")
    large = Path(shutil.copytree(small, tmp_path / "large"))
    file = large / "config.json"
    config = json.loads(file.read_text())
    config["vision_config"] |= {"hidden_size": 4096, "intermediate_size": 16384, "num_hidden_layers": 4}
    file.write_text(json.dumps(config))  # 3 GiB
    done = subprocess.run(
        [sys.executable, "-c", _LOADS, str(small), str(large)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.startswith(f"there is not enough free memory for {large} ("), done.stdout + done.stderr
    assert done.stdout.count("\n") == 1
