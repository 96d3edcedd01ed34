"""The process that uploads ends with the one that started it, whatever it waits for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from patience import PATIENCE


def test_it_ends_when_its_starter_does(tmp_path: Path) -> None:
    (tmp_path / "wandb" / "cli").mkdir(parents=True)
    (tmp_path / "wandb" / "__init__.py").touch()
    (tmp_path / "wandb" / "cli" / "__init__.py").touch()
    stand_in = (
        "import time\ndef cli(words, prog_name):\n    print(prog_name, *words, flush=True)\n    time.sleep(1000)\n"
    )
    (tmp_path / "wandb" / "cli" / "cli.py").write_text(stand_in)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = ['a place']\n"
        "from alignbench.tracking.sync_process import main; main()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"wandb sync a place\n"
        process.stdin.close()
        assert process.wait(PATIENCE) == 1
