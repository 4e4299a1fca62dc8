"""Policy: rules as data, each with a result on record; the strictest verdict wins.

Rules are read from policy.toml and compiled once. A rule whose facts are missing has the outcome
it declares; a rule that errors is recorded as an error and means refer. Every source is declared
required, helpful or optional: without a required one a person decides, without a helpful one no
more is lent than its degraded cap.
"""

import tomllib
from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from model.artifact import sha256
from model.credit_file import SOURCES
from model.features import FEATURES, INDEX, SOURCE_LABELS
from model.reasons import Reason, said
from service.application import SourceName
from service.expression import (
    Condition,
    ExpressionError,
    Facts,
    Type,
    all_at_once,
    compile_condition,
)

Verdict = Literal["approve", "refer", "decline"]
SEVERITY: dict[Verdict, int] = {"approve": 0, "refer": 1, "decline": 2}
VERDICTS = tuple(SEVERITY)
Missing = Literal["no_hit", "refer", "decline"]

APPLICATION_FACTS: tuple[tuple[str, Type], ...] = (
    ("amount_yuan", "number"),
    ("tenor_months", "number"),
    ("purpose", "category"),
    ("pd_12m", "number"),
    ("score", "number"),
)
"""What rules may ask besides the portrait, in the order they follow it."""

FACT_INDEX: dict[str, int] = {
    **INDEX,
    **{name: len(INDEX) + i for i, (name, _) in enumerate(APPLICATION_FACTS)},
}
FACT_TYPES: dict[str, Type] = {
    **{f.name: "number" if f.kind == "number" else "category" for f in FEATURES},
    **dict(APPLICATION_FACTS),
}
_SOURCE_OF = {f.name: f.source for f in FEATURES}


class PolicyError(ValueError):
    """A policy file that cannot be used: the place, what was found, what was expected."""


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the parts of a policy file."""


class Rule(_Part, frozen=True, kw_only=True):
    """A condition with a code and the verdict it forces."""

    code: Annotated[str, Meta(pattern=r"^P-[A-Z0-9]+(-[A-Z0-9]+)+$")]
    family: str
    zh: str
    en: str
    when: str
    verdict: Literal["refer", "decline", "cap"]
    cap_yuan: Annotated[float, Meta(ge=0)] | None = None
    missing: Missing
    since: date
    why: str
    source: str


class SourceTerms(_Part, frozen=True, kw_only=True):
    """What a decision may at most be without a source: every source stands in exactly one place."""

    required: list[SourceName]  # without one of these, a person decides
    helpful: dict[SourceName, Annotated[float, Meta(ge=0)]]  # without it, lend at most yuan
    optional: list[SourceName]
    source: str


class LimitTerms(_Part, frozen=True, kw_only=True):
    """How much is lent at most, from tax, sales, money received, debt and grade; see limit.py."""

    tax_multiple: dict[str, float]  # tax rating -> times tax_paid_12m_yuan
    sales_share: Annotated[float, Meta(ge=0)]  # of 12 months of sales, adjusted
    concentrated_from: Annotated[float, Meta(ge=0, lt=1)]  # largest buyer's share
    concentrated_haircut: Annotated[float, Meta(ge=0, le=1)]  # of sales to one buyer alone
    recent_sales_share: Annotated[float, Meta(ge=0)]  # of four times the last three months' sales
    inflow_share: Annotated[float, Meta(ge=0)]  # of money received in 12 months
    exposure_share: Annotated[float, Meta(ge=0)]  # of 12 months of sales, all debt included
    cash_margin: Annotated[float, Meta(ge=0, le=1)]  # of sales, before debt service
    stress: Annotated[float, Meta(ge=0, le=1)]  # share of that cash flow taken away
    repay_months: Annotated[float, Meta(gt=0)]  # of stressed cash flow that repay all
    grade_cap_yuan: dict[str, float]
    source: str


class PolicyFile(_Part, frozen=True, kw_only=True):
    """policy.toml."""

    name: str
    sources: SourceTerms
    limit: LimitTerms
    rule: Annotated[list[Rule], Meta(min_length=1)]


class RuleResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one rule said: hit, no_hit or error, the verdict it forces, and the values it saw."""

    code: str
    result: Literal["hit", "no_hit", "error"]
    verdict: Literal["approve", "refer", "decline", "cap"] = "approve"
    missing: bool = False
    seen: dict[str, Any] = {}
    cap_yuan: float | None = None


