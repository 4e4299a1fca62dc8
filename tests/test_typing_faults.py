"""Faults of typing strike at the stated rates and stay where they are."""

from datetime import date

import pytest

from model.credit_file import Fault, Water, check_uscc
from model.credit_file_typing import tidy_code, tidy_name
from synthetic_data import typing_faults
from synthetic_data.calendar import month_index
from synthetic_data.firms import draw
from synthetic_data.parameters import standard
from synthetic_data.typing_faults import TypingFaults

P = standard()
BLOCKS = 6
MONTHS = [f"2018-{month:02d}" for month in range(1, 13)]


@pytest.fixture(scope="module")
def drawn() -> list[tuple[list[str], list[str], TypingFaults]]:
    found = []
    for block in range(BLOCKS):
        firms = draw(P, 7, block)
        faults = typing_faults.draw(P.lender, firms, month_index("2016-01"), 7, block)
        found.append((firms.papers.uscc, firms.papers.name, faults))
    return found


def near(count: int, share: float, of: int) -> bool:
    return abs(count - share * of) < 5 * (share * of) ** 0.5 + 1


def test_rates_are_the_stated(drawn: list[tuple[list[str], list[str], TypingFaults]]) -> None:
    firms, lender = BLOCKS * 1_000, P.lender
    faults = [one for *_, one in drawn]
    assert near(sum(len(one.names) for one in faults), lender.untidy_name_share, firms)
    codes = lender.untidy_code_share + lender.failing_code_share
    assert near(sum(len(one.codes) for one in faults), codes, 7 * firms)
    for source in ("water", "electricity", "tax"):
        share = sum(
            shares.get(source, 0.0)
            for shares in (
                lender.missing_month_share_by_source,
                lender.repeated_month_share_by_source,
                lender.slipped_digit_share_by_source,
            )
        )
        kinds = [kind for one in faults for (_, name), kinds in one.months.items()
                 for kind in kinds if name == source]  # fmt: skip
        assert near(len(kinds), share, firms)


def test_codes_are_untidy_or_fail_their_check(
    drawn: list[tuple[list[str], list[str], TypingFaults]],
) -> None:
    failing = 0
    for usccs, names, faults in drawn:
        for (firm, _), code in faults.codes.items():
            assert code != usccs[firm]
            if len(code) == 18 and code[:17] == usccs[firm][:17]:
                failing += 1
                with pytest.raises(Fault, match="check digit"):
                    check_uscc(code, "uscc")
            else:
                assert tidy_code(code) == usccs[firm]
        for firm, name in faults.names.items():
            assert name != names[firm] == tidy_name(name)
    assert failing > 50


def water() -> Water:
    return Water(
        as_of=date(2018, 12, 31), months=MONTHS, cubic_metres=[float(i) for i in range(12)]
    )


def typed(*faults: tuple[int, str]) -> Water:
    section = TypingFaults({(3, "water"): list(faults)}, {}, {}).typed(3, "water", water())
    assert isinstance(section, Water)
    return section


def test_a_month_is_lost_told_twice_or_ten_times_too_large() -> None:
    lost, twice, slipped = (typed((kind, "2018-06")) for kind in range(3))
    assert lost.months == MONTHS[:5] + MONTHS[6:]
    assert lost.cubic_metres == [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]
    assert twice.months == [*MONTHS[:6], *MONTHS[5:]]
    assert twice.cubic_metres[5:7] == [5.0, 5.0]
    assert slipped.cubic_metres[5] == 50.0
    assert len(typed((0, "2018-06"), (1, "2018-06"), (2, "2018-07")).months) == 11


def test_the_first_and_the_last_month_and_other_firms_are_left_alone() -> None:
    for month in ("2018-01", "2018-12", "2030-01"):
        assert typed((0, month)) == water()
    faults = TypingFaults({(3, "water"): [(0, "2018-06")]}, {}, {})
    assert faults.typed(4, "water", water()) == water()
    assert faults.typed(3, "water", None) is None
    assert list(faults.sources_by_firm) == [3]
