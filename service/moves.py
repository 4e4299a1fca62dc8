"""Moves: what an applicant could change about its own file, how long it takes and what it costs.

Only what a firm can really do and a source would then show: paying, filing, performing a judgment,
selling to more buyers, asking otherwise. History is never rewritten: a return filed now is late,
not on time. The days each takes are assumed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import floor

from msgspec import Struct
from msgspec.structs import replace

from model.reasons import said
from service.application import Application, Request

PAY_SHARE = 0.5
"""Paying in capital or paying off debt is suggested up to this share of the loan; assumed."""
MOST_DIVERSIFIED = 0.3
"""The largest fall of the largest buyer's share suggested; assumed."""
TENORS_MONTHS = (6, 12, 24, 36)


class Move(Struct, frozen=True, kw_only=True):
    """One thing an applicant can do: the field it changes, from and to, days and yuan it takes."""

    code: str
    text_zh: str
    text_en: str
    field: str
    seen: float
    becomes: float
    days: int
    pay_yuan: float = 0.0


Changed = tuple[Move, Callable[[Request], Request]]
"""A move and what it does to the request."""


def moves(request: Request, steps: Mapping[str, Sequence[float]]) -> list[list[Changed]]:
    """What this applicant can do, in groups of which one at most is done.

    `steps` are the values of a feature or of the amount at which a rule or the scorecard changes
    its mind; those of top_buyer_share_12m, debt_to_sales and amount_yuan are looked at.
    """
    groups = [_tax(request), _filings(request), _social_security(request), _electricity(request)]
    groups += [_housing_fund(request), _water(request)]
    groups += [_overdue(request), _judgments(request), _abnormal(request), _capital(request)]
    groups += [_debt(request, steps.get("debt_to_sales", ()))]
    groups += [_buyers(request, steps.get("top_buyer_share_12m", ()))]
    groups += [_amounts(request, steps.get("amount_yuan", ())), _tenors(request)]
    return [group for group in map(list, groups) if group]


def _with(source: str, **changes: object) -> Callable[[Request], Request]:
    def change(request: Request) -> Request:
        file = request.credit_file
        section = replace(getattr(file, source), **changes)
        return replace(request, credit_file=replace(file, **{source: section}))

    return change


def _tax(request: Request) -> Iterator[Changed]:
    tax = request.credit_file.tax
    if tax is not None and tax.arrears_yuan > 0:
        owed = tax.arrears_yuan
        move = Move(
            code="PAY-TAX",
            text_zh=f"缴清欠税{said(owed, 'yuan', 'zh')}",
            text_en=f"Pay the tax arrears of {said(owed, 'yuan', 'en')}",
            field="credit_file.tax.arrears_yuan", seen=owed, becomes=0.0, days=7, pay_yuan=owed,
        )  # fmt: skip
        yield move, _with("tax", arrears_yuan=0.0)


def _filings(request: Request) -> Iterator[Changed]:
    tax = request.credit_file.tax
    absent = 0 if tax is None else tax.filings.count("missing")
    if tax is not None and absent:
        filed = ["late" if filing == "missing" else filing for filing in tax.filings]
        move = Move(
            code="FILE-RETURNS",
            text_zh=f"补报{absent}期未申报的税款申报表",
            text_en=f"File the {absent} missing tax return{'s' * (absent > 1)}",
            field="credit_file.tax.filings", seen=absent, becomes=0.0, days=7,
        )  # fmt: skip
        yield move, _with("tax", filings=filed)


def _social_security(request: Request) -> Iterator[Changed]:
    section = request.credit_file.social_security
    if section is not None and section.arrears_months:
        owed = section.arrears_months
        monthly = section.paid_yuan[-1] if section.paid_yuan else 0.0
        move = Move(
            code="PAY-SOCIAL-SECURITY",
            text_zh=f"补缴社保{owed}个月",
            text_en=f"Pay {owed} month{'s' * (owed > 1)} of social security owed",
            field="credit_file.social_security.arrears_months", seen=owed, becomes=0.0, days=7,
            pay_yuan=owed * monthly,
        )  # fmt: skip
        yield move, _with("social_security", arrears_months=0)


