"""The addresses of the head browser, and what each of them answers."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from io import BytesIO
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Request, Response
from PIL import Image
from starlette.requests import ClientDisconnect

from alignbench.errors import UsageError
from alignbench.files.json_text import plain
from alignbench.interpret.browser.answers import found_csv, found_json, world_json
from alignbench.interpret.browser.asking import FoundAnswer, ModelWork, answer, needs_model
from alignbench.interpret.browser.guards import Doors, answer_error
from alignbench.interpret.browser.head_grid import HeadGrid
from alignbench.interpret.browser.questions import (
    CropQuestion,
    GridQuestion,
    HeadQuestion,
    ListQuestion,
    PageQuestion,
    SearchQuestion,
    ThumbnailQuestion,
    UploadQuestion,
    WhyQuestion,
)
from alignbench.interpret.browser.rendering import drawn
from alignbench.interpret.browser.uploads import MOST_BYTES, read_upload
from alignbench.interpret.browser.work_queue import WorkQueue
from alignbench.interpret.browser.world import HeadWorld

_PAGE: Final = files("alignbench").joinpath("interpret/browser/page")
_KINDS: Final = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}
_BODY_SECONDS: Final = 30
_MOST_THUMBNAILS: Final = 2_000
_CLOSED: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not open here</title></head><body>'
    "<h1>Not open here</h1><p>Open the address that <code>alignbench interpret app</code> has printed: it holds what "
    "lets you in. After that, links work in this browser until the command ends.</p></body></html>"
)


@dataclass(frozen=True)
class Queues:
    """Who works: the model, one thing at a time; scans of contributions; pictures.

    Attributes:
        model: Texts, uploads, maps.
        scans: Neighbours.
        pictures: Thumbnails, crops, drawings.
    """

    model: WorkQueue
    scans: WorkQueue
    pictures: WorkQueue


class Routes:
    """What is answered at each address.

    Args:
        world: What is browsed.
        doors: Who is let in.
        queues: Who works.
    """

    def __init__(self, world: HeadWorld, doors: Doors, queues: Queues) -> None:
        self.world, self.doors, self.queues = world, doors, queues
        self.work = ModelWork(world)
        self._folded = [name.lower() for name in world.store.names]
        self._thumbnails: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._page = _read_page()

    def add_to(self, app: FastAPI) -> None:
        """Have an application answer at these addresses."""
        answers: dict[str, Callable[..., Any]] = {
            "/": self.entrance,
            "/app/{name}": self.page_file,
            "/api/world": self.what,
            "/api/busy": self.busy,
            "/api/pictures": self.pictures,
            "/api/grid": self.grid,
            "/api/head": self.head,
            "/api/search": self.search,
            "/api/why": self.why,
            "/picture": self.thumbnail,
            "/crop": self.crop,
        }
        for address, function in answers.items():
            app.add_api_route(address, function, methods=["GET"], response_model=None)
        app.add_api_route("/api/upload", self.upload, methods=["POST"], response_model=None)

    async def entrance(self, request: Request, token: str | None = None) -> Response:
        """The page, for whoever has a session; a session, for whoever has the token."""
        if token is not None:
            secret = self.doors.sessions.begin(token)
            if secret is not None:
                response = Response(status_code=303, headers={"location": "/"})
                response.set_cookie(self.doors.cookie, secret, path="/", httponly=True, samesite="lax")
                return response
        if request.scope["session"] is None or token is not None:
            return Response(_CLOSED, 401, media_type="text/html")
        return Response(self._page["index.html"], media_type="text/html")

    async def page_file(self, name: str) -> Response:
        """A file of the page, out of a table."""
        if name not in self._page:
            return answer_error("there is no such file", 404)
        return Response(self._page[name], media_type=_KINDS[name.rpartition(".")[2]])

    async def what(self, asked: Annotated[PageQuestion, Query()]) -> dict[str, Any]:
        """What is browsed."""
        return {**world_json(self.world), "busy": self.queues.model.taken > 0}

    async def busy(self, asked: Annotated[PageQuestion, Query()]) -> dict[str, Any]:
        """How much the model has to do."""
        return {"waiting": self.queues.model.taken}

    async def pictures(self, asked: Annotated[ListQuestion, Query()]) -> dict[str, Any]:
        """Names of pictures."""
        like = asked.like.lower()
        names = self.world.store.names
        found = [number for number, name in enumerate(self._folded) if like in name] if like else range(len(names))
        shown = found[asked.start : asked.start + asked.count]
        return {"total": len(found), "items": [{"picture": number, "name": names[number]} for number in shown]}

    async def grid(self, asked: Annotated[GridQuestion, Query()]) -> dict[str, Any]:
        """All heads by one thing that is known of them."""
        return dict(plain(self._known().colouring(asked.colouring)))

    async def head(self, asked: Annotated[HeadQuestion, Query()]) -> dict[str, Any]:
        """All that is known of a head."""
        return dict(plain(self._known().card((asked.layer, asked.head))))

    def _known(self) -> HeadGrid:
        if self.world.grid is None:
            raise UsageError("nothing is known of these heads: label and align them")
        return self.world.grid

    async def search(self, request: Request, asked: Annotated[SearchQuestion, Query()]) -> Response | dict[str, Any]:
        """An analysis."""
        return await self._answered(asked, request)

    async def why(self, request: Request, asked: Annotated[WhyQuestion, Query()]) -> Response | dict[str, Any]:
        """Why a picture is a neighbour."""
        return await self._answered(asked, request)

    async def _answered(self, asked: SearchQuestion, request: Request) -> Response | dict[str, Any]:
        found = await self._found(asked, request)
        if asked.format == "json":
            return found_json(self.world, found)
        if asked.format == "csv":
            return _file(found_csv(self.world, found).encode(), f"{asked.analysis}.csv", "text/csv; charset=utf-8")
        content = await self.queues.pictures.run(partial(drawn, self.world, found))
        return _file(content, f"{asked.analysis}.png", "image/png")

    async def _found(self, asked: SearchQuestion, request: Request) -> FoundAnswer:
        ready = partial(self.work.ready, asked, request.scope["session"])
        made_ready = await self.queues.model.run(ready) if needs_model(asked) else ready()
        return await self.queues.scans.run(partial(answer, self.world, made_ready))

    async def thumbnail(self, asked: Annotated[ThumbnailQuestion, Query()]) -> Response:
        """A small picture."""
        pictures = self.world.pictures
        if pictures is None:
            raise UsageError(self.world.cannot["pictures"])
        place = asked.number, asked.side
        content = self._thumbnails.get(place)
        if content is None:
            content = await self.queues.pictures.run(lambda: _thumbnail(pictures.open(asked.number), asked.side))
            self._thumbnails[place] = content
            while len(self._thumbnails) > _MOST_THUMBNAILS:
                self._thumbnails.popitem(last=False)
        return Response(content, media_type="image/png" if content[:4] == b"\x89PNG" else "image/jpeg")

    async def crop(self, request: Request, asked: Annotated[CropQuestion, Query()]) -> Response:
        """A picture as the model sees it."""
        prepared = partial(self.work.prepared, asked, request.scope["session"])
        content = await self.queues.pictures.run(
            lambda: _encoded(Image.fromarray(prepared().pixels.transpose(1, 2, 0)), "PNG")
        )
        return Response(content, media_type="image/png")

    async def upload(self, request: Request, asked: Annotated[UploadQuestion, Query()]) -> Response | dict[str, Any]:
        """Take a picture, and keep what the model sees of it."""
        try:
            content = await asyncio.wait_for(_body(request), _BODY_SECONDS)
        except TimeoutError:
            return answer_error("the upload takes too long: send it again", 408)
        except ClientDisconnect:  # who does not hear it
            return answer_error("the upload was cut off: send it again", 400)
        if content is None:
            return answer_error(f"the upload has more than {MOST_BYTES:,} bytes: make the picture smaller", 413)
        if not content:
            raise UsageError("the upload is empty: choose a picture")
        called = asked.name.strip() or "upload"
        found = await self.queues.model.run(lambda: read_upload(content, called, self.work.tower))
        told = {"upload": request.scope["session"].keep(found), "name": called, "notes": found.notes}
        return dict(plain({**told, "height": found.height, "width": found.width}))


async def _body(request: Request) -> bytes | None:
    """What was sent; none if it is too much, of which no more is read than that."""
    told = request.headers.get("content-length", "0")
    if not told.isdecimal() or int(told) > MOST_BYTES:
        return None
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BYTES:
            return None
    return bytes(content)


def _read_page() -> dict[str, bytes]:
    """The files of the page by their names."""
    kept = (each for each in _PAGE.iterdir() if each.name.rpartition(".")[2] in _KINDS)
    return {each.name: each.read_bytes() for each in kept}


def _thumbnail(picture: Image.Image, side: int) -> bytes:
    if max(picture.size) <= side:
        return _encoded(picture, "PNG")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _encoded(picture, "JPEG", quality=88)


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    content = BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def _file(content: bytes, name: str, kind: str) -> Response:
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})
