"""Scorecard, policy and catalogue changed while decisions go on, and changed back.

What decides now is one attribute: a decision takes all three from it once, so none is made with a
mixture. A new set is read, compiled, checked, kept in the archive and recorded before it decides.
Swaps are numbered events of a ledger beside the decisions; servers that share one read along, and
number n is taken by only one of them.
"""

import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model.artifact import CARD, PARITY, load_card, sha256
from model.table import ScorecardError
from service.archive import Archive, ArchiveError
from service.body import answer, read
from service.catalogue import CatalogueError
from service.day import today
from service.decide import Engine, Versions
from service.ledger import DuplicateDecision, Ledger, ledger_beside, open_ledger
from service.policy import PolicyError
from service.problem import FieldError, Problem
from service.scores import Scores
from service.store import is_postgres
from service.swaps import SWAPS, Back, Kind, Live, Swap, Wanted, in_order, named, trail_of

log = logging.getLogger("yidaitong")
FOLLOW_S = 1.0
"""How often servers that share a ledger look for a swap that another one made."""
MOST_WAIT_S, MOST_TOLD = 10.0, 20
SWITCH_S = 0.0002
"""How long compiling holds the interpreter, in seconds, while a decision waits for it."""
Part = Literal["scorecard", "policy", "catalogue"]
PARTS: tuple[Part, ...] = ("scorecard", "policy", "catalogue")
_PLAIN = re.compile(r"\w[\w.-]*")
_OF = {ScorecardError: "scorecard", PolicyError: "policy", CatalogueError: "catalogue"}


@dataclass(frozen=True)
class InForce:
    """What answers by the versions in force: engine, scores, and the files they were made of."""

    engine: Engine
    scores: Scores
    scorecard: Path
    policy: Path
    catalogue: Path
    about: bytes
    parity_rows: int

    @classmethod
    def of(cls, engine: Engine, archive: Archive) -> "InForce":
        """What answers by an engine; raises ArchiveError unless its files are kept unchanged."""
        archive.check(engine.versions)
        scorecard, policy, catalogue = archive.paths(engine.versions)
        rows = 0
        if PARITY in load_card(scorecard).hashes:
            rows = len(msgspec.json.decode((scorecard / PARITY).read_bytes())["rows"])
        return cls(
            engine, Scores(engine.scorer.card, engine.versions.scorecard), scorecard, policy,
            catalogue, (scorecard / CARD).read_bytes(), rows,
        )  # fmt: skip


