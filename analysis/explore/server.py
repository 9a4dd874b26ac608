"""The explorer as a local web server: the page, and answers to what it asks.

It listens on the loopback interface alone and answers only requests that name it by a loopback address, so that no page
from elsewhere can read the data by a name that leads here (DNS rebinding). It only reads, and runs no code of the data.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from analysis.explore import answers
from analysis.explore.catalogue import catalogue, codes
from analysis.explore.index import Index, open_index
from analysis.explore.page import FRONT, KINDS, served_page
from survey.errors import InputError, SurveyError

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")
"""How a browser may name this server."""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_Kept = TypeAdapter(dict[str, list[int]])
Answer = Callable[[Index, Request], Any]


class CurrentIndex:
    """The index of a data set, brought up to date when the page is opened or loaded again."""

    def __init__(self, index: Index) -> None:
        self._index, self._lock = index, threading.Lock()

    def get(self) -> Index:
        """Return the index as it was last brought up to date."""
        return self._index

    def renewed(self) -> Index:
        """Return the index after bringing it up to date."""
        with self._lock:
            self._index = open_index(self._index.dataset, self._index.folder)
            return self._index


def application(index: Index) -> Starlette:
    """Return the explorer of a data set as an application of ASGI."""
    current = CurrentIndex(index)
    routes = [
        Route("/", lambda _: HTMLResponse(served_page(), headers=_HEADERS)),
        Route("/front/{name}", _front),
        Route("/api/catalogue", _answering(lambda _: current.renewed(), lambda index, _: catalogue(index))),
        *(Route(f"/api/{name}", _answering(lambda _: current.get(), answer)) for name, answer in _ANSWERS.items()),
    ]
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(NAMES))]
    return Starlette(routes=routes, middleware=middleware)


def listen(port: int | None) -> socket.socket:
    """Open the port on which the explorer listens: the given one, or a free one.

    Raises:
        InputError: The port is taken, or may not be used.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port or 0))
        listener.listen()  # from now on a browser waits, until it is answered
    except OSError as error:
        listener.close()
        raise InputError(
            f"--port {port}: cannot listen on {HOST}:{port} ({error.strerror}); leave the option out for a free port"
        ) from None
    return listener


def server_of(index: Index) -> uvicorn.Server:
    """Return the explorer of a data set as a server: `run(sockets=[listener])` answers until a signal ends it."""
    settings = uvicorn.Config(application(index), log_level="warning", timeout_graceful_shutdown=1, server_header=False)
    return uvicorn.Server(settings)


def _front(request: Request) -> Response:
    """A file of the front end; nothing else is served from the disk."""
    name = request.path_params["name"]
    if name not in FRONT:
        raise HTTPException(404)
    text = files("analysis.explore").joinpath("front", name).read_text(encoding="utf-8")
    return Response(text, media_type=KINDS[Path(name).suffix], headers=_HEADERS)


def _answering(index_of: Callable[[Request], Index], answer: Answer) -> Callable[[Request], Response]:
    def respond(request: Request) -> Response:
        try:
            found = answer(index_of(request), request)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400, _HEADERS)
        except SurveyError as error:
            return JSONResponse({"error": str(error)}, 500, _HEADERS)
        if isinstance(found, np.ndarray):  # little-endian, as typed arrays of browsers are
            raw = found.astype(found.dtype.newbyteorder("<")).tobytes()
            return Response(raw, media_type="application/octet-stream", headers=_HEADERS)
        return JSONResponse(found, headers=_HEADERS)

    return respond


def _text(request: Request, name: str) -> str:
    if name not in request.query_params:
        raise InputError(f"{request.url.path}: the parameter {name} is missing")
    return request.query_params[name]


def _id(request: Request, name: str) -> int:
    text = _text(request, name)
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise InputError(f"{request.url.path}: {name} is {text[:40]!r}; expected the id of an experiment")
    return int(text)


def _ids(request: Request) -> list[int]:
    texts = _text(request, "ids").split(",")
    if not all(text.isascii() and text.isdigit() and len(text) <= 20 for text in texts):
        raise InputError(f"{request.url.path}: ids is {','.join(texts)[:60]!r}; expected ids of experiments")
    return [int(text) for text in texts]


def _kept(request: Request) -> dict[str, list[int]]:
    try:
        return _Kept.validate_json(request.query_params.get("kept", "{}"), strict=True)
    except ValidationError:
        raise InputError(f"{request.url.path}: kept is no filter; expected values of axes as JSON") from None


def _codes(index: Index, request: Request) -> Any:
    name = _text(request, "axis")
    if name not in (*index.axes, index.columns.task_column):
        raise InputError(f"{name!r} is no axis")
    return codes(index, name)


def _numbers(index: Index, request: Request) -> Any:
    name = _text(request, "column")
    values = index.experiments.get(name)
    if values is None or values.dtype.kind not in "fiu":
        raise InputError(f"{name!r} is no statistic of the experiments")
    return values.to_numpy(np.float32, na_value=np.nan)


_ANSWERS: dict[str, Answer] = {
    "ids": lambda index, _: index.experiments["experiment_id"].to_numpy(np.uint64),
    "codes": _codes,
    "numbers": _numbers,
    "curves": lambda index, request: answers.curves(index, _ids(request), _text(request, "metric")),
    "runs": lambda index, request: answers.runs(index, _id(request, "id"), _text(request, "metric")),
    "effects": lambda index, request: answers.effects(index, _text(request, "task"), _kept(request)),
    "difference": lambda index, request: answers.difference(index, _id(request, "a"), _id(request, "b")),
    "differences": lambda index, request: answers.differences(index, _id(request, "reference")),
}
"""What the page asks, after the catalogue: arrays go as bytes, all else as JSON."""
