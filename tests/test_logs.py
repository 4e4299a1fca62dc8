"""Logs: every request is told, and nothing that was posted, no name, no number, no key."""

import asyncio
import io
import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from service import app as served
from service import intake, logs, server
from service.decide import Engine
from service.keys import Keys
from service.process import running
from service.seen import Seen, current
from service.settings import Settings
from synthetic_data.stories import application
from tests.conftest import exchange_command

MARK = "MARKED"
PHONE, USCC = "13812345678", "91329999MAKHDU183Y"
JSON = {"content-type": "application/json"}


@contextmanager
def logging_to(kind: Any, level: Any = None) -> Iterator[io.StringIO]:
    """The log as a server writes it, and afterwards everything as it was."""
    root, ours = logging.getLogger(), logging.getLogger(logs.OURS)
    before = [*root.handlers], root.level, ours.level, threading.excepthook
    root.handlers[:] = []
    stream = io.StringIO()
    try:
        logs.configure(kind, level, stream)
        yield stream
    finally:
        root.handlers[:], (root.level, ours.level, threading.excepthook) = before[0], before[1:]
        root.setLevel(root.level)
        ours.setLevel(ours.level)


@contextmanager
def serving(settings: Settings, engine: Engine) -> Iterator[str]:
    """The real server in this process, on a port of its own."""
    served_by = uvicorn.Server(server.configured(server.application(settings, engine), settings))
    thread = threading.Thread(target=served_by.run)
    thread.start()
    try:
        while not served_by.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{served_by.servers[0].sockets[0].getsockname()[1]}"
    finally:
        served_by.should_exit = True
        thread.join()


def good() -> dict[str, Any]:
    """An application whose every name is marked."""
    asked = application("young-shop")
    asked["credit_file"]["registry"]["name"] = f"{MARK}有限公司"
    return asked


def bad() -> list[bytes]:
    """Bodies that are refused, each for another reason."""
    wrong = []
    for path, value in (
        (("application", "applicant"), f"{MARK}-{USCC}"),
        (("application", "purpose"), f"{MARK} {PHONE}"),
        (("application", "amount_yuan"), MARK),
        (("application", MARK), PHONE),
        (("credit_file", "registry", "name"), {MARK: PHONE}),
        (("credit_file", "as_of"), f"{MARK}\nforged line"),
    ):
        asked: Any = good()
        node = asked
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
        wrong.append(json.dumps(asked).encode())
    return [*wrong, f'{{"{MARK}": '.encode(), b"\xff" + MARK.encode()]


def ask_everything(client: httpx.Client, keys: dict[str, str]) -> list[str]:
    """Good and bad requests of every kind; the decision_ids told."""
    marked = {
        "user-agent": MARK, "cookie": f"yidaitong={MARK}", "referer": f"http://{MARK}",
        "x-request-id": MARK, "x-forwarded-for": MARK, "traceparent": MARK,
    }  # fmt: skip
    bears = {"authorization": f"Bearer {keys['operate']}"} | marked
    post = JSON | bears
    told = []
    for number in range(2):
        key = {"idempotency-key": f"{MARK}-{number}"}
        reply = client.post("/v1/decisions", json=good(), headers=post | key)
        told.append(reply.json()["decision_id"])
    again = {"idempotency-key": f"{MARK}-0"}
    assert client.post("/v1/decisions", json={MARK: 1}, headers=post | again).status_code == 422
    for body in bad():
        for path in ("/v1/decisions", "/v1/previews", "/v1/recourse", "/v1/scores",
                     "/v1/applications", "/v1/consents", f"/v1/desk/decisions/{told[0]}/rulings",
                     "/v1/desk/session"):  # fmt: skip
            assert 400 <= client.post(path, content=body, headers=post).status_code < 500
    short = intake.without_file(application("young-shop")["application"])
    gathered = client.post("/v1/applications", json=short, headers=post)
    told.append(gathered.json()["decision_id"])
    for path in (f"/v1/decisions/{MARK}", f"/v1/decisions/{USCC}", f"/{MARK}/{PHONE}",
                 f"/v1/decisions?q={MARK}&verdict={MARK}", f"/v1/firms/{USCC}",
                 f"/v1/decisions/x%0d%0a{MARK}", f"/preferences?to={MARK}&theme={MARK}",
                 f"/v1/decisions/{told[0]}/notice?lang={MARK}", f"/v1/consents/{MARK}",
                 f"/assets/..%2f{MARK}", f"/v1/decisions/{told[0]}"):  # fmt: skip
        assert client.get(path, headers=bears).status_code < 500
    for given in (f"Bearer {MARK}", f"Basic {MARK}", f"Bearer ydt_0000_{MARK}", MARK,
                  f"Bearer eyJ{MARK}.eyJ{MARK}.{MARK}", f"Bearer {keys['apply']}"):  # fmt: skip
        headers = marked | {"authorization": given}
        assert client.get("/v1/totals", headers=headers).status_code in (401, 403)
    client.post("/v1/decisions", content=MARK, headers=bears | {"content-type": MARK})
    return told


