"""The archive: every scorecard, policy and catalogue that ever decided, by its hash.

A decision names the versions it was made with. They are kept beside the ledger when a server
starts, never changed afterwards, and found again when a decision is replayed. Servers that share a
PostgreSQL ledger keep them there, and the folder is this machine's copy.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from model.artifact import CARD, SCORECARD
from service.decide import Engine, Versions
from service.ledger import versions_folder
from service.store import is_postgres

_NAME = re.compile(r"scorecard-[0-9a-f]+/(scorecard|card)\.json|(policy|catalogue)-[0-9a-f]+\.toml")

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
        """Keep the files an engine was made of; does nothing for those already there."""
        kept = self._paths(versions)
        for name in (SCORECARD, CARD):
            _copy(artifact / name, kept[0] / name)
        _copy(policy, kept[1])
        _copy(catalogue, kept[2])
        self._share()

    def engine(self, versions: Versions) -> Engine | None:
        """The engine of some versions; None when they were never kept.

        Raises ArchiveError when a kept file has changed since.
        """
        found = self._engines.get(versions)
        paths = self._paths(versions)
        if found is None and self._fetched(paths):
            found = Engine.load(*paths)
            if found.versions != versions:
                raise ArchiveError(
                    f"{self.folder}: kept files have the versions {found.versions}, expected "
                    f"{versions}; one of them was changed"
                )
            self._engines[versions] = found
        return found

    def files(self, versions: Versions) -> dict[str, bytes]:
        """The files of some versions that were kept: name without its hash -> content."""
        folder, policy, catalogue = self._paths(versions)
        self._fetched((folder, policy, catalogue))
        named = {
            SCORECARD: folder / SCORECARD, CARD: folder / CARD,
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
        for name, path in _files(folder):
            _write(path.read_bytes(), self.folder / name)
        self._share()

    def _share(self) -> None:
        """Keep all that is in the folder for servers on other machines, too."""
        if self._shared is not None:
            from service.postgres_store import keep_files

            keep_files(
                self._shared, {name: path.read_bytes() for name, path in _files(self.folder)}
            )

    def _fetched(self, paths: tuple[Path, Path, Path]) -> bool:
        """Whether some versions are here, or could be fetched."""
        if not all(path.exists() for path in paths):
            self.fetch()
        return all(path.exists() for path in paths)

    def _paths(self, versions: Versions) -> tuple[Path, Path, Path]:
        for name in (versions.scorecard, versions.policy, versions.catalogue):
            if not _HASH.fullmatch(name):  # a ledger that was tampered with names no other file
                raise ArchiveError(f"{self.folder}: got the version {name[:40]!r}, expected a hash")
        return (
            self.folder / f"scorecard-{versions.scorecard}",
            self.folder / f"policy-{versions.policy}.toml",
            self.folder / f"catalogue-{versions.catalogue}.toml",
        )


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".part":
            yield path.relative_to(folder).as_posix(), path


def _copy(source: Path, to: Path) -> None:
    if not to.exists():
        _write(source.read_bytes(), to)


def _write(content: bytes, to: Path) -> None:
    """Write a file whole or not at all, unless it is there."""
    if to.exists():
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f"{to.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(to)