def _electricity(request: Request) -> Iterator[Changed]:
    section = request.credit_file.electricity
    if section is not None and section.overdue_yuan > 0:
        owed = section.overdue_yuan
        move = Move(
            code="PAY-ELECTRICITY",
            text_zh=f"缴清电费{said(owed, 'yuan', 'zh')}",
            text_en=f"Pay the overdue electricity bill of {said(owed, 'yuan', 'en')}",
            field="credit_file.electricity.overdue_yuan", seen=owed, becomes=0.0, days=3,
            pay_yuan=owed,
        )  # fmt: skip
        yield move, _with("electricity", overdue_yuan=0.0)


def _housing_fund(request: Request) -> Iterator[Changed]:
    section = request.credit_file.housing_fund
    if section is not None and section.arrears_months:
        owed = section.arrears_months
        monthly = next((paid for paid in reversed(section.paid_yuan) if paid > 0), 0.0)
        move = Move(
            code="PAY-HOUSING-FUND",
            text_zh=f"补缴住房公积金{owed}个月",
            text_en=f"Pay {owed} month{'s' * (owed > 1)} of housing fund owed",
            field="credit_file.housing_fund.arrears_months", seen=owed, becomes=0.0, days=7,
            pay_yuan=owed * monthly,
        )  # fmt: skip
        yield move, _with("housing_fund", arrears_months=0)


def _water(request: Request) -> Iterator[Changed]:
    section = request.credit_file.water
    if section is not None and section.overdue_yuan > 0:
        owed = section.overdue_yuan
        move = Move(
            code="PAY-WATER",
            text_zh=f"缴清水费{said(owed, 'yuan', 'zh')}",
            text_en=f"Pay the overdue water bill of {said(owed, 'yuan', 'en')}",
            field="credit_file.water.overdue_yuan", seen=owed, becomes=0.0, days=3,
            pay_yuan=owed,
        )  # fmt: skip
        yield move, _with("water", overdue_yuan=0.0)


def _overdue(request: Request) -> Iterator[Changed]:
    section = request.credit_file.credit_bureau
    owed = section.overdue_yuan[-1] if section is not None and section.overdue_yuan else 0.0
    if section is not None and owed > 0:
        move = Move(
            code="PAY-OVERDUE-LOANS",
            text_zh=f"归还逾期贷款{said(owed, 'yuan', 'zh')}",
            text_en=f"Pay the {said(owed, 'yuan', 'en')} past due to other lenders",
            field="credit_file.credit_bureau.overdue_yuan", seen=owed, becomes=0.0, days=30,
            pay_yuan=owed,
        )  # fmt: skip
        yield move, _with("credit_bureau", overdue_yuan=[*section.overdue_yuan[:-1], 0.0])


def _debt(request: Request, steps: Sequence[float]) -> Iterator[Changed]:
    section, invoices = request.credit_file.credit_bureau, request.credit_file.invoices
    if section is None or invoices is None or not section.debt_yuan:
        return
    owed, sales_yuan = section.debt_yuan[-1], sum(invoices.sales_yuan[-12:])
    for step in sorted(steps, reverse=True):
        left = floor(max(step * sales_yuan, 0.0) / 1_000) * 1_000.0
        if 0 < owed - left <= PAY_SHARE * request.application.amount_yuan:
            move = Move(
                code="REPAY-DEBT",
                text_zh=f"归还部分现有贷款，余额由{said(owed, 'yuan', 'zh')}"
                f"降至{said(left, 'yuan', 'zh')}",
                text_en=f"Repay loans of other lenders from {said(owed, 'yuan', 'en')} "
                f"down to {said(left, 'yuan', 'en')}",
                field="credit_file.credit_bureau.debt_yuan", seen=owed, becomes=left, days=30,
                pay_yuan=owed - left,
            )  # fmt: skip
            yield move, _with("credit_bureau", debt_yuan=[*section.debt_yuan[:-1], left])


def _judgments(request: Request) -> Iterator[Changed]:
    courts = request.credit_file.courts
    if courts is None:
        return
    owed = sum([case.amount_yuan for case in courts.enforcements if case.closed is None])
    listed = any(listing.removed is None for listing in courts.dishonest_listings)
    if not owed and not listed:
        return
    move = Move(
        code="PERFORM-JUDGMENTS",
        text_zh=f"履行法院判决{said(owed, 'yuan', 'zh')}" + "，并移出失信名单" * listed,
        text_en=f"Perform the judgments of {said(owed, 'yuan', 'en')}"
        + " and be removed from the list of dishonest debtors" * listed,
        field="credit_file.courts", seen=owed, becomes=0.0, days=30, pay_yuan=owed,
    )  # fmt: skip
    closed = [replace(case, closed=case.closed or courts.as_of) for case in courts.enforcements]
    removed = [
        replace(listing, removed=listing.removed or courts.as_of)
        for listing in courts.dishonest_listings
    ]
    yield move, _with("courts", enforcements=closed, dishonest_listings=removed)


