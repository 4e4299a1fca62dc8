"""What a server writes about itself: one line an event, as text for people or JSON for machines.

Nothing personal and no secret is written. Of a request only what `seen` knows is told; of an
exception its kind and where it happened, never its words, which may hold what was posted; and what
looks like a firm's number, a telephone number, a key or a token is struck out of every sentence.
"""

import logging
import re
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, Literal, TextIO

import msgspec

from service.seen import current

Kind = Literal["text", "json"]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
FIELDS = ("request_id", "method", "route", "status", "ms", "key_id", "decision_id", "problem")
"""All that is told of a request."""
OURS = "yidaitong"
MOST_FRAMES, MOST_EVENT = 12, 500
STRUCK = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-HJ-NP-RTUWXY]{18}(?![0-9A-Za-z])"  # a USCC
    r"|(?<!\d)(?:\+?86[- ]?)?1[3-9]\d(?:[- ]?\d{4}){2}(?!\d)"  # a mobile telephone
    r"|ydt_\w+(?:[\w-]*)"  # a key
    r"|eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"  # a token
    r"|(?i:\b(?:bearer|basic)\s+[\w.~+/=-]+)"
    r"|(?<=://)[^/@\s]+(?=@)"  # who logs in at a URL
)


def configure(kind: Kind, level: Level | None = None, stream: TextIO | None = None) -> None:
    """Write to a stream, standard error by default; others' logs from WARNING on.

    Without a level: as text what went wrong, as JSON every request, too.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Json() if kind == "json" else Text())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger(OURS).setLevel(level or ("INFO" if kind == "json" else "WARNING"))
    threading.excepthook = _thread_failed


class Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return msgspec.json.encode(told(record)).decode()


class Text(logging.Formatter):
    """One line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        about = told(record)
        first = " ".join(str(about.pop(name)) for name in ("time", "level", "logger", "event"))
        return " ".join([first, *(f"{name}={value}" for name, value in about.items())])


def told(record: logging.LogRecord) -> dict[str, Any]:
    """What is told of a record: time, level, logger, event, the request, the exception."""
    about: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "event": _event(record),
    }
    asked = current.get(None)
    if asked is not None:
        about["request_id"] = asked.request_id
        about |= {"key_id": asked.caller} if asked.caller else {}
    given = record.__dict__
    about |= {name: given[name] for name in FIELDS if given.get(name) not in (None, "")}
    if record.exc_info and record.exc_info[0] is not None:
        kind, _, trace = record.exc_info
        about |= {"error": kind.__name__, "at": _frames(trace)}
    return about


def _event(record: logging.LogRecord) -> str:
    """The sentence of a record, on one line; of others' records the first line only."""
    said = record.getMessage()
    if record.name.partition(".")[0] != OURS:
        said = said.partition("\n")[0]  # asyncio shows the words of exceptions from the second on
    said = STRUCK.sub("***", said[:MOST_EVENT])
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in said)


def _frames(trace: TracebackType | None) -> list[str]:
    """Where an exception passed, the innermost last: file, line, function; no values."""
    frames = [(frame.f_code, line) for frame, line in walk_tb(trace)]
    return [
        f"{Path(code.co_filename).name}:{line} {code.co_name}"
        for code, line in frames[-MOST_FRAMES:]
    ]


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    found: Any = (failed.exc_type, failed.exc_value, failed.exc_traceback)
    logging.getLogger(OURS).error("a thread failed", exc_info=found)
