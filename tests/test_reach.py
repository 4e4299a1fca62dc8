"""What the linter says of rules holds for any firm; sound rules are left alone."""

import random
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from model.credit_file import SOURCES
from service.decide import DEFAULT_POLICY
from service.linter import lint
from service.policy import Policy
from tests.random_facts import CONDITIONS, VECTORS

TEXT = DEFAULT_POLICY.read_text()
HEAD = TEXT[: TEXT.index("[[rule]]")]
Told = tuple[str, str, str]


def written(code: str, told: Told, family: str = "new") -> str:
    """One rule: its condition, its verdict (or a cap in yuan) and what it means when missing."""
    when, verdict, missing = told
    text, cap = when.replace("'", '"'), verdict.isdigit()
    keys = {
        "code": f'"{code}"', "family": f'"{family}"', "zh": '"规则"', "en": '"A rule"',
        "when": f"'{text}'", "verdict": '"cap"' if cap else f'"{verdict}"',
        **({"cap_yuan": verdict} if cap else {}), "missing": f'"{missing}"',
        "since": "2020-01-01", "why": '"why"', "source": '"assumed"',
    }  # fmt: skip
    return "\n[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def found(text: str, folder: Path) -> list[tuple[str, str]]:
    """Code and first word (the rule) of every finding."""
    path = folder / "policy.toml"
    path.write_text(text)
    return [(one.code, one.said.split()[0].rstrip(":")) for one in lint(path, date(2026, 1, 1))]


def policy_of(rules: list[Told]) -> str:
    """A policy with these rules instead of the packaged ones."""
    return HEAD + "".join(written(f"P-R-{at}", rule) for at, rule in enumerate(rules))


