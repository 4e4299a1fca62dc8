"""The linter: every planted mistake is found at its line, and a sound policy is left in peace."""

from datetime import date
from itertools import pairwise
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from service.cells import compared, points
from service.cli import app
from service.decide import DEFAULT_POLICY
from service.expression import compile_condition
from service.linter import Finding, lint
from service.policy import FACT_INDEX, FACT_TYPES, Policy, PolicyError

TEXT = DEFAULT_POLICY.read_text()
TODAY = date(2026, 1, 1)

AGE, ABNORMAL = "P-REG-AGE", "P-REG-ABNORMAL"


def found(text: str, folder: Path) -> list[Finding]:
    path = folder / "policy.toml"
    path.write_text(text)
    return lint(path, TODAY)


def line_of(text: str, words: str, after: str = "") -> int:
    """The line, from 1, of the first `words` after some other words."""
    start = text.index(words, text.index(after) if after else 0)
    return text.count("\n", 0, start) + 1


def rule(**changes: str) -> str:
    """One more rule, sound but for the changes."""
    keys = {
        "code": '"P-NEW-RULE"', "family": '"new"', "zh": '"新规则"', "en": '"A new rule"',
        "when": "'insured_persons < 2'", "verdict": '"refer"', "missing": '"no_hit"',
        "since": "2020-01-01", "why": '"why"', "source": '"assumed"',
    }  # fmt: skip
    return "\n[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in (keys | changes).items())


EDITS: list[tuple[str, str, str, str]] = [
    # after which words, what is replaced by what, the kind of mistake, what to do about it
    (AGE, "firm_age_months < 12'", "firm_age < 12'", "unknown-fact firm_age_months"),
    (AGE, "firm_age_months < 12'", "firm_age_months <> 12'", "condition allowed"),
    (AGE, "firm_age_months < 12'", "firm_age_months < -1'", "never never below 0"),
    (AGE, "firm_age_months < 12'", "firm_age_months >= 0'", "always bounds"),
    (AGE, "_months < 12'", "_months < 12 and firm_age_months > 24'", "never bounds"),
    (AGE, "firm_age_months < 12'", "firm_age_months < tax_paid_12m_yuan'", "units like"),
    (AGE, 'verdict = "decline"', 'verdict = "reject"', "value another"),
    (AGE, 'missing = "refer"', 'mising = "refer"', "unknown-key missing"),
    (AGE, 'why = "Exit hazards are highest in the first years."\n', "", "missing-key why"),
    (AGE, 'zh = "企业成立不足12个月"', 'zh = "too young"', "language Chinese"),
    (AGE, 'en = "The firm is younger than 12 months"', 'en = "太年轻"', "language English"),
    (AGE, "since = 2019-01-01", "since = 2027-01-01", "not-yet until"),
    (AGE, 'code = "P-REG-AGE"', 'code = "reg-age"', "value another"),
    (ABNORMAL, 'code = "P-REG-ABNORMAL"', 'code = "P-REG-AGE"', "code-twice another"),
    (ABNORMAL, "abnormal_listed == 1", "abnormal_listed == 2", "never 0 or 1"),
    ("P-REG-SHARE", "share < 0.10", "share < 10", "always share"),
    ("P-REG-SECTOR", '("J", "K")', '("J", "U")', "unknown-value expected"),
    ("P-TAX-RATING", '== "D"', '== "E"', "unknown-value expected"),
    ("P-TAX-ARREARS-LARGE", "> 1000000'", "> 100'", "yuan 1000000"),
    ("P-INV-RED", "> 0.05'", "> 5'", "percent 0.05"),
    ("P-MOD-REFER", "0.08, 0.15)", "0.15, 0.08)", "never bounds"),
    ("P-MOD-REFER", "0.08, 0.15)", "0.08, 0.12)", "gap meet"),
    ("P-MOD-REFER", "0.08, 0.15)", "0.08, 0.2)", "overlap once"),
    ("P-PUR-OTHER", "cap_yuan = 1000000", "cap_yuan = 40000000", "never-binds lower"),
    ("P-PUR-OTHER", "cap_yuan = 1000000\n", "", "cap goes with"),
    ("P-PUR-OTHER", 'missing = "no_hit"', 'missing = "never"', "value another"),
    ("P-EXP-FLOW", 'missing = "no_hit"', 'missing = "refer"', "missing-never no_hit"),
    ("[limit]", "CCC = 0 }", "CCC = 99_000_000 }", "rises better"),
    ("[limit]", ", CCC = 0 }", " }", "gap CCC"),
    ("[limit]", "D = 0.0 }", "D = 0.0, E = 1.0 }", "unknown-row expected"),
    ("[limit]", "stress = 0.25", "stress = 25", "value another"),
    ("[sources]", '"registry", "courts"', '"registry"', "source-left-out courts"),
    ("[sources]", '"social_security", "el', '"tax", "social_security", "el', "source-twice one"),
    ("[sources]", '"electricity",', '"elektricity",', "value another"),
]  # fmt: skip


