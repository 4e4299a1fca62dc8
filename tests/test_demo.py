"""The demo on a terminal: every story told, in both languages."""

import io
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console

from service.demo import Told, run
from service.intake import without_file
from tests.conftest import exchange_command, serve_command


def test_every_story_is_posted_and_shown(
    artifact: Path, stories: dict[str, bytes], tmp_path: Path
) -> None:
    shown = io.StringIO()
    serve: Callable[[int], list[str]] = serve_command(artifact, f"sqlite:///{tmp_path}/l.db")
    told = []
    for code, body in stories.items():
        request = msgspec.json.decode(body)
        short = without_file(request["application"])
        told.append(Told(code, code, "所示", "what it shows", request, short))
    run(
        Console(file=shown, width=100),
        told,
        lambda port, exchange: [*serve(port), "--exchange", exchange],
        exchange_command(),
        port=0,
        once=True,
    )
    text = shown.getvalue()
    for word in ("通过", "APPROVED", "拒绝", "DECLINED", "额度 limit", "C2", "C3", "报价 offers"):
        assert word in text
    assert all(code in text for code in stories)
    asked = text[text.index("零材料申请") :]
    for word in ("税务 tax bureau", "live", "cached", "late", "degraded", "C1", "C4", "deadline"):
        assert word in asked
