"""The audit of a ledger: every chain of the ledger itself and of what is kept beside it."""

from collections.abc import Iterable

from msgspec.structs import replace

from service.chain import Head, Verification
from service.ledger import ledger_beside, verify
from service.store import NoLedger

BESIDE = ("desk", "consents")
"""Ledgers kept beside the decisions: what people add, what applicants allowed."""


def audit(
    url: str, expected_head: str | None = None, noted: Iterable[Head] = ()
) -> dict[str, Verification]:
    """Walk the decisions and whatever is beside them; name -> what was found.

    `expected_head` and `noted` are heads of the decisions, as for `verify`. Raises
    LedgerUnavailable when there is no ledger to walk.
    """
    found = {"decisions": verify(url, expected_head, noted)}
    for name in BESIDE:
        try:
            found[name] = verify(ledger_beside(url, name))
        except NoLedger:
            continue
    return found


def in_one(found: dict[str, Verification]) -> Verification:
    """What an audit found of the decisions; broken, too, where only what is beside them is."""
    decisions = found["decisions"]
    for name, one in found.items():
        if decisions.ok and not one.ok:
            return replace(one, what=f"{name}: {one.what}")
    return decisions