@pytest.mark.parametrize(("after", "was", "becomes", "told"), EDITS)
def test_a_planted_mistake_is_found_at_its_line(
    after: str, was: str, becomes: str, told: str, tmp_path: Path
) -> None:
    start = TEXT.index(was, TEXT.index(after) - len('code = "'))
    text = TEXT[:start] + becomes + TEXT[start + len(was) :]
    code, _, todo = told.partition(" ")
    mistakes = [one for one in found(text, tmp_path) if one.code == code]
    assert mistakes, found(text, tmp_path)
    first = TEXT.count("\n", 0, start) + 1
    block = range(TEXT.count("\n", 0, TEXT.rindex("\n[", 0, start)) + 1, first + 12)
    assert any(one.line == first for one in mistakes) or mistakes[0].line in block
    assert todo in f"{mistakes[0].said} {mistakes[0].todo}"
    assert mistakes[0].file.endswith("policy.toml")


SLIPS: list[tuple[str, str, str, str]] = [
    # as EDITS, each found exactly where it was made
    (AGE, "since = 2019-01-01", "since = 0219-01-01", "too-early 1990"),
    (AGE, 'code = "P-REG-AGE"', 'code = "P-SRC-TAX"', "code-twice another"),
    (AGE, "_months < 12'", "_months < 12 and firm_age_months < 24'", "idle leave firm_age_months"),
    (AGE, "firm_age_months <", "missing(firm_age_months) or firm_age_months <", "idle leave firm"),
    ("P-REG-MINING", 'sector == "B"', 'region == "Gansu"', "unknown-value looks like"),
    ("P-TAX-ZERO", "zero_filings_12m > 4", "zero_filings_12m > 12", "never above 12"),
    ("P-TAX-ZERO", "zero_filings_12m > 4", "between(zero_filings_12m, 4.1, 4.9)", "never bounds"),
    ("P-INV-BUYER", "第一大客户占比超过80%", "第一大客户占比超过90%", "percent 0.9"),
    ("P-INV-BUYER", "top_buyer_share_12m > 0.8", "top_buyer_share_12m > 80", "out-of-range 0.8"),
    ("P-INV-RED", "red_share_12m > 0.05", "red_share_12m > 5", "out-of-range 0.05"),
    ("P-INV-FALL", "sales_growth_12m < -0.4", "sales_growth_12m < -40", "out-of-range below -1"),
    ("P-CON-STAFF", "More than 20 million yuan", "More than 2 million yuan", "yuan 2000000"),
    ("P-EXP-REQUEST", "0.5 * sales_12m_yuan", "buyers_12m", "units scale"),
    ("P-EXP-REQUEST", "> 0.5 * sales_12m_yuan", "> 500", "out-of-range yuan"),
    ("P-PUR-OTHER", "最多100万元", "最多10万元", "yuan 100000"),
    ("P-EXP-FLOW", "missing(tax_paid_12m_yuan)", "missing(amount_yuan)", "never bounds"),
    ("[sources]", "bank = 5_000_000", "bank = 50_000_000", "never-binds lower"),
    ("[sources]", "tax = 500_000", "tax = 50", "too-low 10,000"),
    ("[limit]", "BB = 3_000_000, B = 1_000_000", "BB = 3_000_000, B = 100", "too-low 10,000"),
    ("[limit]", "A = 7.0", "A = 700", "out-of-range at most 100"),
    ("[limit]", "sales_share = 0.20", "sales_share = 20", "out-of-range 20 % is 0.2"),
    ("[limit]", "repay_months = 36", "repay_months = 1080", "out-of-range at most 120"),
]  # fmt: skip