def _abnormal(request: Request) -> Iterator[Changed]:
    registry = request.credit_file.registry
    if registry is None or all(one.removed for one in registry.abnormal_listings):
        return
    move = Move(
        code="LEAVE-ABNORMAL-LIST",
        text_zh="补报年报或变更地址，申请移出经营异常名录",
        text_en="Report what is missing and be removed from the list of abnormal operation",
        field="credit_file.registry.abnormal_listings", seen=1.0, becomes=0.0, days=20,
    )  # fmt: skip
    removed = [
        replace(listing, removed=listing.removed or registry.as_of)
        for listing in registry.abnormal_listings
    ]
    yield move, _with("registry", abnormal_listings=removed)


def _capital(request: Request) -> Iterator[Changed]:
    registry = request.credit_file.registry
    if registry is None:
        return
    paid, promised = registry.paid_in_capital_yuan, registry.registered_capital_yuan
    if not 0 < promised - paid <= PAY_SHARE * request.application.amount_yuan:
        return
    move = Move(
        code="PAY-IN-CAPITAL",
        text_zh=f"实缴出资至注册资本{said(promised, 'yuan', 'zh')}",
        text_en=f"Pay in the registered capital of {said(promised, 'yuan', 'en')}",
        field="credit_file.registry.paid_in_capital_yuan", seen=paid, becomes=promised, days=30,
        pay_yuan=promised - paid,
    )  # fmt: skip
    yield move, _with("registry", paid_in_capital_yuan=promised)


def _buyers(request: Request, steps: Sequence[float]) -> Iterator[Changed]:
    invoices = request.credit_file.invoices
    share = None if invoices is None else invoices.top_buyer_share_12m
    if share is None:
        return
    for step in sorted(steps, reverse=True):
        if share - MOST_DIVERSIFIED <= step < share:
            move = Move(
                code="SELL-TO-MORE-BUYERS",
                text_zh=f"将第一大客户占比由{said(share, 'ratio', 'zh')}"
                f"降至{said(step, 'ratio', 'zh')}",
                text_en=f"Bring the largest buyer's share from {said(share, 'ratio', 'en')} "
                f"down to {said(step, 'ratio', 'en')}",
                field="credit_file.invoices.top_buyer_share_12m", seen=share, becomes=step,
                days=180 if share - step <= MOST_DIVERSIFIED / 2 else 365,
            )  # fmt: skip
            yield move, _with("invoices", top_buyer_share_12m=step)


def _amounts(request: Request, steps: Sequence[float]) -> Iterator[Changed]:
    asked = request.application.amount_yuan
    for yuan in sorted(steps, reverse=True):
        if 0 < yuan < asked:
            move = Move(
                code="ASK-LESS",
                text_zh=f"将申请金额由{said(asked, 'yuan', 'zh')}改为{said(yuan, 'yuan', 'zh')}",
                text_en=f"Ask for {said(yuan, 'yuan', 'en')} instead of "
                f"{said(asked, 'yuan', 'en')}",
                field="application.amount_yuan", seen=asked, becomes=yuan, days=0,
            )  # fmt: skip
            yield move, _asking(amount_yuan=yuan)


def _tenors(request: Request) -> Iterator[Changed]:
    asked = request.application.tenor_months
    for months in TENORS_MONTHS:
        if months > asked:
            move = Move(
                code="ASK-LONGER",
                text_zh=f"将期限由{asked}个月改为{months}个月",
                text_en=f"Ask for {months} months instead of {asked}",
                field="application.tenor_months", seen=asked, becomes=months, days=0,
            )  # fmt: skip
            yield move, _asking(tenor_months=months)


def _asking(**changes: object) -> Callable[[Request], Request]:
    def change(request: Request) -> Request:
        application: Application = replace(request.application, **changes)
        return replace(request, application=application)

    return change
