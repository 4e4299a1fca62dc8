"""The linter: mistakes in a policy file, each with its line and what to do about it.

What single tables, sentences and conditions say is looked at here; reach says what rules are worth
beside each other. Nothing is refused that could be right.
"""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from model.credit_file import FIRST_YEAR, SOURCES
from service.catalogue import GRADES
from service.cells import compared, range_of
from service.expression import ExpressionError, compile_condition
from service.lines import Lines
from service.policy import FACT_INDEX, FACT_TYPES, LimitTerms, Rule, SourceTerms
from service.ranges import RANGES
from service.reach import Linted, reach
from service.sentences import sentence_faults


class Finding(Struct, frozen=True, order=True):
    """One mistake: where, which kind, what is wrong, what to do."""

    file: str
    line: int
    code: str
    said: str
    todo: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.code}: {self.said}; {self.todo}"


_RATINGS = RANGES["tax_rating"].words
_MOST = {
    "tax_multiple": 100.0, "sales_share": 2.0, "recent_sales_share": 2.0, "inflow_share": 2.0,
    "exposure_share": 10.0, "repay_months": 120.0,
}  # fmt: skip
"""More than any lender has reason to write under [limit]: beyond stands another unit."""


def lint(path: Path, today: date) -> list[Finding]:
    """Every mistake found in a policy file, in order of lines; empty when there is none."""
    try:
        text = path.read_bytes().decode()
        tables = tomllib.loads(text)
    except OSError as error:
        return [Finding(str(path), 1, "unreadable", f"{error.strerror}", "name a policy file")]
    except UnicodeDecodeError as error:
        said = f"byte {error.start} is not UTF-8"
        return [Finding(str(path), 1, "unreadable", said, "save the file as UTF-8")]
    except tomllib.TOMLDecodeError as error:
        at = str(error).rpartition("at line ")[2].partition(",")[0]
        line = int(at) if at.isdigit() else len(text.splitlines())
        return [Finding(str(path), line, "not-toml", str(error), "correct the TOML there")]
    except RecursionError:
        said = "brackets are nested too deeply"
        return [Finding(str(path), 1, "not-toml", said, "write flat tables")]
    return sorted(_Linter(str(path), Lines(text), tables, today).findings())


