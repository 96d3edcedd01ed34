"""The server of the head browser: its application, and uvicorn that runs it."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from ipaddress import ip_address
from types import FrameType
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from alignbench.errors import AlignbenchError, UsageError, shortened
from alignbench.extraction.host import usable_cores
from alignbench.interpret.browser.guards import LOOPBACK, Doors, Guarded, answer_error
from alignbench.interpret.browser.page_fields import fault_line, in_page_words
from alignbench.interpret.browser.plain_errors import without_paths
from alignbench.interpret.browser.request_heads import PatientProtocol
from alignbench.interpret.browser.routes import Queues, Routes
from alignbench.interpret.browser.sessions import Sessions
from alignbench.interpret.browser.work_queue import BusyError, WorkQueue
from alignbench.interpret.browser.world import HeadWorld

MOST_WAITING: Final = 8  # questions to the model
_MODEL_SECONDS: Final = 120
_SECONDS: Final = 30
_KEPT_SECONDS: Final = 20
_ENDING_SECONDS: Final = 2
_FIRST_VIEW_SECONDS: Final = 3
_ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def browser_app(world: HeadWorld, doors: Doors) -> Guarded:
    """Make the application of the head browser.

    Args:
        world: What is browsed.
        doors: Who is let in.
    """
    queues = Queues(
        WorkQueue("the model", 1, MOST_WAITING, _MODEL_SECONDS),
        WorkQueue("the search", 1, 16, _SECONDS),
        WorkQueue("the pictures", usable_cores(), 64, _SECONDS),
    )

    async def load() -> None:
        """Load the model when the first view is there, unless a question was quicker; say what it lacks."""
        await asyncio.sleep(_FIRST_VIEW_SECONDS)
        known = world.cannot
        with suppress(BusyError):
            await queues.model.run(world.load)
        for line in dict.fromkeys(line for name, line in world.cannot.items() if name not in known):
            doors.notice(line)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(load()) if world.is_loading else None
        try:
            yield
        finally:  # a signal that ends the command ends this too
            if loading is not None:
                loading.cancel()
            for queue in (queues.model, queues.scans, queues.pictures):
                queue.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    Routes(world, doors, queues).add_to(app)

    def said(error: AlignbenchError) -> str:
        return in_page_words(without_paths(str(error), world.places))

    @app.exception_handler(BusyError)
    async def busy(request: Request, error: BusyError) -> Response:
        return answer_error(said(error), 503)

    @app.exception_handler(AlignbenchError)
    async def refused(request: Request, error: AlignbenchError) -> Response:
        return answer_error(said(error), 400)

    @app.exception_handler(RequestValidationError)
    async def unclear(request: Request, error: RequestValidationError) -> Response:
        return answer_error(fault_line(error.errors()[0]), 400)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return answer_error("this address is asked in another way: by GET, and by POST for an upload", 405)
        return answer_error("there is nothing at this address", error.status_code)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        return answer_error("this went wrong here, and the command says more: see its terminal", 500)

    return Guarded(app, doors)


def listen(host: str, port: int) -> socket.socket:
    """Listen at an address.

    Args:
        host: A name or an address of this machine.
        port: Its port; 0 for any that is free.

    Raises:
        UsageError: If this machine has no such address, or the port is taken or kept from us.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"--host {shortened(host)} is no address of this machine: leave it out, or give one"
        ) from error
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(2048)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"port {port} is in use: choose another by --port, or 0 for any that is free") from error
        if error.errno == errno.EACCES:
            raise UsageError(f"port {port} is kept from users: choose one above 1023 by --port") from error
        raise UsageError(
            f"--host {shortened(host)} is no address of this machine: leave it out, or give one"
        ) from error
    return found


def doors_of(host: str, port: int, notice: Callable[[str], None]) -> Doors:
    """Make the doors of a server at an address.

    Args:
        host: What it was asked to listen at.
        port: Where it listens.
        notice: Hears of what goes wrong unexpectedly.
    """
    own = {host.lower().strip("[]")}
    try:
        is_any = ip_address(host).is_unspecified
    except ValueError:
        is_any = False
    if is_any:
        own |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return Doors(Sessions(), f"alignbench-{port}", LOOPBACK | own, is_any, notice)


def address_of(host: str, port: int, doors: Doors) -> str:
    """Return the address with the token, which a browser on this machine opens."""
    shown = socket.gethostname() if doors.any_address else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/?token={doors.sessions.token}"


class _BrowserServer(uvicorn.Server):
    """A server that ends in good order when its command is interrupted, and interrupts the command only then.

    An interruption that is raised while a request is answered is taken for a fault of the request, and lost. Those who
    heard of signals before hear of them at once; uvicorn would raise them once more at the end, as if there were two.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before: dict[int, Any] = {}
        interrupted = False

        def hear(number: int, frame: FrameType | None) -> None:
            nonlocal interrupted
            self.should_exit = True
            try:
                before[number](number, frame)
            except KeyboardInterrupt:
                interrupted = True

        if threading.current_thread() is threading.main_thread():
            before |= {number: found for number in _ENDINGS if callable(found := signal.getsignal(number))}
        for number in before:
            signal.signal(number, hear)
        try:
            yield
        finally:
            for number, found in before.items():
                signal.signal(number, found)
        if interrupted:
            raise KeyboardInterrupt


def server_of(app: Guarded) -> uvicorn.Server:
    """Make the server of an application; nothing is logged, as addresses hold the token.

    Args:
        app: The application.
    """
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEPT_SECONDS,
        timeout_graceful_shutdown=_ENDING_SECONDS,
    )
    return _BrowserServer(config)
