"""The audit of a ledger: every chain of the ledger itself and of what is kept beside it."""

from collections.abc import Iterable

from msgspec.structs import replace

from service.chain import Head, Verification
from service.ledger import ledger_beside, verify
from service.store import NoLedger

BESIDE = ("erasures", "desk", "desk.erasures", "consents", "consents.erasures")
"""What was erased, what people add, what applicants allowed; a name is beside the one before its
point."""


def beside(url: str, name: str) -> str:
    """The URL of one of them."""
    for part in name.split("."):
        url = ledger_beside(url, part)
    return url


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
            found[name] = verify(beside(url, name))
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
