"""A disk whose power can be cut: SQLite's real files, and what a cut would leave of them."""

import random
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import apsw

BENEATH = apsw.vfs_names()[0]  # the operating system as SQLite sees it


class Disk(apsw.VFS):
    """While entered, every SQLite file goes through it.

    Set `full` or `read_only` and every write fails.
    """

    def __init__(self) -> None:
        self.full = self.read_only = False
        self.writes = 0
        self._lock = threading.RLock()
        self._durable: dict[str, bytearray] = {}
        self._unsynced: dict[str, list[tuple[int, bytes | None]]] = {}
        super().__init__("power-cut", base=BENEATH, makedefault=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unregister()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        with self._lock:
            self._durable.pop(filename, None)
            self._unsynced.pop(filename, None)

    def wrote(self, path: str, at: int, written: bytes | None) -> None:
        """Note a write, or a truncation to `at` bytes, that no sync has made durable yet."""
        with self._lock:
            self.writes += 1
            self._unsynced.setdefault(path, []).append((at, written))

    def synced(self, path: str) -> None:
        with self._lock:
            apply(self._durable.setdefault(path, bytearray()), self._unsynced.pop(path, []))

    def cut(self, folder: Path, chance: random.Random) -> Path:
        """What is left after a power cut now: all that was synced, any part of what was not."""
        folder.mkdir()
        with self._lock:
            for path in {*self._durable, *self._unsynced}:
                image = bytearray(self._durable.get(path, b""))
                apply(image, [w for w in self._unsynced.get(path, []) if chance.random() < 0.5])
                (folder / Path(path).name).write_bytes(image)
        return folder


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__(BENEATH, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._disk.full:
            raise apsw.FullError("no space left")
        if self._disk.read_only:
            raise apsw.ReadOnlyError("the file system is read-only")
        super().xWrite(data, offset)
        self._disk.wrote(self._path, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._disk.wrote(self._path, newsize, None)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._disk.synced(self._path)


def apply(image: bytearray, writes: list[tuple[int, bytes | None]]) -> None:
    for at, written in writes:
        if written is None:
            del image[at:]
        else:
            image.extend(bytes(max(0, at - len(image))))
            image[at : at + len(written)] = written
