"""Idempotency-Key: sent again, answered again; never decided twice, wherever and whenever."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from service.chain import Key, Record
from service.idempotency import key_of, same_request
from service.ledger import KeyTaken, open_ledger, verify
from service.problem import Problem
from service.process import running
from tests.conftest import serve_command


@pytest.mark.parametrize("given", [b"8e03978e-40d5", b'"8e03978e-40d5"', b"  8e03978e-40d5 "])
def test_a_key_is_read_quoted_or_not(given: bytes) -> None:
    assert key_of({b"idempotency-key": given}, b"body") == Key.of("8e03978e-40d5", b"body")
    assert key_of({}, b"body") is None


@pytest.mark.parametrize(
    "given", [b"", b'""', b"  ", b"a b", b'a"b', b"a\\b", b"\xe4\xb8\x80", b"x" * 256, b'"a']
)
def test_what_is_no_key_is_refused_by_name(given: bytes) -> None:
    with pytest.raises(Problem) as refused:
        key_of({b"idempotency-key": given}, b"body")
    assert refused.value.status == 400
    assert refused.value.document.errors[0].field == "Idempotency-Key"


def test_another_body_under_a_used_key_is_a_conflict() -> None:
    key = Key.of("k", b"body")
    record = Record(1, "d", b"", b"", "", "", 1, "k", key.body_hash.hex())
    assert same_request(record, key) is record
    with pytest.raises(Problem, match="another body") as refused:
        same_request(record, Key.of("k", b"other"))
    assert refused.value.status == 409


def test_a_key_is_recorded_once_by_all_writers_together(ledger_url: str) -> None:
    """Several writers and threads race for the same keys, in opposite orders."""
    with ExitStack() as stack:
        writers = 1 if ledger_url.startswith("sqlite") else 3
        ledgers = [stack.enter_context(open_ledger(ledger_url)) for _ in range(writers)]
        pool = stack.enter_context(ThreadPoolExecutor(12))

        def append(number: int) -> Record:
            lane, at = divmod(number, 20)
            key = Key.of(f"k{at if lane % 2 else 19 - at}", b"q")
            ledger = ledgers[lane % writers]
            try:
                receipt = ledger.append_sync(f"d{number}", b"q", b"%d" % number, key)
            except KeyTaken as taken:
                return taken.record
            record = ledger.get(f"d{number}")
            assert record is not None
            assert record.hash == receipt.hash
            return record

        found = list(pool.map(append, range(6 * 20)))
        assert {record.key for record in found} == {f"k{at}" for at in range(20)}
        assert len({(record.key, record.decision) for record in found}) == 20
        assert ledgers[0].count() == 20
    assert verify(ledger_url).ok


@pytest.mark.slow
def test_a_request_sent_again_gets_the_same_bytes_from_any_server_at_any_time(
    artifact: Path, stories: dict[str, bytes], ledger_url: str
) -> None:
    body, other = stories["young-shop"], stories["mask-maker"]

    def post(url: str, posted: bytes = body, key: str = '"one"') -> httpx.Response:
        headers = {"content-type": "application/json", "idempotency-key": key}
        with httpx.Client(trust_env=False) as client:
            return client.post(f"{url}/v1/decisions", content=posted, headers=headers)

    workers = 1 if ledger_url.startswith("sqlite") else 2
    with ExitStack() as stack, ThreadPoolExecutor(8) as pool:
        servers = [
            stack.enter_context(running(serve_command(artifact, ledger_url)))
            for _ in range(workers)
        ]
        urls = [server.url for server in servers] * (8 // workers)
        replies = list(pool.map(post, urls))
        assert {reply.status_code for reply in replies} == {201}
        assert len({reply.content for reply in replies}) == 1
        refused = [post(server.url, other) for server in servers]
        assert [reply.status_code for reply in refused] == [409] * workers
        assert refused[0].headers["content-type"] == "application/problem+json"
        assert post(urls[0], other, "two").json()["decision_id"] not in replies[0].text
        assert post(urls[0], key="").status_code == 400
    if workers == 1:  # otherwise another server answered already
        with running(serve_command(artifact, ledger_url)) as restarted:
            assert post(restarted.url).content == replies[0].content
            assert post(restarted.url, other).status_code == 409
    with open_ledger(ledger_url, read_only=True) as ledger:
        assert ledger.count() == 2