class _Linter:
    """One file, looked at part by part."""

    def __init__(self, file: str, lines: Lines, tables: Mapping[str, Any], today: date) -> None:
        self._file, self._lines, self._tables, self._today = file, lines, tables, today

    def findings(self) -> Iterator[Finding]:
        """All mistakes, in no order."""
        for key in self._tables:
            if key not in ("name", "sources", "limit", "rule"):
                yield self._found(
                    key,
                    0,
                    None,
                    "unknown-table",
                    f"{key} is not part of a policy",
                    "remove it; expected name, [sources], [limit], [[rule]]",
                )
        yield from self._sources()
        yield from self._limit()
        rules: list[Linted] = []
        written = self._tables.get("rule", [])
        for nth, raw in enumerate(written if isinstance(written, list) else []):
            rule = yield from self._converted("rule", nth, raw, Rule)
            if rule is not None:
                yield from self._words(nth, rule)
                linted = yield from self._compiled(nth, rule)
                rules += [linted] if linted else []
        if not written:
            yield self._found("rule", 0, None, "no-rules", "there is no [[rule]]", "add one")
        yield from self._twice(rules)
        for nth, key, code, said, todo in reach(rules):
            yield self._found("rule", nth, key, code, said, todo)

    def _found(
        self, table: str, nth: int, key: str | None, code: str, said: str, todo: str
    ) -> Finding:
        return Finding(self._file, self._lines.of(table, nth, key), code, said, todo)

    def _converted(self, table: str, nth: int, raw: Any, kind: Any) -> Any:
        """The record of a table, its mistakes told one after another; None when it has any."""
        raw, faults = dict(raw) if isinstance(raw, dict) else {}, 0
        while True:
            try:
                found = msgspec.convert(raw, kind)
                return None if faults else found
            except msgspec.ValidationError as error:
                faults += 1
                said, _, where = str(error).partition(" - at `$.")
                named = said.rpartition("field `")[2].strip("`") if "field `" in said else ""
                key = named or where.rstrip("`").partition("[")[0].partition(".")[0]
                code = "unknown-key" if "unknown" in said else "missing-key" if named else "value"
                todo = {
                    "unknown-key": _instead(key, kind.__struct_fields__),
                    "missing-key": f"add {key}",
                    "value": f"give {key} another value than {raw.get(key)!r}",
                }[code]
                yield self._found(table, nth, key, code, said, todo)
                if code != "unknown-key" or key not in raw:
                    return None
                del raw[key]

    def _sources(self) -> Iterator[Finding]:
        terms = yield from self._converted("sources", 0, self._tables.get("sources"), SourceTerms)
        if terms is None:
            return
        for name, cap_yuan in terms.helpful.items():
            yield from self._cap("sources", 0, "helpful", str(name), cap_yuan)
        told = [*terms.required, *terms.helpful, *terms.optional]
        for source in SOURCES:
            if source not in told:
                yield self._found(
                    "sources",
                    0,
                    None,
                    "source-left-out",
                    f"{source} has no place",
                    f"put {source} under required, helpful or optional",
                )
            elif told.count(source) > 1:
                last = [
                    key
                    for key in ("required", "helpful", "optional")
                    if source in getattr(terms, key)
                ][-1]
                yield self._found(
                    "sources",
                    0,
                    last,
                    "source-twice",
                    f"{source} has {told.count(source)} places",
                    "keep one",
                )

    def _limit(self) -> Iterator[Finding]:
        terms = yield from self._converted("limit", 0, self._tables.get("limit"), LimitTerms)
        if terms is None:
            return
        for key, most in _MOST.items():
            value = getattr(terms, key)
            highest = max(value.values(), default=0.0) if isinstance(value, dict) else value
            if not highest <= most:
                yield self._found(
                    "limit",
                    0,
                    key,
                    "out-of-range",
                    f"{key} is {highest:,.15g}",
                    f"write at most {most:g}; a share of 20 % is 0.2",
                )
        tables = (("grade_cap_yuan", GRADES, "grade"), ("tax_multiple", _RATINGS, "tax rating"))
        for key, names, what in tables:
            values: dict[str, float] = getattr(terms, key)
            for name in values:
                if name not in names:
                    yield self._found(
                        "limit",
                        0,
                        key,
                        "unknown-row",
                        f"{name!r} is no {what}",
                        f"expected {', '.join(names)}",
                    )
            for name in names:
                if name not in values:
                    yield self._found(
                        "limit", 0, key, "gap", f"{what} {name} has no value", f"add {name}"
                    )
            known = [name for name in names if name in values]
            for name in known if key == "grade_cap_yuan" else []:
                yield from self._cap("limit", 0, key, name, values[name])
            for better, worse in pairwise(known):
                if values[worse] > values[better]:
                    yield self._found(
                        "limit",
                        0,
                        key,
                        "rises",
                        f"{worse} gets {values[worse]:,.15g}, {better} only {values[better]:,.15g}",
                        "give a worse one no more than a better one",
                    )
            for name in known:
                if values[name] < 0:
                    yield self._found(
                        "limit",
                        0,
                        key,
                        "negative",
                        f"{name} is {values[name]}",
                        "use 0 to lend nothing",
                    )

    def _words(self, nth: int, rule: Rule) -> Iterator[Finding]:
        for key, code, said, todo in sentence_faults(rule):
            yield self._found("rule", nth, key, code, f"{rule.code}: {said}", todo)
        if rule.since.year < FIRST_YEAR:
            yield self._found(
                "rule",
                nth,
                "since",
                "too-early",
                f"{rule.code}: since {rule.since}, before anything was recorded",
                f"write a day from {FIRST_YEAR} on",
            )
        if rule.since > self._today:
            yield self._found(
                "rule",
                nth,
                "since",
                "not-yet",
                f"{rule.code}: since {rule.since}, yet it would be in force at once",
                "take the rule out until that day",
            )
        if (rule.verdict == "cap") != (rule.cap_yuan is not None):
            key = "verdict" if rule.cap_yuan is None else "cap_yuan"
            yield self._found(
                "rule",
                nth,
                key,
                "cap",
                f"{rule.code}: verdict {rule.verdict!r} with cap_yuan {rule.cap_yuan}",
                "cap_yuan goes with verdict = 'cap' and only with it",
            )
        if rule.cap_yuan is not None:
            yield from self._cap("rule", nth, "cap_yuan", rule.code, rule.cap_yuan)

    def _cap(self, table: str, nth: int, key: str, who: str, cap_yuan: float) -> Iterator[Finding]:
        """A cap that no grade reaches, or that leaves less than the smallest loan."""
        limit = self._tables.get("limit")
        grades = limit.get("grade_cap_yuan") if isinstance(limit, dict) else None
        caps = grades.values() if isinstance(grades, dict) else []
        most = max((cap for cap in caps if isinstance(cap, int | float)), default=inf)
        least = RANGES["amount_yuan"].low
        if cap_yuan >= most and key != "grade_cap_yuan":
            yield self._found(
                table,
                nth,
                key,
                "never-binds",
                f"{who}: no grade is lent more than {most:,.15g}",
                f"lower {key}",
            )
        if 0 < cap_yuan < least:
            yield self._found(
                table,
                nth,
                key,
                "too-low",
                f"{who}: {cap_yuan:,.15g} yuan is less than the smallest loan, {least:,.15g}",
                "write yuan, not units of 10,000 yuan; 0 to lend nothing",
            )

    def _compiled(self, nth: int, rule: Rule) -> Any:
        try:
            condition = compile_condition(rule.when, FACT_INDEX, FACT_TYPES)
        except (ExpressionError, ValueError, RecursionError, MemoryError) as error:
            wrong = [name for name in _names(rule.when) if name not in FACT_INDEX]
            code = "unknown-fact" if wrong else "condition"
            todo = _instead(wrong[0], FACT_INDEX) if wrong else "write it in the allowed forms"
            yield self._found("rule", nth, "when", code, f"{rule.code}: {error}", todo)
            return None
        says = compared(condition)
        for fact, values in says.constants.items():
            for value in values:
                yield from self._value(nth, rule, fact, value)
        for one, other in says.pairs:
            units = RANGES[one].units, RANGES[other].units
            if units[0].isdisjoint(units[1]) and all(units):
                yield self._found(
                    "rule",
                    nth,
                    "when",
                    "units",
                    f"{rule.code}: compares {one} in {' or '.join(sorted(units[0]))} "
                    f"with {other} in {' or '.join(sorted(units[1]))}",
                    "compare like with like, or scale one by a number",
                )
        if not says.needed and rule.missing != "no_hit":
            yield self._found(
                "rule",
                nth,
                "missing",
                "missing-never",
                f"{rule.code}: it asks only whether facts are missing, so none it needs ever is",
                'write missing = "no_hit"',
            )
        return Linted(nth, self._lines.of("rule", nth), rule, condition.test, says)

    def _value(self, nth: int, rule: Rule, fact: str, value: Any) -> Iterator[Finding]:
        """A word that a fact never is, or a number it has no reason to be compared with."""
        allowed, (low, high) = RANGES[fact], RANGES[fact].usual
        if isinstance(value, str):
            if value in allowed.words or (allowed.form and re.fullmatch(allowed.form, value)):
                return
            looks = f"it looks like {allowed.form}"
            code, todo = "unknown-value", _instead(value, allowed.words) if allowed.words else looks
        elif low <= value <= high:
            return
        else:
            percent = f"{value:g} % is {value / 100:g}; " if high == 1 else ""
            code, todo = "out-of-range", f"{percent}{range_of([fact]) or 'write another number'}"
        said = f"{rule.code}: {fact} is never {value!r}, nor anywhere near it"
        yield self._found("rule", nth, "when", code, said, todo)

    def _twice(self, rules: Sequence[Linted]) -> Iterator[Finding]:
        seen = {f"P-SRC-{source.upper().replace('_', '-')}" for source in SOURCES}  # see policy
        for one in rules:
            if one.rule.code in seen:
                yield self._found(
                    "rule",
                    one.nth,
                    "code",
                    "code-twice",
                    f"{one.rule.code} is used before, or by [sources]",
                    "choose another code",
                )
            seen.add(one.rule.code)


def _names(text: str) -> list[str]:
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return [
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called
    ]


def _instead(wrong: str, names: Iterable[str]) -> str:
    known = list(names)
    near = get_close_matches(wrong, known, 1)
    if near:
        return f"did you mean {near[0]}?"
    return f"expected one of {', '.join(known[:12])}" + (", ..." if len(known) > 12 else "")
