"""One month of money in a firm. Default is not drawn: it happens when the money is not there.

Cash and an open credit line pay, in this order, what the business costs, the service of debt, tax,
social security. What cannot be paid stays owed. When the payment of the loan was missed in three
consecutive months, the loan is 90 days past due: the firm is in default.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from synthetic_data.draws import Bools, Floats, Ints, expit, logit
from synthetic_data.economy import Weather
from synthetic_data.firms import Table, Traits
from synthetic_data.parameters import CashflowParameters, FirmsParameters, Parameters

DRAWS = 9
"""Rows of draws a month needs: 3 normal (health, level, sales), 6 uniform (activity, late payer,
contract, slump, sudden loss, rescue)."""


@dataclass(frozen=True, slots=True)
class State(Table):
    """A firm at a month end; all (n_firms,)."""

    health: Floats
    drift: Floats  # log of the lasting level of sales over where it began
    scale_yuan: Floats  # monthly sales that staff and overheads are made for
    backlog_yuan: Floats  # delivered, not yet invoiced
    receivables_yuan: Floats
    late_months: Floats  # months the top buyer goes on not paying
    slump_months: Floats  # months the business still stands nearly still
    cash_yuan: Floats
    line_yuan: Floats
    line_drawn_yuan: Floats
    other_debt_yuan: Floats
    unpaid_bills_yuan: Floats
    overdue_yuan: Floats  # debt service missed
    tax_arrears_yuan: Floats
    social_arrears_yuan: Floats
    social_arrears_months: Floats
    loan_yuan: Floats  # owed on the loan granted here
    loan_incoming_yuan: Floats
    loan_payment_yuan: Floats
    loan_rate: Floats  # a month
    missed: Floats  # payments of that loan, in a row
    missed_other: Floats
    defaulted: Bools


@dataclass(frozen=True, slots=True)
class Flows(Table):
    """What moved in a month; all (n_firms,), yuan unless said."""

    sales: Floats
    invoiced: Floats
    collected: Floats
    late_shortfall: Floats
    purchases: Floats
    wages: Floats
    operating_paid: Floats
    service_due: Floats
    service_paid: Floats
    tax_due: Floats
    tax_paid: Floats
    social_due: Floats
    social_paid: Floats
    loan_received: Floats
    loan_sunk: Floats
    sudden_loss: Floats
    owner_drawn: Floats
    owner_added: Floats


def opening(parameters: Parameters, traits: Traits, z: Floats, month: int) -> State:
    """Firms on the day they enter the world; z (3, n_firms) standard normal.

    Firms founded by `month` enter at their level with some months of cash, younger ones small.
    """
    c = parameters.cashflow
    young = traits.founded >= month
    drift = np.where(young, np.log(c.young_start), 0.2 * z[0])
    scale = traits.level_yuan * np.exp(drift)
    nothing = np.zeros_like(scale)
    return State(
        health=z[1],
        drift=drift,
        scale_yuan=scale,
        backlog_yuan=nothing,
        receivables_yuan=scale * (1.0 / traits.collection - 1.0).clip(0.0, 3.0),
        late_months=nothing,
        slump_months=nothing,
        cash_yuan=scale * traits.buffer_months * np.exp(0.3 * z[2]).clip(0.3, 1.5),
        line_yuan=scale * traits.line_months,
        line_drawn_yuan=nothing,
        other_debt_yuan=scale * traits.other_debt_months,
        unpaid_bills_yuan=nothing,
        overdue_yuan=nothing,
        tax_arrears_yuan=nothing,
        social_arrears_yuan=nothing,
        social_arrears_months=nothing,
        loan_yuan=nothing,
        loan_incoming_yuan=nothing,
        loan_payment_yuan=nothing,
        loan_rate=nothing,
        missed=nothing,
        missed_other=nothing,
        defaulted=np.zeros(len(scale), dtype=np.bool_),
    )


def draws(rng: np.random.Generator, n: int) -> Floats:
    """What chance brings in a month, (DRAWS, n): health, level, sales; activity, buyers, ..."""
    return np.concatenate([rng.standard_normal((3, n)), rng.random((DRAWS - 3, n))])


def lend(state: State, rows: Ints, amount_yuan: Floats, rate_annual: Floats, tenor: int) -> State:
    """Pay out loans to some firms: equal monthly payments from the month after."""
    monthly = rate_annual / 12.0
    payment = amount_yuan * monthly / (1.0 - (1.0 + monthly) ** -tenor)
    columns = {
        "loan_incoming_yuan": amount_yuan,
        "loan_payment_yuan": payment,
        "loan_rate": monthly,
    }
    changed = {}
    for name, values in columns.items():
        column = getattr(state, name).copy()
        column[rows] = values
        changed[name] = column
    return replace(state, **changed)


def step(
    traits: Traits, state: State, weather: Weather, luck: Floats, parameters: Parameters
) -> tuple[State, Flows]:
    """One month of every firm: luck (DRAWS, n_firms) -> the state after it and what moved."""
    c = parameters.cashflow
    state = _evolve(traits, state, weather, luck, c)
    open_share = 1.0 - c.slump_depth * (state.slump_months > 0.0)
    level = traits.level_yuan * np.exp(state.drift) * weather.trend
    expected = level * weather.shock * open_share
    noise = np.exp(traits.volatility * luck[2] - 0.5 * traits.volatility**2)
    sales = expected * weather.season * noise
    scale = state.scale_yuan + c.scale_speed * (expected - state.scale_yuan)
    invoiced, backlog = _invoice(traits, state, weather, sales, luck[3], parameters.firms, c)
    collected, lost, late_months = _collect(traits, state, weather, luck[4], c)
    wages = traits.wage_share * scale
    sudden_loss = scale * _loss_months(luck[7], traits, c)
    social = wages * traits.insured_share * c.social_base_share * c.social_rate
    goods_share = (
        1.0
        - traits.wage_share * (1.0 + traits.insured_share * c.social_base_share * c.social_rate)
        - traits.overhead_share
        - traits.tax_burden
        - traits.margin
        - c.health_to_margin * state.health
    )
    ordered = c.sticky_share * scale * weather.season + (1.0 - c.sticky_share) * sales
    purchases = np.maximum(goods_share, 0.05) * weather.cost * ordered
    earned = replace(
        state,
        scale_yuan=scale,
        backlog_yuan=backlog,
        receivables_yuan=state.receivables_yuan - collected - lost + sales,
        late_months=late_months,
    )
    after, paid = _pay(
        traits,
        earned,
        weather,
        collected,
        purchases + wages + traits.overhead_share * scale + sudden_loss,
        traits.tax_burden
        * weather.tax
        * np.where(traits.mill, np.minimum(invoiced, sales), invoiced),
        social,
        luck[8],
        parameters,
    )
    usual = state.receivables_yuan * traits.collection
    return after, Flows(
        sales=sales,
        invoiced=invoiced,
        collected=collected,
        late_shortfall=usual - collected + lost,
        purchases=purchases,
        wages=wages,
        sudden_loss=sudden_loss,
        **paid,
    )


def _evolve(
    traits: Traits, state: State, weather: Weather, luck: Floats, c: CashflowParameters
) -> State:
    """Health and the lasting level of sales drift; a large buyer may be lost for good."""
    rho = c.health_persistence
    health = rho * state.health + np.sqrt(1.0 - rho * rho) * luck[0]
    young = weather.month - traits.founded < c.young_months
    lost = luck[5] < expit(logit(c.contract_loss_monthly) - c.contract_loss_health * health)
    drift = (
        state.drift * (1.0 - c.level_reversion)
        + c.growth_base
        + c.health_to_growth * health
        + c.growth_young * young
        + c.level_sd * luck[1]
        + lost * np.log1p(-c.contract_loss_share * traits.top_buyer_share)
    )
    length = np.ceil(luck[6] / c.slump_monthly * c.slump_months_max)  # uniform where it begins
    begins = (luck[6] < c.slump_monthly) & (state.slump_months <= 0.0)
    slump_months = np.where(begins, length, np.maximum(state.slump_months - 1.0, 0.0))
    return replace(state, health=health, drift=drift, slump_months=slump_months)


def _invoice(
    traits: Traits,
    state: State,
    weather: Weather,
    sales: Floats,
    u: Floats,
    p: FirmsParameters,
    c: CashflowParameters,
) -> tuple[Floats, Floats]:
    """Invoices issued and what is left to invoice; a mill adds invoices without trade."""
    waiting = state.backlog_yuan + sales
    issued = waiting * c.invoice_share * (u < traits.active_share)
    running = np.minimum(np.maximum(weather.month - traits.mill_from, 0) / 6.0, 1.0)
    fake = np.where(traits.mill, running * p.mill_multiple * sales, 0.0)
    return issued + fake, waiting - issued


def _collect(
    traits: Traits, state: State, weather: Weather, u: Floats, c: CashflowParameters
) -> tuple[Floats, Floats, Floats]:
    """Money collected, money lost for ever, and how long the top buyer stays away.

    Where demand falls, buyers pay later and more of them stop paying.
    """
    fallen = np.minimum(weather.shock, 1.0)
    likely = c.late_payer_monthly * fallen**-c.late_payer_shock
    begins = (state.late_months <= 0) & (u < likely)
    late_months = np.where(begins, c.late_payer_months, np.maximum(state.late_months - 1.0, 0.0))
    owed = state.receivables_yuan
    lost = begins * c.late_payer_loss * traits.top_buyer_share * owed
    away = (late_months > 0) * traits.top_buyer_share
    slowed = weather.collection * fallen**c.collection_shock
    collection = traits.collection * slowed * (1.0 - away)
    return (owed - lost) * collection, lost, late_months


def _loss_months(u: Floats, traits: Traits, c: CashflowParameters) -> Floats:
    """Sudden losses in months of sales: Pareto between a smallest and a largest, mostly none."""
    often = c.loss_monthly * np.where(traits.guarantee_months > 0.0, c.loss_guarantor, 1.0)
    rank = np.maximum(u / often, 1e-12)  # uniform in 0..1 where a loss strikes
    size = np.minimum(c.loss_months_min * rank ** (-1.0 / c.loss_tail), c.loss_months_max)
    return np.where(rank < 1.0, size, 0.0)


def _service(
    traits: Traits, state: State, weather: Weather, c: CashflowParameters
) -> tuple[Floats, Floats, Floats, Floats]:
    """Interest and payment of the loan here; what a worried lender elsewhere recalls, and its all.

    Payments are equal each month; while principal is deferred, only interest falls due.
    """
    interest = state.loan_yuan * state.loan_rate
    full = np.minimum(state.loan_payment_yuan, state.loan_yuan + interest)
    payment = np.where(traits.deferred, interest, full) if weather.deferral else full
    worried = (state.tax_arrears_yuan > 0.0) | (state.overdue_yuan > 0.0)
    recalled = worried * state.other_debt_yuan / c.recall_months
    return (
        interest,
        payment,
        recalled,
        recalled + state.other_debt_yuan * (c.interest_other_annual / 12.0),
    )


def _pay(
    traits: Traits,
    state: State,
    weather: Weather,
    collected: Floats,
    operating: Floats,
    tax: Floats,
    social: Floats,
    u: Floats,
    parameters: Parameters,
) -> tuple[State, dict[str, Floats]]:
    """Money goes out in order of urgency until there is none; the rest stays owed."""
    c = parameters.cashflow
    received = state.loan_incoming_yuan
    sunk = received * np.where(traits.mill, c.loan_sunk_share_mill, c.loan_sunk_share)
    interest, payment, recalled, other = _service(traits, state, weather, c)
    live = ~state.defaulted
    service_due = (other + payment + state.overdue_yuan) * live
    line_interest = state.line_drawn_yuan * c.interest_other_annual / 12.0
    operating_due = operating + state.unpaid_bills_yuan + line_interest

    net = state.cash_yuan - state.line_drawn_yuan + received - sunk + collected
    missing = operating_due + service_due - np.maximum(net + state.line_yuan, 0.0)
    covered = (missing <= c.rescue_months * state.scale_yuan) & (u < c.rescue_share) & live
    owner_added = np.where(covered, np.maximum(missing, 0.0), 0.0)
    net = net + owner_added
    liquid = np.maximum(net + state.line_yuan, 0.0)
    operating_paid = np.minimum(operating_due, liquid)
    liquid = liquid - operating_paid
    paid_up = live & (covered | (liquid >= service_due))
    service_paid = np.minimum(service_due * paid_up, liquid)
    liquid = liquid - service_paid
    missed = np.where(paid_up, 0.0, state.missed + ((payment > 0.0) & live))
    defaulted = state.defaulted | (missed >= parameters.world.missed_payments_for_default)

    tax_due = tax + state.tax_arrears_yuan
    tax_paid = np.minimum(tax_due, liquid)
    liquid = liquid - tax_paid
    social_due = social + state.social_arrears_yuan
    spare = liquid - c.social_reserve_months * state.scale_yuan
    social_paid = np.where(spare >= social_due, social_due, 0.0)
    behind = social_due > social_paid

    net = net - operating_paid - service_paid - tax_paid - social_paid
    loan = np.maximum(state.loan_yuan - (payment - interest) * live, 0.0)
    loan = np.where(loan < 0.01, 0.0, loan) + received
    surplus = net - traits.buffer_months * state.scale_yuan - loan
    owner_drawn = c.owner_draw * np.maximum(surplus, 0.0)
    net = net - owner_drawn
    after = replace(
        state,
        drift=state.drift + np.log1p(c.loan_lift * sunk / (12.0 * state.scale_yuan)) * ~traits.mill,
        cash_yuan=np.maximum(net, 0.0),
        line_drawn_yuan=np.maximum(-net, 0.0),
        other_debt_yuan=np.maximum(state.other_debt_yuan - recalled * live, 0.0),
        unpaid_bills_yuan=operating_due - operating_paid,
        overdue_yuan=np.where(paid_up, 0.0, np.where(live, service_due, state.overdue_yuan)),
        tax_arrears_yuan=tax_due - tax_paid,
        social_arrears_yuan=social_due - social_paid,
        social_arrears_months=np.where(behind, state.social_arrears_months + 1.0, 0.0),
        loan_yuan=loan,
        loan_incoming_yuan=np.zeros_like(loan),
        missed=missed,
        missed_other=np.where(paid_up, 0.0, state.missed_other + ((other > 0.0) & live)),
        defaulted=defaulted,
    )
    return after, {
        "operating_paid": operating_paid,
        "service_due": service_due,
        "service_paid": service_paid,
        "tax_due": tax_due,
        "tax_paid": tax_paid,
        "social_due": social_due,
        "social_paid": social_paid,
        "loan_received": received,
        "loan_sunk": sunk,
        "owner_drawn": owner_drawn,
        "owner_added": owner_added,
    }