class Outcome(Struct, frozen=True):
    """All rules' results, the strictest verdict among them and the smallest caps in force.

    `degraded_yuan` is the smallest cap of a helpful source that did not answer; `forced` are the
    results that force something.
    """

    verdict: Verdict
    results: list[RuleResult]
    cap_yuan: float | None
    cap_code: str | None
    degraded_yuan: float | None = None
    forced: list[RuleResult] = []


_ERROR: Any = object()
"""The result of a rule that could not be tested."""


class Policy:
    """A compiled policy; `version` is the first 16 characters of the file's SHA-256."""

    def __init__(self, stored: bytes, where: str = "policy.toml") -> None:
        self.version = sha256(stored)[:16]
        self.file = _read(stored, where)
        self.limit = self.file.limit
        self._check(where)
        self.conditions: dict[str, Condition] = {}
        for rule in self.file.rule:
            if (rule.verdict == "cap") != (rule.cap_yuan is not None):
                raise PolicyError(f"{where}: {rule.code}: cap_yuan goes with verdict = 'cap'")
            try:
                self.conditions[rule.code] = compile_condition(rule.when, FACT_INDEX, FACT_TYPES)
            except ExpressionError as error:
                raise PolicyError(f"{where}: {rule.code}: when = {error}") from None
        self._all = all_at_once(list(self.conditions.values()))
        terms = self.file.sources
        self._wanted = frozenset({*map(str, terms.required), *map(str, terms.helpful)})
        of_sources = [_source_rule(source, terms) for source in SOURCES if source in self._wanted]
        self.rules = {rule.code: rule for rule in [*of_sources, *self.file.rule]}
        self._of_source = [
            (rule.source, RuleResult(code=rule.code, result="no_hit"), _silent(rule))
            for rule in of_sources
        ]
        self._all_answered = [answered for _, answered, _ in self._of_source]
        self._no_hits = [RuleResult(code=rule.code, result="no_hit") for rule in self.file.rule]
        self._no_hits_missing = [
            RuleResult(code=rule.code, result="no_hit", missing=True) for rule in self.file.rule
        ]

    def _check(self, where: str) -> None:
        codes = [rule.code for rule in self.file.rule]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise PolicyError(f"{where}: {twice} appear twice, expected distinct codes")
        terms = self.file.sources
        told = [*terms.required, *terms.helpful, *terms.optional]
        if len(set(told)) < len(told):  # one not named is optional: it came after the policy
            raise PolicyError(
                f"{where}: [sources]: got {told}, expected each of {', '.join(SOURCES)} once"
            )

    @classmethod
    def load(cls, path: Path) -> "Policy":
        """Read a policy file; raises PolicyError saying what is wrong where."""
        try:
            stored = path.read_bytes()
        except OSError as error:
            raise PolicyError(f"{path}: {error.strerror}; expected a policy file") from error
        return cls(stored, path.name)

    def evaluate(self, facts: Facts, sources: Collection[str]) -> Outcome:
        """Run every rule over the facts (portrait, then APPLICATION_FACTS); never stops early.

        `sources` are those that answered.
        """
        results, forced, degraded_yuan, severity = self._of_sources(sources)
        try:
            hits = self._all(facts)
        except Exception:  # one at a time, to record which
            hits = tuple(self._tested(rule, facts) for rule in self.file.rule)
        results += self._no_hits
        cap_yuan: float | None = None
        cap_code: str | None = None
        for at, hit in enumerate(hits):
            if hit is False:
                continue
            rule = self.file.rule[at]
            place = len(self._of_source) + at
            if hit is None and rule.missing == "no_hit":
                results[place] = self._no_hits_missing[at]
                continue
            if hit is _ERROR:
                result = RuleResult(code=rule.code, result="error", verdict="refer")
            else:
                result = self._hit(rule, facts, missing=hit is None)
            results[place] = result
            forced.append(result)
            if result.verdict != "cap":
                severity = max(severity, SEVERITY[result.verdict])
            elif cap_yuan is None or (result.cap_yuan or 0.0) < cap_yuan:
                cap_yuan, cap_code = result.cap_yuan, rule.code
        verdict = VERDICTS[severity]
        return Outcome(verdict, results, cap_yuan, cap_code, degraded_yuan, forced)

    def _of_sources(
        self, sources: Collection[str]
    ) -> tuple[list[RuleResult], list[RuleResult], float | None, int]:
        """What the silence of sources means: results, hits, smallest degraded cap, severity."""
        if self._wanted.issubset(sources):
            return self._all_answered.copy(), [], None, 0
        silent = [silent for source, _, silent in self._of_source if source not in sources]
        caps = [result.cap_yuan for result in silent if result.cap_yuan is not None]
        severity = SEVERITY["refer"] if len(caps) < len(silent) else 0
        results = [
            answered if source in sources else silent
            for source, answered, silent in self._of_source
        ]
        return results, silent, min(caps, default=None), severity

    def _tested(self, rule: Rule, facts: Facts) -> Any:
        try:
            return self.conditions[rule.code].test(facts)
        except Exception:
            return _ERROR

    def _hit(self, rule: Rule, facts: Facts, *, missing: bool) -> RuleResult:
        seen = {name: _wire(facts[FACT_INDEX[name]]) for name in self.conditions[rule.code].names}
        verdict: Any = rule.missing if missing else rule.verdict
        return RuleResult(
            code=rule.code,
            result="hit",
            verdict=verdict,
            missing=missing,
            seen=seen,
            cap_yuan=None if missing else rule.cap_yuan,
        )

    def reasons(self, forced: Sequence[RuleResult], as_of: dict[str, date]) -> list[Reason]:
        """Results that force a verdict or a cap, as reasons, strictest first."""
        order = {"decline": 0, "refer": 1, "cap": 2, "approve": 3}
        return [
            self._reason(result, as_of)
            for result in sorted(forced, key=lambda result: order[result.verdict])
        ]

    def _reason(self, result: RuleResult, as_of: dict[str, date]) -> Reason:
        rule = self.rules[result.code]
        condition = self.conditions.get(result.code)
        feature = next(iter(condition.names), None) if condition else None
        source = _SOURCE_OF.get(feature or "") if condition else rule.source
        if result.result == "error":
            text_zh = f"规则无法核验，转人工：{rule.zh}"
            text_en = f"The rule could not be tested, so a person decides: {rule.en}"
        elif result.missing:
            zh, en = SOURCE_LABELS.get(source or "", ("", ""))
            text_zh = f"缺少{zh}数据，无法核验：{rule.zh}"
            text_en = f"No value from the {en or 'source'} to check: {rule.en}"
        else:
            text_zh, text_en = rule.zh, rule.en
        return Reason(
            code=rule.code,
            text_zh=text_zh,
            text_en=text_en,
            feature=feature,
            value=result.seen.get(feature or ""),
            source=source,
            source_as_of=as_of.get(source or ""),
        )


