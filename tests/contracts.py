"""Hold live servers to their own OpenAPI document with schemathesis; by hand, with many cases:

uv run python -m tests.contracts 20000

Valid and invalid requests to every operation, from whom the door is open, with a key, with a key
that may little, and with none. No answer may be a 5xx or other than the document says.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
import msgspec

from service.keys import Keys
from service.process import running
from service.settings import Settings
from synthetic_data.stories import STORIES, application
from tests.conftest import exchange_command, serve_command
from tests.source_stand_ins import EVIDENCE

NOT_TRIED = ("start_benchmark",)  # each one loads the machine for a second
CONFIG = """
hooks = "tests.contract_hooks"
[checks.positive_data_acceptance]
# what no JSON Schema can say, such as months in order, is told as 422
expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429"]
[checks.ensure_resource_availability]
enabled = false  # a decision need not offer the product that is asked for
"""


class Broken(AssertionError):
    """A server answered other than its document says."""


class Checked(NamedTuple):
    """How many cases were sent, and what was wrong with the answers, one line a kind."""

    cases: int
    wrong: list[str]


def check(
    url: str,
    folder: Path,
    examples: int,
    headers: Mapping[str, str],
    document: bytes,
    phases: str = "examples,coverage,fuzzing,stateful",
    seed: int = 7,
) -> Checked:
    """Send up to so many examples an operation; `known` and `headers` lead beyond 404 and 403."""
    (folder / "schemathesis.toml").write_text(CONFIG)
    known, report = folder / "known.json", folder / "report.json"
    (folder / "openapi.json").write_bytes(document)
    known.write_bytes(msgspec.json.encode(on_record(url, headers)))
    command = [
        str(Path(sys.executable).with_name("st")), "--config-file",
        str(folder / "schemathesis.toml"), "run", str(folder / "openapi.json"), "--url", url,
        "-n", str(examples), "--phases", phases, "--seed", str(seed), "--no-shrink",
        "--continue-on-failure", "--report", "json", "--report-json-path", str(report),
        "--suppress-health-check", "all", "--output-sanitize", "false", "--warnings", "off",
    ]  # fmt: skip
    for name, value in (headers | session(url, headers)).items():
        command += ["-H", f"{name}: {value}"]
    for name in NOT_TRIED:
        command += ["--exclude-operation-id", name]
    ran = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"CONTRACT_KNOWN": str(known), "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=False,
    )
    (folder / "report.txt").write_text(ran.stdout + ran.stderr)
    if not report.exists():
        raise Broken(ran.stdout[-2_000:] + ran.stderr[-2_000:])
    found: dict[str, Any] = msgspec.json.decode(report.read_bytes())
    wrong = [f"{one['title']}: {', '.join(one['operations'])}" for one in found["failures"]]
    wrong += [f"not tried: {one}" for one in found["errors"]]
    return Checked(found["test_cases"]["generated"], wrong)


def on_record(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """What is put on record first, so that something is found: decisions and a consent."""
    bodies = {code: msgspec.to_builtins(application(code), str_keys=True) for code in STORIES}
    bodies = {code: msgspec.json.decode(msgspec.json.encode(one)) for code, one in bodies.items()}
    ids, products, consents = ["none"], ["none"], ["none"]
    request = max(bodies.values(), key=lambda one: len(str(one)))
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30.0) as client:
        for body in bodies.values():
            reply = client.post("/v1/decisions", json=body)
            if reply.status_code == 201:
                ids.append(reply.json()["decision_id"])
                products += [one["product"] for one in reply.json()["offers"]]
        grant = {
            "subject": request["application"]["applicant"], "sources": ["registry", "tax"],
            "granted": "2020-04-15", "expires": "2035-01-01", "evidence_sha256": EVIDENCE,
        }  # fmt: skip
        reply = client.post("/v1/consents", json=grant)
        if reply.status_code == 201:
            consents.append(reply.json()["consent_id"])
    paths = {"decision_id": ids, "product": products, "consent_id": consents, "code": [*bodies]}
    return {"paths": paths, "request": request}


def session(url: str, headers: Mapping[str, str]) -> dict[str, str]:
    """Cookie and token of an officer at the desk; nothing where the door stays shut."""
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as client:
        page = client.get("/en/desk")
        token = re.search(r'name="csrf" content="([^"]+)"', page.text)
        if page.status_code != 200 or token is None:
            return {}
        told = {"x-csrf-token": token[1]}
        officer = Settings().officers[0]
        client.post("/v1/desk/session", json={"officer": officer}, headers=told)
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        return told | {"cookie": cookies}


def campaign(cases: int, artifact: Path, showcase: Path, seed: int) -> str:
    """Everyone in turn, with about so many cases in all; raises Broken."""
    told, document, total = [], b"", 0
    with TemporaryDirectory() as name, running(exchange_command()) as exchange:
        folder = Path(name)
        keys = Keys(folder / "keys.json")
        shown = {scope: keys.add(scope, [scope], 10_000_000)[1] for scope in ("operate", "apply")}
        callers = {"door open": ""} | shown | {"no key": ""}
        for number, (caller, key) in enumerate(callers.items()):
            words = ["--showcase", str(showcase), "--exchange", exchange.url]
            words += ["--open"] if number == 0 else []
            serve = serve_command(artifact, f"sqlite:///{folder}/ledger{number}.db", words)
            with running(partial(_told_where, folder, serve), within_s=120.0) as server:
                if number == 0:
                    document = httpx.get(f"{server.url}/openapi.json", trust_env=False).content
                headers = {"authorization": f"Bearer {key}"} if key else {}
                (out := folder / str(number)).mkdir()
                examples = max(
                    10, (cases - total) // (4 - number) // document.count(b'"operationId"')
                )
                found = check(server.url, out, examples, headers, document, seed=seed + number)
                if found.wrong:
                    report = (out / "report.txt").read_text()
                    raise Broken("\n".join([caller, *found.wrong, report]))
            told.append(f"{found.cases} with {caller}")
            total += found.cases
    return f"{total} cases, no 5xx, none beside the document: {', '.join(told)}"


def _told_where(folder: Path, serve: Callable[[int], list[str]], port: int) -> list[str]:
    """The command, told where keys and releases are."""
    told = [f"YIDAITONG_KEYS={folder}/keys.json", f"YIDAITONG_RELEASES={folder}"]
    return ["env", *told, *serve(port)]


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    settings = Settings()
    said = campaign(count, settings.artifact, settings.showcase, int(time.time()))
    sys.stdout.write(said + "\n")
