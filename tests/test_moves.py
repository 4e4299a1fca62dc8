"""Moves: what a firm can do, in both languages, and what a source would show of it afterwards."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from model.credit_file import (
    AbnormalListing,
    DishonestListing,
    Enforcement,
    HousingFund,
    Water,
)
from service.application import Request
from service.moves import TENORS_MONTHS, Changed, moves

NOTHING: Mapping[str, Sequence[float]] = {}
STEPS = {"top_buyer_share_12m": [0.8], "debt_to_sales": [0.3], "amount_yuan": [200_000.0]}
AS_OF = date(2020, 1, 31)


def with_(request: Request, source: str, **changes: Any) -> Request:
    file = request.credit_file
    section = replace(getattr(file, source), **changes)
    return replace(request, credit_file=replace(file, **{source: section}))


def found(request: Request, steps: Mapping[str, Sequence[float]] = NOTHING) -> dict[str, Changed]:
    return {one[0].code: one for group in moves(request, steps) for one in group}


def test_a_healthy_firm_can_only_ask_otherwise(healthy: Request) -> None:
    assert set(found(healthy)) <= {"ASK-LONGER", "PAY-IN-CAPITAL"}


def troubled(healthy: Request) -> Request:
    """The healthy firm with everything on it that can be put right."""
    registry = healthy.credit_file.registry
    assert registry is not None
    case = Enforcement(filed=AS_OF, amount_yuan=300_000.0)
    listing = DishonestListing(listed=AS_OF)
    request = with_(healthy, "tax", arrears_yuan=5_000.0, filings=["missing", "late", "missing"])
    request = with_(request, "courts", enforcements=[case], dishonest_listings=[listing])
    request = with_(
        request,
        "registry",
        abnormal_listings=[AbnormalListing(listed=AS_OF)],
        paid_in_capital_yuan=registry.registered_capital_yuan - 1_000.0,
    )
    request = with_(request, "social_security", arrears_months=2, paid_yuan=[700.0, 900.0])
    request = with_(request, "electricity", overdue_yuan=1_234.0)
    months = ["2019-09", "2019-10"]
    fund = HousingFund(
        as_of=AS_OF, months=months, paying_persons=[3, 0], paid_yuan=[650.0, 0.0], arrears_months=1
    )
    water = Water(as_of=AS_OF, months=months, cubic_metres=[4.0, 5.0], overdue_yuan=321.0)
    request = replace(
        request, credit_file=replace(request.credit_file, housing_fund=fund, water=water)
    )
    invoices, section = request.credit_file.invoices, request.credit_file.credit_bureau
    assert invoices is not None
    assert section is not None
    owed = round(0.3 * sum(invoices.sales_yuan[-12:]), -3) + 40_000.0
    debt = [*section.debt_yuan[:-1], owed]
    overdue = [*section.overdue_yuan[:-1], 7_000.0]
    request = with_(request, "credit_bureau", debt_yuan=debt, overdue_yuan=overdue)
    return with_(request, "invoices", top_buyer_share_12m=0.9)


def test_everything_that_can_be_put_right_is_named_with_its_price(healthy: Request) -> None:
    told = found(troubled(healthy), STEPS)
    paid = {code: move.pay_yuan for code, (move, _) in told.items()}
    assert paid.pop("REPAY-DEBT") == pytest.approx(40_000.0, abs=1_000.0)
    assert paid == {
        "PAY-TAX": 5_000.0,
        "FILE-RETURNS": 0.0,
        "PAY-SOCIAL-SECURITY": 1_800.0,
        "PAY-ELECTRICITY": 1_234.0,
        "PAY-HOUSING-FUND": 650.0,
        "PAY-WATER": 321.0,
        "PERFORM-JUDGMENTS": 300_000.0,
        "LEAVE-ABNORMAL-LIST": 0.0,
        "PAY-IN-CAPITAL": 1_000.0,
        "PAY-OVERDUE-LOANS": 7_000.0,
        "SELL-TO-MORE-BUYERS": 0.0,
        "ASK-LESS": 0.0,
        "ASK-LONGER": 0.0,
    }


def test_a_move_changes_its_own_field_and_can_be_made_once(healthy: Request) -> None:
    request = troubled(healthy)
    before = msgspec.to_builtins(request)
    for code, (move, change) in found(request, STEPS).items():
        after = msgspec.to_builtins(change(request))
        path = move.field.split(".")
        at_before, at_after = before, after
        for key in path[:-1]:
            at_before, at_after = at_before[key], at_after[key]
        assert at_before[path[-1]] != at_after[path[-1]], code
        at_after[path[-1]] = at_before[path[-1]]
        assert after == before, f"{code} changes more than {move.field}"
        if code != "ASK-LONGER":
            assert code not in found(change(request), STEPS)


def test_history_is_not_rewritten(healthy: Request) -> None:
    _, file_returns = found(troubled(healthy))["FILE-RETURNS"]
    tax = file_returns(troubled(healthy)).credit_file.tax
    assert tax is not None
    assert tax.filings == ["late", "late", "late"]


def test_every_move_is_said_in_both_languages(healthy: Request) -> None:
    for move, _ in found(troubled(healthy), STEPS).values():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in move.text_zh)
        assert move.text_en.isascii()
        assert move.seen != move.becomes


@pytest.mark.parametrize(
    ("share", "named"), [(0.9, True), (0.8, False), (0.79, False), (1.0, True)]
)
def test_a_buyer_share_falls_to_a_step_below_it(
    healthy: Request, share: float, named: bool
) -> None:
    request = with_(healthy, "invoices", top_buyer_share_12m=share)
    assert ("SELL-TO-MORE-BUYERS" in found(request, STEPS)) == named


def test_no_firm_is_asked_to_lose_half_its_largest_buyer(healthy: Request) -> None:
    request = with_(healthy, "invoices", top_buyer_share_12m=0.9)
    assert "SELL-TO-MORE-BUYERS" not in found(request, {"top_buyer_share_12m": [0.4]})


def test_only_longer_tenors_are_suggested(healthy: Request) -> None:
    asked = healthy.application.tenor_months
    longer = [
        move.becomes
        for group in moves(healthy, {})
        for move, _ in group
        if move.code == "ASK-LONGER"
    ]
    assert longer == [months for months in TENORS_MONTHS if months > asked]
