"""The schedule: what is paid when, to the fen, and the rate that cash flows amount to.

Interest is charged monthly at a twelfth of the annual rate on what is still owed.
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from msgspec import Struct

from service.catalogue import Repayment

if TYPE_CHECKING:
    from service.offers import Offer


class Instalment(Struct, frozen=True):
    """One payment: when it is due, its two parts, and what is owed after it."""

    number: int
    due: date
    payment_yuan: float
    principal_yuan: float
    interest_yuan: float
    owed_yuan: float


class Plan(Struct, frozen=True):
    """An offer's instalments, if it is paid out on `start`."""

    product: str
    amount_yuan: float
    annual_rate: float
    tenor_months: int
    repayment: Repayment
    start: date
    total_interest_yuan: float
    instalments: list[Instalment]


def plan(offer: "Offer", start: date) -> Plan:
    """The instalments of an offer paid out on `start`."""
    rows = schedule(
        offer.amount_yuan, offer.annual_rate, offer.tenor_months, offer.repayment, start
    )
    return Plan(
        product=offer.product,
        amount_yuan=offer.amount_yuan,
        annual_rate=offer.annual_rate,
        tenor_months=offer.tenor_months,
        repayment=offer.repayment,
        start=start,
        total_interest_yuan=round(sum(row.interest_yuan for row in rows), 2),
        instalments=rows,
    )


def principals(months: int, annual_rate: float, repayment: Repayment) -> list[float]:
    """The share of the amount repaid each month, before rounding; the shares add up to one.

    interest_first: all at the end; equal_principal: the same each month; equal_instalment: the
    annuity, whose payments are all the same. Raises ValueError for less than one month or a
    negative rate.
    """
    if months < 1:
        raise ValueError(f"months: got {months}, expected at least 1")
    if annual_rate < 0:
        raise ValueError(f"annual_rate: got {annual_rate}, expected at least 0")
    monthly = annual_rate / 12
    if repayment == "interest_first":
        return [0.0] * (months - 1) + [1.0]
    if repayment == "equal_principal" or monthly == 0:
        return [1 / months] * months
    first = monthly / ((1 + monthly) ** months - 1)
    return [first * (1 + monthly) ** month for month in range(months)]


def cash_flows(
    amount_yuan: float, annual_rate: float, months: int, repayment: Repayment
) -> list[float]:
    """What is paid each month, unrounded yuan; its yearly rate is exactly the one stated."""
    monthly, owed, paid = annual_rate / 12, amount_yuan, []
    for share in principals(months, annual_rate, repayment):
        principal = amount_yuan * share
        paid.append(principal + owed * monthly)
        owed -= principal
    return paid


def schedule(
    amount_yuan: float, annual_rate: float, months: int, repayment: Repayment, start: date
) -> list[Instalment]:
    """The instalments of a loan paid out on `start`, each rounded to the fen.

    What rounding leaves over is settled with the last one, so that principal adds up to the amount
    exactly. Due on the day of the month it was paid out, or that month's last day.
    """
    amount_fen = round(amount_yuan * 100)
    shares = principals(months, annual_rate, repayment)
    rows: list[Instalment] = []
    owed_fen, repaid = amount_fen, 0.0
    for number, share in enumerate(shares, start=1):
        interest_fen = round(owed_fen * annual_rate / 12)
        repaid += share
        left_fen = 0 if number == months else amount_fen - round(amount_fen * repaid)
        principal_fen, owed_fen = owed_fen - left_fen, left_fen
        rows.append(
            Instalment(
                number=number,
                due=months_later(start, number),
                payment_yuan=(principal_fen + interest_fen) / 100,
                principal_yuan=principal_fen / 100,
                interest_yuan=interest_fen / 100,
                owed_yuan=owed_fen / 100,
            )
        )
    return rows


def months_later(start: date, months: int) -> date:
    """The same day some months later, or the last day of a month that is shorter.

    >>> months_later(date(2020, 1, 31), 1)
    datetime.date(2020, 2, 29)
    """
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))


def annual_rate_of(amount_yuan: float, payments: Sequence[float]) -> float:
    """The yearly rate, twelve times the monthly internal rate of return, of monthly payments."""
    from scipy.optimize import brentq

    def worth(monthly: float) -> float:
        value = 0.0
        for payment in reversed(payments):
            value = (value + payment) / (1 + monthly)
        return value - amount_yuan

    return 12 * float(brentq(worth, -0.5, 10.0, xtol=1e-15, rtol=1e-14))
