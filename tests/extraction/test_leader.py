"""A rank ends with the process that started it, also during imports and if that process was gone before it began."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alignbench.extraction.leader import LEADER, is_led, leading
from patience import PATIENCE

# a leader that starts a rank, hears that it is where it is to be, says so, and waits
LEADS = """
import os, subprocess, sys, time
from alignbench.extraction.leader import leading
with leading():
    rank = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(rank.pid, flush=True)
time.sleep({seconds})
"""
# a heavy import that never ends, and holds the interpreter meanwhile, as loading a library does
IMPORTS = """
import ctypes, sys
import alignbench
print("imports", flush=True)
ctypes.PyDLL(None).sleep(600)
"""


def lead(rank: str, seconds: float = 600.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LEADS.format(seconds=seconds), rank]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def check_all_end(process: subprocess.Popen[str]) -> None:
    """Whoever holds the pipe has ended when it has."""
    assert process.stdout is not None
    with process.stdout:
        process.stdout.read()
    process.wait(PATIENCE)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel has to end it")
def test_a_rank_that_imports_ends_with_its_leader() -> None:
    process = lead(IMPORTS)
    assert process.stdout is not None
    while process.stdout.readline() != "imports\n":
        pass
    process.kill()
    check_all_end(process)


def test_a_rank_whose_leader_was_gone_before_it_began_ends_at_once(tmp_path: Path) -> None:
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    os.mkfifo(gate)
    rank = f"open({str(gate)!r}).read(); import alignbench; open({str(begun)!r}, 'w')"
    process = lead(rank, seconds=0.0)
    assert process.wait(PATIENCE) == 0
    gate.write_text("")
    check_all_end(process)
    assert not begun.exists()


def test_a_rank_notices_by_itself_where_the_kernel_does_not_tell() -> None:
    rank = "import alignbench.extraction.leader as it; import time; print('watches', flush=True); time.sleep(600)"
    quiet = "import ctypes; ctypes.CDLL = None; ctypes.CDLL = lambda _: object(); "
    process = lead(quiet + rank)
    assert process.stdout is not None
    while process.stdout.readline() != "watches\n":
        pass
    process.kill()
    check_all_end(process)


def test_a_rank_leaves_ctrl_c_to_its_leader_and_what_it_starts_is_led_by_nobody() -> None:
    inner = "import alignbench; from alignbench.extraction.leader import is_led; print(is_led())"
    rank = "import alignbench, os, signal, subprocess, sys; from alignbench.extraction.leader import is_led; "
    rank += "os.kill(os.getpid(), signal.SIGINT); print(is_led(), flush=True); "
    rank += f"subprocess.run([sys.executable, '-c', {inner!r}])"
    script = LEADS.format(seconds=0.0).replace("time.sleep(0.0)", "rank.wait()")
    done = subprocess.run([sys.executable, "-c", script, rank], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.split()[1:] == ["True", "False"]
    assert done.stderr == ""


@pytest.mark.parametrize("value", ["", "nobody", "-1 5"])
def test_what_is_no_leader_leads_nobody(value: str) -> None:
    code = "import alignbench; from alignbench.extraction.leader import is_led; print(is_led())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {LEADER: value}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_only_what_is_started_meanwhile_is_led() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert not is_led()
    with leading():
        assert os.environ[LEADER].split()[0] == str(os.getpid())
    assert LEADER not in os.environ
    assert signal.getsignal(signal.SIGINT) == before
