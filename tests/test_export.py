"""`yidaitong export`, as a lender types it."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service import cli

SUFFIXES = (".html", ".sql", ".onnx", ".xlsx")


def yidaitong(*words: str) -> Result:
    return CliRunner().invoke(cli.app, [*words], env={"COLUMNS": "200"})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_scorecard_leaves_in_every_form(suffix: str, own_artifact: Path, tmp_path: Path) -> None:
    to = tmp_path / "new" / f"card{suffix}"
    said = yidaitong("export", str(own_artifact), "--out", str(to))
    assert said.exit_code == 0, said.output
    assert f"({to.stat().st_size:,} bytes)" in said.output
    first = to.read_bytes()
    assert yidaitong("export", str(own_artifact), "--out", str(to)).exit_code == 0
    assert to.read_bytes() == first


@pytest.mark.parametrize(("suffix", "needs"), [(".onnx", "onnx"), (".xlsx", "openpyxl")])
def test_a_package_that_is_not_there_is_named(
    suffix: str, needs: str, own_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, needs, None)
    left = yidaitong("export", str(own_artifact), "--out", str(tmp_path / f"card{suffix}"))
    assert str(left.exception) == (
        f"--out: {suffix} needs {needs}, which is not installed: uv sync --extra exports"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("{own}", "--out", "card.pdf"),
            "--out: got 'card.pdf', expected a name that ends in one of",
        ),
        (
            ("{own}", "--out", "card"),
            "--out: got 'card', expected a name that ends in one of .html, .sql, .onnx, .xlsx",
        ),
        (("{own}", "--out", "x.html", "--table", "a"), "--table: got 'a', expected none unless"),
        (("{own}", "--out", "x.sql", "--table", "a..b"), "--table: got 'a..b', expected the name"),
        (("none", "--out", "card.html"), "expected an artefact folder"),
        (("{own}", "--out", "{own}/card.json/x.html"), "expected a file to write"),
        (("{own}", "--out", "folder.html"), "Is a directory; expected a file to write"),
    ],
)
def test_a_mistake_is_one_sentence(
    words: tuple[str, ...],
    said: str,
    own_artifact: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "folder.html").mkdir()
    monkeypatch.chdir(tmp_path)
    typed = [word.format(own=own_artifact) for word in words]
    monkeypatch.setattr("sys.argv", ["yidaitong", "export", *typed])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    printed = capfd.readouterr().err
    assert said in " ".join(printed.split())
    assert printed.count("error:") == 1
    assert "Traceback" not in printed
