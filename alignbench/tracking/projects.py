"""A project of W&B, and its server: how it is named, asked, and what is said where it does not answer."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from alignbench.errors import AlignbenchError, UsageError, one_line, shortened
from alignbench.tracking.modes import check_online
from alignbench.tracking.upload import upload_seconds

if TYPE_CHECKING:
    import wandb

_PATH: Final = re.compile(r"(?P<entity>[\w.-]+)/(?P<name>[\w.\- ]+)", re.ASCII)
_MOST_SECONDS: Final = 30.0  # until a server that does not answer is given up
_REFUSED: Final = (401, 403)  # of HTTP: the key is not taken


@dataclass(frozen=True)
class Project:
    """A project.

    Attributes:
        entity: The user or team that it belongs to.
        name: Its name.
    """

    entity: str
    name: str

    def __str__(self) -> str:
        """`ENTITY/PROJECT`."""
        return f"{self.entity}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `ENTITY/PROJECT`.

        Raises:
            UsageError: If it is of another form.
        """
        found = _PATH.fullmatch(text)
        if found is None or {found["entity"], found["name"]} & {".", ".."}:
            remedy = "write the two as they stand in the address of its page, e.g. my-team/alignbench"
            raise UsageError(f"'{shortened(text)}' is not of the form ENTITY/PROJECT: {remedy}")
        return cls(found["entity"], found["name"])

    def is_unknown(self) -> UsageError:
        """The error for a project that the server does not know, or does not show."""
        remedy = "check the name, and that the key of `wandb login` may see it"
        return UsageError(f"W&B knows no project {self}: {remedy}")


class NoAnswerError(AlignbenchError):
    """W&B's server does not answer, or not as it should."""


@contextmanager
def connected() -> Iterator[wandb.Api]:
    """Connect to W&B's server.

    W&B makes a folder for each run that it tells of: they go to a place of their own, which is removed.

    Yields:
        What asks the server.

    Raises:
        UsageError: See `check_online`, or if the server does not take the credentials.
        NoAnswerError: If the server does not answer.
    """
    check_online()
    seconds = max(1, round(min(_MOST_SECONDS, upload_seconds())))
    import wandb

    before = os.environ.get("WANDB_DIR")
    with tempfile.TemporaryDirectory() as place:
        os.environ["WANDB_DIR"] = place
        try:
            with answering():
                api = wandb.Api(timeout=seconds)
            yield api
        finally:
            del os.environ["WANDB_DIR"]
            if before is not None:
                os.environ["WANDB_DIR"] = before


@contextmanager
def answering() -> Iterator[None]:
    """Say in one line what W&B's server refuses or leaves unanswered meanwhile.

    Raises:
        UsageError: If it does not take the credentials.
        NoAnswerError: If it does not do what it is asked for.
    """
    import wandb

    try:
        yield
    except AlignbenchError:
        raise
    except Exception as error:  # W&B raises errors of many libraries
        address, reason = wandb.setup().settings.base_url, one_line(error)
        if _is_refused(error):
            remedy = "run `wandb login --relogin`"
            raise UsageError(f"{address} does not take your credentials ({reason}): {remedy}") from error
        remedy = "check the network, and try it again"
        raise NoAnswerError(f"{address} does not answer as it should ({reason}): {remedy}") from error


def _is_refused(error: BaseException | None) -> bool:
    """Whether the server does not take the credentials, by the status that W&B's errors hold or were raised from."""
    while error is not None:
        response = getattr(error, "response", None)
        status = getattr(response, "http_status", getattr(response, "status_code", None))
        if status in _REFUSED:
            return True
        error = error.__cause__
    return False
