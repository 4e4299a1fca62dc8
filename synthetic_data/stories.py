"""Five firms worth telling of, lived month by month by the same rules as the world.

A story pins a firm's traits and what fortune brings it (nothing unforeseen), and scripts a few
events; its invoices, taxes, electricity and staff follow from there. All of them are invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import msgspec
import numpy as np

from model.credit_file import FIRST_SOURCES, SIGNALS, SOURCES, CreditFile
from synthetic_data import (
    cashflow,
    economy,
    events,
    identity,
    ratings,
    signal_traits,
    signals,
    traces,
)
from synthetic_data.calendar import month_index
from synthetic_data.draws import Subject, generator
from synthetic_data.events import Events
from synthetic_data.firms import BLOCK_FIRMS, Firms, draw
from synthetic_data.history import History, kept
from synthetic_data.lender_view import Bureaus
from synthetic_data.parameters import standard
from synthetic_data.state import Luck, State
from synthetic_data.typing_faults import TypingFaults

_SEED = 20200415
_FIRST_BLOCK = 887_000  # far above any world's blocks: no firm shares a story's code


@dataclass(frozen=True)
class Story:
    """A firm that asks for a loan, and what its case shows."""

    code: str
    title_zh: str
    title_en: str
    shows_zh: str
    shows_en: str


STORIES: dict[str, Story] = {
    story.code: story
    for story in (
        Story(
            "mask-maker",
            "口罩转产",
            "The mask maker",
            "甘肃一家卫生材料企业转产口罩，申请2000万元；纳税、用工和用电都印证了它的订单。",
            "A Gansu maker of medical materials turns to masks and asks for 20 million yuan; "
            "tax, staff and electricity bear out its orders.",
        ),
        Story(
            "mask-maker-judgment",
            "被列入失信名单的口罩企业",
            "The mask maker with a judgment against it",
            "同一家企业，同样的订单，但输掉借款官司、未履行判决并被列入失信名单。",
            "The same firm with the same orders, but it lost a suit over a loan, did not pay, and "
            "is listed as a dishonest judgment debtor.",
        ),
        Story(
            "young-shop",
            "没有贷款记录的小店",
            "The young shop",
            "开业26个月的零售店，从未贷款，按时报税，开票平稳，申请30万元。",
            "A shop 26 months old that never borrowed, files on time and invoices steadily "
            "asks for 300,000 yuan.",
        ),
        Story(
            "invoice-mill",
            "虚开发票",
            "The invoice mill",
            "贸易公司开票额骤增至数千万元，用电和参保人数却没有变化。",
            "A trader's invoices jump to tens of millions while its electricity and its insured "
            "persons stay where they were.",
        ),
        Story(
            "exporter",
            "外贸零部件厂",
            "The exporter",
            "浙江一家机械配件厂近半数销往海外，海关、专利、公积金与设备数据互相印证，申请600万元。",
            "A Zhejiang maker of machine parts sells nearly half abroad; customs, patents, housing "
            "fund and machines bear each other out. It asks for 6 million yuan.",
        ),
    )
}


@dataclass(frozen=True)
class _Script:
    """What is pinned: traits, habits and papers of the firm, its fortune, its request."""

    block: int
    name: str
    trade: tuple[str, str, str]  # sector, industry class, province
    founded: str
    as_of: tuple[str, int]
    amount_yuan: float
    purpose: str
    health: float
    traits: Mapping[str, Any]
    habits: Mapping[str, float]
    capital_yuan: float
    demand: Mapping[str, float] = field(default_factory=dict)  # month -> times the usual
    suits: bool = False
    signals: Mapping[str, Any] | None = None  # what the seven further sources tell; None: silent


_MASKS = _Script(
    block=_FIRST_BLOCK,
    name="甘肃岚禾泰卫生材料有限公司",
    trade=("C", "2770", "62"),
    founded="2008-05",
    as_of=("2020-04", 15),
    amount_yuan=20_000_000.0,
    purpose="epidemic_supplies",
    health=0.5,
    traits={
        "level_yuan": 2_660_000.0, "margin": 0.12, "wage_share": 0.175, "overhead_share": 0.06,
        "tax_burden": 0.048, "insured_share": 0.97, "top_buyer_share": 0.18, "buffer_months": 3.0,
    },
    habits={"kwh_per_yuan": 0.035, "buyers": 60.0, "suppliers": 90.0, "invoices_per_month": 25.0,
            "punctual": 4.0},
    capital_yuan=30_000_000.0,
    demand={"2020-02": 5.0, "2020-03": 5.0, "2020-04": 5.0},
)  # fmt: skip

_SCRIPTS: dict[str, _Script] = {
    "mask-maker": _MASKS,
    "mask-maker-judgment": replace(_MASKS, suits=True),
    "young-shop": _Script(
        block=_FIRST_BLOCK + 1,
        name="河南沐朗丰百货有限公司",
        trade=("F", "5211", "41"),
        founded="2017-10",
        as_of=("2019-12", 12),
        amount_yuan=300_000.0,
        purpose="inventory",
        health=0.25,
        traits={
            "level_yuan": 220_000.0, "margin": 0.1, "wage_share": 0.1,
            "tax_burden": 0.034, "insured_share": 0.8,
            "top_buyer_share": 0.12, "buffer_months": 2.0,
        },
        habits={"kwh_per_yuan": 0.009, "buyers": 40.0, "suppliers": 25.0,
                "invoices_per_month": 60.0, "punctual": 1.5},
        capital_yuan=500_000.0,
    ),
    "invoice-mill": _Script(
        block=_FIRST_BLOCK + 2,
        name="河北霁柯隆金属贸易有限公司",
        trade=("F", "5164", "13"),
        founded="2015-06",
        as_of=("2019-11", 20),
        amount_yuan=5_000_000.0,
        purpose="working_capital",
        health=-0.25,
        traits={
            "level_yuan": 210_000.0, "wage_share": 0.105, "margin": 0.04,
            "tax_burden": 0.012, "insured_share": 0.55,
            "top_buyer_share": 0.35, "buffer_months": 1.0, "mill": True,
            "mill_from": month_index("2018-11"),
        },
        habits={"kwh_per_yuan": 0.003, "buyers": 30.0, "suppliers": 20.0,
                "invoices_per_month": 25.0, "punctual": 0.0},
        capital_yuan=10_000_000.0,
    ),
    "exporter": _Script(
        block=_FIRST_BLOCK + 3,
        name="浙江砚屿信机械配件有限公司",
        trade=("C", "3484", "33"),
        founded="2011-03",
        as_of=("2019-10", 18),
        amount_yuan=6_000_000.0,
        purpose="equipment",
        health=0.4,
        traits={
            "level_yuan": 3_100_000.0, "margin": 0.11, "wage_share": 0.16, "overhead_share": 0.06,
            "tax_burden": 0.036, "insured_share": 0.95, "top_buyer_share": 0.22,
            "buffer_months": 2.5, "other_debt_months": 0.8,
        },
        habits={"kwh_per_yuan": 0.04, "buyers": 45.0, "suppliers": 70.0, "invoices_per_month": 20.0,
                "punctual": 3.0},
        capital_yuan=12_000_000.0,
        signals={
            "in_fund": True, "fund_delay_months": 3, "water_times": 1.0, "export_share": 0.42,
            "import_share": 0.06, "customs_since": month_index("2012-06"), "customs_luck": 0.03,
            "patents_yearly": 2.5, "trademarks": 1, "copyrights": 3,
            "titled": [True, False, True, True, True], "posts_monthly": [3.0, 1.5, 0.0],
            "wage_times": 1.1, "web_site_since": month_index("2012-09"), "shops": 1,
            "online_share": 0.03, "machines": 42, "orders_monthly": 18.0,
        },
    ),
}  # fmt: skip


def application(code: str) -> dict[str, object]:
    """A story's request as it is posted: the application and the credit file, as plain values.

    Raises KeyError naming the stories there are.
    """
    if code not in _SCRIPTS:
        raise KeyError(f"story {code!r}: expected one of {', '.join(STORIES)}")
    return _posted(_SCRIPTS[code], _credit_file(code))


def _posted(script: _Script, told: CreditFile) -> dict[str, object]:
    return {
        "application": {
            "applicant": told.uscc,
            "amount_yuan": script.amount_yuan,
            "tenor_months": standard().loans.tenor_months,
            "purpose": script.purpose,
            "consent": {"granted": told.as_of.isoformat(), "sources": _answering(told)},
        },
        "credit_file": msgspec.to_builtins(told),
    }


def _answering(told: CreditFile) -> list[str]:
    return [source for source in SOURCES if getattr(told, source) is not None]


@cache
def _credit_file(code: str) -> CreditFile:
    script = _SCRIPTS[code]
    firm, month = _firm(script), month_index(script.as_of[0])
    history, _ = _live(firm, script, month)
    return _told(script, firm, history, month)


def _told(script: _Script, firm: Firms, history: History, month: int) -> CreditFile:
    parameters = standard()
    rated = ratings.rate(parameters, firm, history, _SEED, script.block)
    usual = signal_traits.draw(parameters, firm, _SEED, script.block)
    usual = _pin(
        usual,
        {"source_luck": np.full(len(SIGNALS), script.signals is None), **(script.signals or {})},
    )
    seen = signals.observe(parameters, firm, usual, history, _SEED, script.block)
    bureaus = Bureaus(
        parameters, firm, history, _events(script, month), rated, seen, TypingFaults({}, {}, {})
    )
    return bureaus.credit_file(0, month, script.as_of[1])


def _firm(script: _Script) -> Firms:
    drawn = draw(standard(), _SEED, script.block, 1)
    sector, industry, province = script.trade
    founded = month_index(script.founded)
    pinned: dict[str, Any] = {
        "sector": list(standard().firms.sector_weights).index(sector), "founded": founded,
        "active_share": 1.0, "collection": 0.7, "volatility": 0.12, "exposure": 0.0,
        "other_debt_months": 0.0, "guarantee_months": 0.0, "line_months": 0.0, "mill": False,
        "wilfulness": 0.0, "chain_weight": 0.0,
        "mask_multiple": 1.0,  # its script says what demand does
        "wage_share": 0.06, "overhead_share": 0.05,
    } | dict(script.traits)  # fmt: skip
    habits = {
        "void_share": 0.04, "red_share": 0.004, "purchase_invoice_share": 0.8,
        "top_supplier_share": 0.25, "bank_share": 0.95, "balance_share": 0.95,
    } | dict(script.habits)  # fmt: skip
    papers = replace(
        drawn.papers,
        uscc=[identity.uscc(province, script.block * BLOCK_FIRMS)],
        name=[script.name],
        sector=[sector],
        industry_code=[industry],
        province=[province],
        capital_yuan=np.array([script.capital_yuan]),
        capital_registered_yuan=np.array([script.capital_yuan]),
        paid_in_yuan=np.array([script.capital_yuan]),
        representative_share=np.array([0.7]),
        representative_since=np.array([founded]),
        source_luck=np.zeros((1, len(FIRST_SOURCES))),
        courts_slow=np.array([False]),
    )
    return Firms(drawn.first, _pin(drawn.traits, pinned), _pin(drawn.habits, habits), papers)


def _pin(table: Any, pinned: Mapping[str, Any]) -> Any:
    return replace(table, **{name: np.array([value]) for name, value in pinned.items()})


def _live(firm: Firms, script: _Script, until: int) -> tuple[History, State]:
    """The firm's months up to `until` and its state then: the world's own step, fortune pinned."""
    parameters, traits = standard(), firm.traits
    start = month_index(parameters.world.lending_from)
    climate = economy.build(parameters, until - economy.build(parameters, 0).first)
    state = cashflow.opening(parameters, traits, np.zeros((4, 1)), start)
    history, memory = History(start, until - start, 1), traces.nothing(1)
    for at in range(until - start):
        month = start + at
        if month <= int(traits.founded[0]):
            state = cashflow.opening(parameters, traits, np.zeros((4, 1)), start)
        state = replace(state, health=np.array([script.health]))
        weather = climate.weather(month, traits)
        times = script.demand.get(f"{month // 12}-{month % 12 + 1:02d}", 1.0)
        luck = cashflow.draws(generator(_SEED, script.block, Subject.CASHFLOW, at), 1)
        noise = luck[Luck.SALES].copy()  # all that is left to chance
        luck[: Luck.ACTIVITY], luck[Luck.ACTIVITY], luck[Luck.LATE_PAYER :] = 0.0, 0.0, 1.0
        luck[Luck.SALES] = noise
        weather = replace(weather, shock=np.array([times]), tax=np.ones(1))  # as the script says
        state, flows = cashflow.step(traits, state, weather, luck, parameters)
        chance = generator(_SEED, script.block, Subject.TRACES, at)
        memory, seen = traces.observe(firm, state, flows, memory, weather.eased, chance, parameters)
        alive = np.array([float(month >= int(traits.founded[0]))])
        history.record(at, alive, kept(state, flows, memory, seen))
    return history, state


def boomed(multiple: float) -> tuple[dict[str, object], Firms, State, int]:
    """The mask maker after a boom of so many times its usual demand since February 2020.

    What it posts, the firm, its state on the day it asks, and that month.
    """
    script = replace(_MASKS, demand=dict.fromkeys(_MASKS.demand, multiple))
    firm, month = _firm(script), month_index(script.as_of[0])
    history, state = _live(firm, script, month)
    return _posted(script, _told(script, firm, history, month)), firm, state, month


def _events(script: _Script, month: int) -> Events:
    """Nothing, or a lost suit over a loan, its enforcement still open, and the listing after it."""
    cause = list(standard().events.suit_cause_weights).index("loan")
    amount, open_end = 3_200_000.0, events.NEVER
    rows = [
        (0, events.SUIT, month - 14, 12, events.DEFENDANT, cause, amount, month - 8),
        (0, events.ENFORCEMENT, month - 6, 20, events.DEFENDANT, 0, amount, open_end),
        (0, events.DISHONEST, month - 3, 16, events.DEFENDANT, 0, 0.0, open_end),
    ]
    chosen = rows if script.suits else []
    columns = [np.array([row[i] for row in chosen], dtype=np.int64) for i in range(8)]
    return Events(
        firm=columns[0],
        kind=columns[1],
        month=columns[2],
        day=columns[3],
        role=columns[4],
        cause=columns[5],
        amount_yuan=columns[6].astype(np.float64),
        closed_month=columns[7],
    )
