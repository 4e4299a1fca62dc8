from datetime import UTC, date, datetime

from service.day import local, today


def test_an_evening_in_greenwich_is_the_next_day_in_china() -> None:
    assert local(datetime(2024, 6, 30, 15, 59, tzinfo=UTC)).date() == date(2024, 6, 30)
    assert local(datetime(2024, 6, 30, 16, 0, tzinfo=UTC)).date() == date(2024, 7, 1)


def test_today_is_the_day_of_the_clock_in_china() -> None:
    before = local(datetime.now(UTC)).date()
    assert before <= today() <= local(datetime.now(UTC)).date()
