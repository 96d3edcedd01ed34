"""Whether runs are logged, and whether to the server or to disk: settled before anything is measured."""

from __future__ import annotations

import os
from typing import Final

from alignbench.errors import UsageError, one_line, unknown

CHOICES: Final = ("auto", "online", "offline", "off")
_OF_WANDB: Final = {  # what WANDB_MODE may say
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "off",
}
_FALSE: Final = ("", "0", "false", "no", "off", "n", "f")  # what WANDB_DISABLED may say without switching W&B off


def resolve_mode(asked: str, processes: int = 1) -> str:
    """`online`, `offline` or `off`; never asks the user anything.

    Args:
        asked: `auto`: off where `WANDB_DISABLED` or `wandb disabled` says so, else as `WANDB_MODE` or W&B's settings
            say, else online if there are credentials and offline if there are none; or one of the three.
        processes: How many share the run; of several, all but the first are off. One process is the first, whatever
            a cluster's variables say of it.

    Raises:
        UsageError: If there is no such mode, if W&B's settings cannot be read, or if online is asked for without
            credentials.
    """
    if asked not in CHOICES:
        raise unknown("--wandb mode", asked, CHOICES)
    if asked == "off" or (processes > 1 and _follows()):
        return "off"
    mode = _configured() if asked == "auto" else asked
    if mode == "online" and not has_credentials():
        raise UsageError("W&B has no credentials to go online with: run `wandb login`, or choose --wandb offline")
    return mode or ("online" if has_credentials() else "offline")


def _follows() -> bool:
    from alignbench.extraction.distributed import follows

    return follows()


def _configured() -> str:
    """What `WANDB_DISABLED`, `WANDB_MODE` or W&B's settings say; empty if they say nothing."""
    given = os.environ.get("WANDB_MODE", "")
    if given and given not in _OF_WANDB:
        raise unknown("WANDB_MODE", given, _OF_WANDB)
    if os.environ.get("WANDB_DISABLED", "").lower() not in _FALSE:
        return "off"
    return _OF_WANDB[given] if given else _in_settings()


def _in_settings() -> str:
    """What W&B's files of settings say, which `wandb disabled` and `wandb offline` write; online is its default."""
    silence()
    import wandb

    try:
        mode = _OF_WANDB.get(wandb.setup().settings.mode, "")
    except (wandb.Error, ValueError) as error:
        raise UsageError(
            f"W&B cannot read its settings ({one_line(error)}): mend them, or choose --wandb off"
        ) from error
    return "" if mode == "online" else mode


def has_credentials() -> bool:
    """Whether W&B finds an API key or a token, in the environment, its settings or netrc.

    Raises:
        UsageError: If it finds a key that W&B does not take.
    """
    silence()
    import wandb

    before = os.environ.get("WANDB_MODE")
    os.environ["WANDB_MODE"] = "online"  # otherwise it does not look
    try:
        return wandb.login(prompt=False, verify=False)
    except wandb.Error as error:
        raise UsageError(f"W&B cannot use its credentials ({one_line(error)}): run `wandb login`") from error
    finally:
        del os.environ["WANDB_MODE"]
        if before is not None:
            os.environ["WANDB_MODE"] = before


def silence() -> None:
    """Have W&B say nothing of its own accord, neither to the user nor to its server, which it would wait for."""
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ["WANDB_ERROR_REPORTING"] = "false"


def under_agent() -> bool:
    """Whether `wandb agent` started this process, and waits for the run that it has named."""
    return bool(os.environ.get("WANDB_RUN_ID"))


def check_online() -> None:
    """Find out that nothing can be asked of the server, before it is asked.

    Raises:
        UsageError: If W&B is switched off or offline, its settings cannot be read, or it has no credentials.
    """
    mode = _configured()
    if mode in ("offline", "off"):
        how = "unset WANDB_MODE and WANDB_DISABLED, or run `wandb online` and `wandb enabled`"
        raise UsageError(
            f"W&B is {'offline' if mode == 'offline' else 'switched off'} here, and this needs its server: {how}"
        )
    if not has_credentials():
        raise UsageError("W&B has no credentials to go online with: run `wandb login`, or set WANDB_API_KEY")
