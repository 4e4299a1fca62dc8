"""The shadow: a challenger decides what the champion decided, apart and off the reply path.

A process of its own follows the champion's ledger and writes the challenger's decisions into a
ledger of its own, record for record under the same decision ids, so that both can be replayed,
verified and compared. The champion's server never waits for it.
"""

from collections.abc import Iterator
from datetime import date

import msgspec
from msgspec import Struct

from service.application import parse
from service.chain import erased
from service.decide import Decision, Engine, decide
from service.ledger import Ledger, LedgerError
from service.policy import Verdict

_decode = msgspec.json.Decoder(Decision).decode
_encode = msgspec.json.Encoder().encode


class Apart(Struct, frozen=True):
    """One application decided by both: number, verdicts and limits."""

    seq: int
    champion: Verdict
    challenger: Verdict
    champion_yuan: float
    challenger_yuan: float


class ShadowError(RuntimeError):
    """The challenger's ledger does not follow the champion's: where, what was found."""


def follow(champion: Ledger, challenger: Ledger, engine: Engine) -> Iterator[Apart]:
    """Decide every record of the champion that the challenger has not decided yet.

    The challenger's decision bears the champion's id and time, and its own versions and timings.
    Raises ShadowError when the ledgers do not belong together.
    """
    done = challenger.count()
    _check(champion, challenger, done)
    for record in champion.records({1: done}):
        if erased(record):
            raise ShadowError(
                f"record {record.seq} of the champion was erased; expected a challenger that "
                "had decided it before"
            )
        was = _decode(record.decision)
        now = decide(
            parse(record.request, date.max),
            engine,
            decision_id=was.decision_id,
            decided_at=was.decided_at,
            tick=lambda: 0,
        )
        try:
            receipt = challenger.append_sync(record.decision_id, record.request, _encode(now))
        except LedgerError as error:
            raise ShadowError(f"record {record.seq}: {error}") from error
        if receipt.seq != record.seq:
            raise ShadowError(
                f"record {record.seq} became number {receipt.seq} of the challenger's ledger; "
                "expected the same number, so something else writes to it"
            )
        yield Apart(record.seq, was.verdict, now.verdict, was.limit_yuan, now.limit_yuan)


def _check(champion: Ledger, challenger: Ledger, done: int) -> None:
    """Refuse a challenger's ledger whose last record is not the champion's of that number."""
    writers = [head.writer for ledger in (champion, challenger) for head in ledger.heads()]
    if set(writers) - {1}:
        raise ShadowError(
            f"the ledgers have chains of the writers {writers}; expected one writer in each: a "
            "challenger can follow one server"
        )
    if not done:
        return
    last = next(challenger.records({1: done - 1}), None)
    same = next(champion.records({1: done - 1}), None)
    if last is None or same is None or last.decision_id != same.decision_id:
        raise ShadowError(
            f"record {done} of the challenger's ledger is "
            f"{last.decision_id if last else 'missing'}, of the champion's "
            f"{same.decision_id if same else 'missing'}; expected a ledger that followed this one"
        )
