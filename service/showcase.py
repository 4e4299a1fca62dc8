"""The showcase: the stories, the firms and the study that the console shows beside the ledger.

A folder made once from a world; the server only reads it, and runs without it too.
"""

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
from msgspec import Struct

from service.application import Request

STORIES, FIRMS, STUDY = "stories.json", "firms.db", "study.json"
MOST_FOUND = 20
_CREATE = "CREATE TABLE firm (uscc TEXT PRIMARY KEY, name TEXT, line BLOB, request BLOB) STRICT"
_encode = msgspec.json.Encoder().encode


class Story(Struct, frozen=True, kw_only=True):
    """A story with its title, what it shows, and the request to post."""

    code: str
    title_zh: str
    title_en: str
    shows_zh: str
    shows_en: str
    request: Request


class FirmLine(Struct, frozen=True, kw_only=True):
    """A firm of the world in a list."""

    uscc: str
    name: str
    sector: str
    region: str
    as_of: str
    amount_yuan: float


class Showcase:
    """A showcase folder, opened for reading."""

    def __init__(self, folder: Path) -> None:
        self.stories = {
            story.code: story
            for story in msgspec.json.decode((folder / STORIES).read_bytes(), type=list[Story])
        }
        self.study = (folder / STUDY).read_bytes()
        self._path = folder / FIRMS

    def firms(self, asked: str) -> list[FirmLine]:
        """The first firms whose name or code contains what is asked for."""
        pattern = "%" + asked.replace("%", "").replace("_", "") + "%"
        sql = "SELECT line FROM firm WHERE uscc LIKE ? OR name LIKE ? ORDER BY uscc LIMIT ?"
        rows = self._rows(sql, (pattern, pattern, MOST_FOUND))
        return [msgspec.json.decode(row[0], type=FirmLine) for row in rows]

    def request(self, uscc: str) -> bytes | None:
        """The latest request of a firm as it would be posted; None for a firm not in the world."""
        rows = self._rows("SELECT request FROM firm WHERE uscc = ?", (uscc,))
        return zlib.decompress(rows[0][0]) if rows else None

    def _rows(self, sql: str, values: Sequence[Any]) -> list[Any]:
        connection = apsw.Connection(str(self._path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()


def read(folder: Path) -> Showcase | None:
    """The showcase in a folder; None when there is none."""
    whole = all((folder / name).is_file() for name in (STORIES, FIRMS, STUDY))
    return Showcase(folder) if whole else None


def made_for(folder: Path) -> str | None:
    """The version of the scorecard a showcase was studied with; None when there is none."""
    found = read(folder)
    return None if found is None else str(msgspec.json.decode(found.study)["scorecard"])


def write(folder: Path, stories: Sequence[Any], firms: Iterable[Request], study: Any) -> None:
    """Write a showcase: the latest request of every firm, the stories, and last the study."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (STUDY, FIRMS):
        (folder / name).unlink(missing_ok=True)
    (folder / STORIES).write_bytes(_encode(stories))
    latest = {request.application.applicant: request for request in firms}
    connection = apsw.Connection(str(folder / FIRMS))
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute(_CREATE)
        with connection:
            connection.executemany(
                "INSERT INTO firm VALUES (?, ?, ?, ?)", map(_row, latest.values())
            )
    finally:
        connection.close()
    (folder / STUDY).write_bytes(_encode(study))


def _row(request: Request) -> tuple[str, str, bytes, bytes]:
    file, application = request.credit_file, request.application
    registry = file.registry
    line = FirmLine(
        uscc=file.uscc,
        name=registry.name if registry else "",
        sector=registry.sector if registry else "",
        region=registry.region if registry else "",
        as_of=file.as_of.isoformat(),
        amount_yuan=application.amount_yuan,
    )
    return file.uscc, line.name, _encode(line), zlib.compress(_encode(request), 6)
