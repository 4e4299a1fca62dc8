from bisect import bisect_left
from math import inf, isfinite, nan

from hypothesis import given
from hypothesis import strategies as st

from model.credit_file import CreditFile
from model.features import FEATURES
from model.portrait import named, portrait
from service.policy import FACT_INDEX
from service.ranges import RANGES, Range


def test_every_fact_has_a_range() -> None:
    assert set(RANGES) == set(FACT_INDEX)


def test_what_the_sources_sent_of_a_world_is_within_the_ranges(
    credit_files: list[CreditFile],
) -> None:
    seen = 0
    for credit_file in credit_files:
        for name, value in named(portrait(credit_file)).items():
            allowed = RANGES[name]
            if value is None or value != value:
                continue
            seen += 1
            if isinstance(value, str):
                assert value in allowed.words or (allowed.form and len(value) == 2), name
            else:
                assert allowed.low <= value <= allowed.high, (name, value)
                assert not allowed.whole or value == int(value), (name, value)
    assert seen > 10_000


def test_a_unit_tells_the_usual_numbers() -> None:
    assert RANGES["top_buyer_share_12m"].usual == (0, 1)
    assert RANGES["red_share_12m"].usual == (0, 1)
    assert RANGES["red_share_12m"].high == inf  # sales below zero make it larger than one
    assert RANGES["sales_growth_12m"].usual == (-1, 100)
    assert RANGES["pd_12m"].usual == (0, 1)
    assert RANGES["amount_yuan"].usual == (1e3, 1e9)
    assert RANGES["firm_age_months"].usual == (0, 1200)
    assert RANGES["sales_12m_yuan"].usual == (-inf, inf)
    assert RANGES["tax_rating"].words == ("A", "B", "M", "C", "D")


def test_a_category_without_words_has_a_form() -> None:
    for feature in FEATURES:
        allowed = RANGES[feature.name]
        assert allowed.number == (feature.kind == "number")
        assert allowed.number or bool(allowed.words) != bool(allowed.form)


def test_points_stand_for_every_place() -> None:
    real = Range(low=0.0, high=1.0)
    assert real.points([0.5]) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert real.points([7.0]) == [0.0, 0.5, 1.0]
    whole = Range(low=0.0, whole=True)
    assert whole.points([2.5]) == [0, 2, 3]
    assert whole.points([3.0]) == [0, 2, 3, 4]
    assert Range().points([]) == [-1.0, 0.0, 1.0]


BOUNDS = st.sampled_from(
    [(-inf, inf), (0.0, inf), (0.0, 1.0), (-1.0, inf), (0.0, 24.0), (3.0, 3.0)]
)
VALUES = st.one_of(st.integers(-3, 30).map(float), st.floats(-3, 30))


@given(BOUNDS, st.booleans(), st.lists(VALUES, max_size=4), VALUES)
def test_every_value_has_a_point_that_compares_alike(
    bounds: tuple[float, float], whole: bool, cuts: list[float], value: float
) -> None:
    allowed = Range(low=bounds[0], high=bounds[1], whole=whole)
    points = allowed.points([*cuts, inf, nan])
    assert all(bounds[0] <= p <= bounds[1] and isfinite(p) for p in points)
    value = float(round(value)) if whole else value
    if not bounds[0] <= value <= bounds[1]:
        return
    inside = sorted(cuts)

    def place(one: float) -> tuple[int, bool]:
        return bisect_left(inside, one), one in inside

    assert place(value) in map(place, points)
