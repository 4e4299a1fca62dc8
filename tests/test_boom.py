"""The boom: the limit does not follow it, and lending that does is lost."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from service.application import Request, parse
from service.decide import Decision, Engine
from synthetic_data.boom import extrapolated_yuan, fates
from synthetic_data.stories import boomed

Decide = Callable[[Request], Decision]
PAGE = (Path(__file__).parent.parent / "docs" / "mask-maker.md").read_text()
SHARE, RATE = 0.2, 0.0305


def asking(multiple: float) -> Request:
    return parse(msgspec.json.encode(boomed(multiple)[0]), date.max)


def sales(request: Request) -> list[float]:
    assert request.credit_file.invoices is not None
    return list(request.credit_file.invoices.sales_yuan)


def test_the_story_is_the_boom_of_five(stories: dict[str, bytes]) -> None:
    assert asking(5.0) == parse(stories["mask-maker"], date.max)


def test_six_months_of_growth_are_believed_twice_more() -> None:
    assert extrapolated_yuan([1.0] * 6 + [2.0] * 6, SHARE) == pytest.approx(0.2 * 12 * (2 + 4))


def test_growth_of_two_thousand_percent_does_not_move_the_limit_with_it(
    decided: Decide,
) -> None:
    """The last six months times 21: the limit grows far less, held by a cap that is named."""
    request = replace(asking(1.0), application=replace(asking(1.0).application, amount_yuan=1e9))
    invoices = request.credit_file.invoices
    assert invoices is not None
    before = decided(request)
    months = [*invoices.sales_yuan[:-6], *(21 * yuan for yuan in invoices.sales_yuan[-6:])]
    file = replace(request.credit_file, invoices=replace(invoices, sales_yuan=months))
    after = decided(replace(request, credit_file=file))
    growth = after.portrait["sales_growth_6m"]
    assert isinstance(growth, float)
    assert growth > 20
    assert after.caps["recent_sales"] > 15 * before.caps["recent_sales"]
    caps = {name: yuan for name, yuan in after.caps.items() if name != "product"}
    held = min(caps, key=caps.__getitem__)
    assert held in ("bank_flow", "grade", "tax")
    assert caps[held] < 2 * before.caps["sales"]
    assert "P-INV-JUMP" in [rule.code for rule in after.rules if rule.result == "hit"]
    assert after.verdict != "approve"


@pytest.mark.parametrize("multiple", [5.0, 12.0])
def test_the_page_says_what_is_computed(engine: Engine, decided: Decide, multiple: float) -> None:
    request = asking(multiple)
    ours_yuan = decided(request).caps["sales"]
    believed_yuan = extrapolated_yuan(sales(request), engine.policy.limit.sales_share)
    ours, believed = fates(multiple, [ours_yuan, believed_yuan], RATE)
    for fate, who in ((ours, "ours"), (believed, "extrapolating")):
        row = next(
            line for line in PAGE.splitlines() if line.startswith(f"| x {multiple:g} | {who}")
        )
        cells = [cell.strip() for cell in row.split("|")[3:-1]]
        assert cells == [
            f"{fate.amount_yuan / 1e6:,.1f}",
            f"{fate.defaulted:.2%}".replace("%", " %"),
            f"{fate.lost_yuan / 1e6:,.2f}",
        ]
    assert believed.lost_yuan > 4 * ours.lost_yuan


def test_the_page_names_the_caps_of_the_story(decided: Decide) -> None:
    caps = decided(asking(5.0)).caps
    for name in (
        "request",
        "sales",
        "affordability",
        "bank_flow",
        "tax",
        "exposure",
        "recent_sales",
    ):
        row = next(line for line in PAGE.splitlines() if line.lstrip("| *").startswith(name))
        assert f"{caps[name] / 1e6:.1f}" in row, name


def test_no_loan_is_never_lost_and_more_is_lost_of_more() -> None:
    none, small, large = fates(12.0, [0.0, 1e7, 6e8], RATE)
    assert none.lost_yuan == 0.0
    assert small.lost_yuan < large.lost_yuan
    assert small.defaulted < large.defaulted
