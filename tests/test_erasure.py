"""Erasure: personal data are really gone, figures stay, the chains fit and a forgery is found."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import apsw
import httpx
import msgspec
import psycopg
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from service import sqlite_store
from service.application import parse
from service.audit import audit, in_one
from service.backup import backup
from service.chain import Key, Record, erased, kept, stub
from service.cli import app
from service.consent import Consents, Grant
from service.desk import Desk, Dispute
from service.erasure import Wanted, erase
from service.idempotency import same_request
from service.journal import Journal
from service.ledger import LedgerError, LedgerUnavailable, open_ledger, verify
from service.problem import Problem
from service.process import running
from service.store import connection_and_schema
from tests.conftest import serve_command
from tests.databases import Database
from tests.releases import ITS_HEAD, first_release
from tests.test_cases import Decide

SAID = "My neighbour Hu Fengping paid the arrears."
LAST = "exporter"
BEFORE = Wanted(before=date(2026, 3, 1), by="ops", why="retention")


@pytest.fixture
def filled(ledger_url: str, stories: dict[str, bytes], decided: Decide) -> str:
    """A ledger in either store, filled."""
    return fill(ledger_url, stories, decided)


@pytest.fixture
def file(tmp_path: Path, stories: dict[str, bytes], decided: Decide) -> str:
    """A filled SQLite ledger, where the store makes no difference, or to be forged."""
    return fill(f"sqlite:///{tmp_path / 'file.db'}", stories, decided)


def fill(ledger_url: str, stories: dict[str, bytes], decided: Decide) -> str:
    """The stories decided a month apart, each twice, with evidence for the first of each two."""
    with open_ledger(ledger_url) as ledger:
        for month, (code, body) in enumerate(stories.items(), 1):
            for at in range(2):
                made = replace(
                    decided(parse(body, date.max)), decision_id=f"{code}-{at}",
                    decided_at=datetime(2026, month, 2, tzinfo=UTC),
                )  # fmt: skip
                key = Key.of(f"key {code}", body) if at else None
                ledger.append_sync(made.decision_id, body, msgspec.json.encode(made), key)
    with closing(Desk.beside(ledger_url)) as desk:
        for code in stories:
            desk.decided_again(f"{code}-0", "applicant", SAID, f"{code}-1")
    return ledger_url


def records(url: str) -> list[Record]:
    with open_ledger(url, read_only=True) as ledger:
        return list(ledger.records())


def stored_bytes(url: str, postgres: Callable[[], Database]) -> bytes:
    """Every byte of the ledger's files: the SQLite files, or the database's folder of tables."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        return b"".join(one.read_bytes() for one in path.parent.glob(f"{path.name}*"))
    database = postgres()
    with psycopg.connect(connection_and_schema(url)[0], autocommit=True) as connection:
        connection.execute("CHECKPOINT")  # what is in memory goes to its file
    folder = database.folder / "data" / "base"
    return b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())


def names(stories: dict[str, bytes], code: str) -> list[bytes]:
    """What would tell a reader which firm it was."""
    request = parse(stories[code], date.max)
    registry = request.credit_file.registry
    assert registry is not None
    return [request.application.applicant.encode(), registry.name.encode()]


def test_personal_data_are_gone_from_every_file_and_the_chain_verifies(
    filled: str, stories: dict[str, bytes], request: pytest.FixtureRequest
) -> None:
    """The bytes are looked for before and after, in the files themselves."""
    whole = lambda: request.getfixturevalue("postgres")  # noqa: E731
    early, late = list(stories)[:2], list(stories)[2:]
    before = stored_bytes(filled, whole)
    for code in stories:
        assert all(name in before for name in names(stories, code))
    heads = verify(filled).heads
    found = erase(filled, BEFORE)
    assert (found.decisions, found.events, found.waiting) == (4, 2, 0)
    after = stored_bytes(filled, whole)
    for code in early:
        assert not any(name in after for name in names(stories, code)), code
    for code in late:
        assert all(name in after for name in names(stories, code))
    assert before.count(SAID.encode()) >= len(stories) > 2
    assert after.count(SAID.encode()) == len(stories) - 2
    walked = verify(filled)
    assert (walked.ok, walked.erased, walked.records) == (True, 4, 2 * len(stories))
    assert walked.heads == heads
    assert in_one(audit(filled)).ok
    assert audit(filled)["desk"].erased == 2
    again = erase(filled, BEFORE)
    assert (again.decisions, again.events, again.already) == (0, 0, 4)


