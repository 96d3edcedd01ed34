"""A leader ends in good order when Lightning's observer says that a rank has ended, and at once where it cannot."""

from __future__ import annotations

import subprocess
import sys

from patience import PATIENCE

# an observer as Lightning's, which kills its process as soon as it has said why
PLAY = """
import logging, os, signal, threading, time
from alignbench.errors import LostRankError
from alignbench.extraction import ended_ranks
ended_ranks._SECONDS = 0.2
ended_ranks.notice_ended_ranks()
def observe():
    logger = logging.getLogger("lightning.fabric.strategies.launchers.subprocess_script")
    logger.info("an advice")
    logger.info("[rank: 1] Child process with PID 5 terminated with code -15. Forcefully terminating all others")
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=observe, daemon=True).start()
try:
    {lines}
except LostRankError as error:
    {then}
"""


def play(lines: str, then: str = "print(error)") -> subprocess.CompletedProcess[str]:
    code = PLAY.format(lines=lines, then=then)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)


def test_the_thread_that_shares_the_run_raises_an_error_and_ends_as_it_likes() -> None:
    done = play("while True: time.sleep(0.01)")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("another process of this run has ended (")


def test_a_thread_that_waits_within_a_library_is_ended_with_its_process() -> None:
    done = play("time.sleep(600)")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("alignbench: another process of this run has ended (")
    assert done.stderr.count("\n") == 1


def test_a_thread_that_has_noticed_by_itself_is_left_alone() -> None:
    done = play("raise LostRankError", then="time.sleep(0.05)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
