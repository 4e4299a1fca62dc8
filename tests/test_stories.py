from datetime import date

import msgspec
import pytest

from model.credit_file import FIRST_SOURCES, SOURCES, CreditFile, check
from model.portrait import named, portrait
from synthetic_data.stories import _FIRST_BLOCK, STORIES, _credit_file, application


def told(code: str) -> CreditFile:
    return msgspec.convert(application(code)["credit_file"], CreditFile)


def seen(code: str) -> dict[str, object]:
    return dict(named(portrait(told(code))))


@pytest.mark.parametrize("code", STORIES)
def test_a_story_is_a_valid_request(code: str) -> None:
    posted = application(code)
    request = posted["application"]
    assert isinstance(request, dict)
    credit_file = told(code)
    check(credit_file)
    assert request["applicant"] == credit_file.uscc
    told_by = [source for source in SOURCES if getattr(credit_file, source) is not None]
    assert request["consent"]["sources"] == told_by
    assert date.fromisoformat(request["consent"]["granted"]) <= credit_file.as_of
    assert told_by == list(SOURCES if code == "exporter" else FIRST_SOURCES)
    assert credit_file.uscc[4:8] == "9999"


@pytest.mark.parametrize("code", STORIES)
def test_a_story_is_told_the_same_way_every_time(code: str) -> None:
    first = msgspec.json.encode(application(code))
    _credit_file.cache_clear()
    assert msgspec.json.encode(application(code)) == first


@pytest.mark.parametrize("code", STORIES)
def test_a_story_has_a_title_and_a_moral_in_two_languages(code: str) -> None:
    story = STORIES[code]
    assert story.code == code
    assert all((story.title_zh, story.title_en, story.shows_zh, story.shows_en))


def test_the_mask_maker_sells_four_to_six_times_as_much_in_february_and_march() -> None:
    credit_file = told("mask-maker")
    assert credit_file.as_of == date(2020, 4, 15)
    assert credit_file.registry is not None
    assert (credit_file.registry.region, credit_file.registry.industry_code) == ("62", "2770")
    assert 160 <= credit_file.registry.employees <= 200
    invoices = credit_file.invoices
    assert invoices is not None
    sales = dict(zip(invoices.months, invoices.sales_yuan, strict=True))
    for month in ("02", "03"):
        assert 4 < sales[f"2020-{month}"] / sales[f"2019-{month}"] < 6.5
    year = sum(sales[f"2019-{month:02d}"] for month in range(1, 13))
    assert 55e6 < year < 70e6
    assert credit_file.tax is not None
    assert credit_file.tax.rating == "A"
    assert application("mask-maker")["application"]["amount_yuan"] == 20_000_000  # type: ignore[index]


def test_the_judgment_is_all_that_sets_the_second_mask_maker_apart() -> None:
    clean, judged = seen("mask-maker"), seen("mask-maker-judgment")
    different = {name for name in clean if repr(clean[name]) != repr(judged[name])}
    assert different == {
        "defendant_suits_24m", "defendant_amount_to_sales", "open_enforcement_yuan",
        "dishonest_listed",
    }  # fmt: skip
    assert judged["dishonest_listed"] == 1.0


def test_the_young_shop_is_young_steady_and_rated_m() -> None:
    shop = seen("young-shop")
    assert 24 <= float(str(shop["firm_age_months"])) <= 26
    assert shop["tax_rating"] == "M"
    assert 2.5e6 < float(str(shop["sales_12m_yuan"])) < 3.6e6
    assert shop["invoiced_months_12m"] == 12
    assert shop["late_filings_12m"] == shop["missing_filings_24m"] == 0


def test_the_mill_invoices_tens_of_millions_on_flat_electricity_and_staff() -> None:
    mill = seen("invoice-mill")
    assert float(str(mill["sales_12m_yuan"])) > 2e7
    assert float(str(mill["sales_growth_12m"])) > 4
    assert abs(float(str(mill["kwh_growth_12m"]))) < 0.15
    assert abs(float(str(mill["insured_growth_12m"]))) < 0.15


def test_the_exporters_sources_bear_each_other_out() -> None:
    exporter = seen("exporter")
    numbers = {name: float(str(value)) for name, value in exporter.items() if value != value or
               not isinstance(value, str | None)}  # fmt: skip
    assert 0.35 < numbers["exports_to_sales_12m"] < 0.6
    assert exporter["customs_rating"] == "general"
    assert numbers["patents"] >= 10
    assert numbers["technology_titles"] >= 2
    assert numbers["contract_keeping"] == 1.0
    assert numbers["fund_arrears_months"] == numbers["water_overdue_yuan"] == 0.0
    assert abs(numbers["sales_machines_divergence"]) < 0.15
    assert numbers["fund_paying_persons"] <= numbers["insured_persons"]


def test_stories_stand_beyond_every_block_a_world_can_have() -> None:
    assert _FIRST_BLOCK * 1_000 > 100_000_000


def test_an_unknown_story_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match=r"'mask'.*mask-maker.*young-shop"):
        application("mask")
