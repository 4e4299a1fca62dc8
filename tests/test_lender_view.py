from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from model.credit_file import MONTH_INDEX, SOURCES, CreditFile, check
from model.credit_file_typing import tidied
from synthetic_data.calendar import last_day, month_index
from synthetic_data.parameters import standard


@pytest.fixture(scope="module")
def stored(world: Path) -> pd.DataFrame:
    files = pd.read_parquet(world / "credit_files.parquet")
    applications = pd.read_parquet(world / "applications.parquet")
    assert files.application_id.tolist() == applications.application_id.tolist()
    decode = msgspec.json.Decoder(CreditFile).decode
    applications["file"] = [decode(one) for one in files.credit_file]
    return applications


def dates(node: Any) -> Iterator[date]:
    """Every date anywhere in a record on which something happened."""
    if isinstance(node, date):
        yield node
    elif isinstance(node, msgspec.Struct):
        for name in node.__struct_fields__:
            if name != "valid_until":
                yield from dates(getattr(node, name))
    elif isinstance(node, list):
        for one in node:
            yield from dates(one)


def test_every_credit_file_passes_the_contract(stored: pd.DataFrame) -> None:
    assert len(stored) > 2_000
    """As posted: what is badly typed at a source is read as meant."""
    untidy = 0
    for one in stored.file:
        posted = {"credit_file": msgspec.to_builtins(one)}
        untidy += tidied(posted)
        check(msgspec.convert(posted["credit_file"], CreditFile))
    assert 0.02 < untidy / len(stored) < 0.2


def test_the_file_is_of_the_applicant_on_the_day(stored: pd.DataFrame) -> None:
    assert [one.uscc for one in stored.file] == stored.uscc.tolist()
    assert [one.as_of for one in stored.file] == stored.as_of.tolist()


def test_nothing_is_dated_after_the_day_of_application(stored: pd.DataFrame) -> None:
    for one in stored.file:
        assert max(dates(one)) == one.as_of


def test_each_source_lags_as_the_parameters_say(stored: pd.DataFrame) -> None:
    lags = standard().lender.lag_months_by_source
    for one in stored.file:
        month = one.as_of.year * 12 + one.as_of.month - 1
        for source in SOURCES:
            section = getattr(one, source)
            if section is None:
                continue
            allowed = {last_day(month - 1 - int(lags[source]))}
            if source == "courts":
                allowed.add(last_day(month - 2 - int(lags[source])))
            assert section.as_of in allowed
            if getattr(section, "months", None):
                told = month_index(section.as_of.isoformat()[:7])
                assert MONTH_INDEX[section.months[-1]] == told


def test_history_has_at_most_36_months_and_at_least_11_even_in_the_first_vintage(
    stored: pd.DataFrame,
) -> None:
    lengths = [len(one.invoices.months) for one in stored.file if one.invoices is not None]
    assert max(lengths) == standard().world.history_months
    assert min(lengths) == standard().world.history_min_months
    first = [
        len(one.tax.months)
        for one in stored.file[stored.vintage == stored.vintage.min()]
        if one.tax is not None
    ]
    assert min(first) >= 11


@pytest.mark.parametrize("source", SOURCES)
def test_sources_are_silent_as_often_as_their_coverage_says(
    stored: pd.DataFrame, source: str
) -> None:
    coverage = standard().lender.coverage_by_source[source]
    if source == "industrial_internet":  # answers for manufacturers with connected machines alone
        shares = standard().firms.sector_weights
        coverage *= standard().signals.connected_share * shares["C"]
    firms = stored.drop_duplicates("uscc").file
    answering = sum(getattr(one, source) is not None for one in firms) / len(firms)
    assert answering == pytest.approx(
        coverage, abs=4 * (coverage * (1 - coverage) / len(firms)) ** 0.5 + 0.005
    )


def test_files_tell_what_the_months_tell(stored: pd.DataFrame, world: Path) -> None:
    months = pd.read_parquet(world / "months.parquet").set_index(["uscc", "month"])
    for row in stored[stored.vintage == stored.vintage.max()].head(40).itertuples():
        one = row.file
        if one.invoices is not None:
            known = months.loc[(one.uscc, one.invoices.months[-1])]
            assert one.invoices.sales_yuan[-1] == known.sales_yuan
            assert one.invoices.void_count[-1] == known.void_count
        if one.tax is not None:
            known = months.loc[(one.uscc, one.tax.months[-1])]
            assert one.tax.filings[-1] == known.filing
            assert one.tax.arrears_yuan == known.tax_arrears_yuan


def test_ratings_stand_near_the_published_shares(stored: pd.DataFrame) -> None:
    rated = pd.Series([one.tax.rating for one in stored.file if one.tax is not None])
    shares = rated.value_counts(normalize=True)
    assert 0.04 < shares["A"] < 0.13
    assert 0.75 < shares["B"] + shares["M"] < 0.90
    assert 0.04 < shares["C"] + shares["D"] < 0.15


def test_a_young_firm_is_never_rated_a(stored: pd.DataFrame) -> None:
    for one in stored.file:
        if one.tax is not None and one.tax.rating == "A":
            assert (one.as_of - one.registry.established).days > 3 * 365
