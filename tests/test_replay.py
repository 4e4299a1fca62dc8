import asyncio
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from service.application import parse
from service.chain import Record
from service.decide import Decision, Engine, decide
from service.ledger import open_ledger
from service.replay import replay


@pytest.fixture
def record(engine: Engine, stories: dict[str, bytes], tmp_path: Path) -> Record:
    """A decision made with a running clock and read back from a ledger."""
    import time

    body = stories["mask-maker"]
    decision = decide(
        parse(body, date.max),
        engine,
        decision_id="d1",
        decided_at=datetime.now(UTC),
        tick=time.perf_counter_ns,
    )

    async def recorded() -> Record:
        with open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
            await ledger.append("d1", body, msgspec.json.encode(decision))
            found = ledger.get("d1")
            assert found is not None
            return found

    return asyncio.run(recorded())


def test_replay_makes_the_same_bytes(record: Record, engine: Engine) -> None:
    assert replay(record, engine).same


def test_a_changed_limit_is_named(record: Record, engine: Engine) -> None:
    was = msgspec.json.decode(record.decision, type=Decision)
    forged = replace(was, limit_yuan=was.limit_yuan + 1)
    changed = replace(record, decision=msgspec.json.encode(forged))
    found = replay(changed, engine)
    assert not found.same
    assert str(found.difference).startswith("limit_yuan: recorded")


def test_another_policy_is_named_first(record: Record, engine: Engine) -> None:
    was = msgspec.json.decode(record.decision, type=Decision)
    other = replace(was, versions=replace(was.versions, policy="0" * 16), limit_yuan=1.0)
    found = replay(replace(record, decision=msgspec.json.encode(other)), engine)
    assert str(found.difference).startswith("versions: recorded")


def test_a_request_no_longer_accepted_is_told_apart(record: Record, engine: Engine) -> None:
    found = replay(
        replace(record, request=record.request.replace(b"amount_yuan", b"amount")), engine
    )
    assert not found.same
    assert str(found.difference).startswith("request: application.amount")