def test_figures_stay_for_statistics(filled: str) -> None:
    with open_ledger(filled, read_only=True) as ledger:
        before = Journal(ledger, lambda: (56, 146)).totals()
        was = {one.decision_id: msgspec.json.decode(one.decision) for one in ledger.records()}
    erase(filled, BEFORE)
    with open_ledger(filled, read_only=True) as ledger:
        journal = Journal(ledger, lambda: (56, 146))
        assert journal.totals() == before
        assert [line.name for line in journal.find("mask-maker-0")] == [""]
        assert all(line.name for line in journal.find("young-shop"))
    gone = [one for one in records(filled) if erased(one)]
    assert len(gone) == 4
    for record in gone:
        left, whole = msgspec.json.decode(kept(record.decision)), was[record.decision_id]
        for name in ("decided_at", "verdict", "limit_yuan", "versions", "timings_us"):
            assert left[name] == whole[name]
        assert left["assessment"]["pd_12m"] == whole["assessment"]["pd_12m"]
        assert left["reason_codes"] == [reason["code"] for reason in whole["reasons"]]
        assert "portrait" not in left
        assert left["application"]["applicant"] == ""


def test_what_was_erased_by_whom_and_when_is_a_chain_of_its_own(file: str) -> None:
    erase(file, replace(BEFORE, why="law", by="officer of data"))
    (event,) = records(f"{file}.erasures")
    told = msgspec.json.decode(event.request)
    assert (told["by"], told["why"], told["before"]) == ("officer of data", "law", "2026-03-01")
    assert [place[1] for place in told["records"]] == [1, 2, 3, 4]
    assert audit(file)["erasures"].records == 1


def forge(url: str, sql: str, *bound: object) -> None:
    with closing(apsw.Connection(url.removeprefix("sqlite:///"))) as connection:
        connection.execute(sql, bound)


def test_a_flipped_byte_is_found_beside_erased_records_and_in_what_is_kept(file: str) -> None:
    erase(file, BEFORE)
    for at, column, was, now, said in (
        (7, "request", "purpose", "porpose", "the stored bytes do not fit their hash"),
        (2, "decision", "limit_yuan", "limit_juan", "erased, and no erasure event says so"),
    ):
        stored = next(one for one in records(file) if one.seq == at)
        whole = stored.request if column == "request" else stored.decision
        forged = whole.replace(was.encode(), now.encode())
        assert forged != whole
        forge(file, f"UPDATE record SET {column} = ? WHERE rowid = ?", forged, at)
        found = verify(file)
        assert (found.ok, found.broken_seq, found.what) == (False, at, said)
        forge(file, f"UPDATE record SET {column} = ? WHERE rowid = ?", whole, at)
    assert verify(file).ok


def test_an_erasure_without_its_event_is_found(file: str) -> None:
    """Whoever blanks a record himself, or takes the event away, breaks the chain."""
    erase(file, BEFORE)
    last = records(file)[-1]
    path = Path(file.removeprefix("sqlite:///"))
    store = sqlite_store.SqliteStore(path, read_only=False, wal_bytes=1)
    with closing(store):
        store.erase([(1, last.seq, stub(last.request, b""), stub(last.decision, b""))])
    found = verify(file)
    assert (found.ok, found.broken_seq) == (False, last.seq)
    forge(file, "DELETE FROM record WHERE rowid = ?", last.seq)
    assert verify(file).ok
    forge(f"{file}.erasures", "UPDATE record SET request = CAST('{}' AS BLOB)")
    assert str(verify(file).what).startswith("erasures: the stored bytes")
    forge(f"{file}.erasures", "DELETE FROM record")
    assert (verify(file).ok, verify(file).broken_seq) == (False, 1)


