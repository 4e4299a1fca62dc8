from datetime import date

from service.lpr import HISTORY, lpr_1y


def test_the_rate_changes_on_the_day_it_is_published() -> None:
    assert lpr_1y(date(2020, 2, 19)) == 0.0415
    assert lpr_1y(date(2020, 2, 20)) == 0.0405


def test_the_latest_rate_stays_in_force() -> None:
    assert lpr_1y(date(2030, 1, 1)) == HISTORY[-1][1]


def test_dates_ascend() -> None:
    days = [day for day, _ in HISTORY]
    assert days == sorted(set(days))
