"""The demo on a terminal: every story told, in both languages."""

import io
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console

from service.demo import Told, run
from tests.conftest import serve_command


def test_every_story_is_posted_and_shown(
    artifact: Path, stories: dict[str, bytes], tmp_path: Path
) -> None:
    shown = io.StringIO()
    command: Callable[[int], list[str]] = serve_command(artifact, f"sqlite:///{tmp_path}/l.db")
    told = [
        Told(code, code, "所示", "what it shows", msgspec.json.decode(body))
        for code, body in stories.items()
    ]
    run(Console(file=shown, width=100), told, command, port=0, once=True)
    text = shown.getvalue()
    for word in ("通过", "APPROVED", "拒绝", "DECLINED", "额度 limit", "C2", "C3", "报价 offers"):
        assert word in text
    assert all(code in text for code in stories)
