"""One month of money in a firm. Default is not drawn: it happens when the money is not there.

Cash and an open credit line pay, in this order, what the business costs, the service of debt, tax,
social security. What cannot be paid stays owed. When the payment of the loan was missed in three
consecutive months, the loan is 90 days past due: the firm is in default.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np

from synthetic_data.draws import Bools, Floats, Ints, expit, logit
from synthetic_data.economy import Weather
from synthetic_data.firms import Traits, where
from synthetic_data.parameters import Parameters
from synthetic_data.sections import CashflowParameters, FirmsParameters
from synthetic_data.state import DRAWS, NORMAL, Flows, Luck, State


def opening(parameters: Parameters, traits: Traits, z: Floats, month: int) -> State:
    """Firms on the day they enter the world; z (4, n_firms) standard normal.

    Firms founded by `month` enter at their level, younger ones small; all with months of cash for
    their level.
    """
    c = parameters.cashflow
    young = traits.founded >= month
    drift = np.where(young, np.log(c.young_start), 0.2 * z[0])
    scale = traits.level_yuan * np.exp(drift)
    nothing = np.zeros_like(scale)
    return State(
        health=z[1],
        chain=z[3],
        drift=drift,
        scale_yuan=scale,
        backlog_yuan=nothing,
        receivables_yuan=scale * (1.0 / traits.collection - 1.0).clip(0.0, 3.0),
        late_months=nothing,
        slump_months=nothing,
        buyer_slump_months=nothing,
        cash_yuan=traits.level_yuan * traits.buffer_months * np.exp(0.3 * z[2]).clip(0.3, 1.5),
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
        refusing=np.zeros(len(scale), dtype=np.bool_),
        called_yuan=nothing,
        defaulted=np.zeros(len(scale), dtype=np.bool_),
    )


def enter(entering: Bools, newborn: State, state: State) -> State:
    """The state with firms that enter this month new; their fortunes go on as they ran."""
    running = ("health", "chain", "slump_months", "buyer_slump_months")
    fresh = replace(newborn, **{name: getattr(state, name) for name in running})
    return where(entering, fresh, state)


def draws(rng: np.random.Generator, n: int) -> Floats:
    """What chance brings in a month, (DRAWS, n); the rows are those of Luck."""
    drawn = np.empty((DRAWS, n))
    rng.standard_normal(out=drawn[:NORMAL])
    rng.random(out=drawn[NORMAL:])
    return drawn


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
    open_share = (1.0 - c.slump_depth * np.minimum(state.slump_months, 1.0)) * (
        1.0 - c.slump_depth * traits.top_buyer_share * np.minimum(state.buyer_slump_months, 1.0)
    )
    level = traits.level_yuan * np.exp(state.drift) * weather.trend
    expected = level * weather.shock * open_share
    volatility = traits.volatility * (1.0 + c.young_volatility * _young(traits, weather, c))
    noise = np.exp(volatility * luck[Luck.SALES] - 0.5 * volatility**2)
    sales = expected * weather.season * noise
    scale = state.scale_yuan + c.scale_speed * (expected - state.scale_yuan)
    active = luck[Luck.ACTIVITY] < traits.active_share
    invoiced, backlog = _invoice(traits, state, weather, sales, active, parameters.firms, c)
    collected, lost, late_months = _collect(traits, state, weather, luck[Luck.LATE_PAYER], c)
    wages = traits.wage_share * scale
    sudden_loss = scale * _loss_months(luck[Luck.LOSS], c)
    waived = parameters.economy.social_waived_share if weather.eased else 0.0
    insured = traits.insured_share * c.social_base_share * c.social_rate
    social = wages * insured * (1.0 - waived)
    goods_share = (
        1.0
        - traits.wage_share * (1.0 + insured)
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
        purchases + wages + traits.overhead_share * scale + sudden_loss + state.called_yuan,
        _tax(traits, state, weather, sales, invoiced, c),
        social,
        luck[Luck.RESCUE],
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
        called=state.called_yuan,
        **paid,
    )


def _tax(
    traits: Traits,
    state: State,
    weather: Weather,
    sales: Floats,
    invoiced: Floats,
    c: CashflowParameters,
) -> Floats:
    """Tax due: a share of what is invoiced, more in a profitable firm; a mill's invoices cancel."""
    base = np.where(traits.mill, np.minimum(invoiced, sales), invoiced)
    return traits.tax_burden * weather.tax * np.exp(c.health_to_tax * state.health) * base


