"""Replay: make a recorded decision again from its stored request and compare the bytes."""

from datetime import date

import msgspec
from msgspec import Struct

from model.credit_file import Fault
from service.application import parse
from service.chain import Record
from service.decide import Decision, Engine, Versions, decide

_decode = msgspec.json.Decoder(Decision).decode


class Replay(Struct, frozen=True, kw_only=True):
    """What a replay found; `difference` names the first field that differs."""

    decision_id: str
    same: bool
    difference: str | None = None


def versions_of(record: Record) -> Versions:
    """The versions a recorded decision was made with."""
    return _decode(record.decision).versions


def replay(record: Record, engine: Engine) -> Replay:
    """Decide the stored request again; id, time, timings and gathering are taken from the record.

    A decision made with another scorecard, policy or catalogue is not comparable: the difference
    then names the version.
    """
    was = _decode(record.decision)
    try:
        request = parse(record.request, date.max)
    except Fault as fault:  # accepted by an earlier version only
        told = f"request: {fault}"
        return Replay(decision_id=was.decision_id, same=False, difference=told)
    again = decide(
        request, engine, decision_id=was.decision_id, decided_at=was.decided_at, tick=lambda: 0
    )
    again = msgspec.structs.replace(again, timings_us=was.timings_us, gathering=was.gathering)
    made = msgspec.json.encode(again)
    if made == record.decision:
        return Replay(decision_id=was.decision_id, same=True)
    old, new = msgspec.json.decode(record.decision), msgspec.json.decode(made)
    first = ["versions"] if old.get("versions") != new.get("versions") else []
    where = next(
        (key for key in [*first, *old] if old.get(key) != new.get(key)), "encoding of the record"
    )
    return Replay(
        decision_id=was.decision_id,
        same=False,
        difference=f"{where}: recorded {_short(old.get(where))}, replayed {_short(new.get(where))}",
    )


def _short(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 200 else text[:200] + "..."