@pytest.mark.parametrize(("after", "was", "becomes", "told"), SLIPS)
def test_a_slip_is_found_on_its_very_line(
    after: str, was: str, becomes: str, told: str, tmp_path: Path
) -> None:
    start = TEXT.index(was, TEXT.index(after) - len('code = "'))
    text = TEXT[:start] + becomes + TEXT[start + len(was) :]
    code, _, todo = told.partition(" ")
    findings = found(text, tmp_path)
    assert {one.line for one in findings} == {TEXT.count("\n", 0, start) + 1}
    assert any(one.code == code and todo in f"{one.said} {one.todo}" for one in findings), findings


def test_brackets_without_end_are_findings_not_tracebacks(tmp_path: Path) -> None:
    (nested,) = found("x = " + "[" * 100_000, tmp_path)
    assert nested.code == "not-toml"
    for when in ("(" * 300, "not " * 5000 + "x", "\\u0000", "1" * 5000):
        text = TEXT.replace("when = 'firm_age_months < 12'", f'when = "{when}"', 1)
        assert [one.line for one in found(text, tmp_path)] == [line_of(text, f'when = "{when}"')]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"when": "'firm_age_months < 6'"}, "no-effect P-REG-AGE"),
        ({"when": "'firm_age_months < 12'"}, "contradiction keep one"),
        ({"when": "'tax_arrears_yuan > 2000000'"}, "no-effect P-TAX-ARREARS"),
        ({"when": "'abnormal_listed == 1 and insured_persons < 5'"}, "no-effect P-REG-ABNORMAL"),
        ({"when": "'pd_12m > 1.5'"}, "never share between 0 and 1"),
        ({"why": '" "'}, "empty assumed"),
        ({"when": "'purpose == \"workingcapital\"'"}, "unknown-value working_capital"),
        ({"when": "'tax_rating > 3'"}, "condition allowed"),
    ],
)  # fmt: skip
def test_a_rule_too_many_is_found(changes: dict[str, str], told: str, tmp_path: Path) -> None:
    text = TEXT + rule(**changes)
    code, _, todo = told.partition(" ")
    mistakes = [one for one in found(text, tmp_path) if one.code == code]
    assert mistakes, found(text, tmp_path)
    assert todo in f"{mistakes[0].said} {mistakes[0].todo}"
    key = next(iter(changes))
    assert mistakes[0].line == line_of(text, f"\n{key} = ", "P-NEW-RULE") + 1


def test_a_file_that_cannot_be_read_is_one_finding(tmp_path: Path) -> None:
    (missing,) = lint(tmp_path / "none.toml", TODAY)
    assert missing.code == "unreadable"
    (broken,) = found(TEXT.replace("[limit]", "[limit", 1), tmp_path)
    assert (broken.code, broken.line) == ("not-toml", line_of(TEXT, "[limit]"))
    path = tmp_path / "gbk.toml"
    path.write_bytes("zh = '中'".encode("gbk"))
    assert [one.code for one in lint(path, TODAY)] == ["unreadable"]
    assert {one.code for one in found("extra = 1\n", tmp_path)} >= {"unknown-table", "no-rules"}


def test_the_packaged_policy_is_clean() -> None:
    assert lint(DEFAULT_POLICY, TODAY) == []


