"""The features of the seven further sources, by hand."""

import math
from datetime import date

import pytest

from model.credit_file import (
    CreditFile,
    Customs,
    Hiring,
    HousingFund,
    IndustrialInternet,
    IntellectualProperty,
    Online,
    Qualification,
    Water,
)
from model.features import INDEX
from model.portrait import Value, portrait
from tests.test_portrait import TWO_YEARS, invoices

AS_OF = date(2020, 3, 31)


def seen(**sections: object) -> dict[str, Value]:
    credit_file = CreditFile(uscc="91350100M000100Y43", as_of=AS_OF, **sections)  # type: ignore[arg-type]
    return dict(zip(INDEX, portrait(credit_file), strict=True))


def missing(value: Value) -> bool:
    return value is None or math.isnan(float(str(value)))


def test_staff_in_the_fund_and_their_growth() -> None:
    fund = HousingFund(as_of=AS_OF, months=TWO_YEARS, paying_persons=[10] * 12 + [15] * 12,
                       paid_yuan=[1.0] * 24, arrears_months=2)  # fmt: skip
    values = seen(housing_fund=fund)
    assert values["fund_paying_persons"] == 15.0
    assert values["fund_paying_growth_12m"] == pytest.approx(0.5)
    assert values["fund_arrears_months"] == 2.0


def test_a_firm_that_never_paid_in_has_nobody_in_the_fund() -> None:
    values = seen(housing_fund=HousingFund(as_of=AS_OF, months=[], paying_persons=[], paid_yuan=[]))
    assert values["fund_paying_persons"] == 0.0
    assert missing(values["fund_paying_growth_12m"])


def test_water_against_the_year_before() -> None:
    water = Water(as_of=AS_OF, months=TWO_YEARS, cubic_metres=[4.0] * 12 + [2.0] * 12,
                  overdue_yuan=7.0)  # fmt: skip
    values = seen(water=water)
    assert values["water_growth_12m"] == pytest.approx(-0.5)
    assert values["water_overdue_yuan"] == 7.0


def test_exports_over_sales_and_their_growth() -> None:
    customs = Customs(as_of=AS_OF, rating="general", months=TWO_YEARS,
                      exports_yuan=[20.0] * 12 + [40.0] * 12, imports_yuan=[0.0] * 24)  # fmt: skip
    values = seen(customs=customs, invoices=invoices(TWO_YEARS, [100.0] * 24))
    assert values["exports_to_sales_12m"] == pytest.approx(0.4)
    assert values["exports_growth_12m"] == pytest.approx(1.0)
    assert values["customs_rating"] == "general"


def test_a_firm_customs_know_nothing_of_exports_nothing() -> None:
    customs = Customs(as_of=AS_OF, months=[], exports_yuan=[], imports_yuan=[])
    values = seen(customs=customs)
    assert values["exports_to_sales_12m"] == 0.0
    assert missing(values["exports_growth_12m"])
    assert values["customs_rating"] is None


def test_titles_count_while_they_hold() -> None:
    titles = [
        Qualification(kind="high_tech", granted=date(2018, 11, 1), valid_until=date(2021, 11, 1)),
        Qualification(
            kind="technology_sme", granted=date(2018, 6, 1), valid_until=date(2019, 6, 1)
        ),
        Qualification(kind="contract_keeping", granted=date(2017, 6, 1)),
    ]
    known = IntellectualProperty(
        as_of=AS_OF, patents_granted=[date(2015, 1, 1), date(2019, 1, 1)], qualifications=titles
    )
    values = seen(intellectual_property=known)
    assert (values["patents"], values["technology_titles"], values["contract_keeping"]) == (2, 1, 1)


def test_jobs_of_all_sites_are_added_and_a_month_without_is_zero() -> None:
    hiring = Hiring(as_of=AS_OF, months=[TWO_YEARS[13], TWO_YEARS[20]], posts_zlzp=[2, 5],
                    posts_qcwy=[0, 1], posts_zhyc=[0, 0])  # fmt: skip
    values = seen(hiring=hiring)
    assert values["posts_12m"] == 8.0
    assert values["posts_growth_6m"] == pytest.approx(2.0)
    nothing = Hiring(as_of=AS_OF, months=[], posts_zlzp=[], posts_qcwy=[], posts_zhyc=[])
    assert seen(hiring=nothing)["posts_12m"] == 0.0


def test_online_sales_and_bad_news() -> None:
    online = Online(as_of=AS_OF, shops=1, months=TWO_YEARS, sales_yuan=[10.0] * 18 + [5.0] * 6,
                    negative_news=[1] * 24, positive_news=[0] * 24)  # fmt: skip
    values = seen(online=online)
    assert values["online_sales_12m_yuan"] == 90.0
    assert values["online_sales_growth_6m"] == pytest.approx(-0.5)
    assert values["negative_news_12m"] == 12.0
    silent = Online(as_of=AS_OF, months=[], sales_yuan=[], negative_news=[], positive_news=[])
    assert seen(online=silent)["negative_news_12m"] == 0.0


def test_invoices_that_outgrow_the_machines_diverge() -> None:
    machines = IndustrialInternet(as_of=AS_OF, machines=3, months=TWO_YEARS,
                                  machine_hours=[600.0] * 24,
                                  orders=[4] * 18 + [2] * 6)  # fmt: skip
    values = seen(
        industrial_internet=machines, invoices=invoices(TWO_YEARS, [100.0] * 12 + [400.0] * 12)
    )
    assert values["machine_hours_growth_12m"] == 0.0
    assert values["machine_orders_growth_6m"] == pytest.approx(-0.5)
    assert values["sales_machines_divergence"] == pytest.approx(math.log(4))