def test_a_crash_between_event_and_erasure_is_mended_by_the_next_call(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise LedgerUnavailable("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_store.SqliteStore, "erase", crash)
        with pytest.raises(LedgerUnavailable):
            erase(file, BEFORE)
    assert (verify(file).ok, verify(file).erased) == (True, 0)
    assert erase(file, BEFORE).decisions == 4
    assert (verify(file).ok, verify(file).erased) == (True, 4)


def test_nothing_changes_when_it_is_only_asked(file: str) -> None:
    before = records(file)
    found = erase(file, replace(BEFORE, dry_run=True))
    assert (found.decisions, found.events) == (4, 2)
    assert records(file) == before
    assert "erasures" not in audit(file)


def test_one_firm_alone_is_erased(file: str, stories: dict[str, bytes]) -> None:
    subject = parse(stories[LAST], date.max).application.applicant
    everything = replace(BEFORE, before=date(2099, 1, 1), subject=subject)
    assert erase(file, everything).decisions == 2
    assert {one.decision_id for one in records(file) if erased(one)} == {f"{LAST}-0", f"{LAST}-1"}


def test_what_somebody_works_on_is_left(file: str) -> None:
    with closing(Desk.beside(file)) as desk:
        desk.dispute("mask-maker-0", "lin", Dispute(source="tax", said=SAID))
    found = erase(file, BEFORE)
    assert (found.decisions, found.waiting) == (3, 1)
    assert not erased(next(one for one in records(file) if one.decision_id == "mask-maker-0"))


def test_steps_at_the_desk_keep_who_and_when_without_words(file: str) -> None:
    erase(file, BEFORE)
    with closing(Desk.beside(file)) as desk:
        (event,) = desk.case("mask-maker-0").events
        assert (event.said, event.officer, event.became) == ("", "applicant", "mask-maker-1")
        assert desk.case("mask-maker-1").decides_again == "mask-maker-0"


def test_consents_go_when_they_have_ended(ledger_url: str) -> None:
    ended, lasting = date(2026, 2, 1), date(2099, 1, 1)

    async def granted() -> list[str]:
        consents = Consents.beside(ledger_url)
        today = date(2026, 1, 1)
        made = [
            await consents.grant(
                "91330100MA2AXXXX1X",
                Grant(sources=["tax"], granted=today, expires=end, evidence_sha256="0" * 64),
                today,
            )
            for end in (ended, lasting)
        ]
        consents.close()
        return [one.consent_id for one in made]

    open_ledger(ledger_url).close()
    old, new = asyncio.run(granted())
    assert erase(ledger_url, BEFORE).consents == 1
    with closing(Consents.beside(ledger_url)) as consents:
        assert consents.get(new).expires == lasting
        with pytest.raises(Problem, match="No consent"):
            consents.get(old)
    assert audit(ledger_url)["consents"].erased == 1
    subject = replace(BEFORE, subject="91330100MA2AXXXX1X")
    assert erase(ledger_url, subject).in_force == 1


def test_a_ledger_of_the_first_release_is_erased_and_its_head_stays(tmp_path: Path) -> None:
    old = first_release(tmp_path)
    assert erase(old, replace(BEFORE, before=date(2099, 1, 1))).decisions == 3
    found = verify(old, ITS_HEAD.hash, [ITS_HEAD])
    assert (found.ok, found.erased, found.heads) == (True, 3, [ITS_HEAD])


def test_an_erased_ledger_is_backed_up_with_its_erasures(filled: str, tmp_path: Path) -> None:
    erase(filled, BEFORE)
    copied = backup(filled, tmp_path / "copy" / "ledger.db")
    assert (copied.ledger.ok, copied.ledger.erased) == (True, 4)
    assert "desk" in copied.beside
    assert copied.beside["desk"].erased == 2


def test_a_key_used_for_an_erased_decision_answers_gone(file: str) -> None:
    erase(file, BEFORE)
    record = next(one for one in records(file) if one.decision_id == "mask-maker-1")
    assert record.body_hash is not None
    with pytest.raises(Problem) as gone:
        same_request(record, Key(record.key or "", bytes.fromhex(record.body_hash)))
    assert gone.value.status == 410


def test_an_erased_decision_answers_gone_wherever_it_is_asked_for(
    file: str, artifact: Path
) -> None:
    erase(file, replace(BEFORE, before=date(2026, 5, 1)))
    with (
        running(serve_command(artifact, file)) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        for path in ("", "/notice", "/request", "/case", "/offers/P1/schedule"):
            reply = client.get(f"/v1/decisions/mask-maker-0{path}")
            assert reply.status_code == 410
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.json()["type"].endswith("erased")
        page = client.get("/en/decision/mask-maker-0")
        assert (page.status_code, "were erased" in page.text) == (410, True)
        assert client.get("/v1/decisions/exporter-0").status_code == 200
        assert client.get("/v1/verification").json()["erased"] == 8
        listed = client.get("/v1/desk/cases?status=redecided").json()
        assert listed["total"] == 5
        assert sum(one["line"]["name"] == "" for one in listed["cases"]) == 4
        assert client.get("/v1/desk/cases").json()["total"] == 0  # a referral that was erased, too


def test_the_command_says_what_it_did_and_others_say_what_is_gone(
    file: str, artifact: Path
) -> None:
    def ran(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*words, "--ledger", file])
        assert done.exit_code == code, done.output
        return " ".join(done.output.split())

    assert "before: expected a day" in ran("erase", code=1)
    assert "expected a day as YYYY-MM-DD" in ran("erase", "--before", "March", code=1)
    asked = ran("erase", "--before", "2026-03-01", "--dry-run")
    assert "4 decisions, 2 events of the desk and 0 consents from before 2026-03-01 would" in asked
    assert "4 decisions, 2 events" in ran("erase", "--before", "2026-03-01")
    told = ran("verify")
    assert f"{len(records(file))} records, 4 erased, 1 chain intact" in told
    assert "erasures: 1 events" in told
    evidence = CliRunner().invoke(
        app, ["evidence", "mask-maker-0", "--out", str(artifact / "x.zip"), "--ledger", file,
              "--key", str(artifact / "key.pem")]
    )  # fmt: skip
    assert isinstance(evidence.exception, LedgerError)
    assert "were erased" in str(evidence.exception)
    replayed = CliRunner().invoke(
        app, ["replay", "all", "--ledger", file, "--artifact", str(artifact)]
    )
    assert "4 not replayed: their personal data were erased" in replayed.output
