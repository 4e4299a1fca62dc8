"""The syndicate: exactly what is asked for, within everybody's bounds, and as cheap as can be."""

from itertools import combinations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from service.syndicate import Lender, filled, most_together, syndicate


@st.composite
def lender_lists(draw: st.DrawFn) -> list[Lender]:
    lenders = []
    for product in range(draw(st.integers(1, 9))):
        least = draw(st.integers(1, 12))
        most = draw(st.integers(least, 30))
        institution = draw(st.sampled_from("ABCDEF"))
        lenders.append(Lender(draw(st.integers(300, 330)), least, most, institution, product))
    return lenders


def brute_force(lenders: list[Lender], wanted: int, most_lenders: int) -> int | None:
    """The least yearly interest over all sets, each filled greedily; None when none fits."""
    wanted = min(wanted, most_together(lenders, most_lenders))
    costs = []
    for size in range(1, most_lenders + 1):
        for chosen in combinations(sorted(lenders), size):
            different = len({one.institution for one in chosen}) == size
            least, most = sum(one.least for one in chosen), sum(one.most for one in chosen)
            if different and least <= wanted <= most:
                shares = filled(chosen, wanted)
                costs.append(sum(one.rate_bp * amount for one, amount in shares))
    return min(costs, default=None)


@settings(max_examples=1_000, deadline=None)
@given(lender_lists(), st.integers(1, 120), st.integers(1, 4))
def test_it_equals_brute_force_and_breaks_no_bound(
    lenders: list[Lender], wanted: int, most_lenders: int
) -> None:
    shares = syndicate(lenders, wanted, most_lenders)
    expected = brute_force(lenders, wanted, most_lenders)
    assert bool(shares) == (expected is not None)
    if not shares:
        return
    own = {lender.product: lender for lender in lenders}
    cost = sum(own[share.product].rate_bp * share.amount for share in shares)
    assert cost == expected
    assert sum(share.amount for share in shares) == min(
        wanted, most_together(lenders, most_lenders)
    )
    assert all(own[one.product].least <= one.amount <= own[one.product].most for one in shares)
    assert len({own[share.product].institution for share in shares}) == len(shares) <= most_lenders


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 4)), min_size=1, max_size=3))
def test_filling_the_cheapest_first_is_the_cheapest_way_to_fill_a_set(
    bounds: list[tuple[int, int]],
) -> None:
    chosen = [Lender(300 + i, low, low + room, str(i), i) for i, (low, room) in enumerate(bounds)]
    low, high = sum(one.least for one in chosen), sum(one.most for one in chosen)

    def ways(rest: list[Lender], left: int) -> list[int]:
        if not rest:
            return [0] if left == 0 else []
        one = rest[0]
        return [
            one.rate_bp * amount + cost
            for amount in range(one.least, one.most + 1)
            for cost in ways(rest[1:], left - amount)
        ]

    for wanted in range(low, high + 1):
        own = sum(one.rate_bp * amount for one, amount in filled(chosen, wanted))
        assert own == min(ways(chosen, wanted))


def test_the_order_of_the_lenders_does_not_matter() -> None:
    random = Random(7)
    lenders = [
        Lender(random.randint(300, 900), 50, random.randint(300, 3_000), f"I{i % 40}", i)
        for i in range(100)
    ]
    expected = syndicate(lenders, 9_000)
    for _ in range(5):
        random.shuffle(lenders)
        assert syndicate(lenders, 9_000) == expected
