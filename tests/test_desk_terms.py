from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.desk_terms import PACKAGED, DeskTerms, DeskTermsError

TERMS = DeskTerms.load()


def test_every_reason_has_words_in_both_languages_and_each_verdict_has_some() -> None:
    assert len(TERMS.version) == 16
    for verdict in ("approve", "decline"):
        assert len(TERMS.reasons(verdict)) >= 3
    assert all(one.zh != one.en for one in TERMS.reason)


@pytest.mark.parametrize(
    ("since", "due"),
    [
        ("2026-11-23T02:00", "2026-11-25T02:00"),  # Monday to Wednesday
        ("2026-11-27T02:00", "2026-12-01T02:00"),  # over a weekend
        ("2026-11-28T02:00", "2026-12-01T16:00"),  # from Saturday: Monday and Tuesday, whole
        ("2026-09-30T02:00", "2026-10-09T02:00"),  # over the national holiday
        ("2026-10-09T02:00", "2026-10-12T02:00"),  # a Saturday that is worked
        ("2026-11-27T15:59:59", "2026-12-01T15:59:59"),  # a second before midnight in China
        ("2026-11-27T16:00", "2026-12-01T16:00"),
    ],
)
def test_a_clock_of_48_hours_stands_still_on_days_off(since: str, due: str) -> None:
    began = datetime.fromisoformat(since).replace(tzinfo=UTC)
    assert TERMS.clock["referral"].hours == 48
    assert TERMS.due("referral", began) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_dispute_has_twenty_days_of_the_calendar() -> None:
    began = datetime(2026, 11, 20, 3, tzinfo=UTC)
    assert (TERMS.due("dispute", began) - began).days == 20


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("[clock.person]", "[clock.someone]", "clock"),
        ("hours = 72", "hours = 0", "hours"),
        ("claim_minutes = 30", "claim_minutes = 30\nclaims = 1", "claims"),
        ('code = "D-FALSE"', 'code = "D-PURPOSE"', "D-PURPOSE is there twice"),
        ("four_eyes_above_yuan = 200_000", "", "four_eyes_above_yuan"),
    ],
)
def test_terms_that_cannot_be_used_are_refused_by_name(
    tmp_path: Path, was: str, now: str, said: str
) -> None:
    changed = tmp_path / "desk.toml"
    text = PACKAGED.read_text("utf-8")
    assert was in text
    changed.write_text(text.replace(was, now), "utf-8")
    with pytest.raises(DeskTermsError, match=said):
        DeskTerms.load(changed)
    with pytest.raises(DeskTermsError, match="none"):
        DeskTerms.load(tmp_path / "none.toml")
