"""The documents run: commands exist, links lead somewhere, examples are true."""

import doctest
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import typer

from service.application import Request
from service.cli import app
from service.decide import Decision
from service.gathering import Answer, Gathering, Status
from service.keys import SCOPES
from service.openapi import EXAMPLES
from service.settings import Settings
from service.sources import GatewaySettings, SourceSettings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def test_every_command_named_in_a_document_exists() -> None:
    named = {
        word for path in DOCUMENTS for word in re.findall(r"yidaitong (\w[\w-]*)", path.read_text())
    }
    assert named
    assert named <= set(commands())


def test_every_command_a_user_sees_is_in_the_readme() -> None:
    seen = {name for name, command in commands().items() if not command.hidden}
    assert {name for name in seen if f"yidaitong {name}" not in README} == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_files_the_readme_tells_to_read_exist() -> None:
    for name in re.findall(r"`((?:model|service|synthetic_data|tests)/[\w/.]+)`", README):
        assert (ROOT / name).exists(), name


def test_the_readmes_reply_has_the_fields_of_a_real_one(
    stories: dict[str, bytes], decided: Callable[[Request], Decision]
) -> None:
    from datetime import date

    from service.application import parse

    shown = msgspec.json.decode(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[0])
    real = msgspec.to_builtins(decided(parse(stories["mask-maker"], date.max)))
    assert set(shown) - {"record"} <= set(real)
    assert shown["verdict"] == real["verdict"]
    assert set(shown["assessment"]) <= set(real["assessment"])
    assert set(shown["offers"][0]) <= set(real["offers"][0])
    assert set(shown["reasons"][0]) <= set(real["reasons"][0])


def test_the_readmes_gathering_has_the_fields_of_a_real_one() -> None:
    shown = msgspec.json.decode(re.findall(r"```json\n(.*?)```", README, re.DOTALL)[1])
    assert set(shown) <= {*Decision.__struct_fields__}
    assert set(shown["gathering"]) <= {*Gathering.__struct_fields__}
    (answer,) = shown["gathering"]["answers"]
    assert set(answer) <= {*Answer.__struct_fields__}


def test_every_setting_and_status_of_sources_is_explained() -> None:
    page = (ROOT / "docs" / "sources.md").read_text()
    for kind in (GatewaySettings, SourceSettings):
        for name in set(kind.__struct_fields__) - {"default", "source"}:
            assert re.search(rf"^\| (.*, )?{name}[ ,]", page, re.MULTILINE), name
    for status in get_args(Status):
        assert f"| {status} |" in page


def test_every_scope_and_setting_of_the_door_is_explained() -> None:
    page = (ROOT / "docs" / "identity.md").read_text()
    settings = [name for name in Settings.model_fields if name.startswith(("jwt_", "tls_"))]
    for name in ("keys", "open", *settings):
        assert re.search(rf"^\| (.*, )?{name}[ ,]", page, re.MULTILINE), name
    for scope in SCOPES:
        assert f"| {scope} |" in page


def test_the_schemas_examples_are_a_story_and_its_decision(stories: dict[str, bytes]) -> None:
    shown = msgspec.json.decode(EXAMPLES.read_bytes())
    assert shown["Request"] == msgspec.json.decode(stories["young-shop"])
    shown["Decision"].pop("record")
    decision = msgspec.convert(shown["Decision"], Decision)
    assert decision.verdict == "approve"


@pytest.mark.parametrize("name", ["model.reasons", "service.lpr"])
def test_docstring_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


def test_the_glossary_explains_the_words_of_a_decision() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    for word in ("verdict", "limit", "offer", "portrait", "assessment", "ledger", "vintage"):
        assert f"| {word}" in glossary


def test_every_room_is_on_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    for package in ("model", "service"):
        for path in (ROOT / package).glob("*.py"):
            if path.stem != "__init__":
                assert re.search(rf"\b{path.stem}\b", page), path.name
