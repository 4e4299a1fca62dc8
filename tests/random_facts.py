"""Random policy conditions, and random applications to try them on."""

import random
from math import nan
from typing import Any

from hypothesis import strategies as st

from service.policy import FACT_INDEX
from service.ranges import RANGES

CUTS: dict[str, list[float]] = {
    "pd_12m": [0.0, 0.08, 0.15, 1.0],
    "zero_filings_12m": [0, 3, 3.5, 4, 12],
    "sales_growth_12m": [-0.4, 0.0, 0.5],
    "abnormal_listed": [0, 1],
    "amount_yuan": [1e3, 1e6],
}
WORDS = {"tax_rating": ["A", "B", "M", "C", "D"], "region": ["11", "62"]}
RELATIONS = ["amount_yuan > 0.5 * sales_12m_yuan", "2 * pd_12m > 0.3",
             "tax_paid_3m_yuan < tax_paid_12m_yuan"]  # fmt: skip


def _compared(name: str) -> st.SearchStrategy[str]:
    cut = st.sampled_from(CUTS[name])
    one = st.tuples(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), cut).map(
        lambda told: f"{name} {told[0]} {told[1]}"
    )
    return one | st.tuples(cut, cut).map(lambda ends: f"between({name}, {ends[0]}, {ends[1]})")


def _chosen(name: str) -> st.SearchStrategy[str]:
    some = st.lists(st.sampled_from(WORDS[name]), min_size=1, max_size=3)
    return st.tuples(st.sampled_from(["in", "not in"]), some).map(
        lambda told: f"{name} {told[0]} {tuple(told[1])!r}"
    )


LEAVES = st.one_of(
    st.sampled_from(sorted(CUTS)).flatmap(_compared),
    st.sampled_from(sorted(WORDS)).flatmap(_chosen),
    st.sampled_from(sorted([*CUTS, *WORDS])).map(lambda name: f"missing({name})"),
    st.sampled_from(RELATIONS),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: f"not ({one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda told: f"({told[0]}) {told[1]} ({told[2]})"
        ),
    ),
    max_leaves=4,
)


def _vectors(count: int) -> list[list[Any]]:
    """Random facts of applications, often at and beside the cuts, sometimes missing."""
    draw = random.Random(7)
    vectors = []
    for _ in range(count):
        facts: list[Any] = [None] * len(FACT_INDEX)
        for name, allowed in RANGES.items():
            if allowed.may_be_missing and draw.random() < 0.1:
                value: Any = nan if allowed.number else None
            elif not allowed.number:
                value = draw.choice(list(allowed.words) or ["11", "62", "63"])
            else:
                low, high = max(allowed.low, -5e6), min(allowed.high, 5e6)
                near = draw.choice(CUTS.get(name, [0.0, 1.0])) + draw.choice([0, 0, -1, 1, 1e-9])
                value = draw.choice([near, draw.uniform(low, high), draw.uniform(-1, 2)])
                value = min(max(float(round(value)) if allowed.whole else value, low), high)
            facts[FACT_INDEX[name]] = value
        vectors.append(facts)
    return vectors


VECTORS = _vectors(10_000)
