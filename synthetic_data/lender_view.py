"""What each bureau would know of a firm on a date: late, with gaps, never after the date."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, cast

import numpy as np

from model.credit_file import (
    SOURCES,
    AbnormalListing,
    Bank,
    Change,
    ChangeItem,
    Courts,
    CreditBureau,
    CreditFile,
    DishonestListing,
    Electricity,
    Enforcement,
    Filing,
    Invoices,
    Registry,
    Sector,
    SocialSecurity,
    Suit,
    SuitCause,
    SuitRole,
    Tax,
    TaxRating,
)
from synthetic_data import events as public
from synthetic_data.calendar import day_of, last_day, month_index, month_text
from synthetic_data.draws import Ints
from synthetic_data.events import Events
from synthetic_data.firms import Firms
from synthetic_data.history import History
from synthetic_data.parameters import Parameters
from synthetic_data.ratings import NAMES
from synthetic_data.signal_bureaus import SignalBureaus
from synthetic_data.signals import Signals
from synthetic_data.traces import FILINGS
from synthetic_data.typing_faults import TypingFaults

_YUAN = ("sales", "red", "purchases", "declared_sales", "tax_paid", "social_paid", "kwh",
         "tax_arrears", "electricity_overdue", "top_buyer_share", "top_supplier_share",
         "bank_inflow", "bank_outflow", "bank_balance", "debt", "debt_overdue", "credit_line",
         "credit_line_used", "debt_service", "guarantees")  # fmt: skip
_COUNTS = ("sales_count", "void_count", "buyers", "suppliers", "insured", "staff",
           "social_arrears_months", "overdue_months", "queries", "lenders")  # fmt: skip
_ROLES: tuple[SuitRole, ...] = ("defendant", "plaintiff")
_APRIL = 3


class Bureaus:
    """The books of every bureau about a block of firms, ready to be asked."""

    def __init__(
        self,
        parameters: Parameters,
        firms: Firms,
        history: History,
        happened: Events,
        ratings: Mapping[int, Ints],
        signals: Signals,
        faults: TypingFaults,
    ) -> None:
        self._lender, self._window = parameters.lender, parameters.world.history_months
        self._firms, self._first = firms, history.first
        self._months = [month_text(history.first + t) for t in range(history.months)]
        self._ends = [last_day(history.first + t) for t in range(history.months)]
        self._books = {name: np.ascontiguousarray(history[name].T) for name in _YUAN}
        self._books |= {name: history[name].T.astype(np.int64, order="C") for name in _COUNTS}
        filed = history["filing"].T.astype(np.int64, order="C")
        self._books["filing"] = np.array(FILINGS, dtype=object)[filed]
        self._ratings = {year: NAMES[codes].tolist() for year, codes in ratings.items()}
        self._entered = np.maximum(firms.traits.founded - history.first, 0).tolist()
        self._first_invoice = self._first_invoices(history)
        self._causes = list(parameters.events.suit_cause_weights)
        self._items = list(parameters.events.change_weights)
        self._events = self._by_firm(happened)
        self._lags = {name: int(lag) for name, lag in self._lender.lag_months_by_source.items()}
        self._silent_from = month_index(self._lender.silent_first_month)
        coverage = [self._lender.coverage_by_source[name] for name in SOURCES]
        luck = np.hstack([firms.papers.source_luck, signals.traits.source_luck])
        self._answers = (luck < np.array(coverage)).tolist()
        self.signals, self._faults = signals, faults
        others = SignalBureaus(parameters, firms, history, signals, faults)
        self._sections = [getattr(self, f"_{name}", None) or others.of(name) for name in SOURCES]

    def credit_file(self, firm: int, month: int, day: int) -> CreditFile:
        """Everything the sources say about a firm (position in the block) on a day of a month."""
        before = month - self._first - 1
        sections: dict[str, Any] = {}
        for source, answers, section in zip(
            SOURCES, self._answers[firm], self._sections, strict=True
        ):
            silent = source == self._lender.silent_source and month >= self._silent_from
            if answers and not silent:
                lag = self._lags[source]
                if source == "courts" and self._firms.papers.courts_slow[firm]:
                    lag += 1
                sections[source] = section(firm, before - lag)
        if firm in self._faults.firms:
            sections = {
                source: self._faults.typed(firm, source, section)
                for source, section in sections.items()
            }
        return CreditFile(uscc=self._firms.papers.uscc[firm], as_of=day_of(month, day), **sections)

    def _registry(self, firm: int, at: int) -> Registry:
        papers, month = self._firms.papers, self._first + at
        since = day_of(int(papers.representative_since[firm]), int(papers.representative_day[firm]))
        changes, listings = [], []
        for kind, begun, ended, _, cause, _ in self._events[firm]:
            if begun[0] > month:
                continue
            if kind == public.CHANGE:
                item = cast(ChangeItem, self._items[cause])
                changes.append(Change(on=day_of(*begun), item=item))
                if item == "legal_representative":
                    since = day_of(*begun)
            elif kind == public.ABNORMAL:
                removed = day_of(*ended) if ended[0] <= month else None
                listings.append(AbnormalListing(listed=day_of(*begun), removed=removed))
        december = at - (month + 1) % 12
        counted = december if december >= self._entered[firm] else at
        told = self._at("staff", firm, counted)
        return Registry(
            as_of=self._ends[at],
            name=self._faults.names.get(firm) or papers.name[firm],
            established=self._established(firm),
            sector=cast(Sector, papers.sector[firm]),
            industry_code=papers.industry_code[firm],
            region=papers.province[firm],
            registered_capital_yuan=float(papers.capital_registered_yuan[firm]),
            paid_in_capital_yuan=float(papers.paid_in_yuan[firm]),
            employees=told if told <= 20 else round(told / 5) * 5,
            legal_representative_share=float(papers.representative_share[firm]),
            legal_representative_since=since,
            changes=changes,
            abnormal_listings=listings,
        )

    def _tax(self, firm: int, at: int) -> Tax:
        part = self._part(firm, at)
        year, month = divmod(self._first + at, 12)
        rated = self._ratings.get(year - 1 if month >= _APRIL else year - 2)
        return Tax(
            as_of=self._ends[at],
            rating=None if rated is None else cast("TaxRating | None", rated[firm]),
            months=self._months[part],
            declared_sales_yuan=self._told("declared_sales", firm, part),
            tax_paid_yuan=self._told("tax_paid", firm, part),
            filings=cast("list[Filing]", self._told("filing", firm, part)),
            arrears_yuan=self._at("tax_arrears", firm, at),
        )

    def _invoices(self, firm: int, at: int) -> Invoices | None:
        first = self._first_invoice[firm]
        if first is None or first > self._ends[at]:
            return None
        part = self._part(firm, at)
        return Invoices(
            as_of=self._ends[at],
            first_invoice=first,
            months=self._months[part],
            sales_yuan=self._told("sales", firm, part),
            sales_count=self._told("sales_count", firm, part),
            void_count=self._told("void_count", firm, part),
            red_yuan=self._told("red", firm, part),
            purchases_yuan=self._told("purchases", firm, part),
            buyers=self._told("buyers", firm, part),
            suppliers=self._told("suppliers", firm, part),
            top_buyer_share_12m=self._at("top_buyer_share", firm, at),
            top_supplier_share_12m=self._at("top_supplier_share", firm, at),
        )

    def _social_security(self, firm: int, at: int) -> SocialSecurity:
        part = self._part(firm, at)
        return SocialSecurity(
            as_of=self._ends[at],
            months=self._months[part],
            insured_persons=self._told("insured", firm, part),
            paid_yuan=self._told("social_paid", firm, part),
            arrears_months=self._at("social_arrears_months", firm, at),
        )

    def _electricity(self, firm: int, at: int) -> Electricity:
        part = self._part(firm, at)
        return Electricity(
            as_of=self._ends[at],
            months=self._months[part],
            kwh=self._told("kwh", firm, part),
            overdue_yuan=self._at("electricity_overdue", firm, at),
        )

    def _courts(self, firm: int, at: int) -> Courts:
        month = self._first + at
        suits, enforcements, listings = [], [], []
        for kind, begun, ended, role, cause, amount in self._events[firm]:
            if begun[0] > month:
                continue
            started = day_of(*begun)
            closed = day_of(*ended) if ended[0] <= month else None
            if kind == public.SUIT:
                suits.append(
                    Suit(
                        filed=started,
                        role=_ROLES[role],
                        cause=cast(SuitCause, self._causes[cause]),
                        amount_yuan=amount,
                        closed=closed,
                    )
                )
            elif kind == public.ENFORCEMENT:
                enforcements.append(Enforcement(filed=started, amount_yuan=amount, closed=closed))
            elif kind == public.DISHONEST:
                listings.append(DishonestListing(listed=started, removed=closed))
        return Courts(
            as_of=self._ends[at],
            suits=suits,
            enforcements=enforcements,
            dishonest_listings=listings,
        )

    def _bank(self, firm: int, at: int) -> Bank:
        part = self._part(firm, at)
        return Bank(
            as_of=self._ends[at],
            months=self._months[part],
            inflow_yuan=self._told("bank_inflow", firm, part),
            outflow_yuan=self._told("bank_outflow", firm, part),
            balance_yuan=self._told("bank_balance", firm, part),
        )

    def _credit_bureau(self, firm: int, at: int) -> CreditBureau:
        part = self._part(firm, at)
        return CreditBureau(
            as_of=self._ends[at],
            months=self._months[part],
            debt_yuan=self._told("debt", firm, part),
            overdue_yuan=self._told("debt_overdue", firm, part),
            overdue_months=self._told("overdue_months", firm, part),
            queries=self._told("queries", firm, part),
            lenders=self._at("lenders", firm, at),
            credit_line_yuan=self._at("credit_line", firm, at),
            credit_line_used_yuan=self._at("credit_line_used", firm, at),
            debt_service_yuan=self._at("debt_service", firm, at),
            guarantees_yuan=self._at("guarantees", firm, at),
        )

    def _part(self, firm: int, at: int) -> slice:
        """The months a bureau tells, up to position `at`."""
        return slice(max(self._entered[firm], at + 1 - self._window), at + 1)

    def _at(self, name: str, firm: int, at: int) -> Any:
        return self._books[name][firm, at].item()

    def _told(self, name: str, firm: int, part: slice) -> list[Any]:
        told: list[Any] = self._books[name][firm, part].tolist()
        return told

    def _established(self, firm: int) -> date:
        return day_of(
            int(self._firms.traits.founded[firm]), int(self._firms.papers.founded_day[firm])
        )

    def _first_invoices(self, history: History) -> list[date | None]:
        """Before the world began: the month after founding; inside it: the first one issued."""
        issued = history["sales_count"] > 0
        starts = np.where(issued.any(axis=0), issued.argmax(axis=0) + history.first, -1)
        old = self._firms.traits.founded < history.first
        months = np.where(old, self._firms.traits.founded + 1, starts)
        return [day_of(int(month), 28) if month >= 0 else None for month in months]

    def _by_firm(self, happened: Events) -> list[list[tuple[Any, ...]]]:
        out: list[list[tuple[Any, ...]]] = [[] for _ in range(len(self._firms))]
        ends = zip(happened.closed_month.tolist(), happened.day.tolist(), strict=True)
        rows = zip(
            happened.firm.tolist(),
            happened.kind.tolist(),
            zip(happened.month.tolist(), happened.day.tolist(), strict=True),
            ends,
            happened.role.tolist(),
            happened.cause.tolist(),
            happened.amount_yuan.tolist(),
            strict=True,
        )
        for firm, *rest in rows:
            out[firm].append(tuple(rest))
        return out