class Swaps:
    """Holds what decides now, and changes it; `now` is replaced whole, never altered."""

    def __init__(
        self, settings: Engine, events: Ledger, archive: Archive, releases: Path, *, shared: bool
    ) -> None:
        """Come up with the latest word: the latest swap, or settings that changed since.

        The settings' files must be kept already. Raises ArchiveError when what was swapped in is
        not kept as it was.
        """
        self._events, self._archive, self._releases = events, archive, releases
        self._settings, self._began = settings.versions, datetime.now(UTC)
        self._changing, self._closing = threading.Lock(), threading.Event()
        self._behind: str | None = None
        self._swaps = list(in_order(events))
        self.now = InForce.of(settings, archive)
        if self._swaps and self._swaps[-1].settings != self._settings:
            try:
                self._record("settings", self._swaps[-1].versions, self._settings, "settings", "")
            except DuplicateDecision:  # another server started with the same change
                self._swaps = list(in_order(events))
        if self._swaps:
            last = self._swaps[-1]
            if last.versions != self._settings:
                log.warning(
                    "decides with what swap %d by %s on %s brought in, not with what the settings "
                    "name: %s", last.number, last.by, f"{last.at:%F %T} UTC", _short(last.versions),
                )  # fmt: skip
                self.now = self._compiled(last.versions)
        self._follower: threading.Thread | None = None
        if shared:
            self._follower = threading.Thread(target=self._follow, name="swaps", daemon=True)
            self._follower.start()

    @classmethod
    def beside(cls, url: str, settings: Engine, archive: Archive, releases: Path) -> "Swaps":
        """The swaps whose events are kept beside a ledger; raises LedgerUnavailable."""
        events = open_ledger(ledger_beside(url, SWAPS))
        try:
            return cls(settings, events, archive, releases, shared=is_postgres(url))
        except BaseException:
            events.close()
            raise

    def close(self) -> None:
        """Stop following and close the file of events."""
        self._closing.set()
        if self._follower is not None:
            self._follower.join()
        self._events.close()

    def live(self) -> Live:
        """What decides now, and how it came about."""
        swaps, versions = self._swaps, self.now.engine.versions
        last = swaps[-1] if swaps else None
        trail = trail_of(swaps)
        return Live(
            versions=versions,
            number=last.number if last else 0,
            kind=last.kind if last else "settings",
            since=last.at if last else self._began,
            by=last.by if last else "settings",
            before=trail[-2] if len(trail) > 1 else None,
            parity_rows=self.now.parity_rows,
            behind=self._behind,
            swaps=swaps[: -MOST_TOLD - 1 : -1],
        )

    def swap(self, wanted: Wanted, by: str) -> Swap | None:
        """Bring in what is wanted; None when all of it decides already. Raises Problem.

        Until it is recorded nothing has changed, and afterwards every new decision is made with it.
        """
        with self._alone(wanted.after):
            before = self.now.engine.versions
            sources = self._sources(wanted, before)
            try:
                found = Engine.load(*sources)
                if wanted.policy is not None:
                    _lint(sources[1], wanted.policy)
                self._archive.keep(found.versions, *sources)
                brought = InForce.of(found, self._archive)
            except (ValueError, RuntimeError, OSError) as error:
                raise _refused(error, wanted) from None
            if found.versions == before:
                return None
            return self._bring_in("swap", brought, by, wanted.said)

    def rollback(self, back: Back, by: str) -> Swap:
        """Bring back what decided before the latest swap not yet rolled back. Raises Problem."""
        with self._alone(back.after):
            trail = trail_of(self._swaps)
            if len(trail) < 2:
                said = "Nothing was swapped in that is not rolled back already."
                raise Problem("nothing-to-roll-back", 409, said)
            try:
                brought = self._compiled(trail[-2])
            except (ValueError, RuntimeError, OSError) as error:
                raise _refused(error, Wanted()) from None
            return self._bring_in("rollback", brought, by, back.said)

    def _bring_in(self, kind: Kind, brought: InForce, by: str, said: str) -> Swap:
        versions = brought.engine.versions
        try:
            swap = self._record(kind, self.now.engine.versions, versions, by, said)
        except DuplicateDecision:
            said = "Another server swapped at the same moment; look at GET /v1/versions."
            raise Problem("swapped-meanwhile", 409, said) from None
        self.now = brought
        log.warning("%s %d: decides with %s", kind, swap.number, _short(versions))
        return swap

    def _compiled(self, versions: Versions) -> InForce:
        """What answers by some versions, read from the archive."""
        with _gently():
            found = self._archive.load(versions)
        if found is None:
            raise ArchiveError(
                f"{self._archive.folder}: does not hold {_short(versions)}; expected every version "
                "that decided: restore it there"
            )
        return InForce.of(found, self._archive)

    def _record(
        self,
        kind: Kind,
        before: Versions,
        versions: Versions,
        by: str,
        said: str,
    ) -> Swap:
        """Make a swap durable under the next number; raises DuplicateDecision when it is taken."""
        swap = Swap(
            number=len(self._swaps) + 1, kind=kind, at=datetime.now(UTC), by=by, before=before,
            versions=versions, settings=self._settings, said=said.strip(),
        )  # fmt: skip
        self._events.append_sync(named(swap.number), msgspec.json.encode(swap), b"{}")
        self._swaps = [*self._swaps, swap]
        return swap

    def _sources(self, wanted: Wanted, before: Versions) -> tuple[Path, Path, Path]:
        """The folder of the scorecard and the files of policy and catalogue that are wanted."""
        kept = dict(zip(PARTS, self._archive.paths(before), strict=True))
        for part in PARTS:
            name: str | None = getattr(wanted, part)
            if name is None:
                continue
            if _is_version(name):
                kept[part] = self._kept(part, name, before)
            else:
                kept[part] = self._released(part, name)
        return kept["scorecard"], kept["policy"], kept["catalogue"]

    def _kept(self, part: Part, version: str, before: Versions) -> Path:
        asked = msgspec.structs.replace(before, **{part: version})
        path = dict(zip(PARTS, self._archive.paths(asked), strict=True))[part]
        if not path.exists():
            self._archive.fetch()
        if not path.exists():
            raise _wrong(part, version, f"a version that decided, kept in {self._archive.folder}")
        file = path / "scorecard.json" if part == "scorecard" else path
        found = sha256(file.read_bytes())[:16] if file.is_file() else "no file"
        if found != version:
            raise _wrong(part, version, f"the file kept under it unchanged; its hash is {found}")
        return path

    def _released(self, part: Part, name: str) -> Path:
        if not _PLAIN.fullmatch(name):
            raise _wrong(part, name, f"the plain name of something in {self._releases}, no path")
        root, is_folder = self._releases.resolve(), part == "scorecard"
        path = (root / name).resolve()
        there = path.is_dir() if is_folder else path.is_file()
        if not there or root not in path.parents:
            listed = sorted(one.name for one in root.iterdir()) if root.is_dir() else []
            what = "folder of a scorecard" if is_folder else "file"
            told = ", ".join(listed[:MOST_TOLD]) or "nothing"
            expected = f"a {what} in {self._releases}, which holds {told}; or a version kept"
            raise _wrong(part, name, expected)
        return path

    @contextmanager
    def _alone(self, after: int | None) -> Iterator[None]:
        """One change at a time, and only upon the latest there is."""
        if not self._changing.acquire(timeout=MOST_WAIT_S):
            raise Problem("busy", 409, "Another swap is under way; try again when it is done.")
        try:
            try:
                self._catch_up()
            except (ValueError, RuntimeError, OSError) as error:
                said = f"A swap of another server cannot be followed here: {error}"
                raise Problem("behind", 409, said) from None
            if after is not None and after != len(self._swaps):
                latest = f"{len(self._swaps)}, the number of the latest swap"
                raise _wrong("after", after, latest, 409)
            with _gently():
                yield
        finally:
            self._changing.release()

    def _catch_up(self) -> None:
        """Bring in what other servers swapped since; only the last of it is compiled."""
        new = list(in_order(self._events, len(self._swaps)))
        if not new and self._behind is None:
            return
        swaps = [*self._swaps, *new]
        self._swaps = swaps
        try:
            self.now = self._compiled(swaps[-1].versions)
            self._behind = None
        except (ValueError, RuntimeError, OSError) as error:
            self._behind = f"swap {swaps[-1].number}: {error}"
            raise

    def _follow(self) -> None:
        told, wait_s = "", FOLLOW_S
        while not self._closing.wait(wait_s):
            try:
                with self._changing:
                    self._catch_up()
                told, wait_s = "", FOLLOW_S
            except Exception as error:  # a database that is away, a file that does not fit
                if str(error) != told:
                    log.error("swaps cannot be followed, decides as before: %s", error)
                told, wait_s = str(error), 10 * FOLLOW_S


