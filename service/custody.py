"""Commands that keep the ledger safe and prove what is in it."""

from datetime import UTC, datetime
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
    """Walk every hash chain of a ledger and its swaps; exit 1, naming the place, when broken."""
    from service.heads import noted
    from service.ledger import verify as walked
    from service.swaps import check

    known: list[Head] = []
    if heads is not None:
        public = public_key.read_bytes() if public_key else _signer(key).public_pem
        known = list(noted(heads, public))
    url = settings_of(ledger=ledger).ledger
    found = walked(url, head, known)
    if not found.ok:
        fail(f"broken at record {found.broken_seq} of writer {found.broken_writer}: {found.what}")
    _show(found)
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


def _signer(key: Path | None) -> "Signer":
    from service.signing import Signer

    return Signer.of(settings_of(signing_key=key).signing_key)


def _show(found: "Verification") -> None:
    for one in found.heads:
        out.print(f"writer {one.writer}: {one.seq} records, head {one.hash}", soft_wrap=True)
    chains = f"{len(found.heads)} chain{'s' * (len(found.heads) != 1)}"
    out.print(f"{found.records} records, {chains} intact")
