"""Policy: rules as data, each with a result on record; the strictest verdict wins.

Rules are read from policy.toml and compiled once. A rule whose facts are missing has the outcome
it declares; a rule that errors is recorded as an error and means refer.
"""

import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from model.artifact import sha256
from model.features import FEATURES, INDEX, SOURCE_LABELS
from model.reasons import Reason
from service.expression import Condition, ExpressionError, Facts, Type, compile_condition

Verdict = Literal["approve", "refer", "decline"]
SEVERITY: dict[Verdict, int] = {"approve": 0, "refer": 1, "decline": 2}
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
_TYPES: dict[str, Type] = {
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


class LimitTerms(_Part, frozen=True, kw_only=True):
    """How much is lent at most, from tax, invoices and grade; see limit.py."""

    tax_multiple: dict[str, float]  # tax rating -> times tax_paid_12m_yuan
    sales_share: float  # of sales_12m_yuan
    recent_sales_share: float  # of four times the last three months' sales
    grade_cap_yuan: dict[str, float]
    degraded_cap_yuan: float  # when neither tax nor invoices are known
    source: str


class PolicyFile(_Part, frozen=True, kw_only=True):
    """policy.toml."""

    name: str
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
    """All rules' results, the strictest verdict among them and the smallest cap in force."""

    verdict: Verdict
    results: list[RuleResult]
    cap_yuan: float | None
    cap_code: str | None


class Policy:
    """A compiled policy; `version` is the first 16 characters of the file's SHA-256."""

    def __init__(self, stored: bytes, where: str = "policy.toml") -> None:
        self.version = sha256(stored)[:16]
        self.file = _read(stored, where)
        self.limit = self.file.limit
        self.rules = {rule.code: rule for rule in self.file.rule}
        if len(self.rules) != len(self.file.rule):
            codes = [rule.code for rule in self.file.rule]
            twice = sorted({code for code in codes if codes.count(code) > 1})
            raise PolicyError(f"{where}: {twice} appear twice, expected distinct codes")
        self.conditions: dict[str, Condition] = {}
        for rule in self.file.rule:
            if (rule.verdict == "cap") != (rule.cap_yuan is not None):
                raise PolicyError(f"{where}: {rule.code}: cap_yuan goes with verdict = 'cap'")
            try:
                self.conditions[rule.code] = compile_condition(rule.when, FACT_INDEX, _TYPES)
            except ExpressionError as error:
                raise PolicyError(f"{where}: {rule.code}: when = {error}") from None
        self._steps = [
            (
                rule,
                self.conditions[rule.code].test,
                RuleResult(code=rule.code, result="no_hit"),
                RuleResult(code=rule.code, result="no_hit", missing=True),
            )
            for rule in self.file.rule
        ]

    @classmethod
    def load(cls, path: Path) -> "Policy":
        """Read a policy file; raises PolicyError saying what is wrong where."""
        try:
            stored = path.read_bytes()
        except OSError as error:
            raise PolicyError(f"{path}: {error.strerror}; expected a policy file") from error
        return cls(stored, path.name)

    def evaluate(self, facts: Facts) -> Outcome:
        """Run every rule over the facts (portrait, then APPLICATION_FACTS); never stops early."""
        results: list[RuleResult] = []
        severity = 0
        cap_yuan: float | None = None
        cap_code: str | None = None
        for rule, test, no_hit, no_hit_missing in self._steps:
            try:
                hit = test(facts)
            except Exception:
                results.append(RuleResult(code=rule.code, result="error", verdict="refer"))
                severity = max(severity, 1)
                continue
            if hit is False:
                results.append(no_hit)
                continue
            if hit is None and rule.missing == "no_hit":
                results.append(no_hit_missing)
                continue
            result = self._hit(rule, facts, missing=hit is None)
            results.append(result)
            if result.verdict == "cap":
                if cap_yuan is None or (result.cap_yuan or 0.0) < cap_yuan:
                    cap_yuan, cap_code = result.cap_yuan, rule.code
            else:
                severity = max(severity, SEVERITY[result.verdict])
        verdict: Verdict = ("approve", "refer", "decline")[severity]
        return Outcome(verdict, results, cap_yuan, cap_code)

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

    def reasons(self, results: Sequence[RuleResult], as_of: dict[str, date]) -> list[Reason]:
        """The rules that forced a verdict, as reasons, strictest first."""
        order = {"decline": 0, "refer": 1, "cap": 2, "approve": 3}
        forced = [result for result in results if result.result != "no_hit"]
        forced.sort(key=lambda result: order[result.verdict])
        return [self._reason(result, as_of) for result in forced]

    def _reason(self, result: RuleResult, as_of: dict[str, date]) -> Reason:
        rule = self.rules[result.code]
        feature = next(iter(self.conditions[result.code].names), None)
        source = _SOURCE_OF.get(feature or "")
        if result.missing:
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


def _wire(value: Any) -> Any:
    return None if value != value else value


def _read(stored: bytes, where: str) -> PolicyFile:
    try:
        return msgspec.convert(tomllib.loads(stored.decode()), PolicyFile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise PolicyError(f"{where}: {error}") from None


def strictest(*verdicts: Verdict) -> Verdict:
    """The strictest of some verdicts: approve < refer < decline."""
    return max(verdicts, key=SEVERITY.__getitem__)