def routes(swaps: Swaps) -> list[Route]:
    """What decides now, another set brought in, and the one before brought back."""

    async def live(_: Request) -> Response:
        return answer(swaps.live())

    async def swap(request: Request) -> Response:
        wanted: Wanted = await read(request, Wanted)
        made = await run_in_threadpool(swaps.swap, wanted, _caller(request))
        return answer(swaps.live()) if made is None else answer(made, 201)

    async def rollback(request: Request) -> Response:
        back: Back = await read(request, Back)
        return answer(await run_in_threadpool(swaps.rollback, back, _caller(request)), 201)

    return [
        Route("/v1/versions", live, methods=["GET"]),
        Route("/v1/swaps", swap, methods=["POST"]),
        Route("/v1/rollbacks", rollback, methods=["POST"]),
    ]


def _caller(request: Request) -> str:
    return str(request.scope.get("caller", "open door"))


@contextmanager
def _gently() -> Iterator[None]:
    """Let decisions take their turn sooner while a set is compiled beside them."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(min(usual_s, SWITCH_S))
    try:
        yield
    finally:
        sys.setswitchinterval(usual_s)


def _is_version(name: str) -> bool:
    return len(name) == 16 and not set(name) - set("0123456789abcdef")


def _lint(path: Path, name: str) -> None:
    """Refuse a policy in which the linter finds a mistake, naming each."""
    from service.linter import lint

    findings = lint(path, today())
    if findings:
        errors = [
            FieldError(
                field="policy", value=f"{name}:{one.line}: {one.code}: {one.said}",
                expected=one.todo,
            )
            for one in findings[:MOST_TOLD]
        ]  # fmt: skip
        many = f"{len(findings)} mistake{'s' * (len(findings) != 1)}"
        said = f"policy: {name}: the linter finds {many}, expected none."
        raise Problem("artefact-refused", 422, said, errors)


def _refused(error: Exception, wanted: Wanted) -> Problem:
    part = next((part for kind, part in _OF.items() if isinstance(error, kind)), "versions")
    name = getattr(wanted, part, None)
    expected = {
        "scorecard": "a scorecard for credit files whose hash, schema and parity sample fit",
        "policy": "a policy that `yidaitong policy check` finds nothing in",
        "catalogue": "a catalogue of institutions and products as packaged",
    }.get(part, "files kept exactly as they decided")
    errors = [FieldError(field=part, value=name, expected=expected)]
    return Problem("artefact-refused", 422, f"{part}: {error}", errors)


def _wrong(field: str, value: object, expected: str, status: int = 422) -> Problem:
    errors = [FieldError(field=field, value=value, expected=expected)]
    kind = "artefact-refused" if status == 422 else "swapped-meanwhile"
    return Problem(kind, status, f"{field}: got {value!r}, expected {expected}.", errors)


def _short(versions: Versions) -> str:
    return ", ".join(f"{part} {getattr(versions, part)}" for part in PARTS)
