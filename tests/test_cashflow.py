from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthetic_data import cashflow, economy, outcomes
from synthetic_data.firms import Traits, draw
from synthetic_data.parameters import standard
from synthetic_data.state import State

P = standard()
FIRMS = draw(P, 3, 0)
CLIMATE = economy.build(P, 48)
N = len(FIRMS)


def opening() -> State:
    return cashflow.opening(P, FIRMS.traits, np.zeros((4, N)), CLIMATE.first)


def lived(state: State, months: int, seed: int = 1, traits: Traits = FIRMS.traits) -> list[State]:
    """The states of some months with the same luck for the same seed."""
    rng, states = np.random.default_rng(seed), []
    for at in range(months):
        weather = CLIMATE.weather(CLIMATE.first + at, FIRMS.traits)
        state, _ = cashflow.step(traits, state, weather, cashflow.draws(rng, N), P)
        states.append(state)
    return states


def lent(state: State, amount_yuan: np.ndarray) -> State:
    return cashflow.lend(state, np.arange(N), amount_yuan, np.full(N, 0.07), 12)


def test_a_month_changes_neither_its_input_nor_its_answer() -> None:
    state = opening()
    before = {f.name: getattr(state, f.name).copy() for f in fields(state)}
    first, second = lived(state, 1)[0], lived(state, 1)[0]
    for name, column in before.items():
        assert (getattr(state, name) == column).all()
        assert (getattr(first, name) == getattr(second, name)).all()


def test_no_stock_of_money_is_ever_negative_or_undefined() -> None:
    states = lived(lent(opening(), opening().scale_yuan * 3), 36)
    for state in states:
        for name in (
            "cash_yuan", "line_drawn_yuan", "receivables_yuan", "backlog_yuan", "loan_yuan",
            "unpaid_bills_yuan", "overdue_yuan", "tax_arrears_yuan", "other_debt_yuan",
        ):  # fmt: skip
            column = getattr(state, name)
            assert np.isfinite(column).all(), name
            assert (column >= -1e-6).all(), name


def test_a_loan_that_is_paid_every_month_is_repaid_after_its_tenor() -> None:
    rich = replace(opening(), cash_yuan=opening().scale_yuan * 1000)
    willing = replace(FIRMS.traits, wilfulness=np.zeros(N))
    states = lived(lent(rich, rich.scale_yuan), 13, traits=willing)
    assert (states[0].loan_yuan > 0).all()
    assert not states[-1].defaulted.any()
    assert (states[-1].loan_yuan == 0).all()


def test_an_owner_who_refuses_defaults_with_money_at_hand() -> None:
    rich = replace(opening(), cash_yuan=opening().scale_yuan * 1000)
    traits = replace(FIRMS.traits, wilfulness=np.full(N, 2_000.0))  # begins in most months
    states = lived(lent(rich, rich.scale_yuan), 8, traits=traits)
    assert states[-1].defaulted.mean() > 0.95
    assert (states[-1].unpaid_bills_yuan == 0).all()


def test_default_comes_with_the_third_payment_missed_in_a_row_and_never_before() -> None:
    poor = replace(opening(), cash_yuan=np.zeros(N), receivables_yuan=np.zeros(N))
    states = lived(lent(poor, poor.scale_yuan * 5), 14)
    missed = np.array([state.missed for state in states])
    defaulted = np.array([state.defaulted for state in states])
    assert 50 < defaulted[-1].sum() < N
    assert not defaulted[:3].any()
    for firm in np.flatnonzero(defaulted[-1]):
        at = int(defaulted[:, firm].argmax())
        assert missed[at - 2 : at + 1, firm].tolist() == [1, 2, 3]
    assert (missed[:, ~defaulted[-1]] < 3).all()


def test_money_at_hand_prevents_defaults() -> None:
    state = lent(opening(), opening().scale_yuan * 2)
    poorer = lived(replace(state, cash_yuan=state.cash_yuan * 0.2), 13)[-1].defaulted.mean()
    richer = lived(replace(state, cash_yuan=state.cash_yuan * 5.0), 13)[-1].defaulted.mean()
    assert richer < poorer / 1.5


@pytest.fixture(scope="module")
def months(world: Path) -> pd.DataFrame:
    return pd.read_parquet(world / "months.parquet").sort_values(["uscc", "month"])


def test_every_month_of_cash_rolls_forward_from_the_one_before(months: pd.DataFrame) -> None:
    net = months.true_cash_yuan - months.true_credit_line_drawn_yuan
    same = months.uscc == months.uscc.shift()
    moved = (
        months.true_collected_yuan
        + months.true_loan_received_yuan
        + months.true_owner_added_yuan
        - months.true_loan_sunk_yuan
        - months.true_operating_paid_yuan
        - months.true_debt_service_paid_yuan
        - months.true_tax_paid_yuan
        - months.true_social_security_paid_yuan
        - months.true_owner_drawn_yuan
    )
    gap = (net - net.shift() - moved)[same].abs()
    assert same.sum() > 40_000
    assert gap.max() < 0.08  # eleven amounts rounded to a cent


def test_what_is_paid_is_never_more_than_what_is_due(months: pd.DataFrame) -> None:
    due, paid = months.true_debt_service_due_yuan, months.true_debt_service_paid_yuan
    assert (paid <= due + 0.01).all()
    assert (months.void_count <= months.sales_count).all()
    assert (months.buyers <= months.sales_count).all()
    assert (months.insured_persons >= 1).all()
    assert (months.red_yuan >= 0).all()


def test_trouble_shows_in_what_bureaus_see(months: pd.DataFrame) -> None:
    strained = months.true_strain > 0.8
    late = months.filing.isin(["late", "missing"])
    assert late[strained].mean() > 3 * late[~strained].mean()
    assert months.tax_arrears_yuan[months.true_strain == 0].max() == 0


def test_a_month_in_single_precision_stays_in_it_and_in_many_lives_at_once() -> None:
    lives, rng = 3, np.random.default_rng(2)
    luck = cashflow.draws(rng, lives * N).reshape(-1, lives, N)
    weather = CLIMATE.weather(CLIMATE.first + 40, FIRMS.traits)
    light = outcomes._light(FIRMS.traits), outcomes._light(opening()), outcomes._light(weather)
    state, flows = cashflow.step(*light, luck.astype(np.float32), P)
    told = {f.name: getattr(state, f.name) for f in fields(state)}
    told |= {f.name: getattr(flows, f.name) for f in fields(flows)}
    assert {column.dtype for column in told.values()} == {np.dtype("f4"), np.dtype("?")}
    for life in range(lives):
        alone, _ = cashflow.step(FIRMS.traits, opening(), weather, luck[:, life], P)
        assert state.cash_yuan[life] == pytest.approx(alone.cash_yuan, rel=1e-4, abs=50.0)