def _evolve(
    traits: Traits, state: State, weather: Weather, luck: Floats, c: CashflowParameters
) -> State:
    """Health and the lasting level of sales drift; a large buyer may be lost for good."""
    rho = c.health_persistence
    health = rho * state.health + sqrt(1.0 - rho * rho) * luck[Luck.HEALTH]
    chain = rho * state.chain + sqrt(1.0 - rho * rho) * luck[Luck.CHAIN]
    lost = luck[Luck.CONTRACT] < expit(
        logit(c.contract_loss_monthly) - c.contract_loss_health * health
    )
    drift = (
        state.drift * (1.0 - c.level_reversion)
        + c.growth_base
        + c.health_to_growth * health
        + c.chain_to_growth * traits.chain_weight * chain
        + c.growth_young * _young(traits, weather, c)
        + c.level_sd * luck[Luck.LEVEL]
        + lost * np.log1p(-c.contract_loss_share * traits.top_buyer_share)
    )
    with np.errstate(over="ignore"):  # what is beyond all numbers is the most
        likely = np.minimum(c.slump_monthly * weather.closures**-c.slump_shock, c.slump_most)
    return replace(
        state,
        health=health,
        chain=chain,
        drift=drift,
        slump_months=_slump(state.slump_months, luck[Luck.SLUMP], likely, c),
        buyer_slump_months=_slump(state.buyer_slump_months, luck[Luck.BUYER], likely, c),
    )


def _young(traits: Traits, weather: Weather, c: CashflowParameters) -> Floats:
    """1 for a young firm, else 0; as precise as its traits."""
    return (weather.month - traits.founded < c.young_months).astype(traits.volatility.dtype)


def _slump(months: Floats, u: Floats, likely: Floats, c: CashflowParameters) -> Floats:
    """Months a slump still lasts, a month on; one that begins is of uniform length."""
    length = np.ceil(u / likely * c.slump_months_max)
    begins = (u < likely) & (months <= 0.0)
    return np.where(begins, length, np.maximum(months - 1.0, 0.0))


def _invoice(
    traits: Traits,
    state: State,
    weather: Weather,
    sales: Floats,
    active: Bools,
    p: FirmsParameters,
    c: CashflowParameters,
) -> tuple[Floats, Floats]:
    """Invoices issued and what is left to invoice; a mill adds invoices without trade."""
    waiting = state.backlog_yuan + sales
    issued = waiting * c.invoice_share * active
    running = np.minimum(np.maximum(weather.month - traits.mill_from, 0) / 6.0, 1.0)
    fake = np.where(traits.mill, running * p.mill_multiple * sales, 0.0)
    return issued + fake, waiting - issued


def _collect(
    traits: Traits, state: State, weather: Weather, u: Floats, c: CashflowParameters
) -> tuple[Floats, Floats, Floats]:
    """Money collected, money lost for ever, and how long the top buyer stays away.

    Where demand falls, buyers pay later and more of them stop paying, as a buyer does whose own
    business stands still.
    """
    fallen = np.minimum(weather.shock, 1.0)
    likely = c.late_payer_monthly * fallen**-c.late_payer_shock
    begins = (state.late_months <= 0) & ((u < likely) | (state.buyer_slump_months > 0.0))
    late_months = np.where(begins, c.late_payer_months, np.maximum(state.late_months - 1.0, 0.0))
    owed = state.receivables_yuan
    lost = begins * (c.late_payer_loss * traits.top_buyer_share) * owed
    away = (late_months > 0) * traits.top_buyer_share
    slowed = weather.collection * fallen**c.collection_shock
    collection = traits.collection * slowed * (1.0 - away)
    return (owed - lost) * collection, lost, late_months


