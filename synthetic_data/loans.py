"""Who asks for a loan, and whom the legacy lender grants it: crude, selective, at times by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic_data.cashflow import lend
from synthetic_data.draws import Bools, Floats, Ints, choose, expit, logit
from synthetic_data.economy import Weather
from synthetic_data.firms import Firms, Table
from synthetic_data.history import History
from synthetic_data.parameters import Parameters
from synthetic_data.sections import LoansParameters
from synthetic_data.state import State

PURPOSES = ("working_capital", "equipment", "inventory", "other", "epidemic_supplies")
_EPIDEMIC = PURPOSES.index("epidemic_supplies")


@dataclass(frozen=True, slots=True)
class Applications(Table):
    """Requests of one month, one entry each."""

    firm: Ints  # position in the block
    month: Ints
    day: Ints
    amount_yuan: Floats
    purpose: Ints  # position in PURPOSES
    rate_annual: Floats
    first_time_borrower: Bools
    approved: Bools  # by the legacy lender
    granted: Bools  # approved, and drawn by the applicant


def ask(
    firms: Firms,
    state: State,
    weather: Weather,
    alive: Bools,
    strain: Floats,
    history: History,
    at: int,
    rng: np.random.Generator,
    parameters: Parameters,
) -> Applications:
    """The applications of one month, the `at`-th of the history; arrays (n_firms,)."""
    p, n, month = parameters.loans, len(firms), weather.month
    u, z = rng.random((8, n)), rng.standard_normal((2, n))
    owing = (state.loan_yuan > 0.0) | (state.loan_incoming_yuan > 0.0) | (state.overdue_yuan > 0.0)
    eager = u[0] < expit(logit(p.apply_monthly) + p.apply_strain * strain)
    sales_12m_yuan = history.lately("sales", at, 12)
    lived = at - np.maximum(firms.traits.founded - history.first, 0)
    able = alive & (lived >= parameters.world.history_min_months)
    large_enough = sales_12m_yuan >= p.sales_12m_min_yuan
    rows = np.flatnonzero(able & ~owing & ~state.defaulted & large_enough & eager)
    rate = np.full(len(rows), p.rate_annual_by_year[str(month // 12)])
    borrowed_before = history.lately("true_loan_received", at, at, rows) > 0.0
    approved = _approve(
        firms, rows, state.tax_arrears_yuan[rows] > 0.0, month, sales_12m_yuan[rows], z[0][rows],
        u[1][rows], parameters,
    )  # fmt: skip
    drawn = u[2][rows] >= np.interp(rate, p.churn_rates_annual, p.churn_shares)
    return Applications(
        firm=rows,
        month=np.full(len(rows), month),
        day=1 + np.floor(28 * u[3][rows]).astype(np.int64),
        amount_yuan=_amount(sales_12m_yuan[rows], z[1][rows], p),
        purpose=_purpose(firms, rows, weather, u[4][rows], u[5][rows], p),
        rate_annual=rate,
        first_time_borrower=~borrowed_before & (state.other_debt_yuan[rows] <= 0.0),
        approved=approved,
        granted=approved & drawn,
    )


def pay_out(state: State, asked: Applications, parameters: Parameters) -> State:
    """The state with the granted loans about to arrive."""
    lent = asked.take(asked.granted)
    return lend(state, lent.firm, lent.amount_yuan, lent.rate_annual, parameters.loans.tenor_months)


def _approve(
    firms: Firms,
    rows: Ints,
    owing_tax: Bools,
    month: int,
    sales_12m_yuan: Floats,
    z: Floats,
    u: Floats,
    parameters: Parameters,
) -> Bools:
    """The legacy lender: size, age, paid-in capital, open tax arrears, and the officer's mood."""
    p = parameters.loans
    years = np.maximum(month - firms.traits.founded[rows], 1) / 12.0
    size = np.log(np.maximum(sales_12m_yuan, 1.0) / parameters.firms.sales_annual_median_yuan)
    points = (
        p.policy_size_weight * size
        + p.policy_age_weight * np.log(years)
        + p.policy_capital_weight * np.log1p(firms.papers.paid_in_yuan[rows] / 100_000.0)
        - p.policy_arrears_weight * owing_tax
        + p.policy_noise_sd * z
    )
    return (points >= p.policy_cut) ^ (u < p.policy_override_share)


def _amount(sales_12m_yuan: Floats, z: Floats, p: LoansParameters) -> Floats:
    wanted = sales_12m_yuan * p.amount_share_median * np.exp(p.amount_log_sd * z)
    rounded = np.round(wanted / p.amount_step_yuan) * p.amount_step_yuan
    return np.clip(rounded, p.amount_min_yuan, p.amount_max_yuan)


def _purpose(
    firms: Firms, rows: Ints, weather: Weather, u: Floats, luck: Floats, p: LoansParameters
) -> Ints:
    positions = np.array([PURPOSES.index(name) for name in p.purpose_weights])
    usual = positions[choose(p.purpose_weights, u)]
    supplying = np.array([firms.papers.sector[row] in "CF" for row in rows], dtype=np.bool_)
    supplies = weather.deferral & supplying & (luck < p.epidemic_share)
    return np.where(supplies, _EPIDEMIC, usual)
