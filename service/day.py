"""The day it is in China, wherever the server stands."""

from datetime import date, datetime, timedelta, timezone

_CHINA = timezone(timedelta(hours=8))


def today() -> date:
    """The day it is now; the latest a credit file may bear."""
    return datetime.now(_CHINA).date()


def local(moment: datetime) -> datetime:
    """A moment on China's clock, as a letter or an instalment plan dates it."""
    return moment.astimezone(_CHINA)
