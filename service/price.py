"""The price of a loan, part by part: what money and work cost, what is lost, what is earned.

Rates are shares a year of what is owed. A rate is built up from the institution's costs and the
applicant's own probability of default, then kept within the product's band over LPR and under the
ceiling.
"""

from collections.abc import Callable

from msgspec import Struct

from service.catalogue import Institution, Pricing, Product, Repayment
from service.schedule import principals

WINDOW_MONTHS = 12
"""pd_12m speaks of this many months after the money is paid out."""
UNPAID_MONTHS = 2
"""Months between the first payment missed and the third, which makes a default (90 days)."""


class Price(Struct, frozen=True, gc=False):
    """The parts of an annual rate; they add up to it.

    `expected_loss` is pd_12m x loss given default x exposure; `capital` what equity wants for the
    capital the loan ties up; `band` what the product's band or the ceiling adds or takes away.
    """

    lpr: float
    funding: float
    operating: float
    expected_loss: float
    capital: float
    margin: float
    band: float


class Tariff(Struct, frozen=True, gc=False):
    """What a product costs before the applicant is known: costs, loss per unit of pd, bounds.

    Up to a pd of `pd_least` the rate is the least of the band, from `pd_most` on the most.
    """

    costs: float
    loss: float
    least_bp: int
    most_bp: int
    pd_least: float
    pd_most: float
    lpr: float
    funding: float
    operating: float
    capital: float
    margin: float

    def rate_bp(self, pd_12m: float) -> int:
        """The annual rate for a probability of default, in basis points."""
        if pd_12m <= self.pd_least:
            return self.least_bp
        if pd_12m >= self.pd_most:
            return self.most_bp
        return int((self.costs + self.loss * pd_12m) * 10_000.0 + 0.5)

    def pricer(self) -> Callable[[float, float], Price]:
        """The parts of a rate by pd_12m and rate; expected loss to a hundredth of a basis point.

        A function over constants, which takes two thirds of a method's time.
        """
        costs, per_pd, lpr = self.costs, self.loss, self.lpr
        funding, operating, capital, margin = (
            self.funding, self.operating, self.capital, self.margin
        )  # fmt: skip

        def price(pd_12m: float, annual_rate: float) -> Price:
            loss = (per_pd * pd_12m * 1e6 + 0.5) // 1.0 / 1e6
            apart = (annual_rate - costs - loss) * 1e6
            band = (apart + 0.5) // 1.0 if apart > 0 else 0.0 - (0.5 - apart) // 1.0
            return Price(lpr, funding, operating, loss, capital, margin, band / 1e6)

        return price


def tariff(
    pricing: Pricing, product: Product, whose: Institution, months: int, lpr: float
) -> Tariff:
    """The tariff of a product for a tenor and an LPR.

    Never below zero, above the product's band or above `ceiling_lpr_multiple` times LPR.
    """
    capital = round(pricing.risk_weight * pricing.capital_ratio * pricing.return_on_equity, 6)
    funding, operating, margin = (
        round(bp / 10_000, 6) for bp in (whose.funding_bp, whose.operating_bp, whose.margin_bp)
    )
    low, high = product.spread_bp
    most = max(0.0, min(lpr + high / 10_000, pricing.ceiling_lpr_multiple * lpr))
    least = min(max(0.0, lpr + low / 10_000), most)
    costs = round(lpr + funding + operating + capital + margin, 6)
    loss = product.loss_given_default * exposure(months, lpr, product.repayment)
    return Tariff(
        costs=costs,
        loss=loss,
        least_bp=int(least * 10_000.0 + 0.5),
        most_bp=int(most * 10_000.0 + 0.5),
        pd_least=(least - costs) / loss,
        pd_most=(most - costs) / loss,
        lpr=lpr,
        funding=funding,
        operating=operating,
        capital=capital,
        margin=margin,
    )


def exposure(months: int, annual_rate: float, repayment: Repayment) -> float:
    """What is owed when payments stop, over what is owed on average, in the first 12 months.

    A default within the window began at least two months before its end, when less had been repaid;
    each of those months is as likely. 1 for a loan repaid at its end.

    >>> exposure(12, 0.04, "interest_first")
    1.0
    >>> round(exposure(12, 0.04, "equal_principal"), 4)
    1.1538
    """
    owed, left = [], 1.0
    for share in principals(months, annual_rate, repayment)[:WINDOW_MONTHS]:
        owed.append(left)
        left -= share
    stopped = owed[: max(1, len(owed) - UNPAID_MONTHS)]
    return (sum(stopped) / len(stopped)) / (sum(owed) / len(owed))
