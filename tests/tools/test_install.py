"""What pip is told on a machine, uv is told too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import install

LISTED = """\
:env:.timeout='60'
global.cert='/etc/ssl/own.pem'
global.constraint='/etc/pip/constraints.txt'
global.extra-index-url='https://a.example/simple file:///nowhere/simple'
global.index-url='https://old.example/simple'
global.trusted-host='a.example b.example'
install.index-url='https://mirror.example/simple'
freeze.index-url='https://other.example/simple'
"""


def test_the_strongest_setting_counts_and_other_commands_are_left_out() -> None:
    found = install.pip_settings(LISTED + ":env:.index-url='https://mine.example/simple'\n")
    assert found["index-url"] == "https://mine.example/simple"
    assert install.pip_settings(LISTED)["index-url"] == "https://mirror.example/simple"
    assert install.pip_settings("") == {}


def test_settings_are_handed_on_and_folders_that_are_not_there_are_left_out() -> None:
    assert install.uv_settings(install.pip_settings(LISTED), {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://a.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "a.example b.example",
        "UV_CONSTRAINT": "/etc/pip/constraints.txt",
        "SSL_CERT_FILE": "/etc/ssl/own.pem",
        "UV_HTTP_TIMEOUT": "60",
    }


def test_what_uv_is_told_itself_stands() -> None:
    given = {"UV_DEFAULT_INDEX": "https://uv.example/simple", "SSL_CERT_FILE": "/other.pem"}
    found = install.uv_settings(install.pip_settings(LISTED), given)
    assert not found.keys() & given.keys()


def test_a_folder_of_wheels_that_is_there_is_handed_on(tmp_path: Path) -> None:
    found = install.uv_settings({"find-links": f"{tmp_path.as_uri()} /wheels"}, {})
    assert found == {"UV_FIND_LINKS": f"{tmp_path.as_uri()},/wheels"}


@pytest.mark.parametrize(
    ("uv", "expected"),
    [
        ("exit 0", ["pip install --quiet --disable-pip-version-check uv", "pip config list", "uv pip install"]),
        ("exit 1", ["pip install --quiet", "pip config list", "uv pip install", "pip install --editable ."]),
        (None, ["pip install --quiet", "pip install --editable ."]),
    ],
    ids=["uv", "uv fails", "no uv"],
)
def test_pip_installs_where_uv_does_not(tmp_path: Path, uv: str | None, expected: list[str]) -> None:
    """Both programs are stood in for by scripts that write down how they are called."""
    folder, calls = tmp_path / "venv" / "bin", tmp_path / "calls"
    folder.mkdir(parents=True)
    has_uv = 'case "$*" in *quiet*) exit 1;; esac' if uv is None else ""
    programs = {"python": f'echo "pip ${{*:3}}" >> {calls}\n{has_uv}', "uv": f'echo "uv $*" >> {calls}\n{uv}'}
    for name, lines in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{lines}\n")
        (folder / name).chmod(0o755)
    script = Path(install.__file__)
    done = subprocess.run([sys.executable, str(script), str(tmp_path / "venv"), "--editable", "."], text=True)
    assert done.returncode == 0
    called = calls.read_text().splitlines()
    assert len(called) == len(expected)
    assert all(line.startswith(start) for line, start in zip(called, expected, strict=True)), called
