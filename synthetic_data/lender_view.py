"""What each bureau would know of a firm on a date: late, with gaps, never after the date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

_MONTHLY = {
    "tax": ("declared_sales", "tax_paid"),
    "invoices": ("sales", "red", "purchases"),
    "social_security": ("social_paid",),
    "electricity": ("kwh",),
    "bank": ("bank_inflow", "bank_outflow", "bank_balance"),
    "credit_bureau": ("debt", "debt_overdue"),
}
_MONTHLY_COUNTS = {
    "invoices": ("sales_count", "void_count", "buyers", "suppliers"),
    "social_security": ("insured",),
    "credit_bureau": ("overdue_months", "queries"),
}
_LATEST = {
    "tax": ("tax_arrears",),
    "invoices": ("top_buyer_share", "top_supplier_share"),
    "electricity": ("electricity_overdue",),
    "credit_bureau": ("credit_line", "credit_line_used", "debt_service", "guarantees"),
}
_LATEST_COUNTS = {
    "registry": ("staff",),
    "social_security": ("social_arrears_months",),
    "credit_bureau": ("lenders",),
}
"""What each source tells month by month, and what it tells of the latest month alone."""
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
        self._monthly = _books(history, _MONTHLY)
        self._counts = _books(history, _MONTHLY_COUNTS, np.int64)
        self._latest = _books(history, _LATEST)
        self._latest_counts = _books(history, _LATEST_COUNTS, np.int64)
        self._filings = np.array(FILINGS, dtype=object)[history["filing"].T.astype(np.int64)]
        self._ratings = {year: NAMES[codes].tolist() for year, codes in ratings.items()}
        self._entered = np.maximum(firms.traits.founded - history.first, 0).tolist()
        self._first_invoice = self._first_invoices(history)
        self._causes = list(parameters.events.suit_cause_weights)
        self._items = list(parameters.events.change_weights)
        self._events = self._by_firm(happened)
        self._silent_from = month_index(self._lender.silent_first_month)
        self.signals, self._faults = signals, faults
        others = SignalBureaus(parameters, firms, history, signals, faults)
        asked = {name: getattr(self, f"_{name}", None) or others.of(name) for name in SOURCES}
        coverage = [self._lender.coverage_by_source[name] for name in SOURCES]
        luck = np.hstack([firms.papers.source_luck, signals.traits.source_luck])
        usual, slow = (
            [(name, asked[name], self._lag(name, slow)) for name in SOURCES] for slow in (0, 1)
        )
        self._asked = [
            [
                one
                for one, answers in zip(slow if late else usual, answering, strict=True)
                if answers
            ]
            for late, answering in zip(
                firms.papers.courts_slow.tolist(), (luck < np.array(coverage)).tolist(), strict=True
            )
        ]

    def _lag(self, source: str, slow: int) -> int:
        """Months after which a source knows of what happened; some courts are a month slower."""
        return int(self._lender.lag_months_by_source[source]) + slow * (source == "courts")

    def credit_file(self, firm: int, month: int, day: int) -> CreditFile:
        """Everything the sources say about a firm (position in the block) on a day of a month."""
        before = month - self._first - 1
        silent = self._lender.silent_source if month >= self._silent_from else None
        sections: dict[str, Any] = {
            source: section(firm, before - lag)
            for source, section, lag in self._asked[firm]
            if source != silent
        }
        for source in self._faults.sources_by_firm.get(firm, ()):
            if source in sections:
                sections[source] = self._faults.typed(firm, source, sections[source])
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
        [told] = self._latest_counts["registry"][firm, :, counted].tolist()
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
        sales, paid = self._monthly["tax"][firm, :, part].tolist()
        [arrears] = self._latest["tax"][firm, :, at].tolist()
        return Tax(
            as_of=self._ends[at],
            rating=None if rated is None else cast("TaxRating | None", rated[firm]),
            months=self._months[part],
            declared_sales_yuan=sales,
            tax_paid_yuan=paid,
            filings=cast("list[Filing]", self._filings[firm, part].tolist()),
            arrears_yuan=arrears,
        )

    def _invoices(self, firm: int, at: int) -> Invoices | None:
        first = self._first_invoice[firm]
        if first is None or first > self._ends[at]:
            return None
        part = self._part(firm, at)
        sales, red, purchases = self._monthly["invoices"][firm, :, part].tolist()
        issued, void, buyers, suppliers = self._counts["invoices"][firm, :, part].tolist()
        top_buyer_share, top_supplier_share = self._latest["invoices"][firm, :, at].tolist()
        return Invoices(
            as_of=self._ends[at],
            first_invoice=first,
            months=self._months[part],
            sales_yuan=sales,
            sales_count=issued,
            void_count=void,
            red_yuan=red,
            purchases_yuan=purchases,
            buyers=buyers,
            suppliers=suppliers,
            top_buyer_share_12m=top_buyer_share,
            top_supplier_share_12m=top_supplier_share,
        )

    def _social_security(self, firm: int, at: int) -> SocialSecurity:
        part = self._part(firm, at)
        [paid] = self._monthly["social_security"][firm, :, part].tolist()
        [insured] = self._counts["social_security"][firm, :, part].tolist()
        [arrears_months] = self._latest_counts["social_security"][firm, :, at].tolist()
        return SocialSecurity(
            as_of=self._ends[at],
            months=self._months[part],
            insured_persons=insured,
            paid_yuan=paid,
            arrears_months=arrears_months,
        )

    def _electricity(self, firm: int, at: int) -> Electricity:
        part = self._part(firm, at)
        [kwh] = self._monthly["electricity"][firm, :, part].tolist()
        [overdue] = self._latest["electricity"][firm, :, at].tolist()
        return Electricity(
            as_of=self._ends[at],
            months=self._months[part],
            kwh=kwh,
            overdue_yuan=overdue,
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
        inflow, outflow, balance = self._monthly["bank"][firm, :, part].tolist()
        return Bank(
            as_of=self._ends[at],
            months=self._months[part],
            inflow_yuan=inflow,
            outflow_yuan=outflow,
            balance_yuan=balance,
        )

    def _credit_bureau(self, firm: int, at: int) -> CreditBureau:
        part = self._part(firm, at)
        debt, overdue = self._monthly["credit_bureau"][firm, :, part].tolist()
        overdue_months, queries = self._counts["credit_bureau"][firm, :, part].tolist()
        line, used, service, guarantees = self._latest["credit_bureau"][firm, :, at].tolist()
        [lenders] = self._latest_counts["credit_bureau"][firm, :, at].tolist()
        return CreditBureau(
            as_of=self._ends[at],
            months=self._months[part],
            debt_yuan=debt,
            overdue_yuan=overdue,
            overdue_months=overdue_months,
            queries=queries,
            lenders=lenders,
            credit_line_yuan=line,
            credit_line_used_yuan=used,
            debt_service_yuan=service,
            guarantees_yuan=guarantees,
        )

    def _part(self, firm: int, at: int) -> slice:
        """The months a bureau tells, up to position `at`."""
        return slice(max(self._entered[firm], at + 1 - self._window), at + 1)

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


def _books(
    history: History, names: Mapping[str, Sequence[str]], kind: type = np.float64
) -> dict[str, Any]:
    """By source its columns, (n_firms, n_columns, n_months)."""
    return {
        source: np.stack([history[name] for name in columns])
        .transpose(2, 0, 1)
        .astype(kind, order="C")
        for source, columns in names.items()
    }