def _loss_months(u: Floats, c: CashflowParameters) -> Floats:
    """Sudden losses in months of sales: Pareto between a smallest and a largest, mostly none."""
    rank = np.maximum(u / c.loss_monthly, 1e-12)  # uniform in 0..1 where a loss strikes
    size = np.minimum(c.loss_months_min * rank ** (-1.0 / c.loss_tail), c.loss_months_max)
    return np.where(rank < 1.0, size, 0.0)


def _service(state: State, c: CashflowParameters) -> tuple[Floats, Floats, Floats, Floats]:
    """Interest and payment of the loan here; what a worried lender elsewhere recalls, and its all.

    Payments are equal each month.
    """
    interest = state.loan_yuan * state.loan_rate
    full = np.minimum(state.loan_payment_yuan, state.loan_yuan + interest)
    worried = (state.tax_arrears_yuan > 0.0) | (state.overdue_yuan > 0.0)
    recalled = worried * state.other_debt_yuan / c.recall_months
    return (
        interest,
        full,
        recalled,
        recalled + state.other_debt_yuan * (c.interest_other_annual / 12.0),
    )


def _deferred(
    traits: Traits, state: State, weather: Weather, short: Bools, parameters: Parameters
) -> Bools:
    """Whose principal is deferred while that is the policy: small loans, most of those in need."""
    p = parameters.economy
    share = np.where(short, p.deferral_share_short, p.deferral_share)
    small = state.loan_yuan <= parameters.loans.amount_max_yuan
    return weather.deferral & small & (traits.deferral_rank < share)


def _refuses(traits: Traits, state: State, u: Floats, c: CashflowParameters) -> Bools:
    """Owners who stop paying a loan though they could; once begun it goes on."""
    begins = u > 1.0 - c.wilful_monthly * traits.wilfulness
    return (state.loan_yuan > 0.0) & (begins | state.refusing)


def _rescued(traits: Traits, u: Floats, parameters: Parameters) -> Bools:
    """Whose owner or friends put money in this month: more often those who hold more cash."""
    c, p = parameters.cashflow, parameters.firms
    thrift = np.log(traits.buffer_months / p.buffer_median_months) / p.buffer_log_sd
    return u < expit(logit(c.rescue_share) + c.rescue_thrift * thrift)


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
    sunk = np.where(traits.mill, received * c.loan_sunk_share_mill, received * c.loan_sunk_share)
    interest, full, recalled, other = _service(state, c)
    live = ~state.defaulted
    line_interest = state.line_drawn_yuan * c.interest_other_annual / 12.0
    operating_due = operating + state.unpaid_bills_yuan + line_interest
    net = state.cash_yuan - state.line_drawn_yuan + received - sunk + collected
    short = operating_due + (other + full + state.overdue_yuan) * live > net + state.line_yuan
    payment = np.where(_deferred(traits, state, weather, short, parameters), interest, full)
    service_due = (other + payment + state.overdue_yuan) * live
    missing = operating_due + service_due - np.maximum(net + state.line_yuan, 0.0)
    refuses = _refuses(traits, state, u, c)
    near = missing <= c.rescue_months * state.scale_yuan
    covered = near & _rescued(traits, u, parameters) & live & ~refuses
    kept = c.rescue_reserve_months * state.scale_yuan
    owner_added = covered * np.maximum(missing + kept, 0.0)
    net = net + owner_added
    liquid = np.maximum(net + state.line_yuan, 0.0)
    operating_paid = np.minimum(operating_due, liquid)
    liquid = liquid - operating_paid
    paid_up = live & ~refuses & (covered | (liquid >= service_due))
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
        refusing=refuses,
        called_yuan=np.zeros_like(loan),
        missed=missed,
        missed_other=np.where(paid_up, 0.0, state.missed_other + ((other > 0.0) & live)),
        defaulted=defaulted,
    )
    return after, {
        "operating_paid": operating_paid, "service_due": service_due,
        "service_paid": service_paid, "tax_due": tax_due, "tax_paid": tax_paid,
        "social_due": social_due, "social_paid": social_paid,
        "loan_received": received, "loan_sunk": sunk,
        "owner_drawn": owner_drawn, "owner_added": owner_added,
    }  # fmt: skip
