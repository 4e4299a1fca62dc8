"""Commands that keep the ledger safe and prove what is in it."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.options import LedgerUrl, fail, out, settings_of

if TYPE_CHECKING:
    from service.chain import Head, Verification
    from service.signing import Signer

app = typer.Typer()
SigningKey = Annotated[
    Path | None, typer.Option("--key", help="Ed25519 key in PEM form; made when there is none")
]


@app.command()
def verify(
    ledger: LedgerUrl = None,
    head: Annotated[str | None, typer.Option(help="head hash noted earlier; finds cuts")] = None,
    heads: Annotated[Path | None, typer.Option(help="file written by `heads`; finds cuts")] = None,
    key: SigningKey = None,
    public_key: Annotated[Path | None, typer.Option(help="instead of --key, to check only")] = None,
) -> None:
    """Walk every hash chain of a ledger and of what is beside it; exit 1 when one is broken."""
    from service.audit import audit
    from service.heads import noted
    from service.swaps import check

    known: list[Head] = []
    if heads is not None:
        public = public_key.read_bytes() if public_key else _signer(key).public_pem
        known = list(noted(heads, public))
    url = settings_of(ledger=ledger).ledger
    found = audit(url, head, known)
    for name, one in found.items():
        where = "" if name == "decisions" else f"{name}: "
        if not one.ok:
            place = f"record {one.broken_seq} of writer {one.broken_writer}"
            fail(f"{where}broken at {place}: {one.what}")
    _show(found.pop("decisions"))
    for name, one in found.items():
        gone = f", {one.erased} erased" if one.erased else ""
        out.print(f"{name}: {one.records} events{gone}, {_chains(one)} intact")
    swaps = check(url)
    if swaps is None:
        return
    chain = swaps.chain
    if not chain.ok:
        fail(f"swaps: broken at record {chain.broken_seq}: {chain.what}")
    if swaps.what is not None:
        fail(f"swaps: {swaps.what}")
    out.print(f"{chain.records} swaps, intact; what they brought in is kept as it decided")


@app.command()
def heads(
    to: Annotated[Path, typer.Option("--out", help="file to add to; keep it on another machine")],
    ledger: LedgerUrl = None,
    key: SigningKey = None,
) -> None:
    """Note how long every chain is, signed: `verify --heads` then finds what is cut off."""
    from service.heads import note
    from service.ledger import open_ledger

    with open_ledger(settings_of(ledger=ledger).ledger, read_only=True) as records:
        found = records.heads()
    note(to, found, datetime.now(UTC), _signer(key))
    chains = f"{len(found)} chain{'s' * (len(found) != 1)}"
    out.print(f"{chains}, {sum(one.seq for one in found)} records -> {to}", soft_wrap=True)


@app.command()
def evidence(
    decision_id: Annotated[str, typer.Argument(help="decision_id of an earlier reply")],
    to: Annotated[Path, typer.Option("--out", help="zip file to write")],
    ledger: LedgerUrl = None,
    key: SigningKey = None,
) -> None:
    """Write a decision as a signed archive that a third party checks offline, without us."""
    from service.archive import Archive
    from service.evidence import evidence as packed
    from service.ledger import open_ledger

    url, signer = settings_of(ledger=ledger).ledger, _signer(key)
    with open_ledger(url, read_only=True) as records:
        to.write_bytes(packed(records, decision_id, Archive.beside(url), signer))
    out.print(f"{to}: signed with the key {signer.fingerprint}", soft_wrap=True)


@app.command()
def backup(
    to: Annotated[Path, typer.Option("--out", help="new file; desk and versions go beside it")],
    ledger: LedgerUrl = None,
) -> None:
    """Copy a ledger that may be written to, and walk the copy."""
    from service.backup import backup as copied

    found = copied(settings_of(ledger=ledger).ledger, to)
    _show(found.ledger)
    out.print(f"-> {to}", soft_wrap=True)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="file written by `backup`")],
    ledger: LedgerUrl = None,
) -> None:
    """Put a backup back as a ledger that is new or empty, in either store, and walk it."""
    from service.backup import restore as put_back

    url = settings_of(ledger=ledger).ledger
    _show(put_back(source, url).ledger)


@app.command()
def erase(
    before: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD, in China; the settings' retention_days else")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="USCC of the one firm to erase")] = None,
    why: Annotated[str, typer.Option(help="noted in the erasure event")] = "retention",
    by: Annotated[
        str | None, typer.Option(help="who erases; the user of this machine else")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would go")] = False,
    ledger: LedgerUrl = None,
) -> None:
    """Erase the personal data of decisions made before a day; the chains still verify.

    A SQLite ledger must not be in use meanwhile; backups and a challenger's ledger are apart.
    """
    from getpass import getuser

    from service.erasure import Wanted
    from service.erasure import erase as erased

    settings = settings_of(ledger=ledger)
    wanted = Wanted(
        before=_first_kept_day(before, settings.retention_days),
        subject=subject, by=by or getuser(), why=why, dry_run=dry_run,
    )  # fmt: skip
    found = erased(settings.ledger, wanted)
    would = "would be erased" if dry_run else "erased"
    out.print(
        f"{found.decisions} decisions, {found.events} events of the desk and {found.consents} "
        f"consents from before {wanted.before} {would}; {found.already} were already"
    )
    if found.waiting:
        out.print(f"{found.waiting} left: somebody works on them at the desk")
    if found.in_force:
        out.print(f"{found.in_force} consents of the firm left: still in force on that day")


def _first_kept_day(given: str | None, days: int | None) -> date:
    from service.day import today

    if given is not None:
        try:
            return date.fromisoformat(given)
        except ValueError:
            fail(f"before: got {given!r}, expected a day as YYYY-MM-DD")
    if days is None:
        fail("before: expected a day, or the setting YIDAITONG_RETENTION_DAYS")
    return today() - timedelta(days=days)


def _signer(key: Path | None) -> "Signer":
    from service.signing import Signer

    return Signer.of(settings_of(signing_key=key).signing_key)


def _show(found: "Verification") -> None:
    for one in found.heads:
        out.print(f"writer {one.writer}: {one.seq} records, head {one.hash}", soft_wrap=True)
    gone = f", {found.erased} erased" if found.erased else ""
    out.print(f"{found.records} records{gone}, {_chains(found)} intact")


def _chains(found: "Verification") -> str:
    return f"{len(found.heads)} chain{'s' * (len(found.heads) != 1)}"
