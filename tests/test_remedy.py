"""Remedies: the same luck with and without; what is done moves the truth as it should."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console
from typer.testing import CliRunner

from service.cli import app
from service.tables import remedies_table
from synthetic_data.remedy import Applicant, applicants


@pytest.fixture(scope="module")
def some() -> list[Applicant]:
    return list(applicants(7, 0, 36))


def test_the_applicants_are_those_of_the_world(world: Path, some: list[Applicant]) -> None:
    stored = pq.ParquetFile(world / "applications.parquet").read_row_group(0).to_pydict()
    told = [(one.credit_file.uscc, one.credit_file.as_of, one.amount_yuan) for one in some]
    assert told == list(zip(stored["uscc"], stored["as_of"], stored["amount_yuan"], strict=True))


def test_the_truth_is_the_worlds_on_average(world: Path, some: list[Applicant]) -> None:
    stored = pq.ParquetFile(world / "truth.parquet").read_row_group(0)["true_pd_12m"].to_pylist()
    chosen = range(0, len(some), 8)
    again = [some[at].pd_12m(some[at].amount_yuan, {}) for at in chosen]
    known = [stored[at] for at in chosen]
    assert sum(again) / len(again) == pytest.approx(sum(known) / len(known), abs=0.012)


def test_nothing_done_changes_nothing_and_telling_a_source_neither(some: list[Applicant]) -> None:
    one = max(some[:40], key=lambda one: one.pd_12m(one.amount_yuan, {}))
    before = one.pd_12m(one.amount_yuan, {})
    assert before > 0
    assert one.pd_12m(one.amount_yuan, {}) == before
    assert one.pd_12m(one.amount_yuan, {"LEAVE-ABNORMAL-LIST": (0.0, 0.0)}) == before
    assert one.pd_12m(one.amount_yuan, {"ASK-LONGER": (24.0, 0.0)}) == before


def test_money_paid_in_helps_and_money_paid_out_does_not(some: list[Applicant]) -> None:
    chosen = some[::25]

    def mean(done: dict[str, tuple[float, float]]) -> float:
        return sum(one.pd_12m(one.amount_yuan, done) for one in chosen) / len(chosen)

    nothing = mean({})
    assert mean({"PAY-IN-CAPITAL": (0.0, 5e6)}) < nothing < mean({"PERFORM-JUDGMENTS": (0.0, 5e6)})


def test_the_command_prints_a_table(artifact: Path) -> None:
    ran = CliRunner().invoke(app, ["remedies", "--blocks", "1", "--artifact", str(artifact)])
    assert ran.exit_code == 0, ran.output
    assert "The first way to yes" in ran.output
    console = Console(record=True, width=120)
    console.print(remedies_table([("A", 0.2, 0.1), ("A", 0.1, 0.1), ("B", 0.1, 0.3)]))
    lines = [line for line in console.export_text().splitlines() if " all " in line]
    assert [word for word in lines[0].split() if word != "│"] == [
        "all", "3", "33%", "33%", "33%", "13.3%", "16.7%",
    ]  # fmt: skip
