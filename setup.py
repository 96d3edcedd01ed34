"""What pyproject.toml cannot say: a wheel carries the sweep files, which users of the repository find in `sweeps/`."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithSweeps(build_py):
    """Copies `sweeps/` to `alignbench/assets/sweeps`; an editable install reads them where they are."""

    def run(self) -> None:
        """Build the packages, then add the sweep files."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "alignbench", "assets", "sweeps")
        self.mkpath(str(target))
        for file in sorted(Path("sweeps").glob("*.yaml")):
            self.copy_file(str(file), str(target / file.name))


setup(cmdclass={"build_py": BuildWithSweeps})
