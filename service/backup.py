"""Backup and restore: a ledger copied while it is written to, and put back.

A backup is a SQLite ledger whatever was backed up, with desk, consents, swaps and versions beside:
it can be verified, replayed and served as it is. What is committed when the copy is made is in it,
whole.
"""

from pathlib import Path

import apsw
from msgspec import Struct

from service.archive import Archive
from service.audit import BESIDE, beside
from service.chain import Verification
from service.ledger import (
    LedgerError,
    LedgerUnavailable,
    open_ledger,
    verify,
    versions_folder,
)
from service.store import NoLedger, is_postgres, sqlite_path

OTHERS = (*BESIDE, "swaps")
"""Ledgers beside a ledger: what people did, what firms allowed, what was erased, what decided."""


class Copied(Struct, frozen=True):
    """What a copy holds, walked record by record after it was made; `beside` by name."""

    ledger: Verification
    beside: dict[str, Verification]


def backup(url: str, to: Path) -> Copied:
    """Copy a ledger and all that is beside it into a new file and what lies beside that.

    Raises LedgerError when there is something already, or when the copy does not verify.
    """
    if to.exists():
        raise LedgerError(f"{to}: is there already, expected a new file")
    to.parent.mkdir(parents=True, exist_ok=True)
    copy = f"sqlite:///{to.absolute()}"
    _copy(url, copy)
    copied = _copy_beside(url, copy)
    archive = Archive.beside(url)
    archive.fetch()
    Archive.beside(copy).take_in(archive.folder)
    return Copied(_checked(copy), {name: _checked(one) for name, one in copied.items()})


def restore(source: Path, url: str) -> Copied:
    """Put a backup back as a ledger that is new or empty; chains, keys and versions as they were.

    Raises LedgerError when that ledger holds records, or the backup does not verify.
    """
    copy = f"sqlite:///{source.absolute()}"
    _checked(copy)
    if not is_postgres(url) and not sqlite_path(url).exists():
        _copy(copy, url)
    else:
        _taken_in(copy, url)
    copied = _copy_beside(copy, url, restoring=True)
    Archive.beside(url).take_in(versions_folder(copy))
    return Copied(_checked(url), {name: _checked(one) for name, one in copied.items()})


def _copy(url: str, copy: str) -> None:
    if is_postgres(url):
        _taken_in(url, copy)
    else:
        _copy_pages(sqlite_path(url), sqlite_path(copy))


def _taken_in(url: str, into: str) -> None:
    """Read records in one order and write them in one commit."""
    with open_ledger(url, read_only=True) as source, open_ledger(into) as target:
        target.restore(source.records())


def _copy_beside(url: str, copy: str, *, restoring: bool = False) -> dict[str, str]:
    """Copy the ledgers beside one that there are: name, URL of the copy."""
    copied: dict[str, str] = {}
    for name in OTHERS:
        source, target = beside(url, name), beside(copy, name)
        try:
            open_ledger(source, read_only=True).close()
        except NoLedger:
            continue
        if restoring and (is_postgres(target) or sqlite_path(target).exists()):
            _taken_in(source, target)
        else:
            _copy(source, target)
        copied[name] = target
    return copied


def _copy_pages(path: Path, to: Path) -> None:
    """SQLite's online backup: the pages as of one moment, while another process writes.

    All pages in one step: with several, a busy writer would make it begin again and again.
    """
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f"{to.name}.part")
    part.unlink(missing_ok=True)
    if not path.is_file():
        raise NoLedger(f"ledger {path}: there is no such file")
    source = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    target = apsw.Connection(str(part))
    try:
        with target.backup("main", source, "main") as copying:
            copying.step(-1)
        target.execute("PRAGMA journal_mode = DELETE")  # one file, no log beside it
    except apsw.Error as error:
        raise LedgerUnavailable(f"ledger {path}: backup: {error}") from error
    finally:
        target.close()
        source.close()
    part.replace(to)


def _checked(url: str) -> Verification:
    found = verify(url)
    if not found.ok:
        raise LedgerError(
            f"{url}: broken at record {found.broken_seq} of writer {found.broken_writer}: "
            f"{found.what}; expected a ledger that verifies"
        )
    return found
