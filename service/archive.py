"""The archive: every scorecard, policy and catalogue that ever decided, by its hash.

A decision names the versions it was made with. They are kept beside the ledger when a server
starts, never changed afterwards, and found again when a decision is replayed.
"""

import os
from pathlib import Path

from model.artifact import CARD, SCORECARD
from service.decide import Engine, Versions


class ArchiveError(RuntimeError):
    """A kept version that is not what its name says: which file, what was found."""


class Archive:
    """A folder of versions; nothing in it is ever overwritten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._engines: dict[Versions, Engine] = {}

    def keep(self, versions: Versions, artifact: Path, policy: Path, catalogue: Path) -> None:
        """Keep the files an engine was made of; does nothing for those already there."""
        kept = self._paths(versions)
        for name in (SCORECARD, CARD):
            _copy(artifact / name, kept[0] / name)
        _copy(policy, kept[1])
        _copy(catalogue, kept[2])

    def engine(self, versions: Versions) -> Engine | None:
        """The engine of some versions; None when they were never kept.

        Raises ArchiveError when a kept file has changed since.
        """
        found = self._engines.get(versions)
        paths = self._paths(versions)
        if found is None and all(path.exists() for path in paths):
            found = Engine.load(*paths)
            if found.versions != versions:
                raise ArchiveError(
                    f"{self.folder}: kept files have the versions {found.versions}, expected "
                    f"{versions}; one of them was changed"
                )
            self._engines[versions] = found
        return found

    def _paths(self, versions: Versions) -> tuple[Path, Path, Path]:
        return (
            self.folder / f"scorecard-{versions.scorecard}",
            self.folder / f"policy-{versions.policy}.toml",
            self.folder / f"catalogue-{versions.catalogue}.toml",
        )


def _copy(source: Path, to: Path) -> None:
    """Copy a file whole or not at all, unless it is there."""
    if to.exists():
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f"{to.name}.{os.getpid()}.part")
    part.write_bytes(source.read_bytes())
    part.replace(to)
