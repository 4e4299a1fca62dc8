import tomllib
from datetime import date
from math import nan
from pathlib import Path
from typing import Any

import pytest

from model.credit_file import SOURCES
from model.features import FEATURES, INDEX
from service.decide import DEFAULT_POLICY
from service.policy import APPLICATION_FACTS, FACT_INDEX, Policy, PolicyError, strictest

TEXT = DEFAULT_POLICY.read_text()


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy.load(DEFAULT_POLICY)


def facts(**changes: object) -> list[object]:
    """Facts on which no rule hits, with some changed."""
    values: list[object] = [0.0 if f.kind == "number" else "C" for f in FEATURES]
    values += [1e6, 12.0, "working_capital", 0.02, 600.0]
    sound = {"firm_age_months": 60.0, "legal_representative_tenure_months": 60.0,
             "legal_representative_share": 0.5, "last_3m_sales_share": 0.25, "region": "62",
             "tax_rating": "B", "tax_paid_3m_yuan": 50_000.0, "sales_12m_yuan": 1e7,
             "months_since_first_invoice": 60.0, "bank_inflow_to_sales_12m": 0.8}  # fmt: skip
    for name, value in (sound | changes).items():
        values[FACT_INDEX[name]] = value
    return values


def test_no_rule_hits_a_sound_firm(policy: Policy) -> None:
    outcome = policy.evaluate(facts(), SOURCES)
    assert outcome.verdict == "approve"
    assert {result.result for result in outcome.results} == {"no_hit"}
    assert len(outcome.results) == len(policy.rules) >= 12


def test_every_rule_has_a_result_even_after_a_decline(policy: Policy) -> None:
    outcome = policy.evaluate(facts(dishonest_listed=1.0, tax_arrears_yuan=5.0), SOURCES)
    assert outcome.verdict == "decline"
    hits = {r.code: r for r in outcome.results if r.result == "hit"}
    assert set(hits) == {"P-CRT-DISHONEST", "P-TAX-ARREARS"}
    assert hits["P-TAX-ARREARS"].seen == {"tax_arrears_yuan": 5.0}
    assert len(outcome.results) == len(policy.rules)


def test_a_missing_fact_has_the_outcome_its_rule_declares(policy: Policy) -> None:
    outcome = policy.evaluate(facts(dishonest_listed=nan, tax_rating=None), SOURCES)
    results = {r.code: r for r in outcome.results}
    assert results["P-CRT-DISHONEST"].verdict == "refer"
    assert results["P-CRT-DISHONEST"].missing
    assert results["P-TAX-RATING"].result == "no_hit"
    assert results["P-TAX-RATING"].missing
    assert outcome.verdict == "refer"


def test_a_rule_that_errors_is_recorded_and_means_refer(policy: Policy) -> None:
    outcome = policy.evaluate(facts(firm_age_months="sixty"), SOURCES)
    results = {r.code: r for r in outcome.results}
    assert results["P-REG-AGE"].result == "error"
    assert results["P-REG-AGE"].verdict == "refer"
    assert outcome.verdict == "refer"


def test_reasons_are_strictest_first_with_value_and_source(policy: Policy) -> None:
    outcome = policy.evaluate(facts(tax_arrears_yuan=5.0, dishonest_listed=1.0), SOURCES)
    reasons = policy.reasons(outcome.forced, {"courts": date(2020, 1, 1)})
    assert [reason.code for reason in reasons] == ["P-CRT-DISHONEST", "P-TAX-ARREARS"]
    assert reasons[0].value == 1.0
    assert reasons[0].source == "courts"
    assert reasons[0].source_as_of == date(2020, 1, 1)


def test_a_cap_lowers_the_limit_not_the_verdict() -> None:
    at = TEXT.index('code = "P-TAX-ARREARS"')
    rule = TEXT[at:].replace('verdict = "refer"', 'verdict = "cap"\ncap_yuan = 5e5', 1)
    text = TEXT[:at] + rule
    outcome = Policy(text.encode()).evaluate(facts(tax_arrears_yuan=5.0), SOURCES)
    assert (outcome.verdict, outcome.cap_yuan, outcome.cap_code) == (
        "approve",
        5e5,
        "P-TAX-ARREARS",
    )


