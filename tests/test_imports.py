"""`yidaitong import-invoices`, as a lender types it."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from model.invoice_header import NAMES, read
from service import cli
from service.application import Request, parse
from service.decide import Decision
from service.imports import COUNTS
from tests.invoice_lists import FIRMS, chinese, credit_files, invoices

PAGE = (Path(__file__).parent.parent / "docs" / "invoices.md").read_text()


def yidaitong(*words: str) -> Result:
    return CliRunner().invoke(cli.app, ["import-invoices", *words], env={"COLUMNS": "200"})


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    chinese(invoices(500)).to_csv(path, index=False, encoding="gb18030")
    return path


def test_what_was_inferred_is_said_before_what_was_done(listed: Path, tmp_path: Path) -> None:
    found = yidaitong(str(listed), "--out", str(tmp_path / "out"))
    assert found.exit_code == 0, found.output
    said = found.output
    for line in (
        "GB 18030, commas, header in row 1", "firm              <- 企业代号",
        "issued or received: row by row", "dates: year first",
        "statuses: 有效发票 = valid, 作废发票 = void", "500 rows in ", "invoices are void",
        "as of 2019-12-31: the last month is complete", "6 credit files from 500",
    ):  # fmt: skip
        assert line in said
    assert said.index("dates: year first") < said.index("500 rows in")


def test_a_file_is_decided_as_any_other(
    listed: Path, tmp_path: Path, decided: Callable[[Request], Decision]
) -> None:
    yidaitong(str(listed), "--out", str(tmp_path))
    assert set(credit_files(tmp_path)) == set(FIRMS)
    line = (tmp_path / "credit_files.jsonl").read_bytes().splitlines()[0]
    application = {
        "applicant": msgspec.json.decode(line)["uscc"], "amount_yuan": 100_000, "tenor_months": 12,
        "purpose": "working_capital",
        "consent": {"granted": "2019-12-31", "sources": ["invoices"]},
    }  # fmt: skip
    body = b'{"application":' + msgspec.json.encode(application) + b',"credit_file":' + line + b"}"
    decision = decided(parse(body, date.max))
    assert decision.verdict == "refer"  # registry and courts are silent
    assert {reason.code for reason in decision.reasons} >= {"P-SRC-REGISTRY", "P-SRC-COURTS"}


def test_the_pages_examples_run(
    listed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    yidaitong(str(listed), "--out", "files")
    python, toml = (
        re.findall(f"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("python", "toml")
    )
    exec(python[0])  # it writes a.json
    request = parse((tmp_path / "a.json").read_bytes(), date.max)
    assert request.credit_file.uscc in FIRMS
    (tmp_path / "mapping.toml").write_text(toml[0], encoding="utf-8")
    assert read(tmp_path / "mapping.toml").units_yuan == {"amount": 1e4}


def test_options_and_a_mapping_are_used(tmp_path: Path) -> None:
    path, mapping = tmp_path / "a.csv", tmp_path / "mapping.toml"
    path.write_text("Wer;Wann;Wieviel;Stand\nX;03/04/2019;1.234,56;ok!\nX;05/04/2019;1,00;-\n")
    mapping.write_text('[columns]\ndate = "Wann"\namount = "Wert"\n[status]\n"ok!" = "valid"\n')
    out = tmp_path / "out"
    found = yidaitong(
        str(path), "--out", str(out), "--mapping", str(mapping), "--column", "amount=Wieviel",
        "--column", "status=Stand", "--firm", "E9", "--direction", "in", "--date-format",
        "%d/%m/%Y", "--decimal", ",", "--as-of", "2019-05-31", "--format", "parquet",
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    (one,) = credit_files(out).values()
    assert one.as_of == date(2019, 5, 31)
    assert one.invoices is not None
    assert one.invoices.months == ["2019-04", "2019-05"]
    assert one.invoices.purchases_yuan == [1234.56, 0.0]
    for said in (
        "no invoice was issued: sales are written as 0", "1 rejected: status", "not used: Wer",
        "E9 in all rows", "received by the firm: says --direction",
    ):  # fmt: skip
        assert said in found.output


def test_nothing_read_is_an_error_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("firm,date,amount,buyer\nE1,soon,1,B\n")
    found = yidaitong(str(path), str(tmp_path / "none.csv"), "--out", str(tmp_path / "out"))
    assert found.exit_code == 1
    assert "none.csv: No such file" in found.output
    assert "1 rejected: date: expected a date from 1990-01-01" in found.output
    assert "no credit file could be made" in found.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--as-of", "2999-01-01"], "--as-of: got 2999-01-01, expected a date not after today"),
        (["--column", "datum=Tag"], "--column: got 'datum=Tag', expected FIELD=NAME"),
        (["--column", "date="], "--column: got 'date='"),
        (["--mapping", "none.toml"], "--mapping none.toml: No such file"),
    ],
)
def test_a_wrong_option_is_named(words: list[str], said: str, listed: Path, tmp_path: Path) -> None:
    found = yidaitong(str(listed), "--out", str(tmp_path / "out"), *words)
    assert found.exit_code == 1
    assert said in found.output + str(found.exception)
    assert not (tmp_path / "out").exists()


def test_the_page_names_every_field_and_every_rule() -> None:
    for field in NAMES:
        assert f"`{field}`" in PAGE, field
    for rule, said in COUNTS.items():
        if rule not in ("firms rejected",):
            first = re.split(r"[:,;]", said)[0]
            assert first in PAGE, first
