"""The arrows and the shape of the house: who may import whom, and how large a room may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("model", "service", "synthetic_data")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MOST_LINES, MOST_FUNCTION_LINES = 400, 70


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def roots_of(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports_of(path)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_arrows_point_one_way(path: Path) -> None:
    roots, where = roots_of(path), name_of(path)
    if where.startswith("model/"):
        assert not roots & {"service", "synthetic_data"}
    elif where.startswith("synthetic_data/"):
        assert "service" not in roots
        ours = {name for name in imports_of(path) if name.startswith("model")}
        assert all(name == "model" or name.startswith("model.credit_file") for name in ours)
    elif where not in ("service/cli.py", "service/worlds.py"):
        assert "synthetic_data" not in roots


def test_only_app_imports_fastapi() -> None:
    users = {name_of(path) for path in FILES if "fastapi" in roots_of(path)}
    measured_beside = {"service/naive.py", "service/floor.py"}
    assert users == {"service/app.py", *measured_beside}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = node.end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= MOST_FUNCTION_LINES, f"{node.name} has {lines} lines"


def test_every_file_has_a_test_of_its_name() -> None:
    tests = {path.stem for path in (ROOT / "tests").glob("test_*.py")}
    without = [
        name_of(path)
        for path in FILES
        if path.stem != "__init__"
        and f"test_{path.stem}" not in tests
        and path.stem not in TESTED_WITHIN
    ]
    assert without == []
    assert set(TESTED_WITHIN.values()) <= tests


TESTED_WITHIN = {
    "features": "test_portrait",
    "window": "test_portrait",
    "credit_file_sections": "test_credit_file",
    "credit_file_signals": "test_credit_file_typing",
    "credit_file_dictionary": "test_dictionary",
    "signal_parameters": "test_parameters",
    "signal_traits": "test_signals",
    "signal_bureaus": "test_lender_view",
    "steps": "test_scorecard",
    "gathering": "test_sources",
    "openapi": "test_app",
    "body": "test_pages",
    "seen": "test_watch",
    "server": "test_pages",
    "showcase": "test_study",
    "api": "test_pages",
    "assets": "test_pages",
    "session": "test_pages",
    "words": "test_pages",
    "tables": "test_demo",
    "book": "test_report",
    "charts": "test_report",
    "modelcard": "test_report",
    "backoffice": "test_backtest",
    "custody": "test_heads",
    "swaps": "test_versions",
    "operating": "test_versions",
    "evidence_check": "test_evidence",
    "store": "test_ledger",
    "options": "test_cli",
    "keyring": "test_keys",
    "desk_openapi": "test_desk_api",
    "worlds": "test_cli",
    "cells": "test_linter",
    "sentences": "test_linter",
    "draws": "test_world",
    "calendar": "test_economy",
    "entries": "test_parameters",
    "history": "test_lender_view",
    "state": "test_cashflow",
    "sections": "test_parameters",
    "traces": "test_lender_view",
    "events": "test_lender_view",
    "identity": "test_firms",
    "ratings": "test_lender_view",
    "survival": "test_firms",
    "panel": "test_identities",
    "census": "test_measures",
    "factsheet": "test_facts",
    "firm_plots": "test_firm_story",
}
"""File -> the test that covers it, where a noun of its own would say nothing new."""


def test_the_truth_is_named_only_where_it_may_be() -> None:
    for path in FILES:
        if "true_" in path.read_text() and not name_of(path).startswith("synthetic_data/"):
            assert name_of(path) in ("model/validation.py", "service/backtest.py")


def test_deciding_needs_no_heavy_library() -> None:
    """What serving imports, in a fresh interpreter."""
    code = (
        "import sys, service.app, service.cli, service.ledger, service.decide;"
        "print([m for m in ('sklearn', 'pandas', 'numpy', 'scipy', 'pyarrow', 'joblib',"
        " 'synthetic_data') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert found.stdout.strip() == "[]"


def test_nothing_says_where_it_was_built() -> None:
    for path in ROOT.rglob("*"):
        relative = path.relative_to(ROOT).parts
        if relative[0].startswith(".") and relative[0] not in (".ci",):
            continue
        if path.suffix in (".py", ".md", ".toml", ".json") and path.is_file():
            text = path.read_text()
            if path != Path(__file__):
                assert "/work/" not in text
                assert "TODO" not in text