@pytest.mark.parametrize("source", SOURCES)
def test_a_silent_source_means_what_the_policy_declares(policy: Policy, source: str) -> None:
    outcome = policy.evaluate(facts(), set(SOURCES) - {source})
    terms, code = policy.file.sources, f"P-SRC-{source.upper().replace('_', '-')}"
    hits = [result for result in outcome.results if result.result == "hit"]
    helpful: dict[str, float] = dict(terms.helpful.items())
    if source in terms.optional:
        assert (hits, outcome.verdict, outcome.degraded_yuan) == ([], "approve", None)
    elif source in terms.required:
        assert ([hit.code for hit in hits], outcome.verdict) == ([code], "refer")
    else:
        assert [hit.code for hit in hits] == [code]
        assert (outcome.verdict, outcome.degraded_yuan) == ("approve", helpful[source])
        assert policy.reasons(outcome.forced, {})[0].source == source


def test_of_several_silent_sources_the_smallest_cap_holds(policy: Policy) -> None:
    outcome = policy.evaluate(facts(), set(SOURCES) - {"tax", "bank", "registry"})
    assert (outcome.verdict, outcome.degraded_yuan) == ("refer", 500_000.0)


def test_rules_tested_at_once_say_what_each_says_alone(policy: Policy) -> None:
    for name in FACT_INDEX:
        for value in (nan, None, -1e9, 0.3, 1e9, "D", "epidemic_supplies"):
            found = facts(**{name: value})
            outcome = policy.evaluate(found, SOURCES)
            results = {result.code: result for result in outcome.results}
            for rule in policy.file.rule:
                try:
                    hit = policy.conditions[rule.code].test(found)
                except TypeError:
                    assert results[rule.code].result == "error"
                    continue
                hit = hit if hit is not None else rule.missing != "no_hit"
                assert results[rule.code].result == ("hit" if hit else "no_hit")


CASES = tomllib.loads((Path(__file__).parent / "cases" / "policy.toml").read_text())["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
def test_case(policy: Policy, case: dict[str, Any]) -> None:
    missing = {f.name: nan if f.kind == "number" else None for f in FEATURES}
    changes = {
        name: missing[name] if value == "missing" else value for name, value in case["with"].items()
    }
    outcome = policy.evaluate(facts(**changes), SOURCES)
    assert [r.code for r in outcome.results if r.result == "hit"] == case["hits"]
    assert outcome.verdict == case["verdict"]


def test_every_rule_is_hit_by_a_case(policy: Policy) -> None:
    written = {rule.code for rule in policy.file.rule}
    assert {code for case in CASES for code in case["hits"]} == written


def test_the_strictest_verdict_wins() -> None:
    assert strictest("approve", "decline", "refer") == "decline"
    assert strictest("approve", "refer") == "refer"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("firm_age_months < 12", "firm_age < 12", "P-REG-AGE.*'firm_age' is not a fact"),
        ('code = "P-REG-AGE"', 'code = "P-REG-ABNORMAL"', "appear twice"),
        ('code = "P-REG-AGE"', 'code = "age"', "rule"),
        ('family = "identity"', 'familiy = "identity"', "familiy"),
        ('verdict = "decline"', 'verdict = "cap"', "cap_yuan goes with"),
        ("[limit]", "[limit", "policy.toml"),
        ('optional = ["social', 'optional = ["tax", "social', r"\[sources\]: got .*'tax'.* once"),
    ],
)
def test_a_mistake_in_the_file_is_named(old: str, new: str, expected: str) -> None:
    with pytest.raises(PolicyError, match=expected):
        Policy(TEXT.replace(old, new, 1).encode())


def test_a_file_nested_too_deeply_is_named() -> None:
    with pytest.raises(PolicyError, match="nested too deeply"):
        Policy(b"a = " + b"[" * 3_000)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="expected a policy file"):
        Policy.load(tmp_path / "none.toml")


def test_the_version_is_the_content(policy: Policy) -> None:
    assert Policy(TEXT.encode()).version == policy.version
    assert Policy((TEXT + "\n").encode()).version != policy.version


def test_facts_follow_the_portrait() -> None:
    assert len(FACT_INDEX) == len(INDEX) + len(APPLICATION_FACTS)
    assert FACT_INDEX["amount_yuan"] == len(INDEX)
