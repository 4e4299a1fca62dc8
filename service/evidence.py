"""The evidence of one decision: a signed archive that a third party checks offline, without us."""

import hashlib
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
from msgspec import Struct

from service.archive import Archive
from service.chain import Head, Record, erased, own_hash
from service.ledger import Ledger, LedgerDamaged, LedgerError
from service.replay import versions_of
from service.signing import Signer

HERE = Path(__file__).parent
README, CHECK = HERE / "evidence.txt", HERE / "evidence_check.py"
_WHEN = (1980, 1, 1, 0, 0, 0)  # the same evidence is the same file


class Place(Struct, frozen=True, kw_only=True):
    """record.json: where a decision stands in the ledger, between its neighbours."""

    decision_id: str
    writer: int
    seq: int
    prev_hash: str
    hash: str
    next_hash: str | None
    head: Head
    idempotency_key: str | None
    body_sha256: str | None


def evidence(ledger: Ledger, decision_id: str, archive: Archive, signer: Signer) -> bytes:
    """The archive (zip) of one decision.

    Raises LedgerError when there is no such decision, LedgerDamaged when the record or its
    neighbours do not fit: nothing is signed that is not what was recorded.
    """
    record = ledger.get(decision_id)
    if record is None:
        raise LedgerError(f"{decision_id!r} is not in the ledger; expected a decision_id")
    if erased(record):
        raise LedgerError(
            f"{decision_id!r}: its personal data were erased, so there is nothing left to show; "
            "evidence packed before the erasure still checks"
        )
    files = {
        "README.txt": README.read_bytes(),
        "check.py": CHECK.read_bytes(),
        "decision.json": record.decision,
        "public_key.pem": signer.public_pem,
        "record.json": msgspec.json.format(msgspec.json.encode(_place(ledger, record)), indent=1),
        "request.json": record.request,
        **{f"versions/{name}": kept for name, kept in archive.files(versions_of(record)).items()},
    }
    sums = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()
    ).encode()
    files |= {"SHA256SUMS": sums, "SHA256SUMS.sig": signer.sign(sums)}
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive_file:
        for name, content in sorted(files.items()):
            archive_file.writestr(ZipInfo(name, _WHEN), content, ZIP_DEFLATED)
    return packed.getvalue()


def _place(ledger: Ledger, record: Record) -> Place:
    before, after = ledger.neighbour(record, -1), ledger.neighbour(record, 1)
    fits = own_hash(record).hex() == record.hash
    fits &= before is None or before.hash == record.prev_hash
    fits &= (before is None) == (record.seq == 1)
    fits &= after is None or after.prev_hash == record.hash
    if not fits:
        raise LedgerDamaged(
            f"record {record.seq} of writer {record.writer} and its neighbours do not fit: nothing "
            "is signed; `yidaitong verify` names the place"
        )
    return Place(
        decision_id=record.decision_id,
        writer=record.writer,
        seq=record.seq,
        prev_hash=record.prev_hash,
        hash=record.hash,
        next_hash=after.hash if after else None,
        head=next(head for head in ledger.heads() if head.writer == record.writer),
        idempotency_key=record.key,
        body_sha256=record.body_hash,
    )
