"""The swaps beside a ledger: what was changed while decisions went on, by whom, in order, verified.

They are numbered events of a ledger of their own. Servers that share one take each number once,
whoever is first, so the numbers are the order.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from service.archive import Archive, ArchiveError
from service.chain import Verification
from service.decide import Versions
from service.ledger import Ledger, LedgerDamaged, ledger_beside, open_ledger, verify
from service.store import NoLedger

SWAPS = "swaps"
Kind = Literal["swap", "rollback", "settings"]
_Name = Annotated[str, Meta(max_length=100)]
_Said = Annotated[str, Meta(max_length=500)]


class Wanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to swap in: of each part its name in the folder of releases, or a version kept before.

    A part left out stays. With `after` only if that is still the number of the latest swap.
    """

    scorecard: _Name | None = None
    policy: _Name | None = None
    catalogue: _Name | None = None
    said: _Said = ""
    after: int | None = None


class Back(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A roll-back, and why; with `after` only if that is still the number of the latest swap."""

    said: _Said = ""
    after: int | None = None


class Swap(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change of what decides; `settings` is what the settings of that server named.

    `by` is a key's number, a token's subject, `open door`, or `settings` for settings that had
    changed when a server started.
    """

    number: int
    kind: Kind
    at: datetime
    by: str
    before: Versions
    versions: Versions
    settings: Versions
    said: str = ""


class Live(Struct, frozen=True, kw_only=True):
    """What decides now, since when, by whom, and what a roll-back would bring back.

    `parity_rows` is how many rows the scorecard was checked on; none for one of before there were
    samples. `behind` says why a swap of another server could not be followed. `swaps` are the
    latest, newest first.
    """

    versions: Versions
    number: int
    kind: str
    since: datetime
    by: str
    before: Versions | None
    parity_rows: int
    behind: str | None
    swaps: list[Swap]


class Checked(Struct, frozen=True):
    """What walking the swaps found: the chain, and the first thing that is wrong besides."""

    chain: Verification
    what: str | None


def check(url: str) -> Checked | None:
    """Walk the swaps beside a ledger, one following the other, their files as they decided.

    None when nothing was ever swapped. Raises LedgerUnavailable.
    """
    beside, archive = ledger_beside(url, SWAPS), Archive.beside(url)
    try:
        with open_ledger(beside, read_only=True) as events:
            if not events.count():
                return None
            chain = verify(beside)
            if not chain.ok:
                return Checked(chain, None)
            archive.fetch()
            swaps = list(in_order(events))
            if len(swaps) != chain.records:
                return Checked(chain, f"swap {len(swaps) + 1} is missing")
    except NoLedger:
        return None
    try:
        for nth, swap in enumerate(swaps):
            if nth and swap.before != swaps[nth - 1].versions:
                return Checked(chain, f"swap {swap.number} does not follow the one before")
            archive.check(swap.versions)
    except ArchiveError as error:
        return Checked(chain, str(error))
    return Checked(chain, None)


def in_order(events: Ledger, after: int = 0) -> Iterator[Swap]:
    """The swaps after a number, whichever server made them."""
    while record := events.get(named(after + 1)):
        after += 1
        swap = msgspec.json.decode(record.request, type=Swap)
        if swap.number != after:
            raise LedgerDamaged(f"swap {after}: the record says {swap.number}")
        yield swap


def trail_of(swaps: Sequence[Swap]) -> list[Versions]:
    """What decided, oldest first, without what was rolled back; the last decides now."""
    trail = [swaps[0].before] if swaps else []
    for swap in swaps:
        if swap.kind == "rollback":
            trail.pop()
        else:
            trail.append(swap.versions)
    return trail


def named(number: int) -> str:
    """What a swap is recorded under."""
    return f"swap-{number:09d}"
