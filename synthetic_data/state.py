"""What a firm owns, owes and meets: its state at a month's end, what moved, what chance brought."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from synthetic_data.draws import Bools, Floats
from synthetic_data.firms import Table


class Luck(IntEnum):
    """Rows of what chance brings in a month: the first NORMAL are normal, the others uniform."""

    HEALTH = 0
    LEVEL = 1
    SALES = 2
    CHAIN = 3
    ACTIVITY = 4
    LATE_PAYER = 5
    CONTRACT = 6
    SLUMP = 7
    LOSS = 8
    RESCUE = 9
    BUYER = 10


NORMAL, DRAWS = 4, len(Luck)


@dataclass(frozen=True, slots=True)
class State(Table):
    """A firm at a month end; all (n_firms,)."""

    health: Floats
    chain: Floats  # health of those who buy, down the chain, standard normal in the long run
    drift: Floats  # log of the lasting level of sales over where it began
    scale_yuan: Floats  # monthly sales that staff and overheads are made for
    backlog_yuan: Floats  # delivered, not yet invoiced
    receivables_yuan: Floats
    late_months: Floats  # months the top buyer goes on not paying
    slump_months: Floats  # months the business still stands nearly still
    buyer_slump_months: Floats  # months the top buyer's business still does
    cash_yuan: Floats
    line_yuan: Floats
    line_drawn_yuan: Floats
    other_debt_yuan: Floats
    unpaid_bills_yuan: Floats
    overdue_yuan: Floats  # debt service missed
    tax_arrears_yuan: Floats
    social_arrears_yuan: Floats
    social_arrears_months: Floats
    loan_yuan: Floats  # owed on the loan granted here
    loan_incoming_yuan: Floats
    loan_payment_yuan: Floats
    loan_rate: Floats  # a month
    missed: Floats  # payments of that loan, in a row
    missed_other: Floats
    refusing: Bools  # to pay the loan, though the firm could
    called_yuan: Floats  # guarantees called, to be paid in the month to come
    defaulted: Bools


@dataclass(frozen=True, slots=True)
class Flows(Table):
    """What moved in a month; all (n_firms,), yuan unless said."""

    sales: Floats
    invoiced: Floats
    collected: Floats
    late_shortfall: Floats
    purchases: Floats
    wages: Floats
    operating_paid: Floats
    service_due: Floats
    service_paid: Floats
    tax_due: Floats
    tax_paid: Floats
    social_due: Floats
    social_paid: Floats
    loan_received: Floats
    loan_sunk: Floats
    sudden_loss: Floats
    called: Floats
    owner_drawn: Floats
    owner_added: Floats