def fail_everywhere(
    client: httpx.Client, bears: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exceptions whose words hold everything: in a request, in a thread, in a task."""

    def failing(asked: Any, *_: Any, **__: Any) -> Any:
        try:
            raise KeyError(f"{MARK} {asked}")
        except KeyError as error:
            raise ValueError(f"{MARK} {PHONE}") from error

    with monkeypatch.context() as patched:
        patched.setattr(served, "decide", failing)
        reply = client.post("/v1/decisions", json=good(), headers=JSON | bears)
        assert reply.status_code == 500
        assert MARK not in reply.text

    def thread() -> None:
        raise RuntimeError(MARK)

    one = threading.Thread(target=thread)
    one.start()
    one.join()

    async def forgotten() -> None:
        task = asyncio.create_task(asyncio.to_thread(failing, PHONE))
        await asyncio.sleep(0.05)
        del task

    import gc

    asyncio.run(forgotten())
    gc.collect()


def test_nothing_posted_and_no_key_is_ever_logged(
    engine: Engine, artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(tmp_path / "keys.json")
    tokens = {
        scope: keys.add(f"{MARK} {scope}", [scope], 10_000)[1] for scope in ("apply", "operate")
    }
    plain = io.StringIO()
    with running(exchange_command()) as exchange, logging_to("json", "DEBUG") as log:
        settings = Settings(
            port=0, ledger=f"sqlite:///{tmp_path / 'ledger.db'}", artifact=artifact,
            showcase=tmp_path / "none", keys=tmp_path / "keys.json",
            exchange=exchange.url, log="json",
        )  # fmt: skip
        naked = logging.StreamHandler(plain)
        logging.getLogger().addHandler(naked)
        with (
            serving(settings, engine) as url,
            httpx.Client(base_url=url, trust_env=False) as client,
        ):
            told = ask_everything(client, tokens)
            bears = {"authorization": f"Bearer {tokens['operate']}"}
            fail_everywhere(client, bears, monkeypatch)
    written = log.getvalue()
    asked = application("young-shop")["application"]["applicant"]
    secrets = [MARK, PHONE, USCC, asked, *tokens.values()]
    for secret in secrets:
        assert secret not in written, [line for line in written.splitlines() if secret in line][:3]
    for secret in (MARK, PHONE):
        assert secret in plain.getvalue()  # a log written as usual holds them
    lines = [json.loads(line) for line in written.splitlines()]
    requests = [line for line in lines if line["logger"] == "yidaitong.requests"]
    assert len(requests) > 80
    assert {one["decision_id"] for one in requests if "decision_id" in one} == {*told}
    numbers = {key.key_id for key in keys.list()}
    assert {one["key_id"] for one in requests if "key_id" in one} == numbers
    assert {one["status"] for one in requests} >= {200, 201, 400, 401, 403, 404, 415, 422, 500}
    allowed = {"time", "level", "logger", "event", "error", "at", *logs.FIELDS}
    assert all(set(line) <= allowed for line in lines)
    failed = [line for line in lines if "error" in line]
    assert {"ValueError", "RuntimeError"} <= {line["error"] for line in failed}
    assert any("test_logs.py" in line["at"][-1] for line in failed)
    (told_500,) = [one for one in requests if one["status"] == 500]
    same = [line for line in failed if line.get("request_id") == told_500["request_id"]]
    assert same  # what went wrong is found by the number of the reply


def record(message: str, *args: object, name: str = "yidaitong", **extra: Any) -> Any:
    made = logging.LogRecord(name, logging.WARNING, "file.py", 1, message, args, None)
    made.__dict__ |= extra
    return made


def test_a_line_cannot_be_forged() -> None:
    evil = 'x\n{"event":"all is well"}\r\x1b[2J\u2028'
    for formatter in (logs.Json(), logs.Text()):
        line = formatter.format(record("said %s", evil))
        assert len(line.splitlines()) == 1
        assert "\x1b" not in line


@pytest.mark.parametrize(
    "secret",
    [USCC, PHONE, "+86 138-1234-5678", "ydt_1f6c02aa_abc-DEF_123", "eyJhbGciOi.eyJzdWIi.sig-1_2",
     "Bearer abc.def", "postgresql://lender:s3cret@db/credit"],
)  # fmt: skip
def test_what_looks_secret_is_struck_out(secret: str) -> None:
    said = logs.told(record("got %s here", secret))["event"]
    assert secret not in said
    assert "s3cret" not in said
    assert said.startswith("got ")
    assert said.endswith(" here")


@pytest.mark.parametrize(
    "kept", ["18eb856ac3ee072141da381777bfe746", "2020-03-31T12:00:00", "c9cf364a7e0c109c",
             "took 1234567890 us", "额度不足"],
)  # fmt: skip
def test_what_is_needed_stays(kept: str) -> None:
    assert logs.told(record("got %s", kept))["event"] == f"got {kept}"


def test_what_others_say_is_cut_after_its_first_line() -> None:
    said = "Task exception was never retrieved\nfuture: <Task exception=ValueError('Zhang San')>"
    assert logs.told(record(said, name="asyncio"))["event"] == said.partition("\n")[0]


def test_text_is_for_people_and_tells_the_same() -> None:
    token = current.set(Seen("r1"))
    try:
        line = logs.Text().format(record("request answered", status=201, ms=1.5, secret=MARK))
    finally:
        current.reset(token)
    assert line.endswith("WARNING yidaitong request answered request_id=r1 status=201 ms=1.5")


def test_without_a_level_text_tells_what_went_wrong_and_json_every_request() -> None:
    requests = logging.getLogger("yidaitong.requests")
    for kind, tells in (("text", False), ("json", True)):
        with logging_to(kind):
            assert requests.isEnabledFor(logging.INFO) is tells
            assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
