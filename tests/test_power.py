from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score

from service import power
from service.power import Line


@pytest.fixture(scope="module")
def asked(world: Path) -> power.Asked:
    return power.read(world)


def test_all_applications_are_read_with_what_became_of_them(
    asked: power.Asked, world: Path
) -> None:
    applications = pd.read_parquet(world / "applications.parquet")
    truth = pd.read_parquet(world / "truth.parquet")
    assert len(asked.features) == len(applications) == len(asked.truth)
    assert asked.truth.defaulted.tolist() == truth.true_defaulted_12m.tolist()
    assert asked.granted.sum() == applications.granted.sum()
    granted = asked.part(asked.granted)
    assert [len(column) for column in granted] == [int(asked.granted.sum())] * 5


def test_mills_are_found_by_what_their_invoices_cannot_hide(asked: power.Asked) -> None:
    early, later = asked.part(asked.vintages < "2019-05"), asked.part(asked.vintages >= "2019-05")
    assert later.truth.mill.sum() > 5
    alone, machines = power._of_mills(early, later)
    assert 0.0 <= alone.value <= machines.value <= 1.0


def test_an_auc_comes_with_its_standard_error() -> None:
    rng = np.random.default_rng(1)
    outcome = (rng.random(400) < 0.2).astype(int)
    rated = outcome + rng.standard_normal(400)
    line = power._auc("made", pd.Series(outcome), rated, 0.9, 1.0)
    assert line.value == roc_auc_score(outcome, rated)
    draws = []
    for _ in range(300):  # the spread over samples drawn again from the same law
        bad = (rng.random(400) < 0.2).astype(int)
        draws.append(roc_auc_score(bad, bad + rng.standard_normal(400)))
    assert line.error == pytest.approx(np.std(draws), rel=0.25)
    assert line.inside is False


def test_two_worlds_of_the_same_firms_are_compared_over_all_futures_with_little_error() -> None:
    rng = np.random.default_rng(3)

    def worlds() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        firms, risk = np.arange(600), rng.standard_normal(600)
        seen = risk + rng.standard_normal(600)
        blurred = seen + 0.5 * rng.standard_normal(600)
        chances = 1 / (1 + np.exp(2.5 - risk))
        return [(firms, seen, chances), (firms, blurred, chances)]

    first = worlds()
    without, with_it, cost = power.paired(first, resampled=100)
    _, seen, chances = first[0]
    lived = [roc_auc_score(rng.random(600) < chances, seen) for _ in range(200)]
    assert without[0] == pytest.approx(np.mean(lived), abs=0.004)
    assert cost[0] == pytest.approx(without[0] - with_it[0])
    assert cost[1] < 0.5 * np.hypot(without[1], with_it[1])  # as if the firms were strangers
    again = [power.paired(worlds(), resampled=2)[2][0] for _ in range(25)]
    assert cost[1] == pytest.approx(np.std(again), rel=0.5)
    same = power.paired([first[0], first[0]], resampled=2)[2]
    assert same == (0.0, 0.0)


def test_the_table_says_inside_and_outside(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        Line(says="in", value=0.85, error=0.01, low=0.8, high=0.9),
        Line(says="out", value=0.95, low=0.8, high=0.9),
        Line(says="beside", value=0.5),
    ]
    assert [line.inside for line in lines] == [True, False, None]
    Console(width=100).print(power.table(lines))
    shown = capsys.readouterr().out
    assert "0.8 to 0.9" in shown
    assert "inside" in shown
    assert "outside" in shown


def test_a_folder_without_a_truth_is_refused(world: Path, tmp_path: Path) -> None:
    for name in ("applications", "credit_files"):
        (tmp_path / f"{name}.parquet").symlink_to(world / f"{name}.parquet")
    with pytest.raises(ValueError, match=r"truth\.parquet: not there; expected a simulated world"):
        power.read(tmp_path)
