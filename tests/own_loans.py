"""A lender's own table whose truth is known: a logistic default probability, a leak, an identifier.

`income_yuan` and `rating` lower the risk, `debt_share` raises it, `sector` and `secured` shift it,
`wobble` raises it at both ends; `noise` does nothing; `charged_off_yuan` is known only afterwards.
"""

from pathlib import Path

import numpy as np
import pandas as pd

LOANS, SEED = 3_000, 7
FEATURES = ("income_yuan", "debt_share", "wobble", "noise", "sector", "rating", "secured")


def loans(
    count: int = LOANS, seed: int = SEED
) -> tuple[pd.DataFrame, "np.ndarray[tuple[int], np.dtype[np.float64]]"]:
    """The table of past loans and the true probability of default of each."""
    random = np.random.default_rng(seed)
    income = np.exp(random.normal(12, 0.7, count)).round(2)
    debt = random.uniform(0, 1.5, count).round(3)
    wobble = random.normal(0, 1, count).round(3)
    sectors = np.array(["wholesale", "retail", "catering", "machinery"])
    sector = random.integers(0, 4, count)
    rating = random.integers(0, 3, count)
    secured = random.random(count) < 0.4
    logit = (
        -1.6 - 0.9 * (np.log(income) - 12) + 1.4 * (debt - 0.75) + 0.5 * (wobble**2 - 1)
        + np.array([0.0, 0.3, 0.8, -0.4])[sector] + 0.5 * rating - 0.8 * secured
    )  # fmt: skip
    truth = 1 / (1 + np.exp(-logit))
    defaulted = random.random(count) < truth
    months = pd.date_range("2019-01-01", periods=36, freq="MS")
    table = pd.DataFrame(
        {
            "loan_id": np.arange(count) + 100_001,
            "approved_on": months[np.sort(random.integers(0, 36, count))],
            "country": "CN",
            "officer_note": [f"visited on day {i}, all fine" for i in range(count)],
            "income_yuan": income,
            "debt_share": np.where(random.random(count) < 0.1, np.nan, debt),
            "wobble": wobble,
            "noise": random.normal(0, 1, count).round(3),
            "sector": pd.Series(sectors[sector]).where(random.random(count) > 0.05),
            "rating": np.array(["A", "B", "C"])[rating],
            "secured": secured,
            "charged_off_yuan": np.where(defaulted, random.uniform(1e3, 1e5, count), 0.0).round(2),
            "result": np.where(defaulted, "charged off", "repaid"),
        }
    )
    return table, truth


def written(folder: Path, name: str = "loans.parquet") -> Path:
    """The table as a file of past loans."""
    table, _ = loans()
    path = folder / name
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return path
