"""Remedies: what doing what an applicant was advised to do does to its true probability of default.

A block of firms is lived as in the world. For one application, the state in which it was made is
changed as the advice says, and both are lived again with the same luck and the same loan. What is
paid comes from the firm's cash and its credit line, and beyond them from its owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.credit_file import CreditFile
from synthetic_data import economy, lender_view, network, outcomes, world
from synthetic_data.draws import Ints
from synthetic_data.economy import Economy
from synthetic_data.firms import Traits, draw, stack
from synthetic_data.loans import PURPOSES, Applications
from synthetic_data.outcomes import Fortune
from synthetic_data.parameters import Parameters, standard
from synthetic_data.state import State


@dataclass(frozen=True)
class Applicant:
    """One application, what the sources said of it, and what is needed to live it again."""

    credit_file: CreditFile
    amount_yuan: float
    tenor_months: int
    purpose: str
    asked: Applications
    state: State
    traits: Traits  # of the firm, and of the one it answers for
    debtor: Ints
    met: Fortune
    climate: Economy
    seed: int
    block: int

    def pd_12m(self, loan_yuan: float, done: Mapping[str, tuple[float, float]]) -> float:
        """The share of futures that end in default with a loan and after doing some things.

        `done` is by the code of a move: what it changes a value to, and what is paid.
        """
        parameters = standard()
        state, traits = self.state.take([0]), self.traits.take([0])
        for code, (becomes, paid_yuan) in done.items():
            state, traits = _do(state, traits, code, becomes, paid_yuan)
        asked = replace(self.asked, amount_yuan=np.array([loan_yuan]), firm=np.array([0]))
        truth = outcomes.live_again(
            parameters, self.climate, stack([traits, self.traits.take(slice(1, None))]),
            self.debtor, [(asked, stack([state, self.state.take(slice(1, None))]))],
            self.met, self.seed, self.block,
        )  # fmt: skip
        return float(truth.pd_12m[0])


def applicants(seed: int, block: int, months: int) -> Iterator[Applicant]:
    """The applications of one block of a world, in order of months."""
    parameters = standard()
    total = parameters.world.burn_in_months + months
    climate = economy.build(parameters, total)
    members, links = network.draw(parameters, draw(parameters, seed, block), seed, block)
    lives = world.live(parameters, members, links, climate, seed, block, total)
    bureaus = world.asked_about(parameters, members, lives, seed, block)
    for asked, states in lives.asked:
        for at in range(len(asked.firm)):
            yield _applicant(
                parameters, bureaus, members.traits, links.debtor, asked.take([at]), states,
                lives.met, climate, seed, block,
            )  # fmt: skip


def _applicant(
    parameters: Parameters,
    bureaus: lender_view.Bureaus,
    traits: Traits,
    debtor: Ints,
    asked: Applications,
    states: State,
    met: Fortune,
    climate: Economy,
    seed: int,
    block: int,
) -> Applicant:
    firm, month, day = int(asked.firm[0]), int(asked.month[0]), int(asked.day[0])
    answered = int(debtor[firm])
    rows = np.array([firm] if answered == network.NOBODY else [firm, answered])
    return Applicant(
        credit_file=bureaus.credit_file(firm, month, day),
        amount_yuan=float(asked.amount_yuan[0]),
        tenor_months=parameters.loans.tenor_months,
        purpose=PURPOSES[int(asked.purpose[0])],
        asked=asked,
        state=states.take(rows),
        traits=traits.take(rows),
        debtor=np.array([network.NOBODY] if len(rows) == 1 else [1, network.NOBODY]),
        met=met.of(rows),
        climate=climate,
        seed=seed,
        block=block,
    )


def _do(
    state: State, traits: Traits, code: str, becomes: float, paid_yuan: float
) -> tuple[State, Traits]:
    """The firm after one move; a move that only tells a source something changes nothing here."""
    nothing = np.zeros(1)
    changes: dict[str, Any] = {
        "PAY-TAX": {"tax_arrears_yuan": nothing},
        "PAY-SOCIAL-SECURITY": {
            "social_arrears_yuan": nothing,
            "social_arrears_months": nothing,
        },
        "PAY-ELECTRICITY": {
            "unpaid_bills_yuan": np.maximum(state.unpaid_bills_yuan - paid_yuan, 0.0)
        },
        "PAY-OVERDUE-LOANS": {
            "overdue_yuan": nothing,
            "missed": nothing,
            "missed_other": nothing,
        },
        "REPAY-DEBT": {"other_debt_yuan": np.maximum(state.other_debt_yuan - paid_yuan, 0.0)},
    }
    state = replace(state, **changes.get(code, {}))
    if code == "SELL-TO-MORE-BUYERS":
        traits = replace(traits, top_buyer_share=np.array([becomes]))
    if code == "PAY-IN-CAPITAL":  # the owner's money comes in
        return replace(state, cash_yuan=state.cash_yuan + paid_yuan), traits
    net = state.cash_yuan - state.line_drawn_yuan - paid_yuan
    net = np.maximum(net, -state.line_yuan)
    return replace(
        state, cash_yuan=np.maximum(net, 0.0), line_drawn_yuan=np.maximum(-net, 0.0)
    ), traits
