"""The floor: servers that do no more than a durable reply costs, measured beside ours.

`fastapi` parses the body as we do, appends as many bytes as a decision's record durably, many in
one fdatasync, and answers fixed bytes; `bare` is plain ASGI with the same append, one fdatasync a
request, and parses nothing. Nothing that serves decisions imports this file.
"""

import argparse
import asyncio
import os
import threading
from pathlib import Path
from queue import SimpleQueue

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.application import parse
from service.day import today

READY = b'{"status":"ready"}'
KINDS = ("fastapi", "bare")


class Appender:
    """Appends to a file; who awaits is told when it is on disk. One fdatasync for all waiting."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._queue: SimpleQueue[tuple[bytes, asyncio.Future[None]]] = SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()

    def append(self, record: bytes) -> asyncio.Future[None]:
        """Append in the order of the calls."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put((record, future))
        return future

    def append_alone(self, record: bytes) -> None:
        """Append and wait for the disk, with an fdatasync of its own."""
        _all_written(self._file, record)
        os.fdatasync(self._file)

    def _write(self) -> None:
        while True:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            self.append_alone(b"".join([record for record, _ in batch]))
            futures = [future for _, future in batch]
            futures[0].get_loop().call_soon_threadsafe(_settle, futures)


def _all_written(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


def _settle(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def fastapi_app(appender: Appender, reply: bytes) -> ASGIApp:
    """FastAPI with a raw request and raw bytes back."""
    app = FastAPI()

    @app.get("/readyz")
    async def readyz() -> Response:
        return Response(READY, media_type="application/json")

    @app.post("/v1/decisions")
    async def decisions(request: Request) -> Response:
        body = await request.body()
        parse(body, today())
        await appender.append(body + reply)
        return Response(reply, 201, media_type="application/json")

    return app


def bare_app(appender: Appender, reply: bytes) -> ASGIApp:
    """Plain ASGI."""
    about = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply))]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["method"] == "POST":
            appender.append_alone(body + reply)
        await send({"type": "http.response.start", "status": 200, "headers": about})
        await send({"type": "http.response.body", "body": reply})

    return app


def main() -> None:
    """`--kind`, `--port`, `--file` to append to, `--reply` with the bytes to answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--reply", type=Path, required=True)
    given = parser.parse_args()
    make = fastapi_app if given.kind == "fastapi" else bare_app
    app = make(Appender(given.file), given.reply.read_bytes())
    uvicorn.run(app, port=given.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
