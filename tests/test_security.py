"""What docs/security.md claims and no other test holds."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.decide import Engine
from service.settings import Settings
from tests.in_process import JSON, talking

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(test_\w+)`", PAGE)
    written = "".join(path.read_text() for path in (ROOT / "tests").glob("test_*.py"))
    assert len(set(named)) > 20
    assert [name for name in named if f"def {name}(" not in written] == []
    assert re.findall(r"^\| (API\d+) ", PAGE, re.MULTILINE) == [f"API{n}" for n in range(1, 11)]


def test_a_server_opens_no_pickle_and_imports_nothing_that_would(
    artifact: Path, stories: dict[str, bytes], tmp_path: Path
) -> None:
    """The artefact holds one, for research: a server that opened it would run what is in it."""
    assert (artifact / "estimator.joblib").exists()
    application = tmp_path / "application.json"
    application.write_bytes(stories["young-shop"])
    command = [sys.executable, "-m", "tests.opened", str(artifact), str(tmp_path), str(application)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    seen: dict[str, Any] = json.loads(printed)
    assert any(name.endswith("scorecard.json") for name in seen["open"])  # it does see
    assert seen["pickle.find_class"] == []
    assert not [name for name in seen["open"] if name.endswith((".joblib", ".pkl", ".pickle"))]
    heavy = {"joblib", "pandas", "sklearn", "numpy", "scipy", "cloudpickle", "dill"}
    assert not heavy & {name.partition(".")[0] for name in seen["import"]}


DEEP = {
    "arrays": b"[" * 200_000,
    "objects": b'{"a":' * 150_000,
    "closed": b"[" * 100_000 + b"]" * 100_000,
    "in a field": b'{"said":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "in an unknown field": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("body", DEEP.values(), ids=list(DEEP))
def test_nothing_nested_deep_breaks_any_route(
    engine: Engine, settings: Settings, stories: dict[str, bytes], body: bytes
) -> None:
    settings = settings.model_copy(update={"open": True})

    async def talk(client: httpx.AsyncClient) -> dict[str, int]:
        page = (await client.get("/zh/desk")).text
        token = re.search(r'name="csrf" content="([0-9a-f]+)"', page)
        assert token is not None
        headers = JSON | {"x-csrf-token": token[1]}
        officer = {"officer": settings.officers[0]}
        await client.post("/v1/desk/session", json=officer, headers=headers)
        made = await client.post("/v1/decisions", content=stories["young-shop"], headers=JSON)
        desk = f"/v1/desk/decisions/{made.json()['decision_id']}"
        paths = ["/v1/decisions", "/v1/previews", "/v1/recourse", "/v1/scores", "/v1/desk/session"]
        paths += [f"{desk}/{kind}" for kind in ("rulings", "signatures", "disputes", "answers")]
        return {
            path: (await client.post(path, content=body, headers=headers)).status_code
            for path in paths
        }

    for path, status in talking(settings, engine, talk).items():
        assert 400 <= status < 500, path
