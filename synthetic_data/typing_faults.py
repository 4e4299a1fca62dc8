"""How tables are badly typed at the sources: a month lost or told twice, a slipped digit, a code.

The rates are those of [lender] in parameters.toml. A fault belongs to a firm and a source for good:
every credit file shows it alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from msgspec.structs import replace

from model.credit_file import FIRST_SOURCES, MONTHLY, SIGNALS, SOURCES
from synthetic_data.calendar import month_text
from synthetic_data.draws import Subject, generator
from synthetic_data.firms import Firms
from synthetic_data.identity import ALPHABET
from synthetic_data.sections import LenderParameters

MONTHS = 60
"""Faults strike in the first months of a world."""
_LOST, _TWICE, _SLIPPED = range(3)


@dataclass(frozen=True)
class TypingFaults:
    """What is badly typed about a block of firms; only firms and sources with a fault are there."""

    months: dict[tuple[int, str], list[tuple[int, str]]]  # firm, source -> kinds and months
    codes: dict[tuple[int, str], str]
    names: dict[int, str]

    @cached_property
    def sources_by_firm(self) -> dict[int, list[str]]:
        """The sources that hold a month of a firm badly typed."""
        out: dict[int, list[str]] = {}
        for firm, source in self.months:
            out.setdefault(firm, []).append(source)
        return out

    def typed(self, firm: int, source: str, section: object) -> object:
        """A section as the source's table holds it."""
        found = self.months.get((firm, source))
        if found is None or section is None:
            return section
        lists = ("months", *MONTHLY[source])
        columns = {name: list(getattr(section, name)) for name in lists}
        for kind, month in found:
            if month not in columns["months"][1:-1]:
                continue
            at = columns["months"].index(month)
            if kind == _SLIPPED:
                first = columns[lists[1]]
                first[at] = first[at] * 10
                continue
            for column in columns.values():
                column[at : at + 1] = [] if kind == _LOST else [column[at], column[at]]
        return replace(section, **columns)  # type: ignore[type-var]


def draw(p: LenderParameters, firms: Firms, first: int, seed: int, block: int) -> TypingFaults:
    """The faults of a block of firms in a world whose first month is `first`."""
    n = len(firms)
    u = generator(seed, block, Subject.TYPING).random((3, 3, len(SOURCES), n))
    shares = (
        p.missing_month_share_by_source,
        p.repeated_month_share_by_source,
        p.slipped_digit_share_by_source,
    )
    months: dict[tuple[int, str], list[tuple[int, str]]] = {}
    for kind, share in enumerate(shares):
        for at, source in enumerate(SOURCES):
            for firm in np.flatnonzero(u[0, kind, at] < share.get(source, 0.0)).tolist():
                month = month_text(first + int(u[1, kind, at, firm] * MONTHS))
                months.setdefault((firm, source), []).append((kind, month))
    codes = {}
    bad = p.untidy_code_share + p.failing_code_share
    for at, source in enumerate(SIGNALS, len(FIRST_SOURCES)):
        for firm in np.flatnonzero(u[2, 0, at] < bad).tolist():
            failing = u[2, 0, at, firm] < p.failing_code_share
            codes[firm, source] = _mistyped(firms.papers.uscc[firm], failing, u[2, 1, at, firm])
    names = {
        firm: firms.papers.name[firm] + ("　" if u[2, 2, 1, firm] < 0.5 else " ")
        for firm in np.flatnonzero(u[2, 2, 0] < p.untidy_name_share).tolist()
    }
    return TypingFaults(months, codes, names)


def _mistyped(code: str, failing: bool, u: float) -> str:
    """A code with a wrong check digit, or one with a space, in small or in full-width letters."""
    if failing:
        return code[:17] + ALPHABET[(ALPHABET.index(code[17]) + 1 + int(u * 30)) % 31]
    wide = "".join(chr(ord(one) + 0xFEE0) for one in code)
    return (code + " ", code.lower(), wide, "　" + code)[int(u * 4)]
