from pathlib import Path

import pandas as pd
import pytest

from synthetic_data.effects import Files, measure
from synthetic_data.scenario import Move


def files(folder: Path, sales: dict[str, float], pd_12m: dict[str, float]) -> Files:
    """A world of a month: the sales of each firm, and one application of some with its truth."""
    folder.mkdir()
    names = list(sales)
    pd.DataFrame(
        {"uscc": names, "sector": ["C", "C", "F"], "region": "11", "industry_code": "1781"}
    ).to_parquet(folder / "firms.parquet")
    flat = dict.fromkeys(
        ["true_collected_yuan", "true_tax_paid_yuan", "sales_yuan", "true_debt_service_due_yuan",
         "true_loan_owed_yuan", "true_operating_paid_yuan"],
        1.0,
    )  # fmt: skip
    pd.DataFrame(
        {"uscc": names, "month": "2019-01", "true_sales_yuan": list(sales.values())} | flat
    ).to_parquet(folder / "months.parquet")
    asked = pd.DataFrame({"application_id": list(pd_12m), "uscc": list(pd_12m)})
    asked.assign(vintage="2019-01", purpose="other").to_parquet(folder / "applications.parquet")
    asked[["application_id"]].assign(true_pd_12m=list(pd_12m.values()), true_mill=False).to_parquet(
        folder / "truth.parquet"
    )
    return Files(folder)


def move(effect: str, direction: str, **given: str) -> Move:
    whole = {"first": "2019-01", "last": "2019-01", "section": "", "beside": "published"} | given
    sector = whole.pop("sector", "")
    of = (("sector", (sector,)),) if sector else ()
    return Move(effect=effect, direction=direction, of=of, **whole)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Files, Files]:
    ours = files(tmp_path / "a", {"x": 150.0, "y": 100.0, "z": 50.0}, {"x": 0.3, "y": 0.1})
    beside = files(tmp_path / "b", {"x": 100.0, "y": 100.0, "z": 50.0}, {"x": 0.1, "z": 0.1})
    return ours, beside


def test_sales_are_compared_in_percent_with_the_noise_of_the_difference(
    pair: tuple[Files, Files],
) -> None:
    found = measure(move("sales", "up"), *pair)
    assert found.ours * 3 == 300.0
    assert found.size == pytest.approx(0.2)
    parts = [(1.5, 1.0), (1.0, 1.0), (0.5, 0.5)]  # of 100 yuan; means 1 and 5/6
    noise = sum((1.2 * ((a - 1) / 3 - (b - 5 / 6) / 2.5)) ** 2 for a, b in parts) ** 0.5
    assert found.standard_error == pytest.approx(noise)
    assert not found.as_declared  # one firm in three: it may be chance


def test_shares_are_compared_in_points_over_those_who_asked(pair: tuple[Files, Files]) -> None:
    found = measure(move("default_rate", "up"), *pair)
    assert (found.ours, found.beside) == pytest.approx((0.2, 0.1))
    assert found.size == pytest.approx(0.1)


def test_only_the_firms_and_months_named_count(pair: tuple[Files, Files]) -> None:
    assert measure(move("sales", "same", sector="F"), *pair).size == 0.0
    with pytest.raises(ValueError, match="nothing to measure from 2019-02 to 2019-02"):
        measure(move("default_rate", "up", first="2019-02", last="2019-02"), *pair)


def test_the_same_means_exactly_the_same(pair: tuple[Files, Files]) -> None:
    assert measure(move("sales", "same"), pair[1], pair[1]).as_declared
    assert not measure(move("sales", "same"), *pair).as_declared
    assert not measure(move("sales", "up"), pair[1], pair[1]).as_declared
