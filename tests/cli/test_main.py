"""None"""

from __future__ import annotations

import subprocess
import sys


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from alignbench.cli.main import main; main(['--help']); "
        "heavy = {'torch', 'transformers', 'lightning', 'wandb', 'matplotlib', 'scipy', 'pandas', 'numpy'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "run" in done.stdout


def test_the_public_names_are_functions_and_classes_whatever_was_imported_first() -> None:
    import alignbench
    import alignbench.measurement.pipeline

    assert alignbench.measure is alignbench.measurement.pipeline.measure
    assert alignbench.__version__
