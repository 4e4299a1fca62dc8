"""Bodies: a request's, JSON by name, no larger than allowed, and faults in it; an answer's."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive

from model.credit_file import Fault
from service.problem import FieldError, Problem

_encode = msgspec.json.Encoder().encode


async def json_body(headers: Mapping[bytes, bytes], receive: Receive, most: int) -> bytes:
    """The body, refused when it is not JSON by name or is larger than allowed."""
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        expected = "application/json"
        raise Problem(
            "unsupported-media-type",
            415,
            f"content-type: expected {expected}.",
            [FieldError(field="content-type", value=content_type[:80], expected=expected)],
        )
    length = headers.get(b"content-length", b"0")
    declared, received, chunks = int(length) if length.isdigit() else 0, 0, []
    more = True
    while more and max(declared, received) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        chunks.append(chunk)
        received += len(chunk)
        more = message.get("more_body", False)
    if (size := max(declared, received)) > most:
        expected = f"at most {most} bytes"
        raise Problem(
            "body-too-large",
            413,
            f"body: expected {expected}.",
            [FieldError(field="body", value=f"{size} bytes or more", expected=expected)],
        )
    return b"".join(chunks)


def answer(value: object, status: int = 200) -> Response:
    """A record as JSON."""
    return Response(_encode(value), status, media_type="application/json")


async def read(request: Request, kind: type[Any], most: int = 20_000) -> Any:
    """The body as a record of some kind; raises Fault naming the field."""
    body = await json_body(dict(request.scope["headers"]), request.receive, most)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        place, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".") or "body"
        raise Fault(field, "the body posted", place.lower()) from None
    except RecursionError:
        raise Fault("body", "deeply nested JSON", "nesting as in the schema") from None


def invalid(fault: Fault) -> Problem:
    """A fault as the caller is told of it."""
    value = fault.value
    if isinstance(value, date):
        value = value.isoformat()
    return Problem(
        "invalid-field",
        422 if fault.field != "body" else 400,
        f"{fault.field}: expected {fault.expected}.",
        [FieldError(field=fault.field, value=value, expected=fault.expected)],
    )
