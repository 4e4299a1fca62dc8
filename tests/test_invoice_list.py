"""The single invoices of a firm, and their way back into a credit file."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from model.credit_file import CreditFile, Invoices
from model.invoice_header import Mapping
from model.invoice_import import plan, run
from service import worlds
from synthetic_data.invoice_list import COLUMNS, Invoice, Lists, write
from tests.invoice_lists import credit_files as imported

SERIES = ("sales_yuan", "sales_count", "void_count", "red_yuan", "purchases_yuan", "buyers",
          "suppliers")  # fmt: skip


@pytest.fixture(scope="module")
def lists(world: Path) -> Lists:
    return Lists(world)


@pytest.fixture(scope="module")
def sections(world: Path) -> dict[str, Invoices]:
    """The invoices sections of seven firms, one of them a mill, the newest there is of each."""
    truth = pd.read_parquet(world / "truth.parquet", columns=["application_id", "true_mill"])
    files = pd.read_parquet(world / "credit_files.parquet").merge(truth, on="application_id")
    decode, found = msgspec.json.Decoder(CreditFile).decode, {}
    for mill, count in ((True, 1), (False, 6)):
        newest = files[files.true_mill == mill].sort_values("application_id", ascending=False)
        told = [one for one in map(decode, newest.credit_file[:40]) if one.invoices is not None]
        found |= {one.uscc: one.invoices for one in told[:count]}
    assert len(found) == 7
    return found


@pytest.fixture(scope="module")
def made(lists: Lists, sections: dict[str, Invoices]) -> dict[str, list[Invoice]]:
    return {uscc: lists.invoices(uscc) for uscc in sections}


def of_import(folder: Path, files: Sequence[Path], as_of: date) -> Invoices:
    report = run(plan(files, Mapping(), None), folder, today=date(2022, 1, 1), as_of=as_of)
    assert report.counts["repeats"] == 0
    assert report.counts["apart"] == 0
    assert not report.reasons
    (found,) = imported(folder).values()
    assert found.invoices is not None
    return found.invoices


def test_a_list_imported_again_is_the_credit_files_section(
    made: dict[str, list[Invoice]], sections: dict[str, Invoices], tmp_path: Path
) -> None:
    for i, (uscc, section) in enumerate(sections.items()):
        path = tmp_path / f"{uscc}{('.csv', '.parquet')[i % 2]}"
        write(path, uscc, [one for one in made[uscc] if one.on <= section.as_of])
        back = of_import(tmp_path / uscc, [path], section.as_of)
        assert back.months == section.months[-len(back.months) :]
        assert back.months[0] == max("2018-01", section.months[0])
        for name in SERIES:
            told = getattr(section, name)[-len(back.months) :]
            assert getattr(back, name) == told, (uscc, name)
        assert back.top_buyer_share_12m == pytest.approx(section.top_buyer_share_12m, abs=0.25)


def test_the_largest_partners_share_is_met_at_the_end_of_the_year(
    world: Path, made: dict[str, list[Invoice]]
) -> None:
    columns = ["uscc", "month", "top_buyer_share", "top_supplier_share"]
    months = pd.read_parquet(world / "months.parquet", columns=columns).set_index(["uscc", "month"])
    away = []
    for uscc, invoices in made.items():
        rows = [one for one in invoices if one.on.year == 2019 and not one.void]
        for direction, share in (("out", "top_buyer_share"), ("in", "top_supplier_share")):
            sums: dict[str, int] = {}
            for one in rows:
                if one.direction == direction:
                    code = one.partner.uscc
                    sums[code] = sums.get(code, 0) + one.amount_fen
            assert min(sums.values()) >= 0
            top = max(sums.values()) / sum(sums.values())
            away.append(abs(top - months.loc[(uscc, "2019-12"), share]))
    assert np.mean(np.array(away) < 5.1e-5) >= 0.75, away


def test_a_month_is_the_same_whatever_is_asked_for(
    lists: Lists, made: dict[str, list[Invoice]]
) -> None:
    uscc, whole = next(iter(made.items()))
    part = lists.invoices(uscc, "2018-11", "2019-02")
    assert part == [one for one in whole if date(2018, 11, 1) <= one.on < date(2019, 3, 1)]
    assert {one.on.year for one in part} == {2018, 2019}


def test_tax_follows_the_rate_of_the_day(made: dict[str, list[Invoice]]) -> None:
    for uscc, invoices in made.items():
        sold = [one for one in invoices if one.direction == "out" and one.amount_fen > 100_000]
        early = [one for one in sold if date(2018, 5, 1) <= one.on < date(2019, 4, 1)]
        rates = {round(100 * one.tax_fen / one.amount_fen) for one in early}
        assert rates <= {0, 3, 6, 10, 16}, (uscc, rates)
        late = {round(100 * one.tax_fen / one.amount_fen) for one in sold if one.on.year == 2020}
        assert late <= {0, 1, 3, 6, 9, 13}, (uscc, late)


def test_numbers_codes_and_names_are_what_they_should_be(made: dict[str, list[Invoice]]) -> None:
    from stdnum.cn import uscc as code

    for invoices in made.values():
        issued = [one.number for one in invoices if one.direction == "out" and one.on.year == 2019]
        assert len(set(issued)) == len(issued)
        assert all(len(number) == 8 for number in issued)
        names: dict[str, str] = {}
        for one in invoices[:300]:
            assert code.is_valid(one.partner.uscc)
            assert one.partner.name.endswith("有限公司")
            assert names.setdefault(one.partner.uscc, one.partner.name) == one.partner.name


def test_the_worlds_own_links_name_the_largest_partners(
    world: Path, made: dict[str, list[Invoice]], tmp_path: Path
) -> None:
    for path in world.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "links.parquet").unlink(missing_ok=True)
    seller, buyer, other = list(made)[:3]
    kinds: dict[str, Any] = {
        "kind": ["supply", "supply", "guarantee"], "from_uscc": [seller, seller, seller],
        "to_uscc": [buyer, other, other], "share": [0.3, 0.1, None],
    }  # fmt: skip
    pq.write_table(pa.table(kinds), tmp_path / "links.parquet")
    named = Lists(tmp_path)
    sold = [one for one in named.invoices(seller, "2019-01", "2019-12") if one.direction == "out"]
    bought = [one for one in named.invoices(buyer, "2019-01", "2019-12") if one.direction == "in"]
    assert any(one.partner.uscc == buyer for one in sold)
    assert not any(one.partner.uscc == other for one in sold)
    assert any(one.partner.uscc == seller for one in bought)


@pytest.mark.parametrize(
    ("uscc", "first", "message"),
    [
        ("91110000600037341L", "", "uscc: got 91110000600037341L, expected a firm of"),
        ("", "2031-01", "months: got 2031-01 to 9999-12, expected some of"),
    ],
)
def test_what_the_world_does_not_have_is_refused(
    lists: Lists, made: dict[str, list[Invoice]], uscc: str, first: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        lists.invoices(uscc or next(iter(made)), first)


def test_a_world_whose_counts_leave_no_room_is_refused(
    world: Path, made: dict[str, list[Invoice]], tmp_path: Path
) -> None:
    uscc = next(iter(made))
    months = pq.read_table(world / "months.parquet", filters=[("uscc", "=", uscc)])
    at = months.column_names.index("sales_count")
    pq.write_table(
        months.set_column(at, "sales_count", months["void_count"]), tmp_path / "months.parquet"
    )
    for name in ("firms.parquet", "world.json"):
        (tmp_path / name).symlink_to(world / name)
    with pytest.raises(ValueError, match="fewer invoices than partners: the world was made by"):
        Lists(tmp_path).invoices(uscc)


def test_the_command_writes_the_list(
    world: Path, made: dict[str, list[Invoice]], tmp_path: Path
) -> None:
    uscc, out = next(iter(made)), tmp_path / "list.csv"
    command = [sys.executable, "-m", "service.cli", "invoices", uscc, "--world", str(world)]
    done = subprocess.run(
        [*command, "--out", str(out), "--from", "2019-06"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(out)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == sum(one.on >= date(2019, 6, 1) for one in made[uscc])
    assert (table.amount_yuan + table.tax_yuan - table.total_yuan).abs().max() < 0.001


def test_another_kind_of_file_or_month_is_refused(world: Path, tmp_path: Path) -> None:
    for name, first in (("list.txt", ""), ("list.csv", "2019-13")):
        with pytest.raises(typer.Exit):
            worlds.invoices("x", world, tmp_path / name, first)
