"""What seven more sources would know of a firm on a date -> sections of a credit file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from model.credit_file import (
    Customs,
    CustomsRating,
    Hiring,
    HousingFund,
    IndustrialInternet,
    IntellectualProperty,
    Online,
    Qualification,
    QualificationKind,
    Water,
)
from synthetic_data.calendar import day_of, last_day, month_text
from synthetic_data.firms import Firms
from synthetic_data.history import History
from synthetic_data.parameters import Parameters
from synthetic_data.signals import RATINGS, Signals
from synthetic_data.typing_faults import TypingFaults

_COUNTS = {"fund_persons", "posts_zlzp", "posts_qcwy", "posts_zhyc", "negative_news",
           "positive_news", "orders"}  # fmt: skip


class SignalBureaus:
    """The books of these sources about a block of firms."""

    def __init__(
        self,
        parameters: Parameters,
        firms: Firms,
        history: History,
        signals: Signals,
        faults: TypingFaults,
    ) -> None:
        self._p, self._window = parameters.signals, parameters.world.history_months
        self._firms, self._signals, self._codes = firms, signals, faults.codes
        self._first = history.first
        self._months = [month_text(history.first + t) for t in range(history.months)]
        self._ends = [last_day(history.first + t) for t in range(history.months)]
        self._entered = np.maximum(firms.traits.founded - history.first, 0).tolist()
        self._books = {
            name: np.ascontiguousarray(column.T, np.int64 if name in _COUNTS else np.float64)
            for name, column in signals.monthly.items()
        }
        traits = signals.traits
        self._in_fund, self._traded = traits.in_fund.tolist(), (traits.export_share > 0.0).tolist()
        self._machines, self._shops = traits.machines.tolist(), traits.shops.tolist()
        self._posting = (traits.posts_monthly.sum(axis=1) > 0.0).tolist()
        self._wage_yuan = parameters.firms.wage_monthly_yuan * traits.wage_times
        news = (signals.monthly["negative_news"] + signals.monthly["positive_news"]) > 0.0
        heard = np.where(news.any(axis=0), news.argmax(axis=0), history.months)
        self._known_since = np.where(traits.shops > 0, 0, heard).tolist()

    def of(self, source: str) -> Callable[[int, int], Any]:
        """What makes a source's section of a firm up to a position in the history."""
        made: Callable[[int, int], Any] = getattr(self, f"_{source}")
        return made

    def _housing_fund(self, firm: int, at: int) -> HousingFund:
        part = self._part(firm, at, self._in_fund[firm])
        return HousingFund(
            as_of=self._ends[at],
            uscc=self._code(firm, "housing_fund"),
            months=self._months[part],
            paying_persons=self._told("fund_persons", firm, part),
            paid_yuan=self._told("fund_paid", firm, part),
            arrears_months=int(self._books["fund_arrears_months"][firm, at]),
        )

    def _water(self, firm: int, at: int) -> Water:
        part = self._part(firm, at, True)
        return Water(
            as_of=self._ends[at],
            uscc=self._code(firm, "water"),
            months=self._months[part],
            cubic_metres=self._told("water", firm, part),
            overdue_yuan=float(self._books["water_overdue"][firm, at]),
        )

    def _customs(self, firm: int, at: int) -> Customs:
        since = int(self._signals.traits.customs_since[firm])
        registered = since <= self._first + at
        start = since - self._first if registered else at + 1
        part = slice(max(self._part(firm, at, True).start, start), at + 1)
        rating = RATINGS[self._signals.ratings[at, firm]] if registered else None
        return Customs(
            as_of=self._ends[at],
            uscc=self._code(firm, "customs"),
            registered=day_of(since, 15) if registered else None,
            rating=cast("CustomsRating | None", rating),
            months=self._months[part],
            exports_yuan=self._told("exports", firm, part),
            imports_yuan=self._told("imports", firm, part),
        )

    def _intellectual_property(self, firm: int, at: int) -> IntellectualProperty:
        month, traits = self._first + at, self._signals.traits
        return IntellectualProperty(
            as_of=self._ends[at],
            uscc=self._code(firm, "intellectual_property"),
            patents_granted=[
                day_of(*granted)
                for granted in self._signals.patents.get(firm, ())
                if granted[0] <= month
            ],
            trademarks=int(traits.trademarks[firm]),
            software_copyrights=int(traits.copyrights[firm]),
            qualifications=[
                Qualification(
                    kind=cast("QualificationKind", kind),
                    granted=day_of(granted, 20),
                    valid_until=day_of(granted + int(self._p.title_months[kind]), 20),
                )
                for kind, granted in self._signals.titles.get(firm, ())
                if granted <= month
            ],
        )

    def _hiring(self, firm: int, at: int) -> Hiring:
        part = self._part(firm, at, self._posting[firm])
        sites = {
            f"posts_{site}": self._told(f"posts_{site}", firm, part)
            for site in ("zlzp", "qcwy", "zhyc")
        }
        wage = None
        if self._posting[firm]:
            wage = round(float(self._wage_yuan[firm]), -2)
        return Hiring(
            as_of=self._ends[at],
            uscc=self._code(firm, "hiring"),
            months=self._months[part],
            wage_offered_yuan=wage,
            **sites,
        )

    def _online(self, firm: int, at: int) -> Online:
        since = int(self._signals.traits.web_site_since[firm])
        part = self._part(firm, at, self._known_since[firm] <= at)
        return Online(
            as_of=self._ends[at],
            uscc=self._code(firm, "online"),
            web_site_recorded=day_of(since, 10) if since <= self._first + at else None,
            shops=self._shops[firm],
            months=self._months[part],
            sales_yuan=self._told("online_sales", firm, part),
            negative_news=self._told("negative_news", firm, part),
            positive_news=self._told("positive_news", firm, part),
        )

    def _industrial_internet(self, firm: int, at: int) -> IndustrialInternet | None:
        if not self._machines[firm]:
            return None
        part = self._part(firm, at, True)
        return IndustrialInternet(
            as_of=self._ends[at],
            uscc=self._code(firm, "industrial_internet"),
            machines=self._machines[firm],
            months=self._months[part],
            machine_hours=self._told("machine_hours", firm, part),
            orders=self._told("orders", firm, part),
        )

    def _part(self, firm: int, at: int, tells: bool) -> slice:
        """The months a source tells, up to position `at`; none when it has nothing to tell."""
        if not tells:
            return slice(at + 1, at + 1)
        return slice(max(self._entered[firm], at + 1 - self._window), at + 1)

    def _told(self, name: str, firm: int, part: slice) -> list[Any]:
        if part.start >= part.stop:
            return []
        told: list[Any] = self._books[name][firm, part].tolist()
        return told

    def _code(self, firm: int, source: str) -> str:
        return self._codes.get((firm, source)) or self._firms.papers.uscc[firm]
