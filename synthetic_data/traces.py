"""What bureaus see of a firm's month: invoices, filings, insured persons, electricity.

Trouble shows here before it ends in default: a firm that cannot pay files late, falls behind with
tax and social security, voids more invoices and leaves its electricity bill.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic_data.draws import Floats, expit, logit
from synthetic_data.firms import Firms, Habits, Table, Traits
from synthetic_data.parameters import Parameters
from synthetic_data.sections import TracesParameters
from synthetic_data.state import Flows, State

FILINGS = ("on_time", "late", "zero", "missing")
"""How a month was filed, by the number stored for it."""


@dataclass(frozen=True, slots=True)
class Memory(Table):
    """What the traces of a month depend on from the month before; all (n_firms,)."""

    strain: Floats  # 0 at ease .. 1 unable to pay for months
    unfiled_sales: Floats
    unfiled_tax: Floats
    overdue_electricity: Floats


@dataclass(frozen=True, slots=True)
class Seen(Table):
    """What could be seen of a month; all (n_firms,), yuan unless said."""

    sales: Floats  # invoiced, net of red-letter invoices
    sales_count: Floats
    void_count: Floats
    red: Floats
    purchases: Floats
    buyers: Floats
    suppliers: Floats
    top_buyer_share: Floats
    top_supplier_share: Floats
    declared_sales: Floats
    tax_paid: Floats
    filing: Floats  # position in FILINGS
    tax_arrears: Floats
    staff: Floats
    insured: Floats
    social_paid: Floats
    social_arrears_months: Floats
    kwh: Floats
    electricity_overdue: Floats
    bank_inflow: Floats
    bank_outflow: Floats
    bank_balance: Floats
    debt: Floats
    debt_overdue: Floats
    overdue_months: Floats  # in a row
    queries: Floats
    lenders: Floats
    credit_line: Floats
    credit_line_used: Floats
    debt_service: Floats
    guarantees: Floats


def nothing(n: int) -> Memory:
    """The memory of firms that have just entered."""
    return Memory(*(np.zeros(n) for _ in range(4)))


def observe(
    firms: Firms,
    state: State,
    flows: Flows,
    memory: Memory,
    eased: bool,
    rng: np.random.Generator,
    parameters: Parameters,
) -> tuple[Memory, Seen]:
    """The traces of one month, given the state after it and what moved in it.

    While filing is `eased`, what comes late counts as on time.
    """
    traits, habits, p = firms.traits, firms.habits, parameters.traces
    z, u = rng.standard_normal((7, len(firms))), rng.random((2, len(firms)))
    strain = memory.strain + p.strain_speed * (_strained(state, p) - memory.strain)
    red = flows.invoiced * np.minimum(
        habits.red_share * np.exp(0.5 * z[0] + p.red_strain * strain), 0.5
    )
    count, voided = _counts(traits, habits, flows.invoiced, strain, rng, parameters)
    fake = np.where(traits.mill, np.maximum(flows.invoiced - flows.sales, 0.0), 0.0)
    received = habits.purchase_invoice_share * np.exp(0.2 * z[1])
    purchases = received * flows.purchases + 0.9 * fake
    net = np.round(flows.invoiced - red, 2)

    filing = _filing(habits, net + memory.unfiled_sales, strain, u[0], eased, p)
    unfiled = filing == FILINGS.index("missing")
    staff = np.maximum(np.round(flows.wages / parameters.firms.wage_monthly_yuan), 1.0)
    kwh = _electricity(traits, habits, state, flows, z[2], p)
    bills_unpaid = (state.unpaid_bills_yuan > 0.0) | ((strain > 0.6) & (u[1] < 0.15))
    overdue = bills_unpaid * (memory.overdue_electricity + kwh * p.kwh_price_yuan)
    after = Memory(
        strain=strain,
        unfiled_sales=np.where(unfiled, net + memory.unfiled_sales, 0.0),
        unfiled_tax=np.where(unfiled, flows.tax_paid + memory.unfiled_tax, 0.0),
        overdue_electricity=overdue,
    )
    return after, Seen(
        sales=net,
        sales_count=count + (np.round(red, 2) > 0.0),  # one red-letter invoice
        void_count=voided,
        red=np.round(red, 2),
        purchases=np.round(purchases, 2),
        buyers=_partners(habits.buyers, count - voided),
        suppliers=_partners(habits.suppliers, 0.9 * habits.suppliers * (purchases > 0.0)),
        top_buyer_share=_shares(traits.top_buyer_share, p.top_buyer_noise_sd * z[3]),
        top_supplier_share=_shares(habits.top_supplier_share, p.top_buyer_noise_sd * z[4]),
        declared_sales=np.where(unfiled, 0.0, net + memory.unfiled_sales),
        tax_paid=np.round(~unfiled * (flows.tax_paid + memory.unfiled_tax), 2),
        filing=filing,
        tax_arrears=np.round(state.tax_arrears_yuan, 2),
        staff=staff,
        insured=np.maximum(np.round(staff * traits.insured_share), 1.0),
        social_paid=np.round(flows.social_paid, 2),
        social_arrears_months=state.social_arrears_months,
        kwh=np.round(kwh, 1),
        electricity_overdue=np.round(overdue, 2),
        **_bank(traits, habits, state, flows, z[6], p),
        **_credit(traits, state, flows, strain, rng, p),
    )


def _bank(
    traits: Traits,
    habits: Habits,
    state: State,
    flows: Flows,
    z: Floats,
    p: TracesParameters,
) -> dict[str, Floats]:
    """Money through the accounts a lender may look into; a mill moves some in circles."""
    fake = np.where(traits.mill, np.maximum(flows.invoiced - flows.sales, 0.0), 0.0)
    circling = p.mill_circulated_share * fake
    paid = flows.operating_paid + flows.tax_paid + flows.social_paid + flows.service_paid
    noise = np.exp(p.balance_log_sd * z - 0.5 * p.balance_log_sd**2)
    share = np.minimum(habits.balance_share * noise, 1.0)
    balance = share * state.cash_yuan
    spent = paid + flows.loan_sunk + flows.owner_drawn
    return {
        "bank_inflow": np.round(habits.bank_share * flows.collected + circling, 2),
        "bank_outflow": np.round(habits.bank_share * spent + circling, 2),
        "bank_balance": np.round(balance, 2),
    }


def _credit(
    traits: Traits,
    state: State,
    flows: Flows,
    strain: Floats,
    rng: np.random.Generator,
    p: TracesParameters,
) -> dict[str, Floats]:
    """What lenders report of a month: what is owed and overdue, and who asked about the firm."""
    ticket = p.lender_months * state.scale_yuan
    lenders = np.ceil(state.other_debt_yuan / ticket) + (state.line_yuan > 0.0)
    return {
        "debt": np.round(state.other_debt_yuan + state.line_drawn_yuan + state.loan_yuan, 2),
        "debt_overdue": np.round(state.overdue_yuan, 2),
        "overdue_months": np.maximum(state.missed, state.missed_other),
        "queries": rng.poisson(p.queries_monthly * (1.0 + p.queries_strain * strain)).astype(
            np.float64
        ),
        "lenders": lenders + (state.loan_yuan > 0.0),
        "credit_line": np.round(state.line_yuan, 2),
        "credit_line_used": np.round(np.minimum(state.line_drawn_yuan, state.line_yuan), 2),
        "debt_service": np.round(flows.service_due, 2),
        "guarantees": np.round(traits.guarantee_months * state.scale_yuan, 2),
    }


def _strained(state: State, p: TracesParameters) -> Floats:
    """0 at ease, 1 where something is unpaid or the money is gone, between as it runs out."""
    free = state.cash_yuan + state.line_yuan - state.line_drawn_yuan
    owing = state.unpaid_bills_yuan + state.tax_arrears_yuan + state.overdue_yuan
    short = 1.0 - free / (p.strain_buffer_months * state.scale_yuan)
    return np.where(owing > 0.0, 1.0, short.clip(0.0, 1.0))


def _counts(
    traits: Traits,
    habits: Habits,
    invoiced: Floats,
    strain: Floats,
    rng: np.random.Generator,
    parameters: Parameters,
) -> tuple[Floats, Floats]:
    """Invoices issued (voided included) and voided."""
    p, f = parameters.traces, parameters.firms
    relative = np.maximum(invoiced, 0.0) / (f.sales_annual_median_yuan / 12.0)
    valid = rng.poisson(habits.invoices_per_month * relative**f.invoices_elasticity)
    valid = np.where(invoiced > 0.0, np.maximum(valid, 1), 0)
    usual = (traits.level_yuan * 12.0 / f.sales_annual_median_yuan) ** f.invoices_elasticity
    usual = usual * habits.invoices_per_month / f.invoices_per_month
    odds = np.log(habits.void_share / (1.0 - habits.void_share)) - p.void_invoices * np.log(usual)
    share = expit(odds + p.void_strain * strain + p.void_mill * traits.mill)
    voided = rng.poisson(valid * share / (1.0 - share))
    return (valid + voided).astype(np.float64), voided.astype(np.float64)


def _filing(
    habits: Habits, declared: Floats, strain: Floats, u: Floats, eased: bool, p: TracesParameters
) -> Floats:
    tilt = p.filing_strain * strain - p.filing_punctual * habits.punctual
    missing = expit(logit(p.missing_filing) + tilt)
    late = expit(logit(p.late_filing) + tilt) * (not eased)
    names = np.where(declared > 0.0, FILINGS.index("on_time"), FILINGS.index("zero"))
    names = np.where(u < missing + late, FILINGS.index("late"), names)
    return np.where(u < missing, FILINGS.index("missing"), names).astype(np.float64)


def _electricity(
    traits: Traits, habits: Habits, state: State, flows: Flows, z: Floats, p: TracesParameters
) -> Floats:
    driven = p.kwh_fixed_share * state.scale_yuan + (1.0 - p.kwh_fixed_share) * flows.sales
    kwh: Floats = habits.kwh_per_yuan * driven * np.exp(p.kwh_log_sd * z)
    return kwh


def _partners(pool: Floats, invoices: Floats) -> Floats:
    """Distinct partners met in a month when each invoice goes to one of the pool."""
    met = np.ceil(pool * (1.0 - np.exp(-invoices / pool)))
    return np.minimum(met, np.ceil(invoices))


def _shares(share: Floats, noise: Floats) -> Floats:
    return np.round(expit(np.log(share / (1.0 - share)) + noise), 4)