def test_one_sound_rule_more_is_left_in_peace(tmp_path: Path) -> None:
    assert found(TEXT + rule(), tmp_path) == []
    when = "'insured_growth_12m < -0.5 and not missing(kwh_12m)'"
    assert found(TEXT + rule(when=when), tmp_path) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.5, 2.0))
def test_other_thresholds_are_left_in_peace(seed: int, factor: float) -> None:
    """Every threshold moved within reason: nothing is unreachable, so nothing may be said so."""
    random = Random(seed)
    policy = Policy(TEXT.encode())
    for one in policy.file.rule:
        condition = policy.conditions[one.code]
        moved = one.when
        for number in ("12", "0.05", "0.10", "0.4", "20", "6"):
            if moved.endswith(f" {number}") and random.random() < 0.5:
                moved = f"{moved[: -len(number)]}{float(number) * factor:.4f}"
        other = compile_condition(moved, FACT_INDEX, FACT_TYPES)
        cells = points([compared(other)])
        assert not cells or {True, False} <= {other.test(cell) for cell in cells}, moved
        assert compared(condition).facts == compared(other).facts


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_what_cells_say_holds_everywhere(seed: int) -> None:
    """A condition true (false) in every cell is true (false) for any facts."""
    random = Random(seed)
    numbers = ["firm_age_months", "tax_arrears_yuan", "top_buyer_share_12m", "queries_3m"]
    parts = []
    for _ in range(random.randint(1, 3)):
        sign = random.choice(["<", "<=", ">", ">=", "==", "!="])
        bound = random.choice([-1, 0, 0.5, 1, 3, 12])
        parts.append(f"{random.choice(['', 'not '])}{random.choice(numbers)} {sign} {bound}")
    text = random.choice([" and ", " or "]).join(parts)
    condition = compile_condition(text, FACT_INDEX, FACT_TYPES)
    said = {condition.test(cell) for cell in points([compared(condition)])}
    for _ in range(50):
        facts: list[object] = [None] * len(FACT_INDEX)
        facts[FACT_INDEX["firm_age_months"]] = random.choice([0.0, 12.0, random.uniform(0, 400)])
        facts[FACT_INDEX["tax_arrears_yuan"]] = random.choice([0.0, 3.0, random.uniform(0, 30)])
        facts[FACT_INDEX["top_buyer_share_12m"]] = random.choice([0.5, random.random()])
        facts[FACT_INDEX["queries_3m"]] = float(random.randint(0, 20))
        assert condition.test(facts) in said, text


def test_the_command_names_lines_and_exits_1(tmp_path: Path) -> None:
    clean = CliRunner().invoke(app, ["policy", "check"])
    assert (clean.exit_code, clean.output.strip()) == (0, "0 found")
    path = tmp_path / "policy.toml"
    path.write_text(TEXT.replace("firm_age_months < 12'", "firm_age < 12'", 1))
    ran = CliRunner().invoke(app, ["policy", "check", str(path)])
    assert ran.exit_code == 1
    line = line_of(TEXT, "firm_age_months < 12'")
    assert f"policy.toml:{line}: unknown-fact" in ran.output
    assert "did you mean firm_age_months?" in ran.output
    told = CliRunner().invoke(app, ["policy", "check", "--json", str(path)])
    assert msgspec.json.decode(told.output)[0]["line"] == line


def test_what_the_engine_refuses_the_linter_finds(tmp_path: Path) -> None:
    """No policy passes the linter that the engine then refuses to load."""
    for _, was, becomes, _ in EDITS:
        text = TEXT.replace(was, becomes, 1)
        try:
            Policy(text.encode())
        except PolicyError:
            assert found(text, tmp_path), becomes


def test_findings_come_in_order_of_lines(tmp_path: Path) -> None:
    text = TEXT
    for _, was, becomes, _ in EDITS[:1] + EDITS[14:18]:
        text = text.replace(was, becomes, 1)
    lines = [one.line for one in found(text, tmp_path)]
    assert len(lines) >= 4
    assert all(before <= after for before, after in pairwise(lines))
