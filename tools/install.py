"""Install the project into a virtual environment: by uv where that can be had, which takes a fifth of pip's time.

    python3 tools/install.py .venv --editable '.[dev]'

uv reads none of pip's settings, so that a machine with an index, constraints or certificates of its own would be passed
by: they are handed on as uv's environment variables. Where there is no uv, or it ends with an error, pip installs.
"""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "no-index": "UV_NO_INDEX",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "retries": "UV_HTTP_RETRIES",
}
_SECTIONS = ("global", "install", ":env:")  # from the weakest to the strongest
_COMMAS = ("UV_FIND_LINKS",)  # what uv splits at commas; the others at blanks


def pip_settings(listed: str) -> dict[str, str]:
    """Return pip's settings of `pip config list`, the strongest of each name."""
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listed.splitlines():
        key, equals, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if equals and section in found:
            found[section][name] = str(ast.literal_eval(value))
    return {name: value for section in _SECTIONS for name, value in found[section].items()}


def uv_settings(settings: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables by which uv does as pip is told.

    Args:
        settings: See `pip_settings`.
        given: The environment: what is said there to uv itself stands.
    """
    found = {}
    for name, variable in _UV_NAMES.items():
        if name not in settings or variable in given:
            continue
        values = [value for value in settings[name].split() if _is_there(value)]
        if values:
            found[variable] = ("," if variable in _COMMAS else " ").join(values)
    if "UV_INDEX" in found and "UV_INDEX_STRATEGY" not in given:
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # as pip: the newest of all indexes, not that of the first
    return found


def _is_there(value: str) -> bool:
    """Whether a place exists; pip warns of a folder that does not, where uv would end."""
    address = urlsplit(value)
    return address.scheme != "file" or Path(url2pathname(address.path)).exists()


def main(given: Sequence[str]) -> int:
    """Install, and return the exit status."""
    folder, *what = given
    bin_ = Path(folder) / ("Scripts" if os.name == "nt" else "bin")
    python = str(bin_ / "python")
    pip = [python, "-m", "pip"]
    said = shlex.join(what)
    if subprocess.run([*pip, "install", "--quiet", "--disable-pip-version-check", "uv"]).returncode == 0:
        listed = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=True).stdout
        environment = {**os.environ, **uv_settings(pip_settings(listed), os.environ)}
        command = [str(bin_ / "uv"), "pip", "install", "--python", python, *what]
        if subprocess.run(command, env=environment).returncode == 0:
            return 0
        print(f"uv could not install {said}: pip goes on, which takes some minutes", flush=True)
    else:
        print(f"uv cannot be had: pip installs {said}, which takes some minutes", flush=True)
    return subprocess.run([*pip, "install", *what]).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
