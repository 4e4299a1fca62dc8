"""Months as whole numbers: year * 12 + month - 1."""

from datetime import date, timedelta


def month_index(text: str) -> int:
    """The number of a month written "YYYY-MM"."""
    return int(text[:4]) * 12 + int(text[5:7]) - 1


def month_text(index: int) -> str:
    """A month as "YYYY-MM"."""
    return f"{index // 12:04d}-{index % 12 + 1:02d}"


def day_of(index: int, day: int) -> date:
    """A day of a month."""
    return date(index // 12, index % 12 + 1, day)


def last_day(index: int) -> date:
    """The last day of a month."""
    return day_of(index + 1, 1) - timedelta(days=1)
