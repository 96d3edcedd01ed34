"""What pyproject.toml cannot say: sweep files in the wheel, and addresses of the repository that builds it."""

import os
import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

REPOSITORY = os.environ.get("ALIGNBENCH_REPOSITORY", "")  # e.g. https://github.com/OWNER/NAME, as the release sets it
REVISION = os.environ.get("ALIGNBENCH_REVISION", "HEAD")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)]+)\)")


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


def readme() -> str:
    """Return the README, whose pictures and pages a package index finds in the repository, if there is one."""
    text = Path("README.md").read_text(encoding="utf-8")
    if not REPOSITORY:
        return text
    return _LINK.sub(lambda link: "{0}[{1}]({3}/{4}/{2})".format(*_address(link)), text)


def _address(link: "re.Match[str]") -> tuple[str, ...]:
    place = f"{REPOSITORY}/{'raw' if link[1] else 'blob'}"
    return link[1], link[2], link[3], place, REVISION


def urls() -> dict[str, str]:
    """Return the addresses of the project."""
    if not REPOSITORY:
        return {}
    return {
        "Repository": REPOSITORY,
        "Documentation": f"{REPOSITORY}/blob/{REVISION}/README.md",
        "Changes": f"{REPOSITORY}/blob/{REVISION}/CHANGELOG.md",
        "Issues": f"{REPOSITORY}/issues",
    }


setup(
    cmdclass={"build_py": BuildWithSweeps},
    long_description=readme(),
    long_description_content_type="text/markdown",
    project_urls=urls(),
)