RULES = st.tuples(
    CONDITIONS,
    st.sampled_from(["refer", "decline", "500000", "1000000"]),
    st.sampled_from(["no_hit", "refer", "decline"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RULES, min_size=2, max_size=5))
@example([("pd_12m > 0.15", "decline", "refer"), ("pd_12m > 0.5", "refer", "refer")])
@example([("pd_12m > 0.15", "500000", "no_hit"), ("pd_12m > 0.5", "1000000", "no_hit")])
@example([("abnormal_listed == 1", "refer", "decline"), ("abnormal_listed > 0", "refer", "refer")])
@example([("zero_filings_12m > 12", "refer", "refer"), ("missing(pd_12m)", "refer", "no_hit")])
@example([("pd_12m >= 0", "refer", "no_hit"), ("amount_yuan > 10000", "decline", "no_hit")])
def test_what_is_found_of_a_rule_holds_for_10_000_applications(
    tmp_path_factory: pytest.TempPathFactory, rules: list[Told]
) -> None:
    text = policy_of(rules)
    findings = found(text, tmp_path_factory.mktemp("policy"))
    never, always, superfluous = (
        {rule for code, rule in findings if code == kind}
        for kind in ("never", "always", "no-effect")
    )
    policy = Policy(text.encode())
    left = [rule for at, rule in enumerate(rules) if f"P-R-{at}" not in superfluous]
    without = Policy(policy_of(left).encode())
    for facts in VECTORS:
        outcome, less = policy.evaluate(facts, SOURCES), without.evaluate(facts, SOURCES)
        assert outcome.verdict == less.verdict
        assert outcome.verdict == "decline" or outcome.cap_yuan == less.cap_yuan
        for result in outcome.results:
            assert result.code not in never or result.result == "no_hit" or result.missing
            assert result.code not in always or result.result == "hit" or result.missing


@settings(max_examples=60, deadline=None)
@given(CONDITIONS, CONDITIONS, st.sampled_from(["and", "or"]))
@example("pd_12m > 0.15", "pd_12m > 0.08", "and")
def test_a_part_called_idle_can_be_left_out(
    tmp_path_factory: pytest.TempPathFactory, one: str, other: str, joined: str
) -> None:
    folder = tmp_path_factory.mktemp("policy")
    text = policy_of([(f"({one}) {joined} ({other})", "refer", "no_hit")])
    (folder / "policy.toml").write_text(text)
    for finding in lint(folder / "policy.toml", date(2026, 1, 1)):
        if finding.code == "idle":
            shorter = finding.todo.partition("leave ")[2]
            long, short = Policy(text.encode()), policy_of([(shorter, "refer", "no_hit")])
            other_policy = Policy(short.encode())
            for facts in VECTORS[:3000]:
                said = other_policy.evaluate(facts, SOURCES).verdict
                assert long.evaluate(facts, SOURCES).verdict == said


SOUND = [
    ("a stricter rule within a weaker", "electricity_overdue_yuan > 500000", "decline", "refer"),
    ("a weaker rule whose silence matters", "tax_arrears_yuan > 2000000", "refer", "decline"),
    ("a weaker rule around a stricter one", "open_enforcement_yuan >= 0.5", "refer", "decline"),
    ("two sides of a fact", "sales_growth_12m > 40", "decline", "no_hit"),
    ("a fact that must be known", "employees >= 0 and pd_12m > 0.1", "refer", "refer"),
    ("a scaled comparison of units", "amount_yuan > 20000 * employees", "refer", "no_hit"),
    ("a share", "amount_yuan > last_3m_sales_share * sales_12m_yuan", "refer", "no_hit"),
    ("months and months", "tenor_months > firm_age_months", "refer", "no_hit"),
    ("months that are counted", "invoiced_months_12m < firm_age_months", "refer", "no_hit"),
    ("a missing fact and a known one", "missing(kwh_12m) and employees > 50", "refer", "refer"),
    ("a province", 'region in ("62", "63")', "refer", "no_hit"),
    ("negation", 'not (tax_rating in ("A", "B") or employees > 9)', "refer", "no_hit"),
    ("an overdrawn line", "credit_line_used_share > 1.1", "refer", "no_hit"),
]


@pytest.mark.parametrize(("title", "when", "verdict", "missing"), SOUND, ids=lambda word: word)
def test_a_sound_rule_more_is_left_alone(
    title: str, when: str, verdict: str, missing: str, tmp_path: Path
) -> None:
    assert found(TEXT + written("P-NEW-RULE", (when, verdict, missing), "invoices"), tmp_path) == []


def test_bands_that_others_fill_have_no_gap(tmp_path: Path) -> None:
    capped = ("between(pd_12m, 0.05, 0.08)", "1000000", "no_hit")
    holed = ("between(pd_12m, 0.05, 0.07)", "1000000", "no_hit")
    assert found(TEXT + written("P-MOD-CAP", capped, "score"), tmp_path) == []
    assert {code for code, _ in found(TEXT + written("P-MOD-CAP", holed, "score"), tmp_path)} == {
        "gap"
    }
    half_open = TEXT.replace("between(pd_12m, 0.08, 0.15)", "pd_12m >= 0.08 and pd_12m < 0.15")
    assert [code for code, _ in found(half_open, tmp_path)] == ["gap"]


SENTENCE = re.compile(r'^(zh|en) = ".*"$', re.MULTILINE)
THRESHOLD = re.compile(r"(?<=[<>=] )-?[\d.]+(?=')")


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_sound_variation_of_the_policy_is_found_fault_with(
    tmp_path_factory: pytest.TempPathFactory, draw: random.Random
) -> None:
    """Other thresholds, order of rules, comments, caps and multiples: a lender's own choice."""
    head, *rules = SENTENCE.sub(
        lambda told: 'zh = "测试"' if told[1] == "zh" else 'en = "A test"', TEXT
    ).split("[[rule]]\n")
    varied = []
    refer, decline = sorted(draw.sample(range(1, 99), 2))
    small, large = sorted(draw.sample(range(1, 10_000_000), 2))
    for rule in rules:
        code = rule.split('"')[1]
        if code == "P-MOD-REFER":
            rule = rule.replace("0.08, 0.15", f"{refer / 100}, {decline / 100}")
        elif code == "P-MOD-DECLINE":
            rule = rule.replace("0.15", str(decline / 100))
        elif code.startswith("P-TAX-ARREARS"):
            rule = THRESHOLD.sub(str(large if code.endswith("LARGE") else small), rule)
        elif "listed" not in rule and "purpose ==" not in rule:
            rule = THRESHOLD.sub(lambda told: varied_threshold(told[0], draw), rule)
        comment = draw.choice(["", "# when = 'x'\n", "\n", '# """\n'])
        lines = rule.rstrip("\n").split("\n")
        draw.shuffle(lines)
        varied.append("[[rule]]\n" + comment + "\n".join(lines) + "\n")
    draw.shuffle(varied)
    a, b, m, c, d = sorted((draw.randint(0, 200) / 10 for _ in range(5)), reverse=True)
    head = head.replace("A = 7.0, B = 7.0, M = 4.0, C = 2.0, D = 0.0",
                        f"D = {d}, C = {c}, M = {m}, B = {b}, A = {a}")  # fmt: skip
    text = head + "\n".join(varied)
    Policy(text.encode())
    assert found(text, tmp_path_factory.mktemp("policy")) == []


def varied_threshold(told: str, draw: random.Random) -> str:
    """Another threshold of the same kind: a whole number stays one, a share stays a share."""
    value = float(told)
    if "." in told:
        return f"{draw.uniform(0.01, 0.99) * (-1 if value < 0 else 1):.3g}"
    return str(draw.randint(1, 11)) if 0 < value <= 20 else str(int(value * draw.randint(1, 9)))
