import math
import random
from datetime import date

import msgspec
import pytest

from model.credit_file import (
    FIRST_SOURCES,
    Courts,
    CreditFile,
    DishonestListing,
    Electricity,
    Invoices,
    Tax,
    Water,
)
from model.features import FEATURES, INDEX
from model.portrait import Value, named, portrait, portraits

AS_OF = date(2020, 3, 31)
TWO_YEARS = [f"{y}-{m:02d}" for y in (2018, 2019, 2020) for m in range(1, 13)][3:27]


def invoices(months: list[str], sales: list[float], **changes: object) -> Invoices:
    n = len(months)
    filled = {
        "as_of": AS_OF, "first_invoice": date(2018, 4, 1), "months": months, "sales_yuan": sales,
        "sales_count": [10 if amount else 0 for amount in sales], "void_count": [0] * n,
        "red_yuan": [0.0] * n, "purchases_yuan": [0.0] * n, "buyers": [3] * n, "suppliers": [2] * n,
    }  # fmt: skip
    return Invoices(**(filled | changes))  # type: ignore[arg-type]


def seen(**sections: object) -> dict[str, Value]:
    credit_file = CreditFile(uscc="91350100M000100Y43", as_of=AS_OF, **sections)  # type: ignore[arg-type]
    return dict(zip(INDEX, portrait(credit_file), strict=True))


def test_a_silent_source_leaves_its_features_missing() -> None:
    values = seen()
    for feature in FEATURES:
        value = values[feature.name]
        assert value is None if feature.kind != "number" else math.isnan(float(str(value)))


def test_a_record_tells_of_later_sources_only_what_is_known() -> None:
    """Decisions made before the seven later sources replay to the same bytes."""
    silent = CreditFile(uscc="91350100M000100Y43", as_of=AS_OF)
    told = named(portrait(silent))
    first = [feature.name for feature in FEATURES if feature.source in FIRST_SOURCES]
    assert list(told) == first
    water = Water(as_of=AS_OF, months=TWO_YEARS, cubic_metres=[4.0] * 24, overdue_yuan=7.0)
    more = named(portrait(CreditFile(uscc="91350100M000100Y43", as_of=AS_OF, water=water)))
    assert [name for name in more if name not in first] == [
        "water_growth_12m",
        "water_overdue_yuan",
    ]


def test_sales_of_twelve_months_and_their_growth() -> None:
    values = seen(invoices=invoices(TWO_YEARS, [100.0] * 12 + [150.0] * 12))
    assert values["sales_12m_yuan"] == 1800.0
    assert values["sales_growth_12m"] == pytest.approx(0.5)
    assert values["last_3m_sales_share"] == pytest.approx(0.25)
    assert values["sales_cv_12m"] == 0.0


def test_a_month_without_a_row_counts_as_no_invoices() -> None:
    whole = seen(invoices=invoices(TWO_YEARS, [100.0] * 20 + [0.0] * 2 + [100.0] * 2))
    months = TWO_YEARS[:20] + TWO_YEARS[22:]
    gaps = seen(invoices=invoices(months, [100.0] * 22))
    assert whole["invoice_gap_months_12m"] == 2.0
    for name in ("sales_12m_yuan", "invoice_gap_months_12m", "invoiced_months_12m", "sales_cv_12m"):
        assert gaps[name] == whole[name]


def test_a_month_not_over_yet_is_not_in_the_window() -> None:
    section = invoices(TWO_YEARS, [100.0] * 23 + [1.0], as_of=date(2020, 3, 30))
    assert seen(invoices=section)["sales_12m_yuan"] == 1200.0


def test_growth_is_missing_when_the_year_before_is_not_known() -> None:
    values = seen(invoices=invoices(TWO_YEARS[8:], [100.0] * 16))
    assert math.isnan(float(str(values["sales_growth_12m"])))
    assert values["sales_12m_yuan"] == 1200.0


def test_invoices_that_outgrow_electricity_diverge() -> None:
    power = Electricity(as_of=AS_OF, months=TWO_YEARS, kwh=[50.0] * 24)
    values = seen(invoices=invoices(TWO_YEARS, [100.0] * 12 + [400.0] * 12), electricity=power)
    assert values["sales_kwh_divergence"] == pytest.approx(math.log(4))


def test_filings_are_counted_by_what_happened() -> None:
    filings = ["on_time"] * 20 + ["late", "zero", "missing", "missing"]
    tax = Tax(as_of=AS_OF, rating="M", months=TWO_YEARS, declared_sales_yuan=[10.0] * 24,
              tax_paid_yuan=[1.0] * 24, filings=filings)  # type: ignore[arg-type]  # fmt: skip
    values = seen(tax=tax)
    assert values["tax_rating"] == "M"
    assert (values["late_filings_12m"], values["zero_filings_12m"]) == (1.0, 1.0)
    assert values["missing_filings_24m"] == 2.0
    assert values["tax_burden_12m"] == pytest.approx(0.1)


def test_a_removed_listing_no_longer_counts_as_listed() -> None:
    listing = DishonestListing(listed=date(2018, 1, 1), removed=date(2019, 1, 1))
    values = seen(courts=Courts(as_of=AS_OF, dishonest_listings=[listing]))
    assert values["dishonest_listed"] == 0.0


def test_the_row_is_the_batch(credit_files: list[CreditFile]) -> None:
    batch = portraits(credit_files[:50])
    for credit_file, row in zip(credit_files[:50], batch, strict=True):
        assert msgspec.json.encode(portrait(credit_file)) == msgspec.json.encode(row)


def test_every_feature_has_a_place_and_a_direction() -> None:
    assert len(FEATURES) >= 25
    assert len(INDEX) == len(FEATURES)
    ordered = [f for f in FEATURES if f.kind == "ordered"]
    assert all(f.categories for f in ordered)
    assert sum(f.direction != 0 for f in FEATURES) >= 25


def test_the_variation_of_sales_is_summed_month_by_month() -> None:
    """As the first release did, to the last digit: its records replay to the same bytes."""
    drawn = random.Random(7)
    for _ in range(200):
        sales = [round(drawn.lognormvariate(11.0, 0.8), 2) for _ in range(24)]
        mean, squares = sum(sales[-12:]) / 12, 0.0
        for amount in sales[-12:]:
            squares += (amount - mean) * (amount - mean)
        found = seen(invoices=invoices(TWO_YEARS, sales))["sales_cv_12m"]
        assert found == math.sqrt(squares / 12) / mean
