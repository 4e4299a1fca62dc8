"""The price: its parts add up to the rate, inside the band and under the ceiling."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.catalogue import Institution, Product, Repayment
from service.decide import DEFAULT_CATALOGUE
from service.lpr import lpr_1y
from service.offers import load_catalogue
from service.price import exposure, tariff

CATALOGUE = load_catalogue(DEFAULT_CATALOGUE)
LPRS = st.sampled_from([0.0425, 0.0405, 0.0385, 0.03, 0.0001])
REPAYMENTS: list[Repayment] = ["interest_first", "equal_instalment", "equal_principal"]


def whose(product: Product) -> Institution:
    return CATALOGUE.institutions[product.institution]


@given(st.sampled_from(CATALOGUE.products), st.integers(1, 60), LPRS, st.floats(0, 1))
def test_the_parts_add_up_to_the_rate_within_band_and_ceiling(
    product: Product, months: int, lpr: float, pd_12m: float
) -> None:
    found = tariff(CATALOGUE.pricing, product, whose(product), months, lpr)
    rate = found.rate_bp(pd_12m) / 10_000
    price = found.pricer()(pd_12m, rate)
    parts = (price.lpr, price.funding, price.operating, price.expected_loss, price.capital,
             price.margin, price.band)  # fmt: skip
    assert sum(parts) == pytest.approx(rate, abs=1e-5)
    low, high = (max(0.0, lpr + bp / 10_000) for bp in product.spread_bp)
    ceiling = CATALOGUE.pricing.ceiling_lpr_multiple * lpr
    assert min(low, ceiling) - 5.1e-5 <= rate <= min(high, ceiling) + 5.1e-5


@given(st.sampled_from(CATALOGUE.products), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_pd_is_never_cheaper(product: Product, one: float, other: float) -> None:
    found = tariff(CATALOGUE.pricing, product, whose(product), 12, 0.0405)
    assert found.rate_bp(min(one, other)) <= found.rate_bp(max(one, other))


def test_what_secures_a_loan_makes_it_cheaper() -> None:
    product = replace(CATALOGUE.products[0], repayment="interest_first", spread_bp=(-200, 900))
    rates_bp = [
        tariff(CATALOGUE.pricing, one, whose(one), 12, 0.0405).rate_bp(0.04)
        for one in (product, replace(product, loss_given_default=product.loss_given_default - 0.2))
    ]
    assert rates_bp[0] - rates_bp[1] == 80


@pytest.mark.parametrize(
    ("months", "repayment", "ratio"),
    [
        (12, "interest_first", 1.0),
        (36, "interest_first", 1.0),
        (12, "equal_principal", (7.5 / 12) / (6.5 / 12)),  # months 1 to 10 against 1 to 12
        (6, "equal_principal", (18 / 4) / (21 / 6)),  # of 6, months 1 to 4
        (36, "equal_principal", (36 - 4.5) / (36 - 5.5)),  # the window ends after 12
        (2, "equal_principal", 1 / 0.75),
        (1, "equal_principal", 1.0),
    ],
)
def test_exposure_by_hand(months: int, repayment: Repayment, ratio: float) -> None:
    assert exposure(months, 0.04, repayment) == pytest.approx(ratio)


@given(st.integers(1, 120), st.integers(0, 2_400), st.sampled_from(REPAYMENTS))
def test_more_is_owed_when_payments_stop_than_on_average(
    months: int, rate_bp: int, repayment: Repayment
) -> None:
    assert 1.0 - 1e-12 <= exposure(months, rate_bp / 10_000, repayment) < 2.0


def test_an_average_borrower_pays_what_was_published() -> None:
    """Large banks near their published 3.35 to 4.35 %, digital lenders below the ceiling."""
    lpr = lpr_1y(date(2020, 5, 1))

    def rates(kind: str) -> list[float]:
        return [
            tariff(CATALOGUE.pricing, product, whose(product), 12, lpr).rate_bp(0.02) / 10_000
            for product in CATALOGUE.products
            if whose(product).kind == kind and product.family != "epidemic"
        ]

    assert min(rates("state")) >= 0.0335
    assert max(rates("state")) <= 0.05
    assert min(rates("digital")) >= 0.065
    assert max(rates("digital")) <= 0.154
