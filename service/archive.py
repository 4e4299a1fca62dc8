"""The archive: every scorecard, policy and catalogue that ever decided, by its hash.

A decision names the versions it was made with. They are kept beside the ledger before they decide,
never changed afterwards, and found again when a decision is replayed. Servers that share a
PostgreSQL ledger keep them there, and the folder is this machine's copy.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from model.artifact import CARD, PARITY, SCORECARD, sha256
from service.decide import Engine, Versions
from service.ledger import versions_folder
from service.store import is_postgres

_NAME = re.compile(
    r"scorecard-[0-9a-f]+/(scorecard|card|parity)\.json|(policy|catalogue)-[0-9a-f]+\.toml"
)
MOST_ENGINES = 8
"""Engines that are kept compiled for replays."""

_HASH = re.compile(r"[0-9A-Za-z]{1,64}")


class ArchiveError(RuntimeError):
    """A kept version that is not what its name says: which file, what was found."""


class Archive:
    """A folder of versions; nothing in it is ever overwritten. `shared` is a PostgreSQL URL."""

    def __init__(self, folder: Path, shared: str | None = None) -> None:
        self.folder, self._shared = folder, shared
        self._engines: dict[Versions, Engine] = {}

    @classmethod
    def beside(cls, ledger_url: str) -> "Archive":
        """The archive of a ledger."""
        return cls(versions_folder(ledger_url), ledger_url if is_postgres(ledger_url) else None)

    def keep(self, versions: Versions, artifact: Path, policy: Path, catalogue: Path) -> None:
        """Keep the files an engine was made of; does nothing for those already there.

        Raises ArchiveError for a file that changed after the engine was made.
        """
        folder, *kept = self.paths(versions)
        _copy(artifact / SCORECARD, folder / SCORECARD, versions.scorecard)
        for name in (PARITY, CARD):
            if name == CARD or (artifact / name).exists():
                _copy(artifact / name, folder / name)
        _copy(policy, kept[0], versions.policy)
        _copy(catalogue, kept[1], versions.catalogue)
        self._share(folder, *kept)

    def engine(self, versions: Versions) -> Engine | None:
        """The engine of some versions; None when they were never kept.

        Raises ArchiveError when a kept file has changed since.
        """
        found = self._engines.get(versions) or self.load(versions)
        if found is not None:
            while len(self._engines) >= MOST_ENGINES and versions not in self._engines:
                self._engines.pop(next(iter(self._engines)), None)
            self._engines[versions] = found
        return found

    def load(self, versions: Versions) -> Engine | None:
        """The same, read and compiled now."""
        paths = self.paths(versions)
        if not self._fetched(paths):
            return None
        found = Engine.load(*paths)
        if found.versions != versions:
            raise ArchiveError(
                f"{self.folder}: kept files have the versions {found.versions}, expected "
                f"{versions}; one of them was changed"
            )
        return found

    def check(self, versions: Versions) -> None:
        """Raises ArchiveError unless the three files of some versions are there as they decided."""
        folder, policy, catalogue = self.paths(versions)
        for path, version in (
            (folder / SCORECARD, versions.scorecard),
            (policy, versions.policy),
            (catalogue, versions.catalogue),
        ):
            found = sha256(path.read_bytes())[:16] if path.is_file() else "no such file"
            if found != version:
                raise ArchiveError(f"{path}: got {found}, expected the version {version}")

    def files(self, versions: Versions) -> dict[str, bytes]:
        """The files of some versions that were kept: name without its hash -> content."""
        folder, policy, catalogue = self.paths(versions)
        self._fetched((folder, policy, catalogue))
        named = {
            SCORECARD: folder / SCORECARD, CARD: folder / CARD, PARITY: folder / PARITY,
            "policy.toml": policy, "catalogue.toml": catalogue,
        }  # fmt: skip
        return {name: path.read_bytes() for name, path in named.items() if path.exists()}

    def fetch(self) -> None:
        """Copy all that servers on other machines kept into the folder."""
        if self._shared is not None:
            from service.postgres_store import kept_files

            for name, content in kept_files(self._shared):
                if not _NAME.fullmatch(name):
                    raise ArchiveError(f"the ledger keeps a file named {name!r}: not a version")
                _write(content, self.folder / name)

    def take_in(self, folder: Path) -> None:
        """Keep all that another archive's folder holds."""
        for path in _files(folder):
            _write(path.read_bytes(), self.folder / path.relative_to(folder))
        self._share(self.folder)

    def _share(self, *paths: Path) -> None:
        """Keep files, and all that is in folders, for servers on other machines, too."""
        if self._shared is not None:
            from service.postgres_store import keep_files

            files = [file for path in paths for file in _files(path)]
            named = {file.relative_to(self.folder).as_posix(): file for file in files}
            keep_files(self._shared, {name: file.read_bytes() for name, file in named.items()})

    def _fetched(self, paths: tuple[Path, Path, Path]) -> bool:
        """Whether some versions are here, or could be fetched."""
        if not all(path.exists() for path in paths):
            self.fetch()
        return all(path.exists() for path in paths)

    def paths(self, versions: Versions) -> tuple[Path, Path, Path]:
        """Where the scorecard's folder, the policy and the catalogue of some versions are kept."""
        for name in (versions.scorecard, versions.policy, versions.catalogue):
            if not _HASH.fullmatch(name):  # a ledger that was tampered with names no other file
                raise ArchiveError(f"{self.folder}: got the version {name[:40]!r}, expected a hash")
        return (
            self.folder / f"scorecard-{versions.scorecard}",
            self.folder / f"policy-{versions.policy}.toml",
            self.folder / f"catalogue-{versions.catalogue}.toml",
        )


def _files(path: Path) -> Iterator[Path]:
    for found in [path] if path.is_file() else path.rglob("*"):
        if found.is_file() and found.suffix != ".part":
            yield found


def _copy(source: Path, to: Path, version: str | None = None) -> None:
    """Copy a file that is not there yet, and only while it still has the version it is kept for."""
    if to.exists():
        return
    content = source.read_bytes()
    found = sha256(content)[:16]
    if version not in (None, found):
        raise ArchiveError(
            f"{source}: got {found}, expected the version {version} that was read a moment ago: "
            "the file is being changed"
        )
    _write(content, to)


def _write(content: bytes, to: Path) -> None:
    """Write a file whole or not at all, unless it is there."""
    if to.exists():
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f"{to.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(to)
    folder = os.open(to.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the name, too, is there after a power cut
    finally:
        os.close(folder)
