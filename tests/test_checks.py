"""Checks on what is known: probabilities that are right, and ones that are not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from synthetic_data import checks
from synthetic_data.calendar import month_index
from synthetic_data.census import Census
from synthetic_data.estimates import Figure, auc
from synthetic_data.panel import Span, panel

SPAN = Span(month_index("2018-01"), 24)
FUTURES = 50


def world_of(true: np.ndarray, told: np.ndarray | None = None) -> Census:
    """Applications whose real chance is `true`; `told` is the chance that the world believes in."""
    rng = np.random.default_rng(3)
    believed = true if told is None else told
    hit = rng.random(len(true)) < true
    asked = pd.DataFrame(
        {
            "granted": True,
            "true_pd_12m": rng.binomial(FUTURES, believed) / FUTURES,
            "true_defaulted_12m": hit.astype(int),
            "defaulted_12m": hit.astype(float),
        }
    )
    empty = pd.DataFrame()
    return Census(SPAN, empty, np.zeros((0, 12)), asked, empty)


@pytest.fixture(scope="module")
def chances() -> np.ndarray:
    return np.random.default_rng(5).beta(0.3, 5.0, 20_000)


def test_probabilities_that_are_right_are_calibrated_in_spite_of_few_futures(
    chances: np.ndarray,
) -> None:
    found = checks.tenths(world_of(chances), FUTURES)
    assert len(found) == 10
    assert sum(one.n for one in found) == 20_000
    assert checks.of_calibration(found).passed is True


@pytest.mark.parametrize("times", [0.7, 1.4])
def test_probabilities_that_are_wrong_are_told(chances: np.ndarray, times: float) -> None:
    wrong = np.clip(chances * times, 0.0, 1.0)
    told = checks.of_calibration(checks.tenths(world_of(chances, wrong), FUTURES))
    assert told.passed is False


def test_the_ceiling_passes_within_its_range_and_its_own_error(chances: np.ndarray) -> None:
    best = checks.ceiling(world_of(chances))
    assert best is not None
    assert 0.8 < best.value < 0.9
    assert checks.of_ceiling(best).passed is True
    assert checks.of_ceiling(Figure(0.95, 0.01, 500)).passed is False
    assert checks.of_ceiling(Figure(0.92, 0.02, 500)).passed is True
    assert checks.of_ceiling(None).passed is None


def test_the_best_column_must_stay_below_and_none_go_over() -> None:
    rng = np.random.default_rng(0)
    hit = rng.random(2_000) < 0.2
    weak, strong = rng.random(2_000) + 0.2 * hit, rng.random(2_000) - 0.75 * hit
    found = checks.alone({"weak": weak, "strong": strong, "missing": np.full(2_000, np.nan)}, hit)
    assert set(found) == {"weak", "strong"}
    first = auc(hit, strong)
    assert first is not None
    assert found["strong"].value == pytest.approx(1.0 - first.value)  # lower is riskier
    ceiling = Figure(found["strong"].value - 0.1, 0.001, 2_000)
    single, leak = checks.of_columns(ceiling, found, 0.08)
    assert single.passed is leak.passed is False
    assert leak.found == "strong"
    single, leak = checks.of_columns(Figure(0.999, 0.001, 2_000), {"weak": found["weak"]}, 0.08)
    assert single.passed is leak.passed is True


def test_sales_that_remember_are_told_from_sales_that_do_not() -> None:
    rng = np.random.default_rng(0)
    passed = []
    for memory in (0.6, 0.0):
        logs = np.zeros((300, 24))
        for at in range(1, 24):
            logs[:, at] = memory * logs[:, at - 1] + rng.standard_normal(300)
        rows = {
            "uscc": np.repeat([f"f{i}" for i in range(300)], 24),
            "month": [f"{2018 + at // 12}-{at % 12 + 1:02d}" for at in range(24)] * 300,
            "sales_yuan": np.exp(10.0 + logs).ravel(),
        }
        seen = checks.Memory()
        seen.see(panel(pa.table(rows), SPAN))
        passed.append([one.passed for one in seen.checks()])
    assert passed == [[True, True], [False, True]]


def test_no_network_no_check(tmp_path: Path, chances: np.ndarray) -> None:
    assert checks.of_network(tmp_path, world_of(chances)) == []


def test_links_lead_from_firm_to_firm_and_some_firms_have_many(tmp_path: Path) -> None:
    firms = pd.DataFrame({"uscc": [f"f{i}" for i in range(100)]})
    to = [f"f{int(100 * (at / 1000) ** 3)}" for at in range(1000)]
    links = pd.DataFrame(
        {"kind": "supply", "from_uscc": [f"f{99 - at % 50}" for at in range(1000)], "to_uscc": to}
    )
    links = links[links["from_uscc"] != links["to_uscc"]]
    of = Census(SPAN, firms, np.zeros((0, 12)), pd.DataFrame(), pd.DataFrame())
    links.to_parquet(tmp_path / "links.parquet")
    assert [one.passed for one in checks.of_network(tmp_path, of)] == [True, True]
    links.assign(to_uscc="stranger").to_parquet(tmp_path / "links.parquet")
    assert checks.of_network(tmp_path, of)[0].passed is False
