"""Who deals with whom: buyers, guarantees, owners of several firms, rings of invoice mills.

Partners are found inside a block of firms, so a firm has the same ones in a larger world. Links act
through shared luck: what strikes a buyer strikes those who sell to it, in the same month and to
the share it buys. Each firm alone meets luck of the same law as every other, which is why its
futures can be lived again without its partners. The one link that needs the other firm is a
guarantee: it is called when the firm it was given for fails.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import coo_array

from synthetic_data.draws import Bools, Floats, Ints, Subject, generator
from synthetic_data.firms import Firms, Table, Traits, stack
from synthetic_data.parameters import Parameters
from synthetic_data.sections import NetworkParameters
from synthetic_data.state import Luck, State

KINDS = ("supply", "guarantee", "owner", "true_ring")
SUPPLY, GUARANTEE, OWNER, RING = range(4)
NOBODY = -1
_TRIES = 6  # firms looked at for one place of a buyer


@dataclass(frozen=True, slots=True)
class Links(Table):
    """Links between firms of a block, one entry each; positions in the block.

    supply: seller to buyer, with the buyer's share of the seller's sales; guarantee: guarantor to
    debtor; owner: a firm to the next of the same owner; ring: a mill to the next in its ring.
    """

    kind: Ints
    first: Ints
    second: Ints
    share: Floats  # NaN where it means nothing


@dataclass(frozen=True)
class Network:
    """The links of a block and what they do to the luck of a month; positions in the block."""

    links: Links
    buyer: Ints  # the largest buyer, NOBODY where it is not in the block, (n_firms,)
    owner: Ints  # the first firm of the owner, (n_firms,)
    debtor: Ints  # the firm answered for, or NOBODY, (n_firms,)
    chain: Any  # sparse (n_firms, n_firms): partners' weights, rows of length 1 or empty

    def share(self, luck: Floats) -> Floats:
        """The luck of a month as partners share it, (DRAWS, n_firms) -> the same shape."""
        out = luck.copy()
        known = self.buyer != NOBODY
        out[Luck.BUYER, known] = luck[Luck.SLUMP][self.buyer[known]]
        reached = np.diff(self.chain.indptr) > 0
        out[Luck.CHAIN, reached] = (self.chain @ luck[Luck.HEALTH])[reached]
        out[Luck.RESCUE] = luck[Luck.RESCUE][self.owner]
        return out


def draw(parameters: Parameters, firms: Firms, seed: int, block: int) -> tuple[Firms, Network]:
    """The network of a block, and its firms with what the network makes of them.

    A guarantee that finds no debtor is not given; the mills of a ring start together.
    """
    p, traits, n = parameters.network, firms.traits, len(firms)
    rng = generator(seed, block, Subject.NETWORK)
    ring = _rings(traits.mill, p, rng)
    sellers, buyers, shares = _supply(firms, ring, p, rng)
    debtor, owner = _debtors(traits, rng), _owners(n, p, rng)
    chain, reach = _chain(coo_array((shares, (sellers, buyers)), shape=(n, n)).tocsr(), p)
    largest = np.full(n, NOBODY)
    largest[sellers[::-1]] = buyers[::-1]  # a seller's buyers come largest first
    joined = replace(
        traits,
        chain_weight=np.where(reach > 0.0, reach, p.unknown_chain_weight),
        guarantee_months=np.where(debtor == NOBODY, 0.0, traits.guarantee_months),
        mill_from=traits.mill_from[_leaders(ring)],
    )
    links = _links(sellers, buyers, shares, debtor, owner, ring)
    return replace(firms, traits=joined), Network(links, largest, owner, debtor, chain)


def called(before: State, after: State, debtor: Ints, traits: Traits) -> State:
    """`after`, with the guarantees called of debtors who failed this month; all (..., n_firms).

    What is called is at most the guarantee, and at most what the debtor owes.
    """
    answering = np.flatnonzero(debtor != NOBODY)
    whose = debtor[answering]
    failed = _failed(after, whose) & ~_failed(before, whose)
    owed = after.other_debt_yuan[..., whose] + after.loan_yuan[..., whose]
    owed = owed + after.overdue_yuan[..., whose]
    due = np.minimum(traits.guarantee_months[answering] * after.scale_yuan[..., answering], owed)
    called_yuan = np.zeros_like(after.called_yuan)
    called_yuan[..., answering] = np.where(failed, due, 0.0)
    return replace(after, called_yuan=called_yuan)


def _failed(state: State, firms: Ints) -> Bools:
    failed: Bools = state.defaulted[..., firms] | (state.missed_other[..., firms] >= 3)
    return failed


def _supply(
    firms: Firms, ring: Ints, p: NetworkParameters, rng: np.random.Generator
) -> tuple[Ints, Ints, Floats]:
    """Sellers, their buyers in the block, and the share sold to each; the largest buyer first.

    A buyer is found among firms in proportion to their size, and is large enough for the share.
    A mill sells to the next of its ring.
    """
    traits, n = firms.traits, len(firms)
    everyone, size = np.arange(n), traits.level_yuan
    bounds = np.cumsum(size) / size.sum()
    linked = np.array([p.linked_share_by_sector[sector] for sector in firms.papers.sector])
    share, left = traits.top_buyer_share, np.full(n, p.named_share_max)
    chosen = rng.random(n) < linked
    found: list[tuple[Ints, Ints, Floats]] = []
    taken = np.full((p.buyers_named, n), NOBODY)
    for place in range(p.buyers_named):
        tried = np.minimum(np.searchsorted(bounds, rng.random((_TRIES, n))), n - 1)
        fits = (size[tried] * p.purchases_share >= share * size) & (tried != everyone)
        fits &= ~(tried[:, None] == taken[None]).any(axis=1)
        first = fits.argmax(axis=0)
        good = chosen & fits.any(axis=0) & (share <= left)
        buyer = tried[first, everyone]
        if place == 0:
            good, buyer = good | (ring != NOBODY), np.where(ring != NOBODY, ring, buyer)
        taken[place] = np.where(good, buyer, NOBODY)
        rows = np.flatnonzero(good)
        found.append((rows, buyer[rows], share[rows]))
        chosen, left = chosen & good, left - share
        share = share * p.next_buyer_ratio
    sellers, buyers, shares = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(sellers, kind="stable")
    return sellers[order], buyers[order], shares[order]


def _chain(supply: Any, p: NetworkParameters) -> tuple[Any, Floats]:
    """How strongly each firm feels others down the chain: unit rows, and their length before.

    What a buyer feels its sellers feel by the share it buys times `spill_over`, and theirs in turn,
    to the third tier.
    """
    tier = total = supply * p.spill_over
    for _ in range(2):
        tier = tier @ supply * p.spill_over
        total = total + tier
    felt = total.tocoo()
    other = felt.row != felt.col
    chain = coo_array(
        (felt.data[other], (felt.row[other], felt.col[other])), shape=total.shape
    ).tocsr()
    reach = np.sqrt(np.asarray((chain * chain).sum(axis=1)).ravel())
    chain.data /= np.repeat(reach, np.diff(chain.indptr))
    return chain, reach


def _debtors(traits: Traits, rng: np.random.Generator) -> Ints:
    """For each guarantor a firm with debts that answers for nobody itself."""
    gives = traits.guarantee_months > 0.0
    able = np.flatnonzero(~gives & (traits.other_debt_months > 0.0))
    picked = np.floor(rng.random(len(gives)) * len(able)).astype(np.int64)
    return np.where(gives, able[picked], NOBODY) if len(able) else np.full(len(gives), NOBODY)


def _owners(n: int, p: NetworkParameters, rng: np.random.Generator) -> Ints:
    """The first firm of each firm's owner: some firms belong to the owner of an earlier one."""
    shared, u = rng.random(n) < p.owner_shared_share, rng.random(n)
    owner = np.arange(n)
    for at in np.flatnonzero(shared):
        owner[at] = owner[int(u[at] * at)]
    return owner