def _source_rule(source: str, terms: SourceTerms) -> Rule:
    """What it means that a source gave no answer, as a rule: a person decides, or a cap holds."""
    zh, en = SOURCE_LABELS[source]
    cap_yuan = {str(name): cap for name, cap in terms.helpful.items()}.get(source)
    zh, en = f"{zh}未提供数据", f"No answer from the {en}"
    if cap_yuan is not None:
        zh += f"，最多{said(cap_yuan, 'yuan', 'zh')}"
        en += f": at most {said(cap_yuan, 'yuan', 'en')}"
    return Rule(
        code=f"P-SRC-{source.upper().replace('_', '-')}",
        family="sources",
        zh=zh,
        en=en,
        when="",
        verdict="refer" if cap_yuan is None else "cap",
        cap_yuan=cap_yuan,
        missing="no_hit",
        since=date.min,
        why=terms.source,
        source=source,
    )


def _silent(rule: Rule) -> RuleResult:
    return RuleResult(code=rule.code, result="hit", verdict=rule.verdict, cap_yuan=rule.cap_yuan)


def _wire(value: Any) -> Any:
    return None if value != value else value


def _read(stored: bytes, where: str) -> PolicyFile:
    try:
        return msgspec.convert(tomllib.loads(stored.decode()), PolicyFile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise PolicyError(f"{where}: {error}") from None
    except RecursionError:
        raise PolicyError(f"{where}: brackets are nested too deeply, expected tables") from None


def strictest(*verdicts: Verdict) -> Verdict:
    """The strictest of some verdicts: approve < refer < decline."""
    return max(verdicts, key=SEVERITY.__getitem__)
