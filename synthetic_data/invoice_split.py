"""How a month's sum becomes single invoices, and a year's sum the part of one partner: whole fen.

Amounts are log-normal with the published spread, and heap just under the face limit of an invoice,
as larger orders are cut to fit it. Every sum is met exactly.
"""

from __future__ import annotations

import numpy as np

from synthetic_data.draws import Bools, Floats, Ints

LIMITS_FEN = (10_000_000, 100_000_000, 1_000_000_000)
"""Face limits of an invoice without tax: 100,000 yuan, 1 million, 10 million."""
_FULL = 0.75  # of the limit times the number of invoices: beyond it a firm has larger forms
_HEAP = 0.06  # a full invoice is up to this share below its limit


def split(total_fen: int, count: int, log_sd: float, rng: np.random.Generator) -> Ints:
    """Amounts of at least 1 fen that add up to a sum; (count,).

    Raises ValueError for more invoices than fen.
    """
    if count < 1 or total_fen < count:
        raise ValueError(f"{count} invoices of {total_fen} fen: expected at least 1 fen each")
    weights = np.exp(log_sd * rng.standard_normal(count))
    below = rng.random(count)
    amounts = weights * ((total_fen - count) / weights.sum())
    room = total_fen / (_FULL * count)
    limit = next((one for one in LIMITS_FEN if one >= room), None)
    if limit is not None:
        amounts = _cut(amounts, limit * (1.0 - _HEAP * below**2))
    whole: Ints = np.floor(amounts).astype(np.int64)
    left = total_fen - count - int(whole.sum())
    whole[: max(left, 0)] += 1  # the rest of rounding: less than a fen an invoice
    whole[np.argmax(whole)] += total_fen - count - int(whole.sum())
    return whole + 1


def _cut(amounts: Floats, most: Floats) -> Floats:
    """Amounts above the most they may be are cut to it; what is cut goes to the others."""
    total, cut = amounts.sum(), np.zeros(len(amounts), dtype=np.bool_)
    for _ in range(20):
        over = (amounts > most) & ~cut
        if not over.any():
            break
        cut |= over
        rest = total - most[cut].sum()
        if cut.all() or rest <= 0.0:
            break
        amounts = np.where(cut, most, amounts * rest / amounts[~cut].sum())
    out: Floats = amounts * (total / max(amounts.sum(), 1e-9))
    return out


def parts(
    target_fen: int, net_fen: Ints, partners: Ints, count: Ints, rng: np.random.Generator
) -> Ints:
    """What one partner takes of each month so that it takes `target_fen` of all; (n_months,).

    A month with one partner is taken whole or not at all; of others at most nineteen twentieths,
    and a fen is left for each of its `count` invoices. The target is met exactly unless the months
    leave no way to it; then it is come near.
    """
    taken = np.zeros(len(net_fen), dtype=np.int64)
    several = (partners > 1) & (net_fen > 0)
    most = np.where(several, np.minimum(net_fen * 19 // 20, net_fen - count).clip(0), 0)
    share = target_fen / max(int(net_fen.sum()), 1)
    alone = np.flatnonzero((partners == 1) & (net_fen > 0))
    wanted = rng.random(len(alone)) < share
    for at in alone[wanted]:
        if taken.sum() + net_fen[at] <= target_fen:
            taken[at] = net_fen[at]
    for at in alone[np.argsort(-net_fen[alone], kind="stable")]:
        short = target_fen - taken.sum() - most.sum()
        if short > 0 and not taken[at] and taken.sum() + net_fen[at] <= target_fen:
            taken[at] = net_fen[at]
    left = min(target_fen - int(taken.sum()), int(most.sum()))
    if left > 0:
        taken += _spread(left, most, several)
    return taken


def _spread(total: int, most: Ints, chosen: Bools) -> Ints:
    """A sum over months in proportion to the most each may take, exact to the fen."""
    out = np.zeros(len(most), dtype=np.int64)
    rooms = np.flatnonzero(chosen & (most > 0))
    for at in rooms:
        out[at] = total * int(most[at]) // int(most.sum())
    left = total - int(out.sum())
    for at in rooms:
        more = min(left, int(most[at] - out[at]))
        out[at] += more
        left -= more
    return out