def _rings(mill: Bools, p: NetworkParameters, rng: np.random.Generator) -> Ints:
    """For each mill the next of its ring; NOBODY for honest firms and a mill that is alone."""
    mills = rng.permutation(np.flatnonzero(mill))
    after = np.full(len(mill), NOBODY)
    if len(mills) > 1:
        for members in np.array_split(mills, max(len(mills) // p.ring_size, 1)):
            after[members] = np.roll(members, -1)
    return after


def _leaders(ring: Ints) -> Ints:
    """For each mill the member of its ring with the lowest position; itself for others."""
    leaders = np.arange(len(ring))
    for at in np.flatnonzero(ring != NOBODY):
        members, after = [at], ring[at]
        while after != at:
            members.append(after)
            after = ring[after]
        leaders[at] = min(members)
    return leaders


def _links(
    sellers: Ints, buyers: Ints, shares: Floats, debtor: Ints, owner: Ints, ring: Ints
) -> Links:
    """All links as one table."""
    others = []
    for kind, target in ((GUARANTEE, debtor), (OWNER, _next_of_owner(owner)), (RING, ring)):
        first = np.flatnonzero(target != NOBODY)
        others.append(
            Links(np.full(len(first), kind), first, target[first], np.full(len(first), np.nan))
        )
    supply = Links(np.full(len(sellers), SUPPLY), sellers, buyers, shares)
    return stack([supply, *others])


def _next_of_owner(owner: Ints) -> Ints:
    after, last = np.full(len(owner), NOBODY), dict[int, int]()
    for at, whose in enumerate(owner.tolist()):
        if whose in last:
            after[last[whose]] = at
        last[whose] = at
    return after
